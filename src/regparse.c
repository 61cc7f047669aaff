/*-------------------------------------------------------------------------
 *
 * regparse.c
 *	  Reading the registry file as bytes; see regfile.h for the format.
 *
 * The decoder believes nothing: a file that is torn, cut, edited or of another
 * format is refused as a whole, with the line and the cause.  Callers decode
 * twice, first without a sink to learn whether the file is good, then to
 * learn what is in it.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "optable.h"
#include "pairs.h"
#include "printable.h"
#include "regfile.h"

/* A line taken apart: fields are terminated within buf. */
typedef struct OctRegLine
{
	int			nfields;
	char	   *fields[OCT_REGFILE_MAX_FIELDS];
	char		buf[OCT_REGFILE_LINE_SIZE];
} OctRegLine;

typedef struct OctRegDecoder
{
	const char *at;
	const char *end;
	uint32		nlines;			/* read so far */
	OctRegLine	line;			/* the last one */
	OctRegError *error;
} OctRegDecoder;


static bool
refuse(OctRegDecoder *decoder, const char *cause)
{
	decoder->error->line = decoder->nlines;
	decoder->error->cause = cause;
	return false;
}

/* The character that an escape stands for; 0 if there is no such escape. */
static char
unescape(char c)
{
	switch (c)
	{
		case 't':
			return '\t';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case '\\':
			return '\\';
		default:
			return '\0';
	}
}

/* Reads the next line into decoder->line. */
static bool
read_line(OctRegDecoder *decoder)
{
	OctRegLine *line = &decoder->line;
	const char *end = memchr(decoder->at, '\n', decoder->end - decoder->at);
	char	   *to = line->buf;

	decoder->nlines++;
	if (end == NULL)
		return refuse(decoder, "the file ends within a line");
	if (end - decoder->at >= OCT_REGFILE_LINE_SIZE)
		return refuse(decoder, "the line is too long");

	line->fields[0] = to;
	line->nfields = 1;
	for (const char *p = decoder->at; p < end; p++)
	{
		if (*p == '\0' || *p == '\r')
			return refuse(decoder, "the line contains a byte that has no place there");
		if (*p == '\t')
		{
			if (line->nfields == OCT_REGFILE_MAX_FIELDS)
				return refuse(decoder, "the line has too many fields");
			*to++ = '\0';
			line->fields[line->nfields++] = to;
		}
		else if (*p == '\\')
		{
			*to = ++p < end ? unescape(*p) : '\0';
			if (*to++ == '\0')
				return refuse(decoder, "the line contains an invalid escape");
		}
		else
			*to++ = *p;
	}
	*to = '\0';
	decoder->at = end + 1;
	return true;
}

static bool
is_record(const OctRegDecoder *decoder, const char *keyword, int nfields)
{
	return decoder->line.nfields == nfields &&
		strcmp(decoder->line.fields[0], keyword) == 0;
}

/* The same for a record that pairs may follow. */
static bool
is_record_with_pairs(const OctRegDecoder *decoder, const char *keyword)
{
	return decoder->line.nfields >= OCT_REGFILE_FIELDS &&
		strcmp(decoder->line.fields[0], keyword) == 0;
}

/* Reads a number in the one form in which it is written. */
static bool
parse_number(const char *string, uint64 max, uint64 *number)
{
	*number = 0;
	if (*string == '\0' || (*string == '0' && string[1] != '\0'))
		return false;
	for (; *string != '\0'; string++)
	{
		uint64		digit = (uint64) (*string - '0');

		if (*string < '0' || *string > '9' || *number > (max - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return true;
}

/* Reads a CRC, in the one form in which it is written. */
static bool
parse_crc(const char *string, pg_crc32c *crc)
{
	static const char digits[] = "0123456789abcdef";

	*crc = 0;
	if (strlen(string) != 8)
		return false;
	for (; *string != '\0'; string++)
	{
		const char *digit = strchr(digits, *string);

		if (digit == NULL)
			return false;
		*crc = *crc << 4 | (pg_crc32c) (digit - digits);
	}
	return true;
}

/* Reads a line of a keyword and one number. */
static bool
read_number_line(OctRegDecoder *decoder, const char *keyword, uint64 *number)
{
	if (!read_line(decoder))
		return false;
	if (!is_record(decoder, keyword, 2) ||
		!parse_number(decoder->line.fields[1], PG_UINT64_MAX, number))
		return refuse(decoder, "the header is not valid");
	return true;
}

static bool
read_header(OctRegDecoder *decoder, OctRegHeader *header)
{
	const OctRegLine *line = &decoder->line;
	uint64		format;
	uint64		ngroups;
	uint64		nnodes;

	if (decoder->at == decoder->end)
		return refuse(decoder, "the file is empty");
	if (!read_number_line(decoder, OCT_REGFILE_MAGIC, &format))
		return refuse(decoder, "the file is no registry of octopus_fdw");
	if (format != OCT_REGFILE_FORMAT)
		return refuse(decoder, "the file has a format that this version does not know");
	if (!read_number_line(decoder, "system", &header->system_identifier) ||
		!read_number_line(decoder, "serial", &header->serial) ||
		!read_number_line(decoder, "xid", &header->full_xid) ||
		!read_line(decoder))
		return false;
	header->has_predecessor = is_record(decoder, "follows", 3);
	if (header->has_predecessor)
	{
		if (!parse_number(line->fields[1], PG_UINT64_MAX, &header->predecessor.serial) ||
			!parse_crc(line->fields[2], &header->predecessor.crc))
			return refuse(decoder, "the header is not valid");
		if (!read_line(decoder))
			return false;
	}
	if (!is_record(decoder, "counts", 3) ||
		!parse_number(line->fields[1], PG_INT32_MAX, &ngroups) ||
		!parse_number(line->fields[2], PG_INT32_MAX, &nnodes))
		return refuse(decoder, "the header is not valid");
	header->ngroups = (uint32) ngroups;
	header->nnodes = (uint32) nnodes;
	return true;
}

static bool
parse_name(const char *string, char *name)
{
	if (*string == '\0' || strlen(string) >= NAMEDATALEN)
		return false;
	memcpy(name, string, strlen(string));
	return true;
}

static bool
parse_group(const OctRegLine *line, OctGroup *group)
{
	uint64		dboid;
	uint64		serverid;

	memset(group, 0, offsetof(OctGroup, policy));
	group->policy.size = 0;
	if (!parse_number(line->fields[1], PG_UINT32_MAX, &dboid) ||
		!parse_name(line->fields[2], group->dbname) ||
		!parse_number(line->fields[3], PG_UINT32_MAX, &serverid) ||
		!parse_name(line->fields[4], group->server_name))
		return false;
	group->key.dboid = (Oid) dboid;
	group->key.serverid = (Oid) serverid;
	for (int i = OCT_REGFILE_FIELDS; i < line->nfields; i++)
	{
		if (!oct_pairs_add_pair(&group->policy, line->fields[i]))
			return false;
	}
	return OidIsValid(group->key.serverid);
}

static bool
parse_hostaddr(const char *value, OctNodeOptions *options)
{
	size_t		len = strlen(value);

	if (len == 0 || len >= OCT_ADDRESS_SIZE || !oct_is_printable_ascii(value))
		return false;
	memcpy(options->hostaddr, value, len);
	return true;
}

/*
 * Reads what a node says itself, which it says once and in a fixed order: a
 * registry can be written in one way only.
 */
static bool
parse_node_pairs(const OctRegLine *line, OctNodeOptions *options)
{
	int			field = OCT_REGFILE_FIELDS;
	const OctOption *option;

	if (field < line->nfields &&
		oct_pair_has_key(line->fields[field], OCT_REGFILE_HOSTADDR) &&
		!parse_hostaddr(oct_pair_value(line->fields[field++]), options))
		return false;
	for (int i = 0; (option = oct_optable_get(i)) != NULL; i++)
	{
		if (field < line->nfields && option->per_node &&
			oct_pair_has_key(line->fields[field], option->name) &&
			!oct_optable_parse(option, oct_pair_value(line->fields[field++]),
							   oct_optable_field(&options->policy, option)))
			return false;
	}
	return field == line->nfields;
}

static bool
parse_node(const OctRegLine *line, OctNodeSpec *spec)
{
	OctNodeOptions *options = &spec->options;
	size_t		len = strlen(line->fields[1]);
	uint64		port;
	uint64		registered_at;

	if (len == 0 || len >= OCT_NAME_SIZE ||
		!oct_is_printable_ascii(line->fields[1]) ||
		!parse_number(line->fields[2], OCT_PORT_MAX, &port) ||
		port < OCT_PORT_MIN ||
		!parse_number(line->fields[3], PG_INT64_MAX, &registered_at) ||
		strlen(line->fields[4]) >= NAMEDATALEN)
		return false;
	memset(spec, 0, sizeof(OctNodeSpec));
	memcpy(spec->name, line->fields[1], len);
	spec->port = (int32) port;
	options->registered_at = (int64) registered_at;
	memcpy(options->registered_by, line->fields[4], strlen(line->fields[4]));
	oct_optable_set_inherit(&options->policy);
	return parse_node_pairs(line, options);
}

/* Reads groups and nodes up to the trailer, which is then the last line. */
static bool
read_body(OctRegDecoder *decoder, const OctRegHeader *header,
		  const OctRegSink *sink)
{
	uint32		ngroups = 0;
	uint32		nnodes = 0;

	for (;;)
	{
		OctGroup	group;
		OctNodeSpec spec;

		if (!read_line(decoder))
			return false;
		if (is_record(decoder, "end", 3))
			break;
		if (is_record_with_pairs(decoder, "group"))
		{
			if (!parse_group(&decoder->line, &group))
				return refuse(decoder, "the group is not valid");
			ngroups++;
			if (sink != NULL)
				sink->group(sink->arg, &group);
		}
		else if (is_record_with_pairs(decoder, "node"))
		{
			if (ngroups == 0 || !parse_node(&decoder->line, &spec))
				return refuse(decoder, "the node is not valid");
			nnodes++;
			if (sink != NULL)
				sink->node(sink->arg, &spec);
		}
		else
			return refuse(decoder, "the line is no record");
	}
	if (ngroups != header->ngroups || nnodes != header->nnodes)
		return refuse(decoder, "the file has not the number of records that its header says");
	return true;
}

/* Is the trailer, just read, true of the bytes before it?  Tells its CRC. */
static bool
check_end(OctRegDecoder *decoder, const char *data, size_t body_size, pg_crc32c *crc)
{
	pg_crc32c	said;
	uint64		nlines;

	INIT_CRC32C(*crc);
	COMP_CRC32C(*crc, data, body_size);
	FIN_CRC32C(*crc);

	if (!parse_number(decoder->line.fields[1], PG_UINT32_MAX, &nlines) ||
		nlines != decoder->nlines - 1)
		return refuse(decoder, "the file has not the number of lines that its last line says");
	if (!parse_crc(decoder->line.fields[2], &said) || said != *crc)
		return refuse(decoder, "the checksum does not match");
	if (decoder->at != decoder->end)
		return refuse(decoder, "the file goes on behind its last line");
	return true;
}

/*
 * Decodes a whole file.  Tells the sink, unless it is NULL, what is in it; the
 * trailer is checked last, so a sink must have been preceded by a decoding
 * without one.  Returns false, with the error, if the file is not valid; what its
 * header says is told all the same, as far as that can be read as one: the serial
 * number is 0 if not.
 */
bool
oct_regfile_decode(const char *data, size_t size, OctRegHeader *header,
				   const OctRegSink *sink, OctRegError *error)
{
	OctRegDecoder decoder = {.at = data,.end = data + size,.error = error};
	const char *last_line;

	memset(header, 0, sizeof(OctRegHeader));
	if (!read_header(&decoder, header))
	{
		memset(header, 0, sizeof(OctRegHeader));
		return false;
	}
	if (!read_body(&decoder, header, sink))
		return false;

	last_line = decoder.at - 1;
	while (last_line > data && last_line[-1] != '\n')
		last_line--;
	return check_end(&decoder, data, last_line - data, &header->crc);
}

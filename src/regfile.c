/*-------------------------------------------------------------------------
 *
 * regfile.c
 *	  Writing the registry file as bytes; see regfile.h for the format.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "optable.h"
#include "pairs.h"
#include "regfile.h"

/* the digits of a number at most */
#define OCT_DIGITS_SIZE	20

/*
 * A line being made.  The longest one, a group's, has two names and a policy,
 * each byte of which may be escaped, so all fit.
 */
typedef struct OctLine
{
	char	   *end;
	char		bytes[OCT_REGFILE_LINE_SIZE];
} OctLine;

/* The letter after the backslash that a special character becomes, or 0. */
static const char escapes[256] = {
	['\\'] = '\\', ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r'
};

static void
begin_line(OctLine *line, const char *keyword)
{
	size_t		len = strlen(keyword);

	memcpy(line->bytes, keyword, len);
	line->end = line->bytes + len;
}

static void
put_text(OctLine *line, const char *field)
{
	char	   *to = line->end;

	*to++ = '\t';
	for (; *field != '\0'; field++)
	{
		char		escape = escapes[(unsigned char) *field];

		if (escape != 0)
			*to++ = '\\';
		*to++ = escape != 0 ? escape : *field;
	}
	line->end = to;
}

/* Twenty times as fast as snprintf: each node has two of them. */
static void
put_number(OctLine *line, uint64 number)
{
	char		digits[OCT_DIGITS_SIZE];
	char	   *at = digits + sizeof(digits);

	for (; number >= 100; number /= 100)
	{
		unsigned int pair = (unsigned int) (number % 100);

		*--at = '0' + pair % 10;
		*--at = '0' + pair / 10;
	}
	*--at = '0' + number % 10;
	if (number >= 10)
		*--at = '0' + number / 10;

	*line->end++ = '\t';
	memcpy(line->end, at, digits + sizeof(digits) - at);
	line->end += digits + sizeof(digits) - at;
}

static bool
end_line(OctRegEncoder *encoder, OctLine *line)
{
	size_t		size;

	*line->end++ = '\n';
	size = line->end - line->bytes;
	encoder->nlines++;
	COMP_CRC32C(encoder->crc, line->bytes, size);
	return encoder->write(encoder->arg, line->bytes, size);
}

static void
put_crc(OctLine *line, pg_crc32c crc)
{
	char		hex[12];

	snprintf(hex, sizeof(hex), "%08x", crc);
	put_text(line, hex);
}

static bool
put_number_line(OctRegEncoder *encoder, const char *keyword, uint64 number)
{
	OctLine		line;

	begin_line(&line, keyword);
	put_number(&line, number);
	return end_line(encoder, &line);
}

/*
 * Begins a file.  All put functions return false, and the file is not to be
 * used, as soon as "write" does.
 */
bool
oct_regfile_put_header(OctRegEncoder *encoder, OctRegWrite write, void *arg,
					   const OctRegHeader *header)
{
	OctLine		follows;
	OctLine		counts;

	encoder->write = write;
	encoder->arg = arg;
	encoder->nlines = 0;
	encoder->ngroups_left = header->ngroups;
	encoder->nnodes_left = header->nnodes;
	INIT_CRC32C(encoder->crc);

	begin_line(&follows, "follows");
	put_number(&follows, header->predecessor.serial);
	put_crc(&follows, header->predecessor.crc);
	begin_line(&counts, "counts");
	put_number(&counts, header->ngroups);
	put_number(&counts, header->nnodes);
	return put_number_line(encoder, OCT_REGFILE_MAGIC, OCT_REGFILE_FORMAT) &&
		put_number_line(encoder, "system", header->system_identifier) &&
		put_number_line(encoder, "serial", header->serial) &&
		put_number_line(encoder, "xid", header->full_xid) &&
		(!header->has_predecessor || end_line(encoder, &follows)) &&
		end_line(encoder, &counts);
}

/* Adds pairs to a line that has OCT_REGFILE_FIELDS; false if it gets too many. */
static bool
put_pairs(OctLine *line, const OctPairs *pairs)
{
	int			nfields = OCT_REGFILE_FIELDS;
	uint32		position = 0;
	const char *pair;

	while ((pair = oct_pairs_next(pairs, &position)) != NULL)
	{
		if (nfields++ == OCT_REGFILE_MAX_FIELDS)
			return false;
		put_text(line, pair);
	}
	return true;
}

/* Refuses, like the decoder, a group that has no names. */
bool
oct_regfile_put_group(OctRegEncoder *encoder, const OctGroup *group)
{
	OctLine		line;

	if (group->dbname[0] == '\0' || group->server_name[0] == '\0')
		return false;
	begin_line(&line, "group");
	put_number(&line, group->key.dboid);
	put_text(&line, group->dbname);
	put_number(&line, group->key.serverid);
	put_text(&line, group->server_name);
	if (!put_pairs(&line, &group->policy))
		return false;
	encoder->ngroups_left--;
	return end_line(encoder, &line);
}

/* What a node says itself, as pairs. */
static void
get_node_pairs(const OctNodeOptions *options, OctPairs *pairs)
{
	const OctOption *option;

	pairs->size = 0;
	if (options->hostaddr[0] != '\0')
		(void) oct_pairs_add(pairs, OCT_REGFILE_HOSTADDR, options->hostaddr);
	if (oct_optable_inherits_all(&options->policy))
		return;					/* as most do */
	for (int i = 0; (option = oct_optable_get(i)) != NULL; i++)
	{
		int			value = oct_optable_value(&options->policy, option);
		char		string[OCT_OPTION_TEXT_SIZE];

		if (value == OCT_INHERIT)
			continue;
		oct_optable_format(option, value, string);
		(void) oct_pairs_add(pairs, option->name, string);
	}
}

/* A node of the group put last. */
bool
oct_regfile_put_node(OctRegEncoder *encoder, const OctNodeSpec *spec)
{
	OctLine		line;
	OctPairs	pairs;

	begin_line(&line, "node");
	put_text(&line, spec->name);
	put_number(&line, spec->port);
	put_number(&line, Max(spec->options.registered_at, 0));
	put_text(&line, spec->options.registered_by);
	get_node_pairs(&spec->options, &pairs);
	if (!put_pairs(&line, &pairs))
		return false;
	encoder->nnodes_left--;
	return end_line(encoder, &line);
}

/*
 * Refuses to end a file that does not hold what its header says.  Tells its CRC.
 */
bool
oct_regfile_put_end(OctRegEncoder *encoder, pg_crc32c *crc)
{
	OctLine		line;

	if (encoder->ngroups_left != 0 || encoder->nnodes_left != 0)
		return false;
	*crc = encoder->crc;
	FIN_CRC32C(*crc);
	begin_line(&line, "end");
	put_number(&line, encoder->nlines);
	put_crc(&line, *crc);
	return end_line(encoder, &line);
}

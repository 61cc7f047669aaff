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

/* a number as text, its terminating zero included */
#define OCT_DIGITS_SIZE	24

/* Makes a number text, ten times as fast as snprintf: each node has two. */
static const char *
format_number(uint64 number, char *buf)
{
	char	   *at = &buf[OCT_DIGITS_SIZE - 1];

	*at = '\0';
	do
	{
		*--at = '0' + number % 10;
		number /= 10;
	} while (number > 0);
	return at;
}

/* The letter after the backslash that a special character becomes, or 0. */
static const char escapes[256] = {
	['\\'] = '\\', ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r'
};

/* Appends a field, preceded by a tab unless it is the first of its line. */
static char *
put_field(char *to, const char *field, bool first)
{
	if (!first)
		*to++ = '\t';
	for (; *field != '\0'; field++)
	{
		char		escape = escapes[(unsigned char) *field];

		if (escape != 0)
			*to++ = '\\';
		*to++ = escape != 0 ? escape : *field;
	}
	return to;
}

/*
 * Writes a line.  The longest one, a group's, has two names and a policy, each
 * byte of which may be escaped, so all fit OCT_REGFILE_LINE_SIZE.
 */
static bool
put_line(OctRegEncoder *encoder, const char *const *fields, int nfields)
{
	char		line[OCT_REGFILE_LINE_SIZE];
	char	   *to = line;

	for (int i = 0; i < nfields; i++)
		to = put_field(to, fields[i], i == 0);
	*to++ = '\n';

	encoder->nlines++;
	COMP_CRC32C(encoder->crc, line, to - line);
	return encoder->write(encoder->arg, line, to - line);
}

static bool
put_number_line(OctRegEncoder *encoder, const char *keyword, uint64 number)
{
	char		buf[OCT_DIGITS_SIZE];
	const char *fields[] = {keyword, format_number(number, buf)};

	return put_line(encoder, fields, 2);
}

/*
 * Begins a file.  All put functions return false, and the file is not to be
 * used, as soon as "write" does.
 */
bool
oct_regfile_put_header(OctRegEncoder *encoder, OctRegWrite write, void *arg,
					   const OctRegHeader *header)
{
	char		ngroups[12];
	char		nnodes[12];
	const char *counts[] = {"counts", ngroups, nnodes};

	encoder->write = write;
	encoder->arg = arg;
	encoder->nlines = 0;
	encoder->ngroups_left = header->ngroups;
	encoder->nnodes_left = header->nnodes;
	INIT_CRC32C(encoder->crc);

	snprintf(ngroups, sizeof(ngroups), "%u", header->ngroups);
	snprintf(nnodes, sizeof(nnodes), "%u", header->nnodes);
	return put_number_line(encoder, OCT_REGFILE_MAGIC, OCT_REGFILE_FORMAT) &&
		put_number_line(encoder, "system", header->system_identifier) &&
		put_number_line(encoder, "serial", header->serial) &&
		put_number_line(encoder, "xid", header->full_xid) &&
		put_line(encoder, counts, 3);
}

/* Refuses, like the decoder, a group that has no names. */
bool
oct_regfile_put_group(OctRegEncoder *encoder, const OctGroup *group)
{
	char		dboid[12];
	char		serverid[12];
	const char *fields[OCT_REGFILE_MAX_FIELDS] = {"group", dboid, group->dbname,
	serverid, group->server_name};
	int			nfields = OCT_REGFILE_FIELDS;
	uint32		position = 0;
	const char *pair;

	if (group->dbname[0] == '\0' || group->server_name[0] == '\0')
		return false;
	snprintf(dboid, sizeof(dboid), "%u", group->key.dboid);
	snprintf(serverid, sizeof(serverid), "%u", group->key.serverid);
	while ((pair = oct_pairs_next(&group->policy, &position)) != NULL)
	{
		if (nfields == OCT_REGFILE_MAX_FIELDS)
			return false;
		fields[nfields++] = pair;
	}
	encoder->ngroups_left--;
	return put_line(encoder, fields, nfields);
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
	char		port[OCT_DIGITS_SIZE];
	char		registered_at[OCT_DIGITS_SIZE];
	OctPairs	pairs;
	const char *fields[OCT_REGFILE_MAX_FIELDS];
	int			nfields = 0;
	uint32		position = 0;

	fields[nfields++] = "node";
	fields[nfields++] = spec->name;
	fields[nfields++] = format_number(spec->port, port);
	fields[nfields++] = format_number(Max(spec->options.registered_at, 0),
									  registered_at);
	fields[nfields++] = spec->options.registered_by;
	get_node_pairs(&spec->options, &pairs);
	while ((fields[nfields] = oct_pairs_next(&pairs, &position)) != NULL)
		nfields++;
	encoder->nnodes_left--;
	return put_line(encoder, fields, nfields);
}

/* Refuses to end a file that does not hold what its header says. */
bool
oct_regfile_put_end(OctRegEncoder *encoder)
{
	pg_crc32c	crc = encoder->crc;
	char		nlines[12];
	char		hex[12];
	const char *fields[] = {"end", nlines, hex};

	if (encoder->ngroups_left != 0 || encoder->nnodes_left != 0)
		return false;
	FIN_CRC32C(crc);
	snprintf(nlines, sizeof(nlines), "%u", encoder->nlines);
	snprintf(hex, sizeof(hex), "%08x", crc);
	return put_line(encoder, fields, 3);
}

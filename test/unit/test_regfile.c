/*-------------------------------------------------------------------------
 *
 * test_regfile.c
 *	  The registry file as bytes: what is written can be read, and nothing
 *	  else can.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "regfile.h"

#define MAX_BYTES	(1024 * 1024)
#define MAX_NODES	5000

#define HEADER(counts) \
	"octopus_fdw registry\t1\nsystem\t7\nserial\t3\nxid\t700\ncounts\t" counts "\n"
#define GROUP	"group\t5\tdb\t16385\toctopus\n"

/* a file, as it is written */
static char bytes[MAX_BYTES];
static size_t nbytes;

/* how many bytes the disk takes */
static size_t room = MAX_BYTES;

/* what a decoder told */
static OctGroup groups[16];
static OctNodeSpec nodes[MAX_NODES];
static int	node_groups[MAX_NODES];
static int	ngroups;
static int	nnodes;

static bool
store(void *arg, const char *more, size_t nmore)
{
	if (nbytes + nmore > room)
		return false;
	memcpy(bytes + nbytes, more, nmore);
	nbytes += nmore;
	return true;
}

static void
note_group(void *arg, const OctGroup *group)
{
	groups[ngroups++] = *group;
}

static void
note_node(void *arg, const OctNodeSpec *spec)
{
	node_groups[nnodes] = ngroups - 1;
	nodes[nnodes++] = *spec;
}

static const OctRegSink sink = {note_group, note_node, NULL};

/* Decodes from memory of just that size, so that reading too far is seen. */
static bool
decode(const char *data, size_t size, OctRegHeader *header, OctRegError *error)
{
	char	   *copy = malloc(size);
	bool		good;

	if (size > 0)
		memcpy(copy, data, size);
	ngroups = nnodes = 0;
	error->line = PG_UINT32_MAX;
	error->cause = NULL;
	good = oct_regfile_decode(copy, size, header, &sink, error);
	free(copy);
	assert_true(good == (error->cause == NULL));
	return good;
}

static OctGroup
make_group(Oid dboid, const char *dbname, Oid serverid, const char *server_name)
{
	OctGroup	group;

	memset(&group, 0, sizeof(group));
	group.key.dboid = dboid;
	group.key.serverid = serverid;
	memcpy(group.dbname, dbname, strlen(dbname));
	memcpy(group.server_name, server_name, strlen(server_name));
	return group;
}

static OctNodeSpec
make_node(const char *name, int port)
{
	OctNodeSpec spec;

	memset(&spec, 0, sizeof(spec));
	memcpy(spec.name, name, strlen(name));
	spec.port = port;
	return spec;
}

/* Writes a file of two groups with three nodes. */
static void
write_sample(void)
{
	OctRegEncoder encoder;
	OctRegHeader header = {PG_UINT64_MAX, 42, UINT64CONST(5000000000), 2, 3};
	OctGroup	one = make_group(5, "post\tgres\\", 16385, "a\nb\rc");
	OctGroup	other = make_group(PG_UINT32_MAX, "datenb\xc3\xa4nke", 1, "\\t");
	OctNodeSpec socket = make_node("/tmp/a \\dir", 1);
	OctNodeSpec host = make_node("127.0.0.1", 65535);

	nbytes = 0;
	assert_true(oct_regfile_put_header(&encoder, store, NULL, &header));
	assert_true(oct_regfile_put_group(&encoder, &one));
	assert_true(oct_regfile_put_node(&encoder, &socket));
	assert_true(oct_regfile_put_node(&encoder, &host));
	assert_true(oct_regfile_put_group(&encoder, &other));
	assert_true(oct_regfile_put_node(&encoder, &host));
	assert_true(oct_regfile_put_end(&encoder));
}


/* ---------- what is written can be read ---------- */

static void
what_is_written_is_read(void **state)
{
	OctRegHeader header;
	OctRegError error;

	write_sample();
	assert_true(decode(bytes, nbytes, &header, &error));
	assert_true(header.system_identifier == PG_UINT64_MAX);
	assert_true(header.serial == 42);
	assert_true(header.full_xid == UINT64CONST(5000000000));
	assert_int_equal(header.ngroups, 2);
	assert_int_equal(header.nnodes, 3);

	assert_int_equal(ngroups, 2);
	assert_int_equal(groups[0].key.dboid, 5);
	assert_int_equal(groups[0].key.serverid, 16385);
	assert_string_equal(groups[0].dbname, "post\tgres\\");
	assert_string_equal(groups[0].server_name, "a\nb\rc");
	assert_true(groups[1].key.dboid == PG_UINT32_MAX);
	assert_string_equal(groups[1].dbname, "datenb\xc3\xa4nke");
	assert_string_equal(groups[1].server_name, "\\t");

	assert_int_equal(nnodes, 3);
	assert_string_equal(nodes[0].name, "/tmp/a \\dir");
	assert_int_equal(nodes[0].port, 1);
	assert_int_equal(node_groups[1], 0);
	assert_string_equal(nodes[2].name, "127.0.0.1");
	assert_int_equal(nodes[2].port, 65535);
	assert_int_equal(node_groups[2], 1);
}

static void
it_reads_as_documented(void **state)
{
	write_sample();
	bytes[nbytes] = '\0';
	assert_non_null(strstr(bytes, "octopus_fdw registry\t1\n"
						   "system\t18446744073709551615\n"
						   "serial\t42\n"
						   "xid\t5000000000\n"
						   "counts\t2\t3\n"
						   "group\t5\tpost\\tgres\\\\\t16385\ta\\nb\\rc\n"
						   "node\t/tmp/a \\\\dir\t1\n"
						   "node\t127.0.0.1\t65535\n"
						   "group\t4294967295\tdatenb\xc3\xa4nke\t1\t\\\\t\n"
						   "node\t127.0.0.1\t65535\n"
						   "end\t10\t"));
}

static void
no_nodes_and_many(void **state)
{
	static const int counts[] = {0, 1, MAX_NODES};

	for (int i = 0; i < lengthof(counts); i++)
	{
		OctRegEncoder encoder;
		OctRegHeader header = {1, 1, 3, counts[i] > 0, counts[i]};
		OctGroup	group = make_group(5, "db", 16385, "server");
		OctRegError error;

		nbytes = 0;
		assert_true(oct_regfile_put_header(&encoder, store, NULL, &header));
		if (counts[i] > 0)
			assert_true(oct_regfile_put_group(&encoder, &group));
		for (int k = 0; k < counts[i]; k++)
		{
			OctNodeSpec node = make_node("127.0.0.1", k + 1);

			assert_true(oct_regfile_put_node(&encoder, &node));
		}
		assert_true(oct_regfile_put_end(&encoder));
		assert_true(decode(bytes, nbytes, &header, &error));
		assert_int_equal(nnodes, counts[i]);
		assert_int_equal(header.nnodes, counts[i]);
	}
}

/* Each byte of the longest names may be one that is escaped. */
static void
longest_names(void **state)
{
	OctRegEncoder encoder;
	OctRegHeader header = {PG_UINT64_MAX, PG_UINT64_MAX, PG_UINT64_MAX, 1, 1};
	OctGroup	group = {{PG_UINT32_MAX, PG_UINT32_MAX}};
	OctNodeSpec node = {65535};
	OctRegError error;

	memset(group.dbname, '\n', NAMEDATALEN - 1);
	memset(group.server_name, '\\', NAMEDATALEN - 1);
	memset(node.name, '\\', OCT_NAME_SIZE - 1);
	nbytes = 0;
	assert_true(oct_regfile_put_header(&encoder, store, NULL, &header));
	assert_true(oct_regfile_put_group(&encoder, &group));
	assert_true(oct_regfile_put_node(&encoder, &node));
	assert_true(oct_regfile_put_end(&encoder));
	assert_true(decode(bytes, nbytes, &header, &error));
	assert_memory_equal(&groups[0], &group, sizeof(group));
	assert_memory_equal(&nodes[0], &node, sizeof(node));
}

static void
a_full_disk_is_told(void **state)
{
	OctRegEncoder encoder;
	OctRegHeader header = {1, 1, 3, 1, 1};
	OctGroup	group = make_group(5, "db", 16385, "server");
	OctNodeSpec node = make_node("127.0.0.1", 5432);

	room = 0;
	while (nbytes = 0,
		   !oct_regfile_put_header(&encoder, store, NULL, &header) ||
		   !oct_regfile_put_group(&encoder, &group) ||
		   !oct_regfile_put_node(&encoder, &node) ||
		   !oct_regfile_put_end(&encoder))
		room++;
	assert_int_equal(room, nbytes);
	room = MAX_BYTES;
}


/* ---------- nothing else can ---------- */

static void
every_truncation_is_refused(void **state)
{
	OctRegHeader header;
	OctRegError error;

	write_sample();
	for (size_t size = 0; size < nbytes; size++)
		assert_false(decode(bytes, size, &header, &error));
}

static void
every_changed_byte_is_refused(void **state)
{
	OctRegHeader header;
	OctRegError error;

	write_sample();
	for (size_t i = 0; i < nbytes; i++)
	{
		for (int change = 1; change < 256; change++)
		{
			bytes[i] ^= change;
			assert_false(decode(bytes, nbytes, &header, &error));
			bytes[i] ^= change;
		}
	}
	assert_true(decode(bytes, nbytes, &header, &error));
}

static void
every_lost_or_doubled_line_is_refused(void **state)
{
	static char changed[MAX_BYTES];
	OctRegHeader header;
	OctRegError error;
	size_t		from;
	size_t		to;

	write_sample();
	for (from = 0; from < nbytes; from = to)
	{
		to = (const char *) memchr(bytes + from, '\n', nbytes - from) - bytes + 1;
		memcpy(changed, bytes, from);
		memcpy(changed + from, bytes + to, nbytes - to);
		assert_false(decode(changed, nbytes - (to - from), &header, &error));

		memcpy(changed, bytes, to);
		memcpy(changed + to, bytes + from, nbytes - from);
		assert_false(decode(changed, nbytes + (to - from), &header, &error));
	}
}

/* Puts a trailer that is true of the lines above under them. */
static void
seal(const char *lines, size_t size)
{
	pg_crc32c	crc;
	int			nlines = 0;

	memcpy(bytes, lines, size);
	for (size_t i = 0; i < size; i++)
		nlines += lines[i] == '\n';
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, bytes, size);
	FIN_CRC32C(crc);
	nbytes = size + snprintf(bytes + size, 100, "end\t%d\t%08x\n", nlines, crc);
}

static void
assert_refused(uint32 line, const char *cause)
{
	OctRegHeader header;
	OctRegError error;

	assert_false(decode(bytes, nbytes, &header, &error));
	assert_string_equal(error.cause, cause);
	assert_int_equal(error.line, line);
}

/* Files whose trailer is true, but who are wrong above. */
static void
wrong_files_are_refused(void **state)
{
	static const char no_registry[] = "the file is no registry of octopus_fdw";
	static const char no_header[] = "the header is not valid";
	static const char no_group[] = "the group is not valid";
	static const char no_node[] = "the node is not valid";
	static const char no_record[] = "the line is no record";
	static const char no_escape[] = "the line contains an invalid escape";
	static const char miscounted[] =
	"the file has not the number of records that its header says";
	static const struct
	{
		const char *lines;
		uint32		line;
		const char *cause;
	}			cases[] =
	{
		{"", 1, no_registry},
		{"\n", 1, no_registry},
		{"octopus_fdw registry\n", 1, no_registry},
		{"octopus_fdw registry\tone\n", 1, no_registry},
		{"octopus_fdw registry\t2\n", 1, "the file has a format that this version does not know"},
		{"octopus_fdw registry\t0\n", 1, "the file has a format that this version does not know"},
		{"octopus_fdw registry\t1\nserial\t1\n", 2, no_header},
		{"octopus_fdw registry\t1\nsystem\t01\n", 2, no_header},
		{"octopus_fdw registry\t1\nsystem\t-1\n", 2, no_header},
		{"octopus_fdw registry\t1\nsystem\t18446744073709551616\n", 2, no_header},
		{"octopus_fdw registry\t1\nsystem\t1\nserial\t1\t1\n", 3, no_header},
		{"octopus_fdw registry\t1\nsystem\t1\nserial\t1\nxid\t0x3\n", 4, no_header},
		{HEADER("0"), 5, no_header},
		{HEADER("0\t2147483648"), 5, no_header},
		{HEADER("4294967296\t0"), 5, no_header},
		{HEADER("1\t0"), 6, miscounted},
		{HEADER("0\t0") GROUP, 7, miscounted},
		{HEADER("1\t1") GROUP, 7, miscounted},
		{HEADER("1\t0") GROUP "node\ta\t1\n", 8, miscounted},
		{HEADER("0\t1") "node\ta\t1\n", 6, no_node},
		{HEADER("1\t1") GROUP "node\ta\t0\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\t65536\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\t4294967297\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\t01\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\t\t1\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\\tb\t1\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\t\xc3\xa4\t1\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\n", 7, no_record},
		{HEADER("1\t1") GROUP "node\ta\t1\t1\n", 7, no_record},
		{HEADER("1\t1") GROUP "knot\ta\t1\n", 7, no_record},
		{HEADER("1\t1") GROUP "\n", 7, no_record},
		{HEADER("1\t1") GROUP "node\ta\t1\r\n", 7, "the line contains a byte that has no place there"},
		{HEADER("1\t0") "group\t5\tdb\t16385\n", 6, no_record},
		{HEADER("1\t0") "group\t05\tdb\t16385\ts\n", 6, no_group},
		{HEADER("1\t0") "group\t5\tdb\t4294967296\ts\n", 6, no_group},
		{HEADER("1\t0") "group\t5\t\t16385\ts\n", 6, no_group},
		{HEADER("1\t0") "group\t5\tdb\t16385\t\n", 6, no_group},
		{HEADER("1\t0") "group\t5\tdb\t16385\t0123456789012345678901234567890123456789012345678901234567890123\n",
		6, no_group},
		{HEADER("1\t0") "group\t5\tdb\t16385\ts\t1\n", 6, "the line has too many fields"},
		{HEADER("1\t1") GROUP "node\ta\\b\t1\n", 7, no_escape},
		{HEADER("1\t1") GROUP "node\ta\t1\\\n", 7, no_escape},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		seal(cases[i].lines, strlen(cases[i].lines));
		assert_refused(cases[i].line, cases[i].cause);
	}
}

static void
wrong_trailers_are_refused(void **state)
{
	static const char body[] = HEADER("0\t0");
	static const char no_lines[] =
	"the file has not the number of lines that its last line says";
	static const char no_match[] = "the checksum does not match";
	static const struct
	{
		const char *trailer;
		const char *cause;
	}			cases[] =
	{
		{"", "the file ends within a line"},
		{"end\t5\t00000000", "the file ends within a line"},
		{"end\t4\t00000000\n", no_lines},
		{"end\t6\t00000000\n", no_lines},
		{"end\t05\t00000000\n", no_lines},
		{"end\t4294967301\t00000000\n", no_lines},
		{"end\t5\t00000000\n", no_match},
		{"end\t5\t\n", no_match},
		{"end\t5\n", "the line is no record"},
		{"end\t5\t00000000\t\n", "the line is no record"},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		nbytes = strlen(body) + strlen(cases[i].trailer);
		memcpy(bytes, body, strlen(body));
		memcpy(bytes + strlen(body), cases[i].trailer, strlen(cases[i].trailer));
		assert_refused(6, cases[i].cause);
	}

	seal(body, strlen(body));
	for (int i = 0; i < 2; i++)
	{
		bytes[nbytes++] = i == 0 ? '\n' : '\0';
		assert_refused(6, "the file goes on behind its last line");
		nbytes--;
	}
}

static void
wrong_lines_are_refused(void **state)
{
	static char lines[2 * OCT_REGFILE_LINE_SIZE];
	static const char start[] = HEADER("1\t1") GROUP;
	size_t		size = strlen(start);

	nbytes = 0;
	assert_refused(0, "the file is empty");

	memcpy(lines, start, size);
	memcpy(lines + size, "node\ta\0b\t1\n", 11);
	seal(lines, size + 11);
	assert_refused(7, "the line contains a byte that has no place there");

	/* a line of the most bytes that there may be, and of one more */
	memset(lines + size, 'x', OCT_REGFILE_LINE_SIZE);
	lines[size + OCT_REGFILE_LINE_SIZE - 1] = '\n';
	seal(lines, size + OCT_REGFILE_LINE_SIZE);
	assert_refused(7, "the line is no record");
	lines[size + OCT_REGFILE_LINE_SIZE - 1] = 'x';
	lines[size + OCT_REGFILE_LINE_SIZE] = '\n';
	seal(lines, size + OCT_REGFILE_LINE_SIZE + 1);
	assert_refused(7, "the line is too long");

	/* a node's name of one byte too many */
	memcpy(lines + size, "node\t", 5);
	memset(lines + size + 5, 'a', OCT_NAME_SIZE);
	memcpy(lines + size + 5 + OCT_NAME_SIZE, "\t1\n", 3);
	seal(lines, size + 5 + OCT_NAME_SIZE + 3);
	assert_refused(7, "the node is not valid");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(it_reads_as_documented),
		cmocka_unit_test(no_nodes_and_many),
		cmocka_unit_test(longest_names),
		cmocka_unit_test(a_full_disk_is_told),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(every_lost_or_doubled_line_is_refused),
		cmocka_unit_test(wrong_files_are_refused),
		cmocka_unit_test(wrong_trailers_are_refused),
		cmocka_unit_test(wrong_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*-------------------------------------------------------------------------
 *
 * test_regparse.c
 *	  The registry file as bytes: nothing can be read but what is written.
 *
 *-------------------------------------------------------------------------
 */
#include "regfile_sample.h"

#define BEGINNING	"octopus_fdw registry\t2\nsystem\t7\nserial\t3\nxid\t700\n"
#define HEADER(counts)	BEGINNING "counts\t" counts "\n"
#define NODE	"node\ta\t1\t1\tme"
#define GROUP	"group\t5\tdb\t16385\toctopus\n"

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

/* What the header says is told of a bad file, too, if all of it can be read. */
static void
headers_of_bad_files_are_told(void **state)
{
	OctRegHeader header;
	OctRegError error;
	size_t		body;

	write_sample();
	body = (char *) memmem(bytes, nbytes, "\ngroup", 6) + 1 - bytes;
	for (size_t size = 0; size < nbytes; size++)
	{
		assert_false(decode(bytes, size, &header, &error));
		assert_true(header.serial == (size < body ? 0 : 42));
		assert_true(header.full_xid == (size < body ? 0 : UINT64CONST(5000000000)));
		assert_true(header.system_identifier == (size < body ? 0 : PG_UINT64_MAX));
		assert_true(header.predecessor.serial == (size < body ? 0 : 41));
	}
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
		{"octopus_fdw registry\t1\n", 1, "the file has a format that this version does not know"},
		{"octopus_fdw registry\t0\n", 1, "the file has a format that this version does not know"},
		{"octopus_fdw registry\t2\nserial\t1\n", 2, no_header},
		{"octopus_fdw registry\t2\nsystem\t01\n", 2, no_header},
		{"octopus_fdw registry\t2\nsystem\t-1\n", 2, no_header},
		{"octopus_fdw registry\t2\nsystem\t18446744073709551616\n", 2, no_header},
		{"octopus_fdw registry\t2\nsystem\t1\nserial\t1\t1\n", 3, no_header},
		{"octopus_fdw registry\t2\nsystem\t1\nserial\t1\nxid\t0x3\n", 4, no_header},
		{BEGINNING "follows\t1\n", 5, no_header},
		{BEGINNING "follows\t01\t00000000\n", 5, no_header},
		{BEGINNING "follows\t1\t0000000\n", 5, no_header},
		{BEGINNING "follows\t1\t000000000\n", 5, no_header},
		{BEGINNING "follows\t1\t0000000A\n", 5, no_header},
		{BEGINNING "follows\t1\t0000000a\nfollows\t1\t0000000a\n", 6, no_header},
		{HEADER("0"), 5, no_header},
		{HEADER("0\t2147483648"), 5, no_header},
		{HEADER("4294967296\t0"), 5, no_header},
		{HEADER("1\t0"), 6, miscounted},
		{HEADER("0\t0") GROUP, 7, miscounted},
		{HEADER("1\t1") GROUP, 7, miscounted},
		{HEADER("1\t0") GROUP "node\ta\t1\t1\tme\n", 8, miscounted},
		{HEADER("0\t1") "node\ta\t1\t1\tme\n", 6, no_node},
		{HEADER("1\t1") GROUP "node\ta\t0\t1\tme\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\t65536\t1\tme\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\t4294967297\t1\tme\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\t01\t1\tme\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\t\t1\t1\tme\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\\tb\t1\t1\tme\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\t\xc3\xa4\t1\t1\tme\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\n", 7, no_record},
		{HEADER("1\t1") GROUP "node\ta\t1\t1\n", 7, no_record},
		{HEADER("1\t1") GROUP "node\ta\t1\t-1\tme\n", 7, no_node},
		{HEADER("1\t1") GROUP "node\ta\t1\t1\t0123456789012345678901234567890123456789012345678901234567890123\n",
		7, no_node},
		{HEADER("1\t1") GROUP NODE "\tnonsense\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\tnonsense=1\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\tenabled=1\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\tenabled=true\tenabled=true\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\tenabled=true\thostaddr=::1\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\thostaddr=\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\thostaddr=0123456789012345678901234567890123456789012345678901234567890123\n",
		7, no_node},
		{HEADER("1\t1") GROUP NODE "\thealth_check_period=0\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\thealth_check_period=01\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\thealth_check_period=4294967297\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\thealth_check_max_retries=101\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\thealth_check_type=magic\n", 7, no_node},
		{HEADER("1\t1") GROUP NODE "\tkeep_connections=true\n", 7, no_node},
		{HEADER("1\t0") "group\t5\tdb\t16385\ts\t1\n", 6, no_group},
		{HEADER("1\t0") "group\t5\tdb\t16385\ts\t=1\n", 6, no_group},
		{HEADER("1\t0") "group\t5\tdb\t16385\ts\ta=1\ta=1\n", 6, no_group},
		{HEADER("1\t1") GROUP "knot\ta\t1\n", 7, no_record},
		{HEADER("1\t1") GROUP "\n", 7, no_record},
		{HEADER("1\t1") GROUP "node\ta\t1\t1\tme\r\n", 7, "the line contains a byte that has no place there"},
		{HEADER("1\t0") "group\t5\tdb\t16385\n", 6, no_record},
		{HEADER("1\t0") "group\t05\tdb\t16385\ts\n", 6, no_group},
		{HEADER("1\t0") "group\t5\tdb\t4294967296\ts\n", 6, no_group},
		{HEADER("1\t0") "group\t5\t\t16385\ts\n", 6, no_group},
		{HEADER("1\t0") "group\t5\tdb\t16385\t\n", 6, no_group},
		{HEADER("1\t0") "group\t5\tdb\t16385\t0123456789012345678901234567890123456789012345678901234567890123\n",
		6, no_group},
		{HEADER("1\t1") GROUP "node\ta\\b\t1\t1\tme\n", 7, no_escape},
		{HEADER("1\t1") GROUP "node\ta\t1\\\t1\tme\n", 7, no_escape},
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
	memcpy(lines + size, "node\ta\0b\t1\t1\tme\n", 16);
	seal(lines, size + 16);
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
	memcpy(lines + size + 5 + OCT_NAME_SIZE, "\t1\t1\tme\n", 8);
	seal(lines, size + 5 + OCT_NAME_SIZE + 8);
	assert_refused(7, "the node is not valid");

	/* more fields than anybody writes */
	memset(lines + size, '\t', 200);
	lines[size + 200] = '\n';
	seal(lines, size + 201);
	assert_refused(7, "the line has too many fields");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(every_lost_or_doubled_line_is_refused),
		cmocka_unit_test(headers_of_bad_files_are_told),
		cmocka_unit_test(wrong_files_are_refused),
		cmocka_unit_test(wrong_trailers_are_refused),
		cmocka_unit_test(wrong_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

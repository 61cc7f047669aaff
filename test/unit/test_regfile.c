/*-------------------------------------------------------------------------
 *
 * test_regfile.c
 *	  The registry file as bytes: what is written can be read.
 *
 *-------------------------------------------------------------------------
 */
#include "regfile_sample.h"

static void
what_is_written_is_read(void **state)
{
	OctRegHeader header;
	OctRegError error;

	write_sample();
	assert_true(decode(bytes, nbytes, &header, &error));
	assert_true(header.system_identifier == PG_UINT64_MAX);
	assert_true(header.serial == 42);
	assert_true(header.has_predecessor);
	assert_true(header.predecessor.serial == 41);
	assert_true(header.predecessor.crc == 0x0badcafe);
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
	assert_string_equal(oct_pairs_get(&groups[0].policy, "user"), "a\tb=\n");
	assert_string_equal(oct_pairs_get(&groups[0].policy, "password"), "");
	assert_int_equal(groups[1].policy.size, 0);
	assert_string_equal(nodes[0].name, "/tmp/a \\dir");
	assert_int_equal(nodes[0].port, 1);
	assert_string_equal(nodes[0].options.hostaddr, "fe80::1%eth0");
	assert_string_equal(nodes[0].options.registered_by, "alice");
	assert_true(nodes[0].options.registered_at == INT64CONST(817000000000000));
	assert_int_equal(nodes[0].options.policy.enabled, false);
	assert_int_equal(nodes[0].options.policy.retry_delay_ms, 0);
	assert_int_equal(nodes[0].options.policy.check_type, OCT_CHECK_TCP);
	assert_int_equal(nodes[0].options.policy.period_ms, OCT_INHERIT);
	assert_string_equal(nodes[1].options.hostaddr, "");
	assert_int_equal(nodes[1].options.policy.enabled, OCT_INHERIT);
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
	assert_non_null(strstr(bytes, "octopus_fdw registry\t2\n"
						   "system\t18446744073709551615\n"
						   "serial\t42\n"
						   "xid\t5000000000\n"
						   "follows\t41\t0badcafe\n"
						   "counts\t2\t3\n"
						   "group\t5\tpost\\tgres\\\\\t16385\ta\\nb\\rc"
						   "\tuser=a\\tb=\\n\tpassword=\n"
						   "node\t/tmp/a \\\\dir\t1\t817000000000000\talice"
						   "\thostaddr=fe80::1%eth0\tenabled=false"
						   "\thealth_check_retry_delay=0"
						   "\thealth_check_type=tcp\n"
						   "node\t127.0.0.1\t65535\t817000000000000\talice\n"
						   "group\t4294967295\tdatenb\xc3\xa4nke\t1\t\\\\t\n"
						   "node\t127.0.0.1\t65535\t817000000000000\talice\n"
						   "end\t11\t"));
}

static void
no_nodes_and_many(void **state)
{
	static const int counts[] = {0, 1, MAX_NODES};

	for (int i = 0; i < lengthof(counts); i++)
	{
		OctRegEncoder encoder;
		pg_crc32c	crc;
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
		assert_true(oct_regfile_put_end(&encoder, &crc));
		assert_true(decode(bytes, nbytes, &header, &error));
		assert_int_equal(nnodes, counts[i]);
		assert_int_equal(header.nnodes, counts[i]);
	}
}

/* Each byte of the longest names and policy may be one that is escaped. */
static void
longest_names(void **state)
{
	char		value[OCT_POLICY_SIZE];
	OctRegEncoder encoder;
	pg_crc32c	crc;
	OctRegHeader header = {PG_UINT64_MAX, PG_UINT64_MAX, PG_UINT64_MAX, 1, 1};
	OctGroup	group = {{PG_UINT32_MAX, PG_UINT32_MAX}};
	OctNodeSpec node = make_node("", 65535);
	OctRegError error;

	memset(value, '\n', sizeof(value));
	value[OCT_POLICY_SIZE - 3] = '\0';
	assert_false(oct_pairs_add(&group.policy, "ab", value));
	assert_true(oct_pairs_add(&group.policy, "\\", value + 1));
	assert_true(group.policy.size < OCT_POLICY_SIZE);

	memset(group.dbname, '\n', NAMEDATALEN - 1);
	memset(group.server_name, '\\', NAMEDATALEN - 1);
	memset(node.name, '\\', OCT_NAME_SIZE - 1);
	memset(node.options.registered_by, '\t', NAMEDATALEN - 1);
	nbytes = 0;
	assert_true(oct_regfile_put_header(&encoder, store, NULL, &header));
	assert_true(oct_regfile_put_group(&encoder, &group));
	assert_true(oct_regfile_put_node(&encoder, &node));
	assert_true(oct_regfile_put_end(&encoder, &crc));
	assert_true(decode(bytes, nbytes, &header, &error));
	assert_memory_equal(&groups[0], &group, offsetof(OctGroup, policy));
	assert_true(oct_pairs_equal(&groups[0].policy, &group.policy));
	assert_memory_equal(&nodes[0], &node, sizeof(node));
}

static void
a_full_disk_is_told(void **state)
{
	OctRegEncoder encoder;
	pg_crc32c	crc;
	OctRegHeader header = {1, 1, 3, 1, 1};
	OctGroup	group = make_group(5, "db", 16385, "server");
	OctNodeSpec node = make_node("127.0.0.1", 5432);

	room = 0;
	while (nbytes = 0,
		   !oct_regfile_put_header(&encoder, store, NULL, &header) ||
		   !oct_regfile_put_group(&encoder, &group) ||
		   !oct_regfile_put_node(&encoder, &node) ||
		   !oct_regfile_put_end(&encoder, &crc))
		room++;
	assert_int_equal(room, nbytes);
	room = MAX_BYTES;
}

/* A file that would be refused when it is read must not come into being. */
static void
other_numbers_than_the_header_says_are_no_file(void **state)
{
	OctGroup	group = make_group(5, "db", 16385, "server");
	OctNodeSpec node = make_node("127.0.0.1", 5432);

	for (uint32 groups_told = 0; groups_told <= 2; groups_told++)
	{
		for (uint32 nodes_told = 0; nodes_told <= 2; nodes_told++)
		{
			OctRegEncoder encoder;
			pg_crc32c	crc;
			OctRegHeader header = {1, 1, 3, groups_told, nodes_told};

			nbytes = 0;
			assert_true(oct_regfile_put_header(&encoder, store, NULL, &header));
			assert_true(oct_regfile_put_group(&encoder, &group));
			assert_true(oct_regfile_put_node(&encoder, &node));
			assert_int_equal(oct_regfile_put_end(&encoder, &crc),
							 groups_told == 1 && nodes_told == 1);
		}
	}
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
		cmocka_unit_test(other_numbers_than_the_header_says_are_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*-------------------------------------------------------------------------
 *
 * regfile_sample.h
 *	  A registry file to test with, and a decoder that notes what it is told.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGFILE_SAMPLE_H
#define REGFILE_SAMPLE_H

#include "octypes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "optable.h"
#include "pairs.h"
#include "regfile.h"

#define MAX_BYTES	(1024 * 1024)
#define MAX_NODES	5000

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
	spec.options.registered_at = INT64CONST(817000000000000);
	memcpy(spec.options.registered_by, "alice", 5);
	oct_optable_set_inherit(&spec.options.policy);
	return spec;
}

/* Writes a file of two groups with three nodes. */
static void
write_sample(void)
{
	OctRegEncoder encoder;
	pg_crc32c	crc;
	OctRegHeader header = {PG_UINT64_MAX, 42, UINT64CONST(5000000000), 2, 3,
	true, {41, 0x0badcafe}};
	OctGroup	one = make_group(5, "post\tgres\\", 16385, "a\nb\rc");
	OctGroup	other = make_group(PG_UINT32_MAX, "datenb\xc3\xa4nke", 1, "\\t");
	OctNodeSpec socket = make_node("/tmp/a \\dir", 1);
	OctNodeSpec host = make_node("127.0.0.1", 65535);

	assert_true(oct_pairs_add(&one.policy, "user", "a\tb=\n"));
	assert_true(oct_pairs_add(&one.policy, "password", ""));
	memcpy(socket.options.hostaddr, "fe80::1%eth0", 12);
	socket.options.policy.enabled = false;
	socket.options.policy.retry_delay_ms = 0;
	socket.options.policy.check_type = OCT_CHECK_TCP;
	nbytes = 0;
	assert_true(oct_regfile_put_header(&encoder, store, NULL, &header));
	assert_true(oct_regfile_put_group(&encoder, &one));
	assert_true(oct_regfile_put_node(&encoder, &socket));
	assert_true(oct_regfile_put_node(&encoder, &host));
	assert_true(oct_regfile_put_group(&encoder, &other));
	assert_true(oct_regfile_put_node(&encoder, &host));
	assert_true(oct_regfile_put_end(&encoder, &crc));
}

#endif							/* REGFILE_SAMPLE_H */

/*-------------------------------------------------------------------------
 *
 * test_wire.c
 *	  The start-up conversation as bytes: what we say, and logins.
 *
 *-------------------------------------------------------------------------
 */
#include "wire_talk.h"

static void
assert_startup(const char *user, const char *database, const char *name,
			   const char *expected, size_t n)
{
	for (size_t size = 0; size < n + 10; size++)
	{
		char	   *buf = malloc(size + (size == 0));

		if (size < n)
			assert_int_equal(oct_wire_startup(buf, size, user, database, name), 0);
		else
		{
			assert_int_equal(oct_wire_startup(buf, size, user, database, name), n);
			assert_memory_equal(buf, expected, n);
		}
		free(buf);
	}
}

static void
startup_message(void **state)
{
	assert_startup("bob", "db", "oct",
				   BYTES("\0\0\0\63\0\3\0\0user\0bob\0database\0db\0"
						 "application_name\0oct\0\0"));
	assert_startup("bob", NULL, "",
				   BYTES("\0\0\0\22\0\3\0\0user\0bob\0\0"));
	assert_startup("", "", NULL, BYTES("\0\0\0\11\0\3\0\0\0"));
}

static void
startup_message_of_some_length(void **state)
{
	char		user[301];
	char		buf[400];

	memset(user, 'u', 300);
	user[300] = '\0';
	assert_int_equal(oct_wire_startup(buf, sizeof(buf), user, NULL, NULL), 315);
	assert_memory_equal(buf, "\0\0\1\73\0\3\0\0user\0u", 14);
}

static void
constant_messages(void **state)
{
	assert_int_equal(OCT_WIRE_TERMINATE_SIZE, 5);
	assert_memory_equal(OCT_WIRE_TERMINATE, "X\0\0\0\4", 5);
	assert_int_equal(OCT_WIRE_SYNC_SIZE, 5);
	assert_memory_equal(OCT_WIRE_SYNC, "S\0\0\0\4", 5);
}


/* ---------- logins ---------- */

static void
assert_login(const char *bytes, size_t n, OctRole role, int32 version)
{
	OctWire		wire = assert_ends(oct_wire_init, bytes, n, OCT_REASON_OK,
								   OCT_PHASE_AUTH, "", "");

	assert_true(oct_wire_logged_in(&wire));
	assert_int_equal(outcome_of(&wire).role, role);
	assert_int_equal(outcome_of(&wire).server_version, version);
}

static void
login(void **state)
{
	assert_login(BYTES(SAID_LOGIN(SAID_PRIMARY)), OCT_ROLE_PRIMARY, 150020);
	assert_login(BYTES(SAID_LOGIN(SAID_STANDBY)), OCT_ROLE_STANDBY, 150020);
	assert_login(BYTES(SAID_LOGIN("")), OCT_ROLE_UNKNOWN, 150020);
	assert_login(BYTES(SAID_AUTH_OK SAID_READY), OCT_ROLE_UNKNOWN, 0);
}

static void
login_with_notices(void **state)
{
	Said		said = {0};

	say(&said, 'v', BYTES("\0\3\0\0\0\0\0\0"));
	say_bytes(&said, BYTES(SAID_AUTH_OK));
	say(&said, 'N', BYTES("SWARNING\0C01000\0Msome trouble\0\0"));
	say(&said, 'v', BYTES("\0\3\0\0\0\0\0\1_pq_.x\0"));
	say_bytes(&said, BYTES(SAID_STANDBY));
	say(&said, 'K', BYTES("the key of protocol 3.2 is longer"));
	say_bytes(&said, BYTES(SAID_READY));
	assert_login(said.bytes, said.n, OCT_ROLE_STANDBY, 0);
}

/* Parameters that are not quite those we look for, and broken ones. */
static void
other_parameters(void **state)
{
	Said		said = {0};

	say_bytes(&said, BYTES(SAID_AUTH_OK));
	say(&said, 'S', BYTES("in_hot_standby\0auto\0"));
	say(&said, 'S', BYTES("in_hot_standby\0o"));
	say(&said, 'S', BYTES("in_hot_standby\0"));
	say(&said, 'S', BYTES("in_hot_standby"));
	say(&said, 'S', BYTES("in_hot_standbyx\0on\0"));
	say(&said, 'S', BYTES("in_hot_standb\0on\0"));
	say(&said, 'S', BYTES("server_version_\00015.1\0"));
	say(&said, 'S', BYTES("\0\0"));
	say_bytes(&said, BYTES(SAID_READY));
	assert_login(said.bytes, said.n, OCT_ROLE_UNKNOWN, 0);
}

/* What a login says of being read-only. */
static OctAnswer
read_only_after(const char *bytes, size_t n)
{
	Said		said = {0};
	OctWire		wire;

	say_bytes(&said, BYTES(SAID_AUTH_OK));
	say_bytes(&said, bytes, n);
	say_bytes(&said, BYTES(SAID_READY));
	wire = assert_ends(oct_wire_init, said.bytes, said.n, OCT_REASON_OK,
					   OCT_PHASE_AUTH, "", "");
	assert_int_equal(outcome_of(&wire).encrypted, OCT_ANSWER_NO);
	return outcome_of(&wire).read_only;
}

static void
read_only(void **state)
{
#define SAID_READ_ONLY(length, value) \
	"S\0\0\0" length "default_transaction_read_only\0" value "\0"

	assert_int_equal(read_only_after(BYTES("")), OCT_ANSWER_NONE);
	assert_int_equal(read_only_after(BYTES(SAID_PRIMARY)), OCT_ANSWER_NO);
	assert_int_equal(read_only_after(BYTES(SAID_STANDBY)), OCT_ANSWER_YES);
	assert_int_equal(read_only_after(BYTES(SAID_READ_ONLY("\46", "off"))), OCT_ANSWER_NO);
	assert_int_equal(read_only_after(BYTES(SAID_READ_ONLY("\45", "on"))), OCT_ANSWER_YES);
	assert_int_equal(read_only_after(BYTES(SAID_READ_ONLY("\46", "odd"))), OCT_ANSWER_NONE);
	assert_int_equal(read_only_after(BYTES(SAID_PRIMARY SAID_READ_ONLY("\45", "on"))),
					 OCT_ANSWER_YES);
	assert_int_equal(read_only_after(BYTES(SAID_READ_ONLY("\46", "off") SAID_STANDBY)),
					 OCT_ANSWER_YES);
}

/* Of what is long the beginning counts. */
static void
long_parameters(void **state)
{
	Said		said = {0};
	char		body[200];

	memset(body, 'x', sizeof(body));
	say_bytes(&said, BYTES(SAID_AUTH_OK));
	say(&said, 'S', body, sizeof(body));
	memcpy(body, BYTES("in_hot_standby\0on"));
	say(&said, 'S', body, sizeof(body));
	memcpy(body, BYTES("server_version\00015.1 "));
	say(&said, 'S', body, sizeof(body));
	say_bytes(&said, BYTES(SAID_READY));
	assert_login(said.bytes, said.n, OCT_ROLE_UNKNOWN, 150001);
}

/* What was there before is no part of it. */
static void
parameters_without_their_zero(void **state)
{
	Said		said = {0};
	char		body[200];

	memset(body, '7', sizeof(body));
	say_bytes(&said, BYTES(SAID_AUTH_OK));
	say(&said, 'S', body, sizeof(body));
	say(&said, 'S', BYTES("server_version\00015.1"));
	say(&said, 'S', body, sizeof(body));
	say(&said, 'S', BYTES("in_hot_standby\0on"));
	say_bytes(&said, BYTES(SAID_READY));
	assert_login(said.bytes, said.n, OCT_ROLE_STANDBY, 150001);
}

static void
assert_version(const char *version, int32 expected)
{
	Said		said = {0};
	char		body[100] = "server_version";
	size_t		size = strlen(version) + 1;

	say_bytes(&said, BYTES(SAID_AUTH_OK));
	memcpy(body + sizeof("server_version"), version, size);
	say(&said, 'S', body, sizeof("server_version") + size);
	say_bytes(&said, BYTES(SAID_READY));
	assert_login(said.bytes, said.n, OCT_ROLE_UNKNOWN, expected);
}

/* as PQserverVersion has it */
static void
versions(void **state)
{
	assert_version("15.18 (Debian 15.18-1.pgdg120+1)", 150018);
	assert_version("9.6.24", 90624);
	assert_version("9.6.24.5", 90624);
	assert_version("9.6beta1", 90600);
	assert_version("9.6devel", 90600);
	assert_version("8.0.2", 80002);
	assert_version("10.1", 100001);
	assert_version("16beta1", 160000);
	assert_version("18", 180000);
	assert_version("18.", 180000);
	assert_version("13.0.0", 130000);
	assert_version("9", 90000);
	assert_version("", 0);
	assert_version("unknown", 0);
	assert_version("-15.1", 0);
	assert_version("99999.99999.99999", (9999900 + 99999) * 100 + 99999);
	assert_version("100000.1", 0);
	assert_version("15.99999999999999999999", 150000);
}


/* ---------- requests for credentials ---------- */

static void
assert_asks(const char *bytes, size_t n)
{
	OctWire		wire = assert_ends(oct_wire_init, bytes, n,
								   OCT_REASON_PASSWORD_NEEDED, OCT_PHASE_AUTH,
								   "", "");

	assert_false(oct_wire_logged_in(&wire));
}

static void
credentials(void **state)
{
	assert_asks(BYTES(SAID_SCRAM));
	assert_asks(BYTES(SAID_MD5));
	assert_asks(BYTES(SAID_CLEARTEXT));
	assert_asks(BYTES("R\0\0\0\10\0\0\0\2"));	/* Kerberos 5 */
	assert_asks(BYTES("R\0\0\0\10\0\0\0\6"));
	assert_asks(BYTES("R\0\0\0\10\0\0\0\7"));	/* GSSAPI */
	assert_asks(BYTES("R\0\0\0\10\0\0\0\11"));	/* SSPI */
	assert_asks(BYTES("R\0\0\0\14\0\0\0\377abcd"));
}

static void
credentials_at_length(void **state)
{
	char		bytes[2002] = "R\0\0\7\320\0\0\0\12";

	assert_asks(bytes, 2001);
	assert_refused(oct_wire_init, BYTES("R\0\0\7\321"), OCT_PHASE_STARTUP,
				   IMPOSSIBLE_LENGTH);
	assert_refused(oct_wire_init, BYTES("R\0\0\0\7"), OCT_PHASE_STARTUP,
				   IMPOSSIBLE_LENGTH);
}

static void
no_credentials_at_all(void **state)
{
	assert_refused(oct_wire_init, BYTES("R\0\0\0\10\0\0\1\0"),
				   OCT_PHASE_STARTUP, NO_KIND);
	assert_refused(oct_wire_init, BYTES("R\0\0\0\14\0\0\0\0abcd"),
				   OCT_PHASE_STARTUP, NO_KIND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(startup_message),
		cmocka_unit_test(startup_message_of_some_length),
		cmocka_unit_test(constant_messages),
		cmocka_unit_test(login),
		cmocka_unit_test(login_with_notices),
		cmocka_unit_test(other_parameters),
		cmocka_unit_test(read_only),
		cmocka_unit_test(long_parameters),
		cmocka_unit_test(parameters_without_their_zero),
		cmocka_unit_test(versions),
		cmocka_unit_test(credentials),
		cmocka_unit_test(credentials_at_length),
		cmocka_unit_test(no_credentials_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*-------------------------------------------------------------------------
 *
 * test_wire_errors.c
 *	  The start-up conversation as bytes: errors, and ends before the end.
 *
 *-------------------------------------------------------------------------
 */
#include "wire_talk.h"

static void
assert_error(const char *bytes, size_t n, OctReason reason,
			 const char *sqlstate, const char *message)
{
	OctWire		wire = assert_ends(oct_wire_init, bytes, n, reason,
								   OCT_PHASE_AUTH, sqlstate, message);

	assert_false(oct_wire_logged_in(&wire));
}

static void
errors(void **state)
{
	assert_error(BYTES(SAID_REJECTED), OCT_REASON_AUTH_FAILED, "28000",
				 "pg_hba.conf rejects connection for host \"127.0.0.1\", user"
				 " \"u_reject\", database \"postgres\", no encryption");
	assert_error(BYTES(SAID_NO_ROLE), OCT_REASON_AUTH_FAILED, "28000",
				 "role \"nobody_there\" does not exist");
	assert_error(BYTES(SAID_NO_DATABASE), OCT_REASON_AUTH_FAILED, "3D000",
				 "database \"no_such_db\" does not exist");
	assert_error(BYTES(SAID_TOO_MANY), OCT_REASON_TOO_MANY_CONNECTIONS, "53300",
				 "remaining connection slots are reserved for non-replication"
				 " superuser connections");
	assert_error(BYTES(SAID_NO_HOT_STANDBY), OCT_REASON_IN_RECOVERY, "57P03",
				 "the database system is not accepting connections");
	assert_error(BYTES(SAID_SHUTTING_DOWN), OCT_REASON_SHUTTING_DOWN, "57P03",
				 "the database system is shutting down");
}

static void
assert_error_of(const char *body, size_t n, OctReason reason,
				const char *sqlstate, const char *message)
{
	Said		said = {0};

	say(&said, 'E', body, n);
	assert_error(said.bytes, said.n, reason, sqlstate, message);
}

/* In any order, and with anything beside them. */
static void
errors_of_all_shapes(void **state)
{
	assert_error_of(BYTES("Mstarting up\0XCC\0MM\0C57P03\0VFATAL\0\0"),
					OCT_REASON_NOT_ACCEPTING, "57P03", "M");
	assert_error_of(BYTES("C57P03\0Mstarting up\r\nnow\0\0"),
					OCT_REASON_STARTING_UP, "57P03", "starting up");
	assert_error_of(BYTES("C57P03\0Mnot now:\nstarting up\0\0"),
					OCT_REASON_STARTING_UP, "57P03", "not now:");
	/* bytes that are not printable stay as they are */
	assert_error_of(BYTES("C3D000\0M\33[2J\377\302\0\0"),
					OCT_REASON_AUTH_FAILED, "3D000", "\33[2J\377\302");
	/* nothing is behind the last one */
	assert_error_of(BYTES("C53300\0Mno\0\0Myes\0C57P03\0\0"),
					OCT_REASON_TOO_MANY_CONNECTIONS, "53300", "no");
	/* the end is the message's, even in the middle of a field */
	assert_error_of(BYTES("C53300\0Mno"),
					OCT_REASON_TOO_MANY_CONNECTIONS, "53300", "no");
	assert_error_of(BYTES("C53300\0\0"),
					OCT_REASON_TOO_MANY_CONNECTIONS, "53300", "");
	assert_error_of(BYTES("C53300XY\0M\0\0"),
					OCT_REASON_TOO_MANY_CONNECTIONS, "53300", "");
}

/* Which is none that a server sends. */
static void
errors_without_sqlstate(void **state)
{
	assert_error_of(BYTES("SFATAL\0Mno, you do not\0\0"),
					OCT_REASON_PROTOCOL_ERROR, "", "no, you do not");
	assert_error_of(BYTES("C533\0Mno\0\0"), OCT_REASON_PROTOCOL_ERROR, "", "no");
	assert_error_of(BYTES("C\33[2J5\0Mno\0\0"), OCT_REASON_PROTOCOL_ERROR, "", "no");
	assert_error_of(BYTES("C57P03\0C\0\0"), OCT_REASON_PROTOCOL_ERROR, "", "");
	assert_error_of(BYTES("\0\0\0\0"), OCT_REASON_PROTOCOL_ERROR, "", "");
}

/* The first bytes of the text are kept. */
static void
long_errors(void **state)
{
	static char body[29996];
	static Said said;
	char		kept[OCT_MESSAGE_SIZE];
	OctWire		wire;

	memset(body, 'x', sizeof(body));
	memcpy(body, BYTES("C53300\0M"));
	memset(kept, 'x', sizeof(kept));
	kept[sizeof(kept) - 1] = '\0';
	assert_error_of(body, 400, OCT_REASON_TOO_MANY_CONNECTIONS, "53300", kept);

	/* the longest one; it is too long for all the ways to cut it */
	say(&said, 'E', body, sizeof(body));
	oct_wire_init(&wire);
	assert_false(feed(&wire, said.bytes, said.n - 1));
	assert_true(feed(&wire, said.bytes + said.n - 1, 1));
	assert_outcome(&wire, OCT_REASON_TOO_MANY_CONNECTIONS, OCT_PHASE_AUTH,
				   "53300", kept);
	assert_refused(oct_wire_init, BYTES("E\0\0\165\61"), OCT_PHASE_STARTUP,
				   IMPOSSIBLE_LENGTH);
}


/* ---------- errors without a length ---------- */

static void
old_errors(void **state)
{
	assert_error(BYTES(SAID_NO_FORK), OCT_REASON_TOO_MANY_CONNECTIONS, "",
				 "could not fork new process for connection: Cannot allocate"
				 " memory");
	assert_error(BYTES(SAID_OLD_PROTOCOL), OCT_REASON_PROTOCOL_ERROR, "",
				 "FATAL:  unsupported frontend protocol 2.0: server supports"
				 " 3.0 to 3.0");
	assert_error(BYTES("Eno, no\0"), OCT_REASON_PROTOCOL_ERROR, "", "no, no");
	assert_error(BYTES("E\303\244\303\244\0"), OCT_REASON_PROTOCOL_ERROR, "",
				 "\303\244\303\244");
}

static void
long_old_errors(void **state)
{
	char		bytes[600];
	char		kept[OCT_MESSAGE_SIZE];

	memset(bytes, 'x', sizeof(bytes));
	bytes[0] = 'E';
	bytes[sizeof(bytes) - 1] = '\0';
	memset(kept, 'x', sizeof(kept));
	kept[sizeof(kept) - 1] = '\0';
	assert_error(bytes, sizeof(bytes), OCT_REASON_PROTOCOL_ERROR, "", kept);
}

static void
old_errors_cut_short(void **state)
{
	(void) assert_closed(oct_wire_init, BYTES("Ecould not fork new pro"),
						 OCT_REASON_TOO_MANY_CONNECTIONS, OCT_PHASE_AUTH,
						 "could not fork new pro");
	(void) assert_closed(oct_wire_init, BYTES("Ecoul"),
						 OCT_REASON_PROTOCOL_ERROR, OCT_PHASE_AUTH, "coul");
	(void) assert_closed(oct_wire_init, BYTES("Ecou"),
						 OCT_REASON_CONNECTION_RESET, OCT_PHASE_STARTUP, CLOSED);
}

static void
old_errors_at_the_start_only(void **state)
{
	assert_refused(oct_wire_init, BYTES(SAID_AUTH_OK "Ecoul"), OCT_PHASE_AUTH,
				   IMPOSSIBLE_LENGTH);
	assert_refused(begin_held, BYTES("Ecoul"), OCT_PHASE_QUERY,
				   IMPOSSIBLE_LENGTH);
	/* a length without sense is no text */
	assert_refused(oct_wire_init, BYTES("E@\0\0\0"), OCT_PHASE_STARTUP,
				   IMPOSSIBLE_LENGTH);
	assert_refused(oct_wire_init, BYTES("Ecou\37"), OCT_PHASE_STARTUP,
				   IMPOSSIBLE_LENGTH);
	assert_refused(oct_wire_init, BYTES("E\0\0\0\7"), OCT_PHASE_STARTUP,
				   IMPOSSIBLE_LENGTH);
}


/* ---------- ends before the end ---------- */

static void
closed(void **state)
{
	(void) assert_closed(oct_wire_init, BYTES(""), OCT_REASON_CONNECTION_RESET,
						 OCT_PHASE_STARTUP, CLOSED);
	(void) assert_closed(oct_wire_init, BYTES("R\0\0"),
						 OCT_REASON_CONNECTION_RESET, OCT_PHASE_STARTUP, CLOSED);
	(void) assert_closed(oct_wire_init, BYTES("R\0\0\0\14\0\0\0\5abc"),
						 OCT_REASON_CONNECTION_RESET, OCT_PHASE_STARTUP, CLOSED);
	(void) assert_closed(oct_wire_init, BYTES(SAID_AUTH_OK),
						 OCT_REASON_CONNECTION_RESET, OCT_PHASE_AUTH, CLOSED);
	/* an error that was not complete */
	(void) assert_closed(oct_wire_init, BYTES("E\0\0\0\30C57P03\0Mstarting"),
						 OCT_REASON_CONNECTION_RESET, OCT_PHASE_STARTUP, CLOSED);
}

/* Only what is complete is told. */
static void
unfinished(void **state)
{
	OctWire		wire;

	oct_wire_init(&wire);
	assert_outcome(&wire, OCT_REASON_TIMEOUT, OCT_PHASE_STARTUP, "", "");
	assert_false(oct_wire_logged_in(&wire));
	assert_false(feed(&wire, BYTES("")));
	assert_false(feed(&wire, BYTES(SAID_AUTH_OK SAID_STANDBY)));
	assert_false(feed(&wire, BYTES("E\0\0\0\30C57P03\0Mstarting")));
	assert_outcome(&wire, OCT_REASON_TIMEOUT, OCT_PHASE_AUTH, "", "");
	assert_int_equal(outcome_of(&wire).role, OCT_ROLE_STANDBY);
	assert_false(oct_wire_logged_in(&wire));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors),
		cmocka_unit_test(errors_of_all_shapes),
		cmocka_unit_test(errors_without_sqlstate),
		cmocka_unit_test(long_errors),
		cmocka_unit_test(old_errors),
		cmocka_unit_test(long_old_errors),
		cmocka_unit_test(old_errors_cut_short),
		cmocka_unit_test(old_errors_at_the_start_only),
		cmocka_unit_test(closed),
		cmocka_unit_test(unfinished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

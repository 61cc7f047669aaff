/*-------------------------------------------------------------------------
 *
 * test_wire_limits.c
 *	  The start-up conversation as bytes: sessions that are held, and what is
 *	  no PostgreSQL server.
 *
 *-------------------------------------------------------------------------
 */
#include "wire_talk.h"

/* ---------- sessions that are held ---------- */

static OctWire
log_in(const char *bytes, size_t n)
{
	OctWire		wire;

	oct_wire_init(&wire);
	assert_true(feed(&wire, bytes, n));
	assert_true(oct_wire_logged_in(&wire));
	return wire;
}

static void
begin_held_standby(OctWire *wire)
{
	*wire = log_in(BYTES(SAID_LOGIN(SAID_STANDBY)));
	oct_wire_expect_sync(wire);
	assert_true(oct_wire_logged_in(wire));
	assert_outcome(wire, OCT_REASON_TIMEOUT, OCT_PHASE_QUERY, "", "");
}

static void
assert_still_there(const char *bytes, size_t n, OctRole role)
{
	OctWire		wire = assert_ends(begin_held_standby, bytes, n, OCT_REASON_OK,
								   OCT_PHASE_QUERY, "", "");

	assert_true(oct_wire_logged_in(&wire));
	assert_int_equal(outcome_of(&wire).role, role);
	assert_int_equal(outcome_of(&wire).server_version, 150020);

	/* and again */
	oct_wire_expect_sync(&wire);
	assert_true(feed(&wire, BYTES(SAID_READY)));
	assert_outcome(&wire, OCT_REASON_OK, OCT_PHASE_QUERY, "", "");
	assert_int_equal(outcome_of(&wire).role, role);
}

static void
held_sessions(void **state)
{
	Said		said = {0};

	assert_still_there(BYTES(SAID_READY), OCT_ROLE_STANDBY);
	assert_still_there(BYTES(SAID_PRIMARY SAID_READY), OCT_ROLE_PRIMARY);
	assert_still_there(BYTES(SAID_PRIMARY SAID_STANDBY "Z\0\0\0\5E"),
					   OCT_ROLE_STANDBY);

	say(&said, 'N', BYTES("SNOTICE\0C00000\0Mhello\0\0"));
	say(&said, 'A', BYTES("\0\0\0\1channel\0payload\0"));
	say_bytes(&said, BYTES(SAID_READY));
	assert_still_there(said.bytes, said.n, OCT_ROLE_STANDBY);
}

static void
held_sessions_that_end(void **state)
{
	OctWire		wire;

	wire = assert_ends(begin_held_standby, BYTES(SAID_TERMINATED),
					   OCT_REASON_SHUTTING_DOWN, OCT_PHASE_QUERY, "57P01",
					   "terminating connection due to administrator command");
	assert_false(oct_wire_logged_in(&wire));
	(void) assert_closed(begin_held_standby, BYTES(""),
						 OCT_REASON_CONNECTION_RESET, OCT_PHASE_QUERY, CLOSED);
	wire = assert_closed(begin_held_standby, BYTES(SAID_PRIMARY "Z"),
						 OCT_REASON_CONNECTION_RESET, OCT_PHASE_QUERY, CLOSED);
	assert_int_equal(outcome_of(&wire).role, OCT_ROLE_PRIMARY);
}

/* One that was just initialized will do. */
static void
held_sessions_without_memory(void **state)
{
	OctWire		wire;

	begin_held(&wire);
	assert_true(oct_wire_logged_in(&wire));
	wire = assert_ends(begin_held, BYTES(SAID_READY), OCT_REASON_OK,
					   OCT_PHASE_QUERY, "", "");
	assert_true(oct_wire_logged_in(&wire));
	assert_int_equal(outcome_of(&wire).role, OCT_ROLE_UNKNOWN);
	assert_int_equal(outcome_of(&wire).server_version, 0);
}

/* Each conversation has all the room that there is. */
static void
held_sessions_for_long(void **state)
{
	OctWire		wire = log_in(BYTES(SAID_LOGIN(SAID_STANDBY)));

	for (int i = 0; i < OCT_WIRE_MAX_BYTES; i++)
	{
		oct_wire_expect_sync(&wire);
		assert_true(oct_wire_feed(&wire, BYTES(SAID_READY)));
		assert_int_equal(outcome_of(&wire).reason, OCT_REASON_OK);
	}
}

/* What the last conversation left behind is no part of the next one. */
static void
held_sessions_start_anew(void **state)
{
	OctWire		wire;

	begin_held(&wire);
	assert_false(feed(&wire, BYTES("S\0\0\0\27in_hot_")));
	oct_wire_expect_sync(&wire);
	assert_true(feed(&wire, BYTES(SAID_READY)));
	assert_outcome(&wire, OCT_REASON_OK, OCT_PHASE_QUERY, "", "");

	oct_wire_expect_sync(&wire);
	assert_true(feed(&wire, BYTES("X")));
	oct_wire_expect_sync(&wire);
	assert_true(feed(&wire, BYTES(SAID_READY)));
	assert_outcome(&wire, OCT_REASON_OK, OCT_PHASE_QUERY, "", "");

	/* nor are bytes behind the end */
	oct_wire_expect_sync(&wire);
	assert_true(feed(&wire, BYTES(SAID_READY "Z\0\0")));
	oct_wire_expect_sync(&wire);
	assert_true(feed(&wire, BYTES(SAID_READY)));
	assert_outcome(&wire, OCT_REASON_OK, OCT_PHASE_QUERY, "", "");
}


/* ---------- what is no PostgreSQL server ---------- */

static void
other_protocols(void **state)
{
	static const char *const others[] = {
		SAID_SSH, SAID_HTTP, SAID_SMTP, "", "\25\3\3", "N", "Z", "K", "r", "+OK",
	};

	for (int i = 0; i < lengthof(others); i++)
		assert_refused(oct_wire_init, others[i], 1, OCT_PHASE_STARTUP, NO_POSTGRES);
	assert_refused(oct_wire_init, SAID_MYSQL, 11, OCT_PHASE_STARTUP, NO_KIND);
}

static bool
one_of(const char *types, char type)
{
	return type != '\0' && strchr(types, type) != NULL;
}

static void
messages_out_of_place(void **state)
{
	for (int c = 0; c <= PG_UINT8_MAX; c++)
	{
		char		type = (char) c;
		char		login[sizeof(SAID_AUTH_OK)] = SAID_AUTH_OK;

		if (!one_of("REv", type))
			assert_refused(oct_wire_init, &type, 1, OCT_PHASE_STARTUP, NO_POSTGRES);
		if (!one_of("SZEN" "A", type))
			assert_refused(begin_held, &type, 1, OCT_PHASE_QUERY, NO_PLACE);
		login[sizeof(login) - 1] = type;
		if (!one_of("SZEN" "Kv", type))
			assert_refused(oct_wire_init, login, sizeof(login), OCT_PHASE_AUTH,
						   NO_PLACE);
	}
	/* a type that may come, behind one of those that came */
	assert_refused(oct_wire_init, BYTES("v\0\0\0\14\0\3\0\0\0\0\0\0Z"),
				   OCT_PHASE_STARTUP, NO_PLACE);
}

/* Lengths just outside of what there may be, and just inside. */
static void
impossible_lengths(void **state)
{
	static const struct
	{
		char		type;
		uint32		min;
		uint32		max;
	}			rows[] = {
		{'S', 6, 30000}, {'K', 12, 264}, {'Z', 5, 5}, {'E', 8, 30000},
		{'N', 5, 30000}, {'v', 12, 2000},
	};

	for (int i = 0; i < lengthof(rows); i++)
	{
		uint32		lengths[] = {
			rows[i].min - 1, rows[i].max + 1, 0, 3, 4, 0x40000000, 0x7fffffff,
			0x80000000, 0xffffffff, 0x80000000 + rows[i].min,
			0x01000000 + rows[i].min, 0x00010000 + rows[i].min, rows[i].min,
			rows[i].max
		};

		for (int j = 0; j < lengthof(lengths); j++)
		{
			uint32		n = lengths[j];
			char		bytes[] = SAID_AUTH_OK "tlen.";

			bytes[9] = rows[i].type;
			for (int k = 0; k < 4; k++)
				bytes[10 + k] = (char) (n >> (24 - 8 * k));
			if (n >= rows[i].min && n <= rows[i].max)
			{
				size_t		end;
				OctWire		wire = converse(oct_wire_init, bytes, 14, false, &end);

				assert_int_equal(end, 15);
				assert_int_equal(outcome_of(&wire).reason, OCT_REASON_TIMEOUT);
			}
			else
				assert_refused(oct_wire_init, bytes, 14, OCT_PHASE_AUTH,
							   IMPOSSIBLE_LENGTH);
		}
	}
}

/* Notifications come in sessions only. */
static void
impossible_notifications(void **state)
{
	OctWire		wire;

	assert_refused(begin_held, BYTES("A\0\0\0\11"), OCT_PHASE_QUERY,
				   IMPOSSIBLE_LENGTH);
	assert_refused(begin_held, BYTES("A\0\0\165\61"), OCT_PHASE_QUERY,
				   IMPOSSIBLE_LENGTH);
	begin_held(&wire);
	assert_false(feed(&wire, BYTES("A\0\0\0\12")));
	begin_held(&wire);
	assert_false(feed(&wire, BYTES("A\0\0\165\60")));
}

/* Feeds it all in pieces of that size; returns where it ended. */
static size_t
feed_pieces(OctWire *wire, const Said *said, size_t piece)
{
	for (size_t at = 0; at < said->n; at += piece)
	{
		if (feed(wire, said->bytes + at, Min(piece, said->n - at)))
			return at + piece;
	}
	return said->n + piece;
}

static const size_t pieces[] = {1, 7, 4096, 65535, 65536, 65537, 66000};

/* The last byte that is allowed may be the end; the next one may not. */
static void
too_many_bytes(void **state)
{
	static Said said;
	static char notice[29000];

	for (int excess = 0; excess <= 1; excess++)
	{
		said.n = 0;
		say_bytes(&said, BYTES(SAID_AUTH_OK));
		say(&said, 'N', notice, 29000);
		say(&said, 'N', notice, 29000);
		say(&said, 'N', notice,
			OCT_WIRE_MAX_BYTES - said.n - 5 - 6 + excess);
		say_bytes(&said, BYTES(SAID_READY));
		for (int i = 0; i < lengthof(pieces); i++)
		{
			OctWire		wire;

			oct_wire_init(&wire);
			assert_true(feed_pieces(&wire, &said, pieces[i]) >= said.n);
			if (excess)
				assert_outcome(&wire, OCT_REASON_PROTOCOL_ERROR, OCT_PHASE_AUTH,
							   "", NO_END);
			else
				assert_outcome(&wire, OCT_REASON_OK, OCT_PHASE_AUTH, "", "");
		}
	}
}

static void
too_many_bytes_of_text(void **state)
{
	static Said said;

	memset(said.bytes, 'E', sizeof(said.bytes));
	said.n = sizeof(said.bytes);
	for (int i = 0; i < lengthof(pieces); i++)
	{
		OctWire		wire;

		oct_wire_init(&wire);
		assert_true(feed_pieces(&wire, &said, pieces[i]) > OCT_WIRE_MAX_BYTES);
		assert_outcome(&wire, OCT_REASON_PROTOCOL_ERROR, OCT_PHASE_STARTUP, "",
					   NO_END);
	}
}

static void
too_many_messages(void **state)
{
	Said		said = {0};

	say_bytes(&said, BYTES(SAID_AUTH_OK));
	for (int i = 2; i < OCT_WIRE_MAX_MESSAGES; i++)
		say(&said, 'N', BYTES("\0"));
	said.n += 6;
	memcpy(said.bytes + said.n - 6, BYTES(SAID_READY));
	assert_ends(oct_wire_init, said.bytes, said.n, OCT_REASON_OK,
				OCT_PHASE_AUTH, "", "");

	/* one more before the end */
	memcpy(said.bytes + said.n - 6, "N\0\0\0\5", 6);
	say_bytes(&said, BYTES(SAID_READY));
	assert_refused(oct_wire_init, said.bytes, said.n - 1, OCT_PHASE_AUTH, NO_END);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_sessions),
		cmocka_unit_test(held_sessions_that_end),
		cmocka_unit_test(held_sessions_without_memory),
		cmocka_unit_test(held_sessions_for_long),
		cmocka_unit_test(held_sessions_start_anew),
		cmocka_unit_test(other_protocols),
		cmocka_unit_test(messages_out_of_place),
		cmocka_unit_test(impossible_lengths),
		cmocka_unit_test(impossible_notifications),
		cmocka_unit_test(too_many_bytes),
		cmocka_unit_test(too_many_bytes_of_text),
		cmocka_unit_test(too_many_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

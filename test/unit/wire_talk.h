/*-------------------------------------------------------------------------
 *
 * wire_talk.h
 *	  What the tests of wire.c share: talking to a conversation.
 *
 * Whatever is fed here is fed byte by byte and in all ways of making two pieces
 * of it, from memory that ends where the piece does; the outcome must be the
 * same, and the end be where it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WIRE_TALK_H
#define WIRE_TALK_H

#include "octypes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire.h"
#include "wire_said.h"

#define BYTES(literal)	(literal), sizeof(literal) - 1

#define IMPOSSIBLE_LENGTH	"a message has an impossible length"
#define NO_PLACE			"a message came that has no place there"
#define NO_POSTGRES			"the first byte is no message of PostgreSQL's"
#define NO_KIND				"the authentication request is of no known kind"
#define NO_END				"the conversation does not end"
#define CLOSED				"server closed the connection unexpectedly"

/* What a server of our own says. */
typedef struct Said
{
	size_t		n;
	char		bytes[OCT_WIRE_MAX_BYTES + 1000];
} Said;

static inline void
say_bytes(Said *said, const char *bytes, size_t n)
{
	assert_true(n <= sizeof(said->bytes) - said->n);
	memcpy(said->bytes + said->n, bytes, n);
	said->n += n;
}

/* A message; its length is reckoned here. */
static inline void
say(Said *said, char type, const char *body, size_t n)
{
	char		header[] = {type, 0, 0, (char) ((n + 4) >> 8), (char) (n + 4)};

	say_bytes(said, header, sizeof(header));
	say_bytes(said, body, n);
}

/* how conversations begin */
typedef void (*Begin) (OctWire *wire);

static inline void
begin_held(OctWire *wire)
{
	oct_wire_init(wire);
	oct_wire_expect_sync(wire);
}

/* Feeds a copy of just that size, so that reading too far is seen. */
static inline bool
feed(OctWire *wire, const char *bytes, size_t n)
{
	char	   *copy = malloc(n + (n == 0));
	bool		ended;

	memcpy(copy, bytes, n);
	ended = oct_wire_feed(wire, copy, n);
	free(copy);
	return ended;
}

/* The outcome, whose strings have their ends. */
static inline OctOutcome
outcome_of(const OctWire *wire)
{
	OctOutcome	outcome;

	memset(&outcome, 0x7f, sizeof(outcome));
	oct_wire_outcome(wire, &outcome);
	assert_non_null(memchr(outcome.message, '\0', OCT_MESSAGE_SIZE));
	assert_non_null(memchr(outcome.sqlstate, '\0', OCT_SQLSTATE_SIZE));
	return outcome;
}

static inline void
assert_same(const OctWire *a, const OctWire *b)
{
	OctOutcome	x = outcome_of(a);
	OctOutcome	y = outcome_of(b);

	assert_memory_equal(&x, &y, sizeof(OctOutcome));
	assert_int_equal(oct_wire_logged_in(a), oct_wire_logged_in(b));
}

/*
 * Feeds n bytes in all those ways and, with "eof", the end.  Returns the one
 * that was fed byte by byte, and where it ended; n + 1 if it did not.
 */
static inline OctWire
converse(Begin begin, const char *bytes, size_t n, bool eof, size_t *end)
{
	OctWire		slow;
	OctWire		wire;

	begin(&slow);
	*end = n + 1;
	for (size_t i = 0; i < n; i++)
	{
		bool		ended = feed(&slow, bytes + i, 1);

		if (ended && *end == n + 1)
			*end = i + 1;
		assert_int_equal(ended, *end <= n);
	}
	if (eof)
		oct_wire_eof(&slow);

	for (size_t cut = 0; cut <= n; cut++)
	{
		begin(&wire);
		assert_int_equal(feed(&wire, bytes, cut), *end <= cut);
		assert_int_equal(feed(&wire, bytes + cut, n - cut), *end <= n);
		if (eof)
			oct_wire_eof(&wire);
		assert_same(&slow, &wire);
	}
	return slow;
}

static inline void
assert_outcome(const OctWire *wire, OctReason reason, OctPhase phase,
			   const char *sqlstate, const char *message)
{
	OctOutcome	outcome = outcome_of(wire);

	assert_int_equal(outcome.reason, reason);
	assert_int_equal(outcome.phase, phase);
	assert_string_equal(outcome.sqlstate, sqlstate);
	assert_string_equal(outcome.message, message);
}

/* The conversation ends with the last of the bytes, and so. */
static inline OctWire
assert_ends(Begin begin, const char *bytes, size_t n, OctReason reason,
			OctPhase phase, const char *sqlstate, const char *message)
{
	size_t		end;
	OctWire		wire = converse(begin, bytes, n, false, &end);

	assert_int_equal(end, n);
	assert_outcome(&wire, reason, phase, sqlstate, message);

	/* nothing counts that comes after the end */
	assert_true(feed(&wire, BYTES("E\0\0\0\4!" SAID_TERMINATED)));
	oct_wire_eof(&wire);
	assert_outcome(&wire, reason, phase, sqlstate, message);
	return wire;
}

/* It is refused at the last of the bytes. */
static inline void
assert_refused(Begin begin, const char *bytes, size_t n, OctPhase phase,
			   const char *message)
{
	OctWire		wire = assert_ends(begin, bytes, n, OCT_REASON_PROTOCOL_ERROR,
								   phase, "", message);

	assert_false(oct_wire_logged_in(&wire));
}

/* It does not end with the bytes, but so when they are the last. */
static inline OctWire
assert_closed(Begin begin, const char *bytes, size_t n, OctReason reason,
			  OctPhase phase, const char *message)
{
	size_t		end;
	OctWire		wire = converse(begin, bytes, n, true, &end);

	assert_int_equal(end, n + 1);
	assert_outcome(&wire, reason, phase, "", message);
	assert_true(feed(&wire, BYTES("Z")));
	assert_false(oct_wire_logged_in(&wire));
	return wire;
}

#endif							/* WIRE_TALK_H */

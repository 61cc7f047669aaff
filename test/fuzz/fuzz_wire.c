/*-------------------------------------------------------------------------
 *
 * fuzz_wire.c
 *	  The reader of the start-up conversation against bytes of any kind.
 *
 * The outcome must not depend on how the bytes are cut into pieces, nor on what
 * comes after the end, and must be one that there is.
 *
 * The first byte of an input says what conversation it is: '0' is the answer to
 * a StartupMessage, '1' that to a Sync; '2' and '3' are the same with the end of
 * the connection behind.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "wire.h"

static const char special[] = "\0\1\4\5\10\14\377RSKZENvACM\n01. ";

const FuzzTarget fuzz_target = {
	.corpus = "test/fuzz/corpus-wire",
	.special = special,
	.nspecial = sizeof(special) - 1,
	.good = "logins",
};

uint64		fuzz_ngood;

/* the input, and what one byte after the other came to */
typedef struct Case
{
	const char *bytes;
	size_t		n;
	bool		held;
	bool		eof;
	size_t		end;			/* where it ended; n + 1 if it did not */
	OctOutcome	outcome;
	bool		logged_in;
} Case;

static void
begin(OctWire *wire, const Case *c)
{
	memset(wire, 0xa5, sizeof(OctWire));
	oct_wire_init(wire);
	if (c->held)
		oct_wire_expect_sync(wire);
}

/* Feeds what is from "from" to "to", in memory of just that size. */
static bool
feed(OctWire *wire, const Case *c, size_t from, size_t to)
{
	size_t		n = to - from;
	char	   *copy = malloc(Max(n, 1));
	bool		ended;

	memcpy(copy, c->bytes + from, n);
	ended = oct_wire_feed(wire, copy, n);
	free(copy);
	if (ended != (to >= c->end))
		abort();
	return ended;
}

static void
assert_same(const OctWire *wire, const Case *c)
{
	OctOutcome	outcome;

	memset(&outcome, 0x5a, sizeof(outcome));
	oct_wire_outcome(wire, &outcome);
	if (memcmp(&outcome, &c->outcome, sizeof(outcome)) != 0 ||
		oct_wire_logged_in(wire) != c->logged_in)
		abort();
}

/* Finds out the end and the outcome. */
static void
feed_slowly(Case *c)
{
	OctWire		wire;

	begin(&wire, c);
	c->end = c->n + 1;
	for (size_t i = 0; i < c->n && c->end > c->n; i++)
	{
		if (oct_wire_feed(&wire, c->bytes + i, 1))
			c->end = i + 1;
	}
	if (c->eof)
		oct_wire_eof(&wire);
	oct_wire_outcome(&wire, &c->outcome);
	c->logged_in = oct_wire_logged_in(&wire);
}

static void
feed_in_pieces(const Case *c, size_t first, size_t piece)
{
	OctWire		wire;
	size_t		at = Min(first, c->n);

	begin(&wire, c);
	(void) feed(&wire, c, 0, at);
	while (at < c->n)
	{
		size_t		to = Min(at + piece, c->n);

		(void) feed(&wire, c, at, to);
		at = to;
	}
	if (c->eof)
		oct_wire_eof(&wire);
	assert_same(&wire, c);

	/* there is nothing after the end */
	if (c->eof || c->end <= c->n)
	{
		if (!oct_wire_feed(&wire, "E", 1))
			abort();
		oct_wire_eof(&wire);
		assert_same(&wire, c);
	}
}

static void
check_strings(const OctOutcome *outcome)
{
	size_t		len = strnlen(outcome->sqlstate, OCT_SQLSTATE_SIZE);

	if (len != 0 &&
		(len != 5 ||
		 strspn(outcome->sqlstate, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5))
		abort();
	if (memchr(outcome->message, '\0', OCT_MESSAGE_SIZE) == NULL ||
		strpbrk(outcome->message, "\r\n") != NULL)
		abort();
}

static void
check_outcome(const Case *c)
{
	const OctOutcome *outcome = &c->outcome;
	bool		ended = c->eof || c->end <= c->n;

	check_strings(outcome);
	if (outcome->role > OCT_ROLE_STANDBY || outcome->server_version < 0)
		abort();
	if (c->held ? outcome->phase != OCT_PHASE_QUERY :
		outcome->phase != OCT_PHASE_STARTUP && outcome->phase != OCT_PHASE_AUTH)
		abort();
	if (ended == (outcome->reason == OCT_REASON_TIMEOUT))
		abort();
	if (c->logged_in != (outcome->reason == OCT_REASON_OK || (c->held && !ended)))
		abort();

	switch (outcome->reason)
	{
		case OCT_REASON_OK:
			if (memcmp(c->bytes + c->end - 6, "Z\0\0\0\5", 5) != 0 ||
				(!c->held && outcome->phase != OCT_PHASE_AUTH))
				abort();
			break;
		case OCT_REASON_TIMEOUT:
			if (outcome->message[0] != '\0')
				abort();
			break;
		case OCT_REASON_PASSWORD_NEEDED:
			if (c->held || outcome->phase != OCT_PHASE_AUTH)
				abort();
			break;
		case OCT_REASON_CONNECTION_RESET:
			if (!c->eof || c->end <= c->n)
				abort();
			break;
		case OCT_REASON_PROTOCOL_ERROR:
		case OCT_REASON_TOO_MANY_CONNECTIONS:
			break;
		case OCT_REASON_AUTH_FAILED:
		case OCT_REASON_STARTING_UP:
		case OCT_REASON_IN_RECOVERY:
		case OCT_REASON_NOT_ACCEPTING:
		case OCT_REASON_SHUTTING_DOWN:
			if (outcome->sqlstate[0] == '\0')
				abort();
			break;
		default:
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Case		c = {0};
	uint32		mix = (uint32) size;

	if (size == 0)
		return 0;
	c.held = (data[0] & 1) != 0;
	c.eof = (data[0] & 2) != 0;
	c.bytes = (const char *) data + 1;
	c.n = size - 1;
	feed_slowly(&c);
	check_outcome(&c);

	for (size_t i = 0; i < size; i++)
		mix = mix * 31 + data[i];
	feed_in_pieces(&c, c.n, 1);
	feed_in_pieces(&c, mix % size, size);
	feed_in_pieces(&c, mix / 7 % 16, mix / 128 % 61 + 2);
	fuzz_ngood += c.outcome.reason == OCT_REASON_OK;
	return 0;
}

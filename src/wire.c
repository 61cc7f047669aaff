/*-------------------------------------------------------------------------
 *
 * wire.c
 *	  PostgreSQL's start-up conversation, as bytes: what a server says.
 *
 * A server's message is a type, a length that counts itself, and a body.  The
 * type and the length are judged as soon as they are there, so that what is no
 * PostgreSQL server is known by its first bytes, and nothing that it says is
 * waited for.  The first bytes of a message are kept in "head", which is all
 * that is needed of most of them; an error goes through wireerror, which takes
 * out of it what we want.  So a conversation has a fixed size, and it is all one
 * in what pieces it comes.
 *
 *	STARTUP		answer to a StartupMessage: a request for credentials ends the
 *				conversation (we have none), an error does so too, and
 *				AuthenticationOk leads to
 *	LOGIN		the server says who it is; ReadyForQuery is the end.
 *	SESSION		answer to a Sync: ReadyForQuery, or an error.
 *	OLD_ERROR	a text in the way of protocol 2, which has no length: so speaks a
 *				postmaster that could not fork, and so spoke old servers.
 *	ENDED		nothing is read any more.
 *
 * The rules are libpq's (PQconnectPoll, pqParseInput3), for a server that
 * libpq takes for one must be one here, and the other way round; but a length
 * without sense is never waited for.
 *
 * What a server says is kept as it came.  It is not to be trusted.
 *
 * Known weakness: a postmaster that could not fork says so in its own language,
 * and we know it in English only.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "policy.h"
#include "wire.h"

#define HEADER_SIZE		5		/* type and length */
#define LENGTH_SIZE		4

/* Requests for credentials are numbered from 0; the last one known is 12. */
#define MAX_AUTH_REQUEST	255

/* An initialized conversation has none of zero. */
typedef enum Stage
{
	STARTUP = 1 << 0,
	LOGIN = 1 << 1,
	SESSION = 1 << 2,
	OLD_ERROR = 1 << 3,
	ENDED = 1 << 4
} Stage;

/* What a server may say, and when; the lengths are those in the message. */
typedef struct MessageKind
{
	char		type;
	uint8		stages;
	uint16		min_length;
	uint16		max_length;
} MessageKind;

static const MessageKind kinds[] = {
	{'S', LOGIN | SESSION, 6, 30000},	/* ParameterStatus */
	{'R', STARTUP, 8, 2000},	/* Authentication... */
	{'K', LOGIN, 12, 264},		/* BackendKeyData */
	{'Z', LOGIN | SESSION, 5, 5},	/* ReadyForQuery */
	{'E', STARTUP | LOGIN | SESSION, 8, 30000}, /* ErrorResponse */
	{'N', LOGIN | SESSION, 5, 30000},	/* NoticeResponse */
	{'v', STARTUP | LOGIN, 12, 2000},	/* NegotiateProtocolVersion */
	{'A', SESSION, 10, 30000},	/* NotificationResponse */
};

StaticAssertDecl(sizeof(OctWire) <= 512, "there are thousands of OctWire");
StaticAssertDecl(OCT_WIRE_HEAD_SIZE <= PG_UINT8_MAX, "head_size is a byte");

static uint32
get_uint32(const char *src)
{
	const unsigned char *p = (const unsigned char *) src;

	return (uint32) p[0] << 24 | (uint32) p[1] << 16 | (uint32) p[2] << 8 | p[3];
}


/* ---------- beginning and end ---------- */

/* Of earlier conversations in this session, role and version stay. */
static void
begin_conversation(OctWire *wire, Stage stage, OctPhase phase)
{
	wire->nbytes = 0;
	wire->left = 0;
	wire->nmessages = 0;
	wire->stage = stage;
	wire->reason = OCT_REASON_TIMEOUT;
	wire->phase = phase;
	wire->head_size = 0;
	oct_wireerror_init(&wire->error);
}

/* Begins a conversation by which a StartupMessage is answered. */
void
oct_wire_init(OctWire *wire)
{
	memset(wire, 0, sizeof(OctWire));
	begin_conversation(wire, STARTUP, OCT_PHASE_STARTUP);
}

/*
 * Begins another one in a session, by which a Sync is answered.  What the
 * server said of itself so far still holds: "wire" is the one that logged in, or
 * one that was just initialized, if that is not at hand.
 */
void
oct_wire_expect_sync(OctWire *wire)
{
	begin_conversation(wire, SESSION, OCT_PHASE_QUERY);
	wire->logged_in = true;
}

static void
end_conversation(OctWire *wire, OctReason reason)
{
	wire->stage = ENDED;
	wire->reason = reason;
	wire->logged_in = reason == OCT_REASON_OK;
}

/* Ends it with words of our own. */
static void
give_up(OctWire *wire, OctReason reason, const char *message)
{
	oct_wireerror_init(&wire->error);
	strlcpy(wire->error.message, message, OCT_MESSAGE_SIZE);
	end_conversation(wire, reason);
}

static void
refuse(OctWire *wire, const char *message)
{
	give_up(wire, OCT_REASON_PROTOCOL_ERROR, message);
}


/* ---------- authentication ---------- */

static void
end_authentication(OctWire *wire)
{
	uint32		request = get_uint32(wire->head + HEADER_SIZE);
	uint32		length = get_uint32(wire->head + 1);

	/* other protocols have packets that would pass for one of ours so far */
	if (request > MAX_AUTH_REQUEST || (request == 0 && length != 8))
	{
		refuse(wire, "the authentication request is of no known kind");
		return;
	}

	wire->phase = OCT_PHASE_AUTH;
	if (request == 0)
		wire->stage = LOGIN;
	else
		end_conversation(wire, OCT_REASON_PASSWORD_NEEDED);
}


/* ---------- what a server says of itself ---------- */

/*
 * Reads a number of up to five digits, so that nothing overflows; returns what
 * is behind it, or NULL if there is none.
 */
static const char *
read_number(const char *str, int32 *number)
{
	size_t		ndigits = strspn(str, "0123456789");

	if (ndigits == 0 || ndigits > 5)
		return NULL;
	*number = 0;
	while (ndigits-- > 0)
		*number = *number * 10 + (*str++ - '0');
	return str;
}

/* The same as libpq's PQserverVersion; 0 for what is no version. */
static int32
parse_version(const char *version)
{
	int32		parts[3] = {0, 0, 0};
	int			nparts = 0;

	while (nparts < 3)
	{
		version = read_number(version, &parts[nparts]);
		if (version == NULL)
			break;
		nparts++;
		if (*version++ != '.')
			break;
	}

	/* the first number has been all of the major version since 10 */
	if (nparts == 2 && parts[0] >= 10)
		return 100 * 100 * parts[0] + parts[1];
	return (100 * parts[0] + parts[1]) * 100 + parts[2];
}

/*
 * The value of the parameter in head, as far as it fits there, if "name" is its
 * name; "size" counts the zero.  Else NULL.
 */
static const char *
parameter(const OctWire *wire, const char *name, size_t size)
{
	const char *body = wire->head + HEADER_SIZE;

	if (wire->head_size < HEADER_SIZE + size || memcmp(body, name, size) != 0)
		return NULL;
	return body + size;
}

/* The value of a Boolean parameter; what is none changes nothing. */
static OctAnswer
answer(const char *value, OctAnswer before)
{
	if (strcmp(value, "on") == 0)
		return OCT_ANSWER_YES;
	return strcmp(value, "off") == 0 ? OCT_ANSWER_NO : before;
}

static void
end_parameter(OctWire *wire)
{
	const char *version = parameter(wire, "server_version",
									sizeof("server_version"));
	const char *standby = parameter(wire, "in_hot_standby",
									sizeof("in_hot_standby"));
	const char *read_only = parameter(wire, "default_transaction_read_only",
									  sizeof("default_transaction_read_only"));

	if (version != NULL)
		wire->server_version = parse_version(version);
	else if (standby != NULL)
		wire->standby = answer(standby, wire->standby);
	else if (read_only != NULL)
		wire->read_only = answer(read_only, wire->read_only);
}


/* ---------- errors ---------- */

static void
end_error(OctWire *wire)
{
	if (wire->stage == STARTUP)
		wire->phase = OCT_PHASE_AUTH;
	end_conversation(wire, oct_wireerror_end(&wire->error));
}

/* Its first bytes were taken for a length. */
static void
begin_old_error(OctWire *wire)
{
	wire->stage = OLD_ERROR;
	oct_wireerror_read_text(&wire->error, wire->head + 1, LENGTH_SIZE);
}

static void
end_old_error(OctWire *wire)
{
	wire->phase = OCT_PHASE_AUTH;
	end_conversation(wire, oct_wireerror_end_text(&wire->error));
}

/* Returns how many bytes it read. */
static size_t
read_old_error(OctWire *wire, const char *bytes, size_t n)
{
	const char *zero = memchr(bytes, '\0', n);
	size_t		len = zero != NULL ? zero - bytes : n;

	oct_wireerror_read_text(&wire->error, bytes, len);
	if (zero == NULL)
		return n;
	end_old_error(wire);
	return len + 1;
}


/* ---------- messages ---------- */

/* NULL if a message of that type has no place now. */
static const MessageKind *
kind_of(const OctWire *wire, char type)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (kinds[i].type == type)
			return (kinds[i].stages & wire->stage) != 0 ? &kinds[i] : NULL;
	}
	return NULL;
}

/* Is the length rather text?  Then no byte of it is a control character. */
static bool
is_text(const char *bytes)
{
	for (int i = 0; i < LENGTH_SIZE; i++)
	{
		if ((unsigned char) bytes[i] < ' ')
			return false;
	}
	return true;
}

/* The header is complete. */
static void
begin_message(OctWire *wire)
{
	const MessageKind *kind = kind_of(wire, wire->head[0]);
	uint32		length = get_uint32(wire->head + 1);

	Assert(kind != NULL);		/* or its first byte would have been refused */
	if (wire->stage == STARTUP && kind->type == 'E' && is_text(wire->head + 1))
		begin_old_error(wire);
	else if (length < kind->min_length || length > kind->max_length)
		refuse(wire, "a message has an impossible length");
	else if (++wire->nmessages > OCT_WIRE_MAX_MESSAGES)
		refuse(wire, "the conversation does not end");
	else
		wire->left = length - LENGTH_SIZE;
}

/* Returns how many bytes it read. */
static size_t
read_header(OctWire *wire, const char *bytes, size_t n)
{
	if (wire->head_size == 0 && kind_of(wire, bytes[0]) == NULL)
	{
		refuse(wire, wire->nbytes == 0 && wire->stage == STARTUP ?
			   "the first byte is no message of PostgreSQL's" :
			   "a message came that has no place there");
		return 1;
	}
	n = Min(n, HEADER_SIZE - wire->head_size);
	memcpy(wire->head + wire->head_size, bytes, n);
	wire->head_size += n;
	if (wire->head_size == HEADER_SIZE)
		begin_message(wire);
	return n;
}

static void
end_message(OctWire *wire)
{
	char		type = wire->head[0];

	if (type == 'S')
		end_parameter(wire);
	else if (type == 'R')
		end_authentication(wire);
	else if (type == 'E')
		end_error(wire);
	else if (type == 'Z')
		end_conversation(wire, OCT_REASON_OK);
	wire->head_size = 0;
}

/* Returns how many bytes it read. */
static size_t
read_body(OctWire *wire, const char *bytes, size_t n)
{
	n = Min(n, wire->left);
	if (wire->head[0] == 'E')
		oct_wireerror_read(&wire->error, bytes, n);
	else
	{
		size_t		kept = Min(n, OCT_WIRE_HEAD_SIZE - wire->head_size);

		memcpy(wire->head + wire->head_size, bytes, kept);
		wire->head_size += kept;
		wire->head[wire->head_size] = '\0';
	}
	wire->left -= n;
	if (wire->left == 0)
		end_message(wire);
	return n;
}


/* ---------- what the caller sees ---------- */

/*
 * Reads n bytes of the server's.  Returns whether the conversation has come to
 * its end; then what is behind that is ignored, as is all that is fed later.
 */
bool
oct_wire_feed(OctWire *wire, const char *bytes, size_t n)
{
	while (n > 0 && wire->stage != ENDED)
	{
		/* the limit is in the same place, however the bytes are cut */
		size_t		allowed = Min(n, OCT_WIRE_MAX_BYTES - wire->nbytes);
		size_t		used;

		if (allowed == 0)
		{
			refuse(wire, "the conversation does not end");
			break;
		}
		if (wire->stage == OLD_ERROR)
			used = read_old_error(wire, bytes, allowed);
		else if (wire->left == 0)
			used = read_header(wire, bytes, allowed);
		else
			used = read_body(wire, bytes, allowed);
		wire->nbytes += used;
		bytes += used;
		n -= used;
	}
	return wire->stage == ENDED;
}

/*
 * The peer has closed the connection.  If it had not come to the end, this is
 * it; a text without a length may end so.
 */
void
oct_wire_eof(OctWire *wire)
{
	if (wire->stage == OLD_ERROR)
		end_old_error(wire);
	else if (wire->stage != ENDED)
		give_up(wire, OCT_REASON_CONNECTION_RESET,
				"server closed the connection unexpectedly");
}

/*
 * Says what came of a conversation.  One that is not at its end is taken for one
 * that never will be: a timeout, with what is known by now.
 */
void
oct_wire_outcome(const OctWire *wire, OctOutcome *outcome)
{
	memset(outcome, 0, sizeof(OctOutcome));
	outcome->reason = wire->reason;
	outcome->phase = wire->phase;
	outcome->role = wire->standby == OCT_ANSWER_YES ? OCT_ROLE_STANDBY :
		wire->standby == OCT_ANSWER_NO ? OCT_ROLE_PRIMARY : OCT_ROLE_UNKNOWN;
	outcome->read_only = oct_policy_read_only(wire->standby, wire->read_only);
	outcome->encrypted = OCT_ANSWER_NO;
	outcome->server_version = wire->server_version;
	if (wire->stage == ENDED)
	{
		strlcpy(outcome->sqlstate, wire->error.sqlstate, OCT_SQLSTATE_SIZE);
		strlcpy(outcome->message, wire->error.message, OCT_MESSAGE_SIZE);
	}
}

/* How far it has come. */
OctPhase
oct_wire_phase(const OctWire *wire)
{
	return (OctPhase) wire->phase;
}

/* Is there a session, which wants OCT_WIRE_TERMINATE before it is closed? */
bool
oct_wire_logged_in(const OctWire *wire)
{
	return wire->logged_in;
}

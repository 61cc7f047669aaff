/*-------------------------------------------------------------------------
 *
 * authguard.c
 *	  What a server asks of who logs in; see authguard.h.
 *
 * Messages and codes are those of PostgreSQL's documentation of its protocol,
 * the challenge is the server-first-message of RFC 5802.  libpq goes by the
 * contents of a message and not by its length: what follows the contents it takes
 * for the next message.  So here the two have to agree.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "authguard.h"

/* type and length; and a code */
#define OCT_HEAD_SIZE			5
#define OCT_REQUEST_SIZE		9

/* the length of a request that is but its code */
#define OCT_BARE_LENGTH			(OCT_REQUEST_SIZE - 1)

/* the codes of requests that matter here */
typedef enum OctRequest
{
	OCT_REQUEST_NONE = 0,		/* let in */
	OCT_REQUEST_PASSWORD = 3,
	OCT_REQUEST_MD5 = 5,
	OCT_REQUEST_GSS = 7,
	OCT_REQUEST_GSS_GO_ON = 8,
	OCT_REQUEST_SSPI = 9,
	OCT_REQUEST_SASL = 10,
	OCT_REQUEST_CHALLENGE = 11,
	OCT_REQUEST_SASL_END = 12
} OctRequest;

/* The parts of a challenge "r=...,s=...,i=rounds". */
typedef enum OctChallengePart
{
	OCT_PART_NONCE,
	OCT_PART_SALT,
	OCT_PART_I,					/* the letter */
	OCT_PART_EQUALS,
	OCT_PART_ROUNDS,			/* its first digit */
	OCT_PART_DIGITS,			/* the others */
	OCT_PART_REST				/* which nobody reads */
} OctChallengePart;

static OctAuthVerdict
require(bool good)
{
	return good ? OCT_AUTH_PASS : OCT_AUTH_DISORDER;
}

/*
 * May it be asked for now?  A challenge comes right behind SASL, by its own name, lest
 * libpq take something else for it, or send anything and read on for it.
 */
static bool
is_in_order(OctAuthGuard *guard)
{
	switch ((OctRequest) guard->code)
	{
		case OCT_REQUEST_NONE:
			return true;
		case OCT_REQUEST_SASL:
			return guard->sasl++ == 0;
		case OCT_REQUEST_CHALLENGE:
			return guard->sasl++ == 1;
		case OCT_REQUEST_SASL_END:
			return guard->sasl++ == 2;
		default:
			return guard->sasl == 0;
	}
}

/* What is asked for is known, and how long it is. */
static OctAuthVerdict
begin_request(OctAuthGuard *guard)
{
	if (!is_in_order(guard))
		return OCT_AUTH_DISORDER;
	switch ((OctRequest) guard->code)
	{
		case OCT_REQUEST_NONE:
			guard->done = true; /* there is no authentication from here on */
			return require(guard->length == OCT_BARE_LENGTH);
		case OCT_REQUEST_GSS:
		case OCT_REQUEST_SSPI:
			guard->gss = true;
			return require(guard->length == OCT_BARE_LENGTH);
		case OCT_REQUEST_GSS_GO_ON:
			return require(guard->gss);
		case OCT_REQUEST_PASSWORD:
			return require(guard->length == OCT_BARE_LENGTH);
		case OCT_REQUEST_MD5:
			return require(guard->length == OCT_BARE_LENGTH + 4);
		case OCT_REQUEST_SASL:
		case OCT_REQUEST_CHALLENGE:
			guard->part = OCT_PART_NONCE;
			guard->rounds = 0;
			return require(guard->length > OCT_BARE_LENGTH);
		case OCT_REQUEST_SASL_END:
			return OCT_AUTH_PASS;
	}
	guard->done = true;			/* libpq refuses it */
	return OCT_AUTH_PASS;
}

/*
 * A byte of a challenge.  Whoever reads numbers more freely than we do, with spaces
 * or signs, is not to be led to another one.
 */
static OctAuthVerdict
read_challenge(OctAuthGuard *guard, char c)
{
	switch ((OctChallengePart) guard->part)
	{
		case OCT_PART_NONCE:
		case OCT_PART_SALT:
			if (c == ',')
				guard->part++;
			return OCT_AUTH_PASS;
		case OCT_PART_I:
			guard->part++;
			return require(c == 'i');
		case OCT_PART_EQUALS:
			guard->part++;
			return require(c == '=');
		case OCT_PART_ROUNDS:
		case OCT_PART_DIGITS:
			if (c == ',' && guard->part == OCT_PART_DIGITS)
			{
				guard->part = OCT_PART_REST;
				return OCT_AUTH_PASS;
			}
			guard->part = OCT_PART_DIGITS;
			if (c < '0' || c > '9')
				return OCT_AUTH_DISORDER;
			guard->rounds = guard->rounds * 10 + (uint32) (c - '0');
			return guard->rounds > OCT_AUTH_MAX_ROUNDS ? OCT_AUTH_TOO_DEAR : OCT_AUTH_PASS;
		case OCT_PART_REST:
			break;
	}
	return OCT_AUTH_PASS;
}

/* A byte behind the code; "last" is whether the message ends with it. */
static OctAuthVerdict
read_contents(OctAuthGuard *guard, char c, bool last)
{
	bool		ends_list = c == '\0' && guard->last == '\0';
	OctAuthVerdict verdict;

	switch (guard->code)
	{
		case OCT_REQUEST_SASL:
			/* names, each terminated, to an empty one */
			return require(ends_list == last);
		case OCT_REQUEST_CHALLENGE:
			verdict = read_challenge(guard, c);
			return verdict == OCT_AUTH_PASS && last ?
				require(guard->part >= OCT_PART_DIGITS) : verdict;
		default:
			return OCT_AUTH_PASS;
	}
}

/* The message has come as far as its code, if it has one. */
static OctAuthVerdict
read_head(OctAuthGuard *guard, char c)
{
	uint32	   *number = guard->at <= OCT_HEAD_SIZE ? &guard->length : &guard->code;

	if (guard->at == 1)
	{
		guard->type = c;
		guard->length = guard->code = 0;

		/* an error ends the connection, and libpq does not know other messages */
		guard->done = c != 'R' && c != 'v';
		return OCT_AUTH_PASS;
	}
	*number = *number << 8 | (unsigned char) c;
	if (guard->at == OCT_HEAD_SIZE)
		return require(guard->length >= OCT_BARE_LENGTH && guard->length <= PG_INT32_MAX);
	if (guard->at < OCT_REQUEST_SIZE)
		return OCT_AUTH_PASS;

	/* behind a version is the number of things that we asked for in vain: none */
	return guard->type == 'v' ? require(guard->length == OCT_BARE_LENGTH + 4) :
		begin_request(guard);
}

/*
 * Looks at what libpq would read next.  After another verdict than OCT_AUTH_PASS the
 * guard is not to be used any more.
 */
OctAuthVerdict
oct_authguard_feed(OctAuthGuard *guard, const char *bytes, size_t size)
{
	OctAuthVerdict verdict = OCT_AUTH_PASS;

	for (size_t i = 0; i < size && !guard->done && verdict == OCT_AUTH_PASS; i++)
	{
		bool		last = ++guard->at == guard->length + 1 && guard->at > OCT_HEAD_SIZE;

		if (guard->at <= OCT_REQUEST_SIZE)
			verdict = read_head(guard, bytes[i]);
		else if (guard->type == 'R')
			verdict = read_contents(guard, bytes[i], last);
		else
			verdict = require(bytes[i] == '\0');	/* no names follow the version */
		guard->last = guard->at <= OCT_REQUEST_SIZE ? '\0' : bytes[i];
		if (last)
			guard->at = 0;
	}
	return verdict;
}

/*-------------------------------------------------------------------------
 *
 * authguard.c
 *	  What a server asks of who logs in; see authguard.h.
 *
 * Messages and codes are those of PostgreSQL's documentation of its protocol,
 * the challenge is the server-first-message of RFC 5802.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "authguard.h"

/* type, length and code of a request for authentication */
#define OCT_REQUEST_SIZE	9

/* the codes of requests that matter here */
#define OCT_REQUEST_NONE	0	/* let in */
#define OCT_REQUEST_GSS_GO_ON	8
#define OCT_REQUEST_SASL	10
#define OCT_REQUEST_CHALLENGE	11
#define OCT_REQUEST_SASL_END	12

static uint32
read_number(const char *bytes)
{
	const unsigned char *b = (const unsigned char *) bytes;

	return (uint32) b[0] << 24 | (uint32) b[1] << 16 | (uint32) b[2] << 8 | b[3];
}

/*
 * Looks at a challenge "r=...,s=...,i=rounds".  Whoever reads numbers more freely
 * than we do, with spaces or signs, is not to be led to another one.
 */
static OctAuthVerdict
judge_challenge(const char *bytes, size_t size)
{
	const char *end = bytes + size;
	const char *at = bytes;
	uint32		rounds = 0;

	for (int i = 0; i < 2; i++)
	{
		const char *comma = memchr(at, ',', end - at);

		if (comma == NULL)
			return OCT_AUTH_DISORDER;
		at = comma + 1;
	}
	if (end - at < 3 || at[0] != 'i' || at[1] != '=' || at[2] == ',')
		return OCT_AUTH_DISORDER;
	for (at += 2; at < end && *at != ','; at++)
	{
		if (*at < '0' || *at > '9')
			return OCT_AUTH_DISORDER;
		rounds = rounds * 10 + (uint32) (*at - '0');
		if (rounds > OCT_AUTH_MAX_ROUNDS)
			return OCT_AUTH_TOO_DEAR;
	}
	return OCT_AUTH_PASS;
}

/* Looks at a request that is there as a whole. */
static OctAuthVerdict
judge_request(OctAuthStage *stage, uint32 code, const char *rest, size_t size)
{
	OctAuthStage before = *stage;

	*stage = OCT_AUTH_ALL;
	switch (code)
	{
		case OCT_REQUEST_NONE:
			return OCT_AUTH_PASS;
		case OCT_REQUEST_SASL:
			*stage = OCT_AUTH_SASL;
			return before == OCT_AUTH_NOTHING ? OCT_AUTH_PASS : OCT_AUTH_DISORDER;
		case OCT_REQUEST_CHALLENGE:
			return before == OCT_AUTH_SASL ? judge_challenge(rest, size) : OCT_AUTH_DISORDER;
		case OCT_REQUEST_GSS_GO_ON:
		case OCT_REQUEST_SASL_END:
			return before == OCT_AUTH_ALL ? OCT_AUTH_PASS : OCT_AUTH_DISORDER;
		default:
			return before == OCT_AUTH_NOTHING ? OCT_AUTH_PASS : OCT_AUTH_DISORDER;
	}
}

/*
 * Looks at the bytes that libpq would read next, while it waits for what the
 * server makes of its start-up packet or of its last answer.  To be waited for are
 * "need" bytes in all; the stage is as before then, as the bytes are seen again.
 */
OctAuthVerdict
oct_authguard_look(OctAuthStage *stage, const char *bytes, size_t size, size_t *need)
{
	OctAuthStage reached = *stage;
	OctAuthVerdict verdict = OCT_AUTH_PASS;
	size_t		at = 0;
	bool		requested = false;

	while (verdict == OCT_AUTH_PASS && !(requested && at == size))
	{
		size_t		left = size - at;
		uint32		length;
		uint32		code;

		/* an error ends the connection, and libpq does not know other messages */
		if (left > 0 && bytes[at] != 'R' && bytes[at] != 'v')
			break;

		*need = at + OCT_REQUEST_SIZE;
		if (left < OCT_REQUEST_SIZE)
			return OCT_AUTH_WAIT;
		length = read_number(bytes + at + 1);
		code = read_number(bytes + at + 5);
		if (length < OCT_REQUEST_SIZE - 1 || length >= OCT_AUTH_MAX_SIZE)
			return OCT_AUTH_DISORDER;
		*need = at + 1 + length;
		if (left < 1 + length)
			return OCT_AUTH_WAIT;

		/* what follows the version that the server has chosen follows at once */
		requested = bytes[at] == 'R';
		if (requested)
			verdict = judge_request(&reached, code, bytes + at + OCT_REQUEST_SIZE,
									1 + length - OCT_REQUEST_SIZE);
		else if (reached != OCT_AUTH_NOTHING)
			verdict = OCT_AUTH_DISORDER;
		if (requested && code == OCT_REQUEST_NONE)
			break;				/* no authentication from here on */
		at += 1 + length;
	}
	if (verdict == OCT_AUTH_PASS)
		*stage = reached;
	return verdict;
}

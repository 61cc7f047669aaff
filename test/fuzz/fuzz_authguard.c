/*-------------------------------------------------------------------------
 *
 * fuzz_authguard.c
 *	  The guard of logins against bytes of any kind.
 *
 * What it lets pass must not lead a reader that is as lenient as libpq, and goes by
 * the contents of messages as libpq does, to a challenge that is too dear.  It must
 * not depend on how the bytes are cut into pieces.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "authguard.h"

static const char special[] = "\0\3\5\10\12\13\14\33\35\377RvENrsi=,019+- ";

const FuzzTarget fuzz_target = {
	.corpus = "test/fuzz/corpus-authguard",
	.special = special,
	.nspecial = sizeof(special) - 1,
	.good = "passed",
};

uint64		fuzz_ngood;

static uint32
number_at(const char *bytes)
{
	const unsigned char *b = (const unsigned char *) bytes;

	return (uint32) b[0] << 24 | (uint32) b[1] << 16 | (uint32) b[2] << 8 | b[3];
}

/* The value of an attribute, terminated; moves on behind its comma. */
static char *
attribute(char **at, char name)
{
	char	   *value = *at + 2;

	if ((*at)[0] != name || (*at)[1] != '=')
		return NULL;
	*at = value + strcspn(value, ",");
	if (**at == ',')
		*(*at)++ = '\0';
	return value;
}

/* How often does a lenient reader hash for that challenge? */
static long
rounds_of(const char *bytes, size_t n)
{
	char		words[FUZZ_INPUT_SIZE + 1];
	char	   *at = words;
	char	   *value;

	memcpy(words, bytes, n);
	words[n] = '\0';
	if (attribute(&at, 'r') == NULL || attribute(&at, 's') == NULL ||
		(value = attribute(&at, 'i')) == NULL)
		return 0;
	return strtol(value, NULL, 10);
}

/*
 * What a lenient reader takes of a request, code and all; 0 if that ends the login, or
 * is not there as a whole.
 */
static size_t
size_of(const char *bytes, size_t n, uint32 code, size_t length)
{
	size_t		at = 9;

	switch (code)
	{
		case 3:
		case 7:
		case 9:
			return at;
		case 5:
			return at + 4;
		case 8:
		case 11:
		case 12:
			return length + 1;
		case 10:
			while (at < n && bytes[at] != '\0')
				at += strnlen(bytes + at, n - at) + 1;
			return at < n ? at + 1 : 0;
		default:
			return 0;
	}
}

/* Does a lenient reader find a challenge that is too dear? */
static bool
is_led_astray(const char *bytes, size_t n)
{
	bool		offered = false;

	for (size_t at = 0; at < n && n - at >= 9 && (bytes[at] == 'R' || bytes[at] == 'v');)
	{
		size_t		length = number_at(bytes + at + 1);
		uint32		code = number_at(bytes + at + 5);
		size_t		size = bytes[at] == 'v' ? 13 : size_of(bytes + at, n - at, code, length);

		if (length < 8 || length >= n - at || size == 0)
			break;
		if (bytes[at] == 'R' && (code == 11 || code == 12) && offered)
		{
			if (rounds_of(bytes + at + 9, length - 8) > OCT_AUTH_MAX_ROUNDS)
				return true;
			offered = false;	/* what comes then is an answer */
		}
		else if (bytes[at] == 'R' && code == 10)
			offered = true;
		at += size;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OctAuthGuard whole = {0};
	OctAuthGuard pieces = {0};
	OctAuthVerdict verdict;
	OctAuthVerdict slow = OCT_AUTH_PASS;
	char	   *bytes;

	if (size > FUZZ_INPUT_SIZE)
		return 0;
	bytes = malloc(Max(size, 1));	/* of just that size */
	memcpy(bytes, data, size);
	verdict = oct_authguard_feed(&whole, bytes, size);
	for (size_t i = 0; i < size && slow == OCT_AUTH_PASS; i++)
		slow = oct_authguard_feed(&pieces, bytes + i, 1);
	if (slow != verdict ||
		(verdict == OCT_AUTH_PASS && is_led_astray(bytes, size)))
		abort();
	if (verdict == OCT_AUTH_PASS)
		fuzz_ngood++;
	free(bytes);
	return 0;
}

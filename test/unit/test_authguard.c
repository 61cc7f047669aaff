/*-------------------------------------------------------------------------
 *
 * test_authguard.c
 *	  What a server may ask of who logs in, and what it may not.
 *
 *-------------------------------------------------------------------------
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "octypes.h"

#include "authguard.h"

#define BYTES(string)	(string), sizeof(string) - 1

#define LET_IN		"R\0\0\0\10\0\0\0\0"
#define CLEARTEXT	"R\0\0\0\10\0\0\0\3"
#define MD5			"R\0\0\0\14\0\0\0\5salt"
#define GSS			"R\0\0\0\10\0\0\0\7"
#define GSS_GO_ON	"R\0\0\0\12\0\0\0\10ab"
#define SASL		"R\0\0\0\27\0\0\0\12SCRAM-SHA-256\0\0"
#define SASL_END	"R\0\0\0\14\0\0\0\14v=xy"
#define VERSION		"v\0\0\0\14\0\3\0\0\0\0\0\0"
#define CHALLENGE	"R\0\0\0\33\0\0\0\13r=abc,s=QQ==,i=4096"
#define DEAREST		"R\0\0\0\35\0\0\0\13r=abc,s=QQ==,i=100000"
#define TOO_DEAR	"R\0\0\0\35\0\0\0\13r=abc,s=QQ==,i=100001"

/* Shows the guard a piece, in memory that ends with it. */
static OctAuthVerdict
feed(OctAuthGuard *guard, const char *bytes, size_t size)
{
	char	   *copy = malloc(Max(size, 1));
	OctAuthVerdict verdict;

	memcpy(copy, bytes, size);
	verdict = oct_authguard_feed(guard, copy, size);
	free(copy);
	return verdict;
}

/*
 * A test: the bytes, from the beginning of a connection, lead to the verdict, wherever
 * they are cut; and not before they are all there, if that is not OCT_AUTH_PASS.
 */
static void
assert_leads(const char *bytes, size_t size, OctAuthVerdict verdict)
{
	for (size_t cut = 0; cut < size; cut++)
	{
		OctAuthGuard guard = {0};

		assert_int_equal(feed(&guard, bytes, cut), OCT_AUTH_PASS);
		assert_int_equal(feed(&guard, bytes + cut, size - cut), verdict);
	}
}

/* The same, and everything may come behind. */
static void
assert_ends(const char *bytes, size_t size)
{
	OctAuthGuard guard = {0};

	assert_int_equal(feed(&guard, bytes, size), OCT_AUTH_PASS);
	assert_true(guard.done);
	assert_int_equal(feed(&guard, BYTES(SASL TOO_DEAR)), OCT_AUTH_PASS);
}

static void
test_logins(void **state)
{
	assert_ends(BYTES(LET_IN));
	assert_ends(BYTES(CLEARTEXT LET_IN));
	assert_ends(BYTES(MD5 LET_IN));
	assert_ends(BYTES(SASL CHALLENGE SASL_END LET_IN));
	assert_ends(BYTES(GSS GSS_GO_ON GSS_GO_ON LET_IN));
	assert_ends(BYTES(VERSION SASL CHALLENGE SASL_END LET_IN "S\0\0\0\5\0"));

	/* PAM may ask for more than one */
	assert_ends(BYTES(CLEARTEXT CLEARTEXT LET_IN));
	assert_leads(BYTES(VERSION SASL CHALLENGE SASL_END), OCT_AUTH_PASS);
}

/* What libpq has to say something about, and then ends, is for libpq. */
static void
test_what_ends_a_login(void **state)
{
	assert_ends(BYTES("E"));
	assert_ends(BYTES(SASL "E"));
	assert_ends(BYTES("HTTP/1.1 400"));
	assert_ends(BYTES("N"));
	assert_ends(BYTES("R\0\0\0\10\0\0\0\2"));
	assert_ends(BYTES("R\0\0\0\10\0\0\0\15"));
}

static void
test_rounds(void **state)
{
	assert_leads(BYTES(SASL DEAREST SASL_END), OCT_AUTH_PASS);
	assert_leads(BYTES(SASL TOO_DEAR), OCT_AUTH_TOO_DEAR);
	assert_leads(BYTES(SASL "R\0\0\0\56\0\0\0\13r=abc,s=QQ==,i=999999"), OCT_AUTH_TOO_DEAR);

	/* libpq goes on after a comma, with a word of complaint */
	assert_leads(BYTES(SASL "R\0\0\0\35\0\0\0\13r=abc,s=QQ==,i=4096,x" SASL_END), OCT_AUTH_PASS);
}

static void
test_challenges_that_are_none(void **state)
{
	static const char *const challenges[] = {
		",,x", ",,i,", ",,i=,", "r=a,s=b,j", "r=a,s=b,i= ", "r=a,s=b,i=+", "r=a,s=b,i=-",
		"r=a,s=b,i=0x", "r=a,s=b,i=1e", "r=a,s=b,i=4096 ", "r=a,s=b,I",
		/* ends too early */
		"r", "r=a,s=b", "r=a,s=b,", "r=a,s=b,i", "r=a,s=b,i="
	};

	for (size_t i = 0; i < lengthof(challenges); i++)
	{
		char		message[96] = SASL "R\0\0\0\0\0\0\0\13";
		char	   *challenge = message + sizeof(SASL) - 1;
		size_t		len = strlen(challenges[i]);

		challenge[4] = (char) (8 + len);
		memcpy(challenge + 9, challenges[i], len);
		assert_leads(message, challenge + 9 + len - message, OCT_AUTH_DISORDER);
	}
}

/* Whatever its name, what comes behind SASL is a challenge to libpq. */
static void
test_order(void **state)
{
	assert_leads(BYTES("R\0\0\0\33\0\0\0\13"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\0\0\0\33\0\0\0\14"), OCT_AUTH_DISORDER);
	assert_leads(BYTES(SASL "R\0\0\0\33\0\0\0\14"), OCT_AUTH_DISORDER);
	assert_leads(BYTES(SASL "R\0\0\0\10\0\0\0\3"), OCT_AUTH_DISORDER);
	assert_leads(BYTES(SASL "R\0\0\0\33\0\0\0\12"), OCT_AUTH_DISORDER);
	assert_leads(BYTES(SASL CHALLENGE "R\0\0\0\33\0\0\0\13"), OCT_AUTH_DISORDER);
	assert_leads(BYTES(SASL CHALLENGE SASL_END "R\0\0\0\33\0\0\0\12"), OCT_AUTH_DISORDER);
	assert_leads(BYTES(SASL CHALLENGE SASL_END "R\0\0\0\10\0\0\0\3"), OCT_AUTH_DISORDER);
}

/* What libpq reads of a message, and then what follows, is not what its length says. */
static void
test_lengths(void **state)
{
	assert_leads(BYTES("R\0\0\0\7"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\377\377\377\377"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\0\0\0\11\0\0\0\0"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\0\0\0\11\0\0\0\3"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\0\0\0\11\0\0\0\7"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\0\0\0\11\0\0\0\11"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\0\0\0\15\0\0\0\5"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\0\0\0\10\0\0\0\12"), OCT_AUTH_DISORDER);
	assert_leads(BYTES(SASL "R\0\0\0\10\0\0\0\13"), OCT_AUTH_DISORDER);

	/* the list of methods ends before its message, or does not */
	assert_leads(BYTES("R\0\0\0\15\0\0\0\12X\0\0"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\0\0\0\12\0\0\0\12X\0"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("R\0\0\0\11\0\0\0\12\0"), OCT_AUTH_PASS);

	/* Kerberos goes on that has not begun, and is not read */
	assert_leads(BYTES("R\0\0\0\12\0\0\0\10"), OCT_AUTH_DISORDER);

	/* a version, with the name of something that we have not asked for */
	assert_leads(BYTES("v\0\0\0\17\0\3\0\0"), OCT_AUTH_DISORDER);
	assert_leads(BYTES("v\0\0\0\14\0\3\0\0\0\0\0\1"), OCT_AUTH_DISORDER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logins),
		cmocka_unit_test(test_what_ends_a_login),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_challenges_that_are_none),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

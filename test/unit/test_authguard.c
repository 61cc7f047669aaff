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

/*
 * Shows the guard the bytes, in memory that ends with them; at a stage that is
 * reached as told.
 */
static OctAuthVerdict
look(OctAuthStage *stage, const char *bytes, size_t size, size_t *need)
{
	char	   *copy = malloc(Max(size, 1));
	OctAuthVerdict verdict;

	memcpy(copy, bytes, size);
	verdict = oct_authguard_look(stage, copy, size, need);
	free(copy);
	return verdict;
}

/*
 * A test: at that stage the bytes lead to the verdict, and to the stage after it if
 * they pass; cut within a message they are waited for, and nothing has happened.
 */
static void
assert_leads(OctAuthStage stage, const char *bytes, size_t size,
			 OctAuthVerdict verdict, OctAuthStage after)
{
	OctAuthStage reached = stage;
	size_t		need;

	for (size_t cut = 0; cut < size && bytes[0] != 'E'; cut++)
	{
		OctAuthStage before = stage;
		OctAuthVerdict early = look(&before, bytes, cut, &need);

		if (early == OCT_AUTH_PASS || early == verdict)
			continue;
		assert_int_equal(early, OCT_AUTH_WAIT);
		assert_int_equal(before, stage);
		assert_true(need > cut);
	}
	assert_int_equal(look(&reached, bytes, size, &need), verdict);
	assert_int_equal(reached, verdict == OCT_AUTH_PASS ? after : stage);
}

static void
test_logins(void **state)
{
	assert_leads(OCT_AUTH_NOTHING, BYTES(LET_IN), OCT_AUTH_PASS, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_NOTHING, BYTES(CLEARTEXT), OCT_AUTH_PASS, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_NOTHING, BYTES(MD5), OCT_AUTH_PASS, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_ALL, BYTES(LET_IN), OCT_AUTH_PASS, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_NOTHING, BYTES(SASL), OCT_AUTH_PASS, OCT_AUTH_SASL);
	assert_leads(OCT_AUTH_SASL, BYTES(CHALLENGE), OCT_AUTH_PASS, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_ALL, BYTES(SASL_END), OCT_AUTH_PASS, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_NOTHING, BYTES(GSS), OCT_AUTH_PASS, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_ALL, BYTES(GSS_GO_ON), OCT_AUTH_PASS, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_NOTHING, BYTES(VERSION SASL), OCT_AUTH_PASS, OCT_AUTH_SASL);
	assert_leads(OCT_AUTH_ALL, BYTES(SASL_END LET_IN "S\0\0\0\5\0"), OCT_AUTH_PASS, OCT_AUTH_ALL);
}

/* What libpq has to say something about is for libpq. */
static void
test_what_ends_a_login(void **state)
{
	for (OctAuthStage stage = OCT_AUTH_NOTHING; stage <= OCT_AUTH_ALL; stage++)
	{
		assert_leads(stage, BYTES("E\0\0"), OCT_AUTH_PASS, stage);
		assert_leads(stage, BYTES("HTTP/1.1 400"), OCT_AUTH_PASS, stage);
	}
	assert_leads(OCT_AUTH_NOTHING, BYTES(SASL "E\0"), OCT_AUTH_PASS, OCT_AUTH_SASL);
}

static void
test_rounds(void **state)
{
	assert_leads(OCT_AUTH_SASL, BYTES(DEAREST), OCT_AUTH_PASS, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_SASL, BYTES(TOO_DEAR), OCT_AUTH_TOO_DEAR, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_SASL, BYTES("R\0\0\0\56\0\0\0\13r=abc,s=QQ==,i=99999999999999999999999"),
				 OCT_AUTH_TOO_DEAR, OCT_AUTH_ALL);

	/* libpq goes on after the comma, with a word of complaint */
	assert_leads(OCT_AUTH_SASL, BYTES("R\0\0\0\37\0\0\0\13r=abc,s=QQ==,i=100001,x"),
				 OCT_AUTH_TOO_DEAR, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_SASL, BYTES("R\0\0\0\35\0\0\0\13r=abc,s=QQ==,i=4096,x"),
				 OCT_AUTH_PASS, OCT_AUTH_ALL);
}

static void
test_challenges_that_are_none(void **state)
{
	static const char *const challenges[] = {
		"", ",", ",,", ",,i", ",,i=", ",,i=,", "r=a", "r=a,s=b", "r=a,s=b,", "r=a,s=b,j=4096",
		"r=a,s=b,i= 4096", "r=a,s=b,i=+4096", "r=a,s=b,i=-1", "r=a,s=b,i=0x99999999",
		"r=a,s=b,i=1e9", "r=a,i=1,s=b", "r=a,s=b,i=4096 ", "r=a,s=b,I=4096"
	};

	for (size_t i = 0; i < lengthof(challenges); i++)
	{
		char		message[64] = "R\0\0\0\0\0\0\0\13";
		size_t		len = strlen(challenges[i]);

		message[4] = (char) (8 + len);
		memcpy(message + 9, challenges[i], len);
		assert_leads(OCT_AUTH_SASL, message, 9 + len, OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	}
}

/* No order of requests leads past the look at a challenge. */
static void
test_disorder(void **state)
{
	assert_leads(OCT_AUTH_NOTHING, BYTES(CHALLENGE), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_ALL, BYTES(CHALLENGE), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_ALL, BYTES(SASL), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_SASL, BYTES(SASL), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_SASL, BYTES(MD5), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_SASL, BYTES(SASL_END), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_SASL, BYTES(VERSION LET_IN), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_ALL, BYTES(MD5), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_NOTHING, BYTES(SASL_END), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_NOTHING, BYTES(MD5 CHALLENGE), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_NOTHING, BYTES(SASL TOO_DEAR), OCT_AUTH_TOO_DEAR, OCT_AUTH_ALL);
	assert_leads(OCT_AUTH_SASL, BYTES(CHALLENGE TOO_DEAR), OCT_AUTH_DISORDER, OCT_AUTH_ALL);
}

static void
test_lengths(void **state)
{
	OctAuthStage stage = OCT_AUTH_NOTHING;
	size_t		need = 0;

	assert_leads(stage, BYTES("R\0\0\0\7\0\0\0\0"), OCT_AUTH_DISORDER, stage);
	assert_leads(stage, BYTES("R\0\0\20\0\0\0\0\12"), OCT_AUTH_DISORDER, stage);
	assert_leads(stage, BYTES("R\377\377\377\377\0\0\0\12"), OCT_AUTH_DISORDER, stage);

	/* so much is needed, and no byte more */
	assert_int_equal(look(&stage, BYTES("R"), &need), OCT_AUTH_WAIT);
	assert_int_equal(need, 9);
	assert_int_equal(look(&stage, BYTES("R\0\0\0\27\0\0\0\12S"), &need), OCT_AUTH_WAIT);
	assert_int_equal(need, 24);

	/* a version alone is not enough */
	assert_int_equal(look(&stage, BYTES(VERSION), &need), OCT_AUTH_WAIT);
	assert_int_equal(need, 13 + 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logins),
		cmocka_unit_test(test_what_ends_a_login),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_challenges_that_are_none),
		cmocka_unit_test(test_disorder),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*-------------------------------------------------------------------------
 *
 * test_printable.c
 *	  Bytes from outside, made fit to be shown.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "printable.h"

/* Every byte but zero, which ends strings. */
static void
every_byte(void **state)
{
	for (int c = 0x01; c <= 0xff; c++)
	{
		char		src[2] = {(char) c, '\0'};
		char		expected[5];
		char		dst[16];
		bool		printable = c >= ' ' && c <= '~';

		if (printable)
			strlcpy(expected, src, sizeof(expected));
		else
			snprintf(expected, sizeof(expected), "\\x%02x", c);

		oct_printable(dst, sizeof(dst), src);
		assert_string_equal(dst, expected);
		assert_int_equal(oct_is_printable_ascii(src), printable);
	}
}

static void
nothing_becomes_nothing(void **state)
{
	char		dst[2] = "?";

	oct_printable(dst, sizeof(dst), "");
	assert_string_equal(dst, "");
	oct_printable(dst, 1, "abc");
	assert_string_equal(dst, "");
	assert_true(oct_is_printable_ascii(""));
}

/* What stands behind a zero byte is no part of the string. */
static void
a_zero_byte_ends(void **state)
{
	char		dst[16];

	oct_printable(dst, sizeof(dst), "ab\0cd");
	assert_string_equal(dst, "ab");
	assert_true(oct_is_printable_ascii("ab\0\x7f"));
}

static void
bytes_in_the_middle(void **state)
{
	char		dst[64];

	oct_printable(dst, sizeof(dst), "K\xc3\xb6ln\n\x1b[31m\x7f");
	assert_string_equal(dst, "K\\xc3\\xb6ln\\x0a\\x1b[31m\\x7f");
	assert_false(oct_is_printable_ascii("K\xc3\xb6ln"));
	assert_false(oct_is_printable_ascii("line\n"));
	assert_false(oct_is_printable_ascii("\tx"));
	assert_true(oct_is_printable_ascii("a b=c'\"\\~"));
}

/*
 * Whatever the size, the result is a prefix of the whole, ends with a whole
 * byte, wastes no place that the next one would fit in, and nothing is written
 * beyond (which the sanitizer and the guard see).
 */
static void
cut_at_every_size(void **state)
{
	static const char src[] = "a\x01" "bc\xff\xfe" "d";
	static const char whole[] = "a\\x01bc\\xff\\xfed";

	/* where the result may end */
	static const size_t ends[] = {0, 1, 5, 6, 7, 11, 15, 16};

	assert_int_equal(strlen(whole), ends[lengthof(ends) - 1]);

	for (size_t size = 1; size <= sizeof(whole) + 3; size++)
	{
		char		guarded[sizeof(whole) + 4];
		char	   *exact = malloc(size);
		size_t		expected = 0;

		for (int i = 0; i < lengthof(ends); i++)
		{
			if (ends[i] < size)
				expected = ends[i];
		}

		memset(guarded, '#', sizeof(guarded));
		oct_printable(guarded, size, src);
		assert_int_equal(strlen(guarded), expected);
		assert_memory_equal(guarded, whole, expected);
		for (size_t i = size; i < sizeof(guarded); i++)
			assert_int_equal(guarded[i], '#');

		oct_printable(exact, size, src);
		assert_string_equal(exact, guarded);
		free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte),
		cmocka_unit_test(nothing_becomes_nothing),
		cmocka_unit_test(a_zero_byte_ends),
		cmocka_unit_test(bytes_in_the_middle),
		cmocka_unit_test(cut_at_every_size),
	};

	return cmocka_run_group_tests_name("printable", tests, NULL, NULL);
}

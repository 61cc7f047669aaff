/*-------------------------------------------------------------------------
 *
 * test_latency.c
 *	  A histogram: its buckets, and what it says of what was recorded.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "latency.h"

#define LAST	(OCT_LATENCY_BUCKETS - 1)

/* Buckets follow each other without gaps. */
static void
no_gaps(void **state)
{
	assert_int_equal(oct_latency_lower_us(0), 0);
	for (int i = 0; i < LAST; i++)
	{
		int64		lower = oct_latency_lower_us(i);
		int64		upper = oct_latency_upper_us(i);

		assert_true(lower < upper);
		assert_int_equal(upper, oct_latency_lower_us(i + 1));
		assert_int_equal(oct_latency_bucket(lower), i);
		assert_int_equal(oct_latency_bucket(upper - 1), i);
		assert_int_equal(oct_latency_bucket(upper), i + 1);
	}
	assert_int_equal(oct_latency_lower_us(LAST), 1 << 26);
	assert_true(oct_latency_upper_us(LAST) == PG_INT64_MAX);
}

/* None is wider than an eighth of what is in it, or 8 us. */
static void
narrow(void **state)
{
	for (int i = 0; i < LAST; i++)
	{
		int64		width = oct_latency_upper_us(i) - oct_latency_lower_us(i);

		assert_true(width <= Max(oct_latency_lower_us(i) / 8, 8));
	}
}

/* What cannot be is in the first or the last one. */
static void
extremes(void **state)
{
	assert_int_equal(oct_latency_bucket(PG_INT64_MIN), 0);
	assert_int_equal(oct_latency_bucket(-1), 0);
	assert_int_equal(oct_latency_bucket(0), 0);
	assert_int_equal(oct_latency_bucket(INT64CONST(1) << 26), LAST);
	assert_int_equal(oct_latency_bucket(PG_INT64_MAX), LAST);
}

static void
nothing_recorded(void **state)
{
	OctLatency	latency = {0};

	assert_int_equal(oct_latency_total(&latency), 0);
	assert_true(oct_latency_quantile_us(&latency, 0.5) == 0);
	assert_true(oct_latency_quantile_us(&latency, 1) == 0);
}

/* One is the quantile of every share. */
static void
one_recorded(void **state)
{
	OctLatency	latency = {0};

	oct_latency_record(&latency, 1000);
	for (int percent = 1; percent <= 100; percent++)
	{
		double		us = oct_latency_quantile_us(&latency, percent / 100.0);

		assert_true(us >= 1000 * (1 - 0.0625) && us <= 1000 * (1 + 0.0625));
	}
}

/* Quantiles of known distributions are as exact as promised. */
static void
exact_enough(void **state)
{
	static const int64 steps[] = {3, 17, 1000, 12345};

	for (int s = 0; s < lengthof(steps); s++)
	{
		OctLatency	latency = {0};

		for (int i = 1; i <= 1000; i++)
			oct_latency_record(&latency, i * steps[s]);
		for (int percent = 1; percent <= 100; percent++)
		{
			double		us = oct_latency_quantile_us(&latency, percent / 100.0);
			double		truth = percent * 10.0 * steps[s];
			double		error = us > truth ? us - truth : truth - us;

			assert_true(error <= Max(truth * 0.0625, 4));
		}
	}
}

/* The nearest rank: of two, the first one is the median. */
static void
nearest_rank(void **state)
{
	OctLatency	latency = {0};

	oct_latency_record(&latency, 100);
	oct_latency_record(&latency, 1000000);
	assert_true(oct_latency_quantile_us(&latency, 0.5) < 110);
	assert_true(oct_latency_quantile_us(&latency, 0.51) > 900000);
}

/* The last bucket has no middle. */
static void
too_long(void **state)
{
	OctLatency	latency = {0};

	oct_latency_record(&latency, PG_INT64_MAX);
	assert_true(oct_latency_quantile_us(&latency, 0.5) == 1 << 26);
}

/* Two that are merged are as one. */
static void
merged(void **state)
{
	OctLatency	a = {0};
	OctLatency	b = {0};
	OctLatency	both = {0};

	for (int i = 1; i < 2000; i++)
	{
		oct_latency_record(i % 3 == 0 ? &a : &b, i * i);
		oct_latency_record(&both, i * i);
	}
	oct_latency_merge(&a, &b);
	assert_memory_equal(&a, &both, sizeof(OctLatency));
	assert_int_equal(oct_latency_total(&a), 1999);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_gaps),
		cmocka_unit_test(narrow),
		cmocka_unit_test(extremes),
		cmocka_unit_test(nothing_recorded),
		cmocka_unit_test(one_recorded),
		cmocka_unit_test(exact_enough),
		cmocka_unit_test(nearest_rank),
		cmocka_unit_test(too_long),
		cmocka_unit_test(merged),
	};

	return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}

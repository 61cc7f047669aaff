/*-------------------------------------------------------------------------
 *
 * test_tally.c
 *	  What a node has been through: counts and times.
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
#include "tally.h"

static OctTime
at(int64 us)
{
	return (OctTime) {us};
}

static bool
is_near(double a, double b)
{
	return a - b < 1e-6 && b - a < 1e-6;
}

static void
successes(void **state)
{
	static const int64 times[] = {2, 4, 4, 4, 5, 5, 7, 9};
	OctTally	tally = {0};

	assert_true(oct_tally_variance(&tally) == 0);
	for (int i = 0; i < lengthof(times); i++)
		oct_tally_success(&tally, times[i]);
	assert_int_equal(tally.successes, 8);
	assert_int_equal(tally.total_us, 40);
	assert_int_equal(tally.min_us, 2);
	assert_int_equal(tally.max_us, 9);
	assert_int_equal(tally.last_us, 9);
	assert_true(is_near(tally.mean_us, 5));
	assert_true(is_near(oct_tally_variance(&tally), 4));
	assert_int_equal(tally.failures + tally.voids, 0);
}

/* A success that took no time is the shortest one all the same. */
static void
no_time_at_all(void **state)
{
	OctTally	tally = {0};

	oct_tally_success(&tally, 5);
	oct_tally_success(&tally, 0);
	assert_int_equal(tally.min_us, 0);
	oct_tally_success(&tally, 7);
	assert_int_equal(tally.min_us, 0);
}

static void
failures_by_reason(void **state)
{
	OctTally	tally = {0};

	oct_tally_failure(&tally, OCT_REASON_TIMEOUT);
	oct_tally_failure(&tally, OCT_REASON_CONNECTION_REFUSED);
	oct_tally_failure(&tally, OCT_REASON_NAME_RESOLUTION);
	oct_tally_failure(&tally, OCT_REASON_CONNECTION_LOST);
	assert_int_equal(tally.failures, 4);
	assert_int_equal(tally.timeouts, 1);
	assert_int_equal(tally.dns_failures, 1);
	assert_int_equal(tally.losses, 1);
	assert_int_equal(tally.voids, 0);
}

static void
voids(void **state)
{
	OctTally	tally = {0};

	oct_tally_void(&tally, OCT_REASON_VOIDED);
	oct_tally_void(&tally, OCT_REASON_RESOLVER_TROUBLE);
	assert_int_equal(tally.voids, 2);
	assert_int_equal(tally.dns_failures, 1);
	assert_int_equal(tally.failures, 0);
	assert_int_equal(tally.nrecent, 0);
}

/* The last outcomes are kept in turn. */
static void
recent(void **state)
{
	OctTally	tally = {0};

	oct_tally_success(&tally, 1000);
	oct_tally_failure(&tally, OCT_REASON_TIMEOUT);
	assert_int_equal(tally.recent[0], oct_latency_bucket(1000) + 1);
	assert_int_equal(tally.recent[1], OCT_RECENT_FAILURE);
	assert_int_equal(tally.recent[2], OCT_RECENT_NONE);
	for (int i = 2; i < OCT_RECENT_CHECKS; i++)
		oct_tally_success(&tally, PG_INT64_MAX);
	assert_int_equal(tally.recent[OCT_RECENT_CHECKS - 1], OCT_LATENCY_BUCKETS);
	oct_tally_success(&tally, 0);
	assert_int_equal(tally.recent[0], 1);
	assert_int_equal(tally.recent[1], OCT_RECENT_FAILURE);
	assert_int_equal(tally.nrecent, OCT_RECENT_CHECKS + 1);
}

static void
assert_times(const OctTally *tally, int64 healthy, int64 unhealthy, int64 unknown)
{
	assert_int_equal(tally->healthy_us, healthy);
	assert_int_equal(tally->unhealthy_us, unhealthy);
	assert_int_equal(tally->unknown_us, unknown);
}

static void
time_by_health(void **state)
{
	OctTally	tally = {.accounted = {1000}};

	oct_tally_account(&tally, OCT_UNKNOWN, at(0), at(1010));
	assert_times(&tally, 0, 0, 10);
	oct_tally_account(&tally, OCT_HEALTHY, OCT_TIME_NEVER, at(1100));
	assert_times(&tally, 90, 0, 10);
	oct_tally_account(&tally, OCT_UNHEALTHY, at(5000), at(2000));
	assert_times(&tally, 90, 900, 10);
}

/* A verdict that has grown old says nothing from then on. */
static void
time_of_the_stale(void **state)
{
	OctTally	tally = {.accounted = {1000}};

	oct_tally_account(&tally, OCT_HEALTHY, at(1200), at(1500));
	assert_times(&tally, 200, 0, 300);
	oct_tally_account(&tally, OCT_HEALTHY, at(1200), at(1600));
	assert_times(&tally, 200, 0, 400);
	oct_tally_account(&tally, OCT_UNHEALTHY, at(1700), at(1700));
	assert_times(&tally, 200, 100, 400);
}

/* What is accounted for already is not once more. */
static void
no_time_twice(void **state)
{
	OctTally	tally = {.accounted = {1000}};

	oct_tally_account(&tally, OCT_HEALTHY, OCT_TIME_NEVER, at(900));
	assert_times(&tally, 0, 0, 0);
	oct_tally_account(&tally, OCT_HEALTHY, OCT_TIME_NEVER, at(1000));
	assert_times(&tally, 0, 0, 0);
	oct_tally_account(&tally, OCT_HEALTHY, OCT_TIME_NEVER, at(1001));
	assert_times(&tally, 1, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(successes),
		cmocka_unit_test(no_time_at_all),
		cmocka_unit_test(failures_by_reason),
		cmocka_unit_test(voids),
		cmocka_unit_test(recent),
		cmocka_unit_test(time_by_health),
		cmocka_unit_test(time_of_the_stale),
		cmocka_unit_test(no_time_twice),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}

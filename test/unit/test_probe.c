/*-------------------------------------------------------------------------
 *
 * test_probe.c
 *	  The life of one node's probing: what is due when.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "probe_life.h"

static void
life_of_a_try(void **state)
{
	OctProbe	probe = new_probe(OCT_UNKNOWN, 100, MIDDLE);

	assert_int_equal(probe.state, OCT_PROBE_WAITING);
	assert_wakes(&probe, 100);
	assert_int_equal(fire(&probe, 99, none), OCT_PROBE_WAIT);
	assert_int_equal(probe.state, OCT_PROBE_WAITING);

	assert_int_equal(fire(&probe, 100, none), OCT_PROBE_START);
	assert_int_equal(probe.state, OCT_PROBE_QUEUED);
	assert_true(oct_probe_wake(&probe).us == OCT_TIME_NEVER.us);

	/* the time in the queue is no part of the try */
	oct_probe_on_start(&probe, &usual, ms(150), none);
	assert_int_equal(probe.state, OCT_PROBE_RUNNING);
	assert_wakes(&probe, 2150);

	assert_true(oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_ALIVE, ms(160)));
	assert_int_equal(probe.state, OCT_PROBE_WAITING);
	assert_int_equal(probe.verdict.health, OCT_HEALTHY);
}

static void
a_verdict_known_before_is_kept(void **state)
{
	OctProbe	probe;
	OctVerdict	verdict = {.health = OCT_HEALTHY,.failures = 2};

	oct_probe_init(&probe, verdict, ms(0), MIDDLE);
	assert_true(try(&probe, &usual, OCT_EVIDENCE_DEAD, 0));
	assert_int_equal(probe.verdict.health, OCT_UNHEALTHY);
	assert_int_equal(probe.verdict.failures, 3);
}

static void
a_waiting_try_can_be_hastened(void **state)
{
	OctProbe	probe = new_probe(OCT_HEALTHY, 100, MIDDLE);

	oct_probe_hasten(&probe, ms(150));
	assert_wakes(&probe, 100);
	oct_probe_hasten(&probe, ms(50));
	assert_wakes(&probe, 50);
}


/* ---------- when the next try is due ---------- */

static void
regular_tries_are_a_period_apart(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	/* from the time that was due, however long the try took */
	for (int64 due = 15000; due < 100000; due += 10000)
	{
		assert_wakes(&probe, due);
		start(&probe, &usual, due + 7);
		oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_ALIVE, ms(due + 1999));
	}
}

/* The second try finds the node's place in the period. */
static void
phase_spreads_nodes(void **state)
{
	static const struct
	{
		uint16		phase;
		int64		second_us;
	}			cases[] = {
		{0, 1000},				/* a millisecond at least */
		{1, 1000},
		{0x4000, US(2500)},
		{0x8000, US(5000)},
		{0xffff, US(10000) * 65535 / 65536},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		OctProbe	probe = new_probe(OCT_UNKNOWN, 0, cases[i].phase);

		start(&probe, &usual, 0);
		oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_ALIVE, ms(0));
		assert_true(probe.settled);
		assert_true(oct_probe_wake(&probe).us == cases[i].second_us);

		fire(&probe, 10000, none);
		oct_probe_on_start(&probe, &usual, ms(10000), none);
		oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_ALIVE, ms(10000));
		assert_true(oct_probe_wake(&probe).us == cases[i].second_us + US(10000));
	}
}

static void
missed_periods_are_skipped(void **state)
{
	static const struct
	{
		int64		ended;
		int64		next;
	}			cases[] = {
		{15001, 25000},
		{24999, 25000},
		{25000, 35000},			/* later than now, not now */
		{25001, 35000},
		{34999, 35000},
		{1000000, 1005000},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		OctProbe	probe = settled_probe(&usual);

		start(&probe, &usual, 15000);
		oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_ALIVE,
							 ms(cases[i].ended));
		assert_wakes(&probe, cases[i].next);
	}
}

/* The same before the node has found its place. */
static void
missed_first_period_is_skipped(void **state)
{
	OctProbe	probe = new_probe(OCT_UNKNOWN, 0, MIDDLE);

	start(&probe, &usual, 0);
	oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_ALIVE, ms(5000));
	assert_wakes(&probe, 15000);
}

static void
failed_tries_are_repeated_after_the_delay(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	/* from the end of the failed try on */
	start(&probe, &usual, 15000);
	assert_false(oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_DEAD, ms(16500)));
	assert_wakes(&probe, 17500);
	start(&probe, &usual, 17500);
	assert_false(oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_DEAD, ms(17500)));
	assert_wakes(&probe, 18500);
	start(&probe, &usual, 18500);
	assert_true(oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_DEAD, ms(18500)));

	/* convicted: back to the period, and no more retries */
	assert_wakes(&probe, 28500);
	assert_false(try(&probe, &usual, OCT_EVIDENCE_DEAD, 28500));
	assert_wakes(&probe, 38500);
	assert_true(try(&probe, &usual, OCT_EVIDENCE_ALIVE, 38500));
	assert_wakes(&probe, 48500);
}

static void
a_retry_that_succeeds_ends_the_doubt(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	try(&probe, &usual, OCT_EVIDENCE_DEAD, 15000);
	assert_wakes(&probe, 16001);
	assert_false(try(&probe, &usual, OCT_EVIDENCE_ALIVE, 16001));
	assert_wakes(&probe, 26001);
	assert_int_equal(probe.verdict.health, OCT_HEALTHY);
}

static void
without_retries_there_is_no_delay(void **state)
{
	OctPolicy	strict = usual;
	OctProbe	probe;

	strict.max_retries = 0;
	probe = settled_probe(&strict);
	assert_true(try(&probe, &strict, OCT_EVIDENCE_DEAD, 15000));
	assert_wakes(&probe, 25000);
}

/* A hundred retries without delay: one after the other, then the verdict. */
static void
many_retries_without_delay(void **state)
{
	OctPolicy	patient = usual;
	OctProbe	probe;
	int64		now = 15000;

	patient.max_retries = 100;
	patient.retry_delay_ms = 0;
	probe = settled_probe(&patient);
	for (int i = 0; i < 100; i++)
	{
		assert_false(try(&probe, &patient, OCT_EVIDENCE_DEAD, now));
		now++;					/* that is how long a try takes */
		assert_wakes(&probe, now);
	}
	assert_true(try(&probe, &patient, OCT_EVIDENCE_DEAD, now));
	assert_wakes(&probe, now + 10000);
}

static void
void_tries_are_repeated_after_the_delay(void **state)
{
	static const struct
	{
		int			retry_delay_ms;
		int			expected_ms;
	}			cases[] = {
		{0, OCT_VOID_DELAY_MS},
		{OCT_VOID_DELAY_MS - 1, OCT_VOID_DELAY_MS},
		{OCT_VOID_DELAY_MS, OCT_VOID_DELAY_MS},
		{1000, 1000},
		{10000, 10000},
		{3600000, 10000},		/* never later than a regular try */
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		OctPolicy	policy = usual;
		OctProbe	probe;

		policy.retry_delay_ms = cases[i].retry_delay_ms;
		probe = settled_probe(&policy);
		start(&probe, &policy, 15000);
		assert_false(oct_probe_on_outcome(&probe, &policy, OCT_EVIDENCE_NONE,
										  ms(15500)));
		assert_wakes(&probe, 15500 + cases[i].expected_ms);
		assert_int_equal(probe.verdict.health, OCT_HEALTHY);
		assert_int_equal(probe.verdict.failures, 0);
	}
}

/* A new node whose first try was void keeps its right to be spread. */
static void
a_void_first_try_settles_nothing(void **state)
{
	OctProbe	probe = new_probe(OCT_UNKNOWN, 0, MIDDLE);

	assert_false(try(&probe, &usual, OCT_EVIDENCE_NONE, 0));
	assert_false(probe.settled);
	assert_wakes(&probe, 1001);
	assert_true(try(&probe, &usual, OCT_EVIDENCE_ALIVE, 1001));
	assert_true(probe.settled);
	assert_wakes(&probe, 6001);
}

/* The smallest and the largest settings. */
static void
extreme_policies(void **state)
{
	OctPolicy	fast = {.period_ms = 1,.timeout_ms = 1,.max_retries = 0};
	OctPolicy	slow = {
		.period_ms = INT_MAX,
		.timeout_ms = INT_MAX,
		.max_retries = 100,
		.retry_delay_ms = INT_MAX,
	};
	OctProbe	probe = new_probe(OCT_UNKNOWN, 0, 0xffff);

	start(&probe, &fast, 0);
	assert_wakes(&probe, 1);
	oct_probe_on_outcome(&probe, &fast, OCT_EVIDENCE_ALIVE, ms(0));
	assert_wakes(&probe, 1);
	start(&probe, &fast, 1);
	oct_probe_on_outcome(&probe, &fast, OCT_EVIDENCE_DEAD, ms(1));
	assert_wakes(&probe, 2);

	probe = new_probe(OCT_UNKNOWN, 0, 0xffff);
	start(&probe, &slow, 0);
	assert_wakes(&probe, INT_MAX);
	oct_probe_on_outcome(&probe, &slow, OCT_EVIDENCE_DEAD, ms(5));
	assert_wakes(&probe, 5 + (int64) INT_MAX);
	start(&probe, &slow, 5 + (int64) INT_MAX);
	oct_probe_on_outcome(&probe, &slow, OCT_EVIDENCE_ALIVE, ms(5 + (int64) INT_MAX));
	assert_true(oct_probe_wake(&probe).us ==
				US(5 + (int64) INT_MAX) + US((int64) INT_MAX) * 65535 / 65536);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_of_a_try),
		cmocka_unit_test(a_verdict_known_before_is_kept),
		cmocka_unit_test(a_waiting_try_can_be_hastened),
		cmocka_unit_test(regular_tries_are_a_period_apart),
		cmocka_unit_test(phase_spreads_nodes),
		cmocka_unit_test(missed_periods_are_skipped),
		cmocka_unit_test(missed_first_period_is_skipped),
		cmocka_unit_test(failed_tries_are_repeated_after_the_delay),
		cmocka_unit_test(a_retry_that_succeeds_ends_the_doubt),
		cmocka_unit_test(without_retries_there_is_no_delay),
		cmocka_unit_test(many_retries_without_delay),
		cmocka_unit_test(void_tries_are_repeated_after_the_delay),
		cmocka_unit_test(a_void_first_try_settles_nothing),
		cmocka_unit_test(extreme_policies),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}

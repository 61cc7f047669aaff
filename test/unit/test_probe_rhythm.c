/*-------------------------------------------------------------------------
 *
 * test_probe_rhythm.c
 *	  Periods that are not all alike: jitter, nodes that are down, tries that
 *	  begin anew.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <stdlib.h>

#include "probe_life.h"

static void
jitter_goes_both_ways_within_its_bounds(void **state)
{
	OctPolicy	policy = usual;
	OctProbe	probe = settled_probe(&usual);
	int64		sum_us = 0;
	int			early = 0;
	int			beyond_half = 0;
	int			n = 2000;

	policy.jitter_percent = 20;
	for (int i = 0; i < n; i++)
	{
		OctTime		due = oct_probe_wake(&probe);
		int64		off_us;

		assert_int_equal(oct_probe_on_timer(&probe, &policy, due, none), OCT_PROBE_START);
		oct_probe_on_start(&probe, &policy, due, none);
		oct_probe_on_outcome(&probe, &policy, OCT_EVIDENCE_ALIVE, due);
		off_us = oct_time_diff_us(oct_probe_wake(&probe), due) - US(10000);
		assert_true(off_us >= -US(2000) && off_us <= US(2000));
		sum_us += off_us;
		early += off_us < 0;
		beyond_half += llabs(off_us) > US(1000);
	}
	assert_true(llabs(sum_us / n) < US(100));
	assert_true(early > n * 45 / 100 && early < n * 55 / 100);
	assert_true(beyond_half > n * 45 / 100 && beyond_half < n * 55 / 100);
}

static void
nodes_do_not_jitter_in_step(void **state)
{
	OctPolicy	policy = usual;
	OctProbe	a = new_probe(OCT_UNKNOWN, 0, MIDDLE);
	OctProbe	b = new_probe(OCT_UNKNOWN, 0, MIDDLE + 1);

	policy.jitter_percent = 10;
	for (int i = 0; i < 3; i++)
	{
		try(&a, &policy, OCT_EVIDENCE_ALIVE, i * INT64CONST(100000));
		try(&b, &policy, OCT_EVIDENCE_ALIVE, i * INT64CONST(100000));
	}
	assert_true(llabs(oct_time_diff_us(a.due, b.due)) > US(1));
}

static void
a_node_that_is_down_has_its_own_period(void **state)
{
	OctPolicy	policy = usual;
	OctProbe	probe = settled_probe(&usual);

	policy.max_retries = 0;
	policy.down_period_ms = 60000;
	policy.healthy_threshold = 2;
	assert_true(try(&probe, &policy, OCT_EVIDENCE_DEAD, 15000));
	assert_wakes(&probe, 75000);
	try(&probe, &policy, OCT_EVIDENCE_DEAD, 75000);
	assert_wakes(&probe, 135000);

	/* on its way up it is watched like others */
	assert_false(try(&probe, &policy, OCT_EVIDENCE_ALIVE, 135000));
	assert_wakes(&probe, 145000);
	assert_true(try(&probe, &policy, OCT_EVIDENCE_ALIVE, 145000));
	assert_wakes(&probe, 155000);
}

static void
no_period_of_its_own_is_that_of_others(void **state)
{
	OctPolicy	policy = usual;
	OctProbe	probe = settled_probe(&usual);

	policy.max_retries = 0;
	policy.down_period_ms = -1;
	try(&probe, &policy, OCT_EVIDENCE_DEAD, 15000);
	assert_wakes(&probe, 25000);
}

/* It starts over: with a place to get, and all of its time. */
static void
a_try_that_begins_anew(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	start(&probe, &usual, 15000);
	oct_probe_on_requeue(&probe, ms(16500));
	assert_int_equal(probe.state, OCT_PROBE_QUEUED);
	assert_true(oct_probe_wake(&probe).us == OCT_TIME_NEVER.us);

	oct_probe_on_start(&probe, &usual, ms(16600), none);
	assert_wakes(&probe, 18600);
	oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_ALIVE, ms(16700));
	assert_wakes(&probe, 26500);
}

/* A held session ended between two checks. */
static void
a_waiting_try_that_begins_at_once(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	oct_probe_on_requeue(&probe, ms(7000));
	oct_probe_on_start(&probe, &usual, ms(7000), none);
	oct_probe_on_outcome(&probe, &usual, OCT_EVIDENCE_ALIVE, ms(7001));
	assert_wakes(&probe, 17000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jitter_goes_both_ways_within_its_bounds),
		cmocka_unit_test(nodes_do_not_jitter_in_step),
		cmocka_unit_test(a_node_that_is_down_has_its_own_period),
		cmocka_unit_test(no_period_of_its_own_is_that_of_others),
		cmocka_unit_test(a_try_that_begins_anew),
		cmocka_unit_test(a_waiting_try_that_begins_at_once),
	};

	return cmocka_run_group_tests_name("probe_rhythm", tests, NULL, NULL);
}

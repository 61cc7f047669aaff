/*-------------------------------------------------------------------------
 *
 * test_probe_policy.c
 *	  What a change of policy does to a probe.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "probe_life.h"

static const OctPolicy quick = {
	.period_ms = 1000,
	.timeout_ms = 500,
	.max_retries = 2,
	.retry_delay_ms = 100,
};

static void
new_policy_while_waiting(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	/* in its place within the new period */
	oct_probe_on_policy(&probe, &quick, ms(6000));
	assert_wakes(&probe, 6500);
	try(&probe, &quick, OCT_EVIDENCE_ALIVE, 6500);
	assert_wakes(&probe, 7500);

	/* and back: what is due soon stays so */
	oct_probe_on_policy(&probe, &usual, ms(7000));
	assert_wakes(&probe, 7500);
	try(&probe, &usual, OCT_EVIDENCE_ALIVE, 7500);
	assert_wakes(&probe, 17500);
}

/* However often the settings change, the node is not put off. */
static void
new_policies_one_after_the_other(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	for (int64 now = 5100; now < 15000; now += 100)
	{
		oct_probe_on_policy(&probe, &usual, ms(now));
		assert_true(oct_probe_wake(&probe).us <= US(10100));
	}
}

static void
new_policy_while_in_doubt(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	try(&probe, &usual, OCT_EVIDENCE_DEAD, 15000);
	assert_wakes(&probe, 16001);
	oct_probe_on_policy(&probe, &quick, ms(15500));
	assert_wakes(&probe, 15600);
}

/* A node that still waits for its very first try is not put off. */
static void
new_policy_before_the_first_try(void **state)
{
	OctProbe	probe = new_probe(OCT_UNKNOWN, 100, MIDDLE);

	oct_probe_on_policy(&probe, &quick, ms(50));
	assert_wakes(&probe, 100);
	oct_probe_on_policy(&probe, &usual, ms(50));
	assert_wakes(&probe, 100);
}

static void
new_policy_while_queued(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	assert_int_equal(fire(&probe, 15000, none), OCT_PROBE_START);
	oct_probe_on_policy(&probe, &quick, ms(15100));
	assert_int_equal(probe.state, OCT_PROBE_QUEUED);
	assert_true(oct_probe_wake(&probe).us == OCT_TIME_NEVER.us);
	oct_probe_on_start(&probe, &quick, ms(15200), none);
	assert_wakes(&probe, 15700);
}

static void
new_policy_while_running(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	/* a shorter timeout, passed already, then a longer one */
	start(&probe, &usual, 15000);
	oct_probe_on_policy(&probe, &quick, ms(15800));
	assert_wakes(&probe, 15500);
	assert_int_equal(oct_probe_on_timer(&probe, &quick, ms(15800), none),
					 OCT_PROBE_EXPIRE);
	oct_probe_on_policy(&probe, &usual, ms(15800));
	assert_wakes(&probe, 17000);
	assert_int_equal(fire(&probe, 15800, none), OCT_PROBE_WAIT);
}

/* What the deadline was moved by counts under the new policy too. */
static void
new_policy_while_running_late(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	start(&probe, &usual, 15000);
	assert_int_equal(fire(&probe, 20000, stalled(5000)), OCT_PROBE_WAIT);
	assert_wakes(&probe, 22000);
	oct_probe_on_policy(&probe, &quick, ms(20000));
	assert_int_equal(oct_probe_on_timer(&probe, &quick, ms(20499), stalled(5000)),
					 OCT_PROBE_WAIT);
	assert_wakes(&probe, 20500);
	assert_int_equal(oct_probe_on_timer(&probe, &quick, ms(20500), stalled(5000)),
					 OCT_PROBE_EXPIRE);
}

/*
 * A new node that failed at its first try waits for a retry, and must not wait
 * any longer than the new delay.
 */
static void
new_policy_while_a_new_node_is_in_doubt(void **state)
{
	OctPolicy	slow = usual;
	OctProbe	probe = new_probe(OCT_UNKNOWN, 0, MIDDLE);

	slow.retry_delay_ms = 3600000;
	try(&probe, &slow, OCT_EVIDENCE_DEAD, 0);
	assert_wakes(&probe, 3600001);
	oct_probe_on_policy(&probe, &quick, ms(1000));
	assert_wakes(&probe, 1100);
}

/* Likewise if the first try was void. */
static void
new_policy_while_a_new_node_was_void(void **state)
{
	OctPolicy	slow = usual;
	OctProbe	probe = new_probe(OCT_UNKNOWN, 0, MIDDLE);

	slow.period_ms = 3600000;
	slow.retry_delay_ms = 3600000;
	try(&probe, &slow, OCT_EVIDENCE_NONE, 0);
	assert_wakes(&probe, 3600001);
	oct_probe_on_policy(&probe, &quick, ms(1000));
	assert_true(oct_probe_wake(&probe).us <= US(2000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_policy_while_waiting),
		cmocka_unit_test(new_policies_one_after_the_other),
		cmocka_unit_test(new_policy_while_in_doubt),
		cmocka_unit_test(new_policy_before_the_first_try),
		cmocka_unit_test(new_policy_while_queued),
		cmocka_unit_test(new_policy_while_running),
		cmocka_unit_test(new_policy_while_running_late),
		cmocka_unit_test(new_policy_while_a_new_node_is_in_doubt),
		cmocka_unit_test(new_policy_while_a_new_node_was_void),
	};

	return cmocka_run_group_tests_name("probe_policy", tests, NULL, NULL);
}

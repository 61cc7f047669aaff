/*-------------------------------------------------------------------------
 *
 * test_probe_lag.c
 *	  Deadlines, and what our own lag does to them.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "probe_life.h"

static void
a_try_expires_at_its_deadline(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	start(&probe, &usual, 15000);
	assert_wakes(&probe, 17000);
	assert_int_equal(fire(&probe, 16999, none), OCT_PROBE_WAIT);
	assert_int_equal(fire(&probe, 17000, none), OCT_PROBE_EXPIRE);

	/* it is the owner who ends the try */
	assert_int_equal(probe.state, OCT_PROBE_RUNNING);
}

/* Stalls from before the start are no excuse; what comes up meanwhile is. */
static void
stalls_move_the_deadline(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	assert_int_equal(fire(&probe, 15000, stalled(700)), OCT_PROBE_START);
	oct_probe_on_start(&probe, &usual, ms(15000), stalled(700));
	assert_wakes(&probe, 17000);

	/* stopped for 5 s: looked again at 20000 */
	assert_int_equal(fire(&probe, 20000, stalled(5700)), OCT_PROBE_WAIT);
	assert_wakes(&probe, 22000);

	/* and for another hour */
	assert_int_equal(fire(&probe, 3621000, stalled(3605700)), OCT_PROBE_WAIT);
	assert_wakes(&probe, 3622000);

	/* none since: an honest timeout */
	assert_int_equal(fire(&probe, 3621999, stalled(3605700)), OCT_PROBE_WAIT);
	assert_int_equal(fire(&probe, 3622000, stalled(3605700)), OCT_PROBE_EXPIRE);
}

/* An owner who is always busy must still convict the dead. */
static void
work_moves_the_deadline_by_a_timeout_at_most(void **state)
{
	static const struct
	{
		int64		work;
		int64		deadline;
	}			cases[] = {
		{0, 17000},
		{1, 17001},
		{1999, 18999},
		{2000, 19000},
		{2001, 19000},
		{1000000, 19000},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		OctProbe	probe = settled_probe(&usual);
		OctLag		lag = worked(300 + cases[i].work);

		assert_int_equal(fire(&probe, 15000, worked(300)), OCT_PROBE_START);
		oct_probe_on_start(&probe, &usual, ms(15000), worked(300));
		assert_int_equal(fire(&probe, cases[i].deadline, lag), OCT_PROBE_EXPIRE);
		assert_wakes(&probe, cases[i].deadline);
		assert_int_equal(fire(&probe, cases[i].deadline - 1, lag), OCT_PROBE_WAIT);
	}
}

static void
stall_and_work_add_up(void **state)
{
	OctProbe	probe = settled_probe(&usual);
	OctLag		both = {.stall_us = US(7000),.work_us = US(5000)};

	start(&probe, &usual, 15000);
	assert_int_equal(fire(&probe, 17000, both), OCT_PROBE_WAIT);
	assert_wakes(&probe, 26000);
	assert_int_equal(fire(&probe, 26000, both), OCT_PROBE_EXPIRE);
}

/* A little lag saves nobody whose time is up even so. */
static void
lag_is_worth_no_more_than_itself(void **state)
{
	OctProbe	probe = settled_probe(&usual);
	OctLag		more = {.stall_us = US(100) + 1};

	start(&probe, &usual, 15000);
	assert_int_equal(fire(&probe, 17100, stalled(100)), OCT_PROBE_EXPIRE);
	assert_int_equal(fire(&probe, 17100, more), OCT_PROBE_WAIT);
	assert_true(oct_probe_wake(&probe).us == US(17100) + 1);
}

/* Waiting for a place costs the try nothing. */
static void
the_queue_is_no_part_of_the_try(void **state)
{
	OctProbe	probe = settled_probe(&usual);

	assert_int_equal(fire(&probe, 15000, none), OCT_PROBE_START);
	oct_probe_on_start(&probe, &usual, ms(60000), stalled(9999));
	assert_wakes(&probe, 62000);
	assert_int_equal(fire(&probe, 62000, stalled(9999)), OCT_PROBE_EXPIRE);
}

/* The addresses of a node share the time of a try. */
static void
legs_share_the_timeout(void **state)
{
	OctProbe	probe = settled_probe(&usual);
	OctPolicy	longer = usual;

	longer.timeout_ms = 3000;
	start(&probe, &usual, 15000);
	oct_probe_on_leg(&probe, &usual, 0, 4, probe.started);
	assert_wakes(&probe, 15500);
	assert_int_equal(fire(&probe, 15500, none), OCT_PROBE_EXPIRE);

	/* what a leg leaves is the next one's */
	oct_probe_on_leg(&probe, &usual, 1, 4, probe.started);
	assert_wakes(&probe, 16000);
	oct_probe_on_leg(&probe, &usual, 2, 4, probe.started);
	assert_wakes(&probe, 16500);
	assert_int_equal(fire(&probe, 16500, stalled(3000)), OCT_PROBE_WAIT);
	assert_wakes(&probe, 19500);
	oct_probe_on_leg(&probe, &usual, 3, 4, probe.started);
	assert_int_equal(fire(&probe, 19999, stalled(3000)), OCT_PROBE_WAIT);
	assert_int_equal(fire(&probe, 20000, stalled(3000)), OCT_PROBE_EXPIRE);

	/* the last one gets all of it, however they divide */
	for (int n = 1; n <= 16; n++)
	{
		oct_probe_on_leg(&probe, &usual, n - 1, n, probe.started);
		assert_wakes(&probe, 17000);
	}

	/* one that starts late has its own share all the same */
	oct_probe_on_leg(&probe, &usual, 1, 4, ms(30000));
	assert_wakes(&probe, 30500);

	/* a new policy changes the share, not the leg */
	oct_probe_on_leg(&probe, &usual, 0, 4, probe.started);
	oct_probe_on_policy(&probe, &longer, ms(15100));
	assert_wakes(&probe, 15750);
}

static void
failures_after_a_long_stall_are_void(void **state)
{
	OctPolicy	impatient = usual;
	OctPolicy	login = usual;

	impatient.timeout_ms = 10;
	login.check_type = OCT_CHECK_CONNECTION;
	for (int i = 0; i < OCT_REASON_COUNT; i++)
	{
		OctProbe	probe = settled_probe(&usual);
		OctReason	reason = (OctReason) i;
		bool		voidable = reason != OCT_REASON_TIMEOUT &&
			oct_policy_evidence(reason) == OCT_EVIDENCE_DEAD;

		assert_int_equal(fire(&probe, 15000, stalled(5000)), OCT_PROBE_START);
		oct_probe_on_start(&probe, &usual, ms(15000), stalled(5000));

		/* without one, each outcome is what it is */
		assert_false(oct_probe_is_void(&probe, &usual, reason, stalled(5000)));
		assert_false(oct_probe_is_void(&probe, &usual, reason, stalled(5999)));

		/*
		 * After one, life is still life, and the expiry of the moved deadline
		 * is judged; but the peer may have lost patience with us.
		 */
		assert_int_equal(oct_probe_is_void(&probe, &usual, reason, stalled(6000)),
						 voidable);
		assert_int_equal(oct_probe_is_void(&probe, &usual, reason, stalled(99000)),
						 voidable);

		/* long is what would have been a timeout */
		assert_false(oct_probe_is_void(&probe, &impatient, reason, stalled(5009)));
		assert_int_equal(oct_probe_is_void(&probe, &impatient, reason, stalled(5010)),
						 voidable);

		/* where the login has to succeed, to be refused it is a failure */
		if (reason != OCT_REASON_OK && reason != OCT_REASON_TIMEOUT)
			assert_int_equal(oct_probe_is_void(&probe, &login, reason, stalled(99000)),
							 oct_policy_evidence(reason) != OCT_EVIDENCE_NONE);

		/* work is no stall */
		oct_probe_on_start(&probe, &usual, ms(15000), worked(0));
		assert_false(oct_probe_is_void(&probe, &usual, reason, worked(99000)));
	}
}

/* Its time moved with the stall, but the leg before it was lost to the stall. */
static void
a_later_leg_that_expires_after_a_stall_is_void(void **state)
{
	OctProbe	probe = new_probe(OCT_HEALTHY, 0, MIDDLE);

	start(&probe, &usual, 0);
	assert_false(oct_probe_is_void(&probe, &usual, OCT_REASON_TIMEOUT, stalled(5000)));
	oct_probe_on_leg(&probe, &usual, 1, 2, ms(5000));
	assert_true(oct_probe_is_void(&probe, &usual, OCT_REASON_TIMEOUT, stalled(5000)));
	assert_false(oct_probe_is_void(&probe, &usual, OCT_REASON_TIMEOUT, none));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_try_expires_at_its_deadline),
		cmocka_unit_test(stalls_move_the_deadline),
		cmocka_unit_test(work_moves_the_deadline_by_a_timeout_at_most),
		cmocka_unit_test(stall_and_work_add_up),
		cmocka_unit_test(lag_is_worth_no_more_than_itself),
		cmocka_unit_test(the_queue_is_no_part_of_the_try),
		cmocka_unit_test(legs_share_the_timeout),
		cmocka_unit_test(failures_after_a_long_stall_are_void),
		cmocka_unit_test(a_later_leg_that_expires_after_a_stall_is_void),
	};

	return cmocka_run_group_tests_name("probe_lag", tests, NULL, NULL);
}

/*-------------------------------------------------------------------------
 *
 * test_nodestatus.c
 *	  The status of a slot, as its readers see it at each step of its writer.
 *
 * One process plays both: what a reader sees while the prober is stopped
 * somewhere is what it sees if the prober's next step does not come.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nodetab_internal.h"
#include "server_stub.h"

#define GENERATION	7
#define SECOND		INT64CONST(1000000)

/* what nodesetup.c has in a server */
OctSharedTable *oct_table;
OctSharedSlot *oct_slots;

static OctSharedTable table;
static OctSharedSlot slots[2];

void
ExceptionalCondition(STUB_EXCEPTION_PARAMETERS)
{
	abort();
}

static OctTime
at(int64 us)
{
	return (OctTime) {us};
}

static int
set_up(void **state)
{
	memset(&table, 0, sizeof(table));
	memset(slots, 0, sizeof(slots));
	oct_table = &table;
	oct_slots = slots;
	oct_status_max_age_ms = 0;
	pg_atomic_init_u32(&table.prober, 3);
	return 0;
}

/* A first status of the node in slot 0: healthy since 10 s, for 5 s. */
static void
publish(void)
{
	OctNodeStatus *status = oct_nodetab_edit_status(0);

	status->generation = GENERATION;
	status->health = OCT_HEALTHY;
	status->judged = at(10 * SECOND);
	status->max_age_us = 5 * SECOND;
	status->has_outcome = true;
	status->reason = OCT_REASON_OK;
	status->successes = 1;
	status->tally.accounted = at(10 * SECOND);
	strlcpy(status->message, "as it came", OCT_MESSAGE_SIZE);
	oct_nodetab_show_status(0);
}

/* What a reader sees of it. */
static struct
{
	OctStatusCopy copy;
	char		message[OCT_MESSAGE_SIZE];
	OctLatency	latency;
}			seen;

static void
look(uint32 generation, OctTime now)
{
	memset(&seen, 0x7f, sizeof(seen));
	oct_nodestatus_copy(0, generation, now, OCT_STATUS_TALLY, &seen.copy,
						seen.message, &seen.latency);
	assert_int_equal(oct_nodestatus_health(0, generation, now),
					 seen.copy.status.health);
}

static void
nothing_published(void **state)
{
	look(GENERATION, at(SECOND));
	assert_int_equal(seen.copy.status.health, OCT_UNKNOWN);
	assert_int_equal(seen.copy.state, OCT_STATE_INITIALIZING);
	assert_false(seen.copy.schedule.running);
	assert_true(seen.copy.schedule.due.us == OCT_TIME_NEVER.us);
	assert_int_equal(oct_latency_total(&seen.latency), 0);
	assert_string_equal(seen.message, "");
}

static void
published(void **state)
{
	publish();
	look(GENERATION, at(11 * SECOND));
	assert_int_equal(seen.copy.status.health, OCT_HEALTHY);
	assert_int_equal(seen.copy.state, OCT_STATE_HEALTHY);
	assert_string_equal(seen.message, "as it came");
	assert_int_equal(seen.copy.status.tally.healthy_us, SECOND);
	assert_int_equal(seen.copy.status.tally.unknown_us, 0);
}

/* Of another registration readers see nothing. */
static void
of_another_generation(void **state)
{
	publish();
	oct_nodetab_record_latency(0, 100);
	oct_nodetab_schedule(0, at(12 * SECOND));
	look(GENERATION + 1, at(11 * SECOND));
	assert_int_equal(seen.copy.status.health, OCT_UNKNOWN);
	assert_int_equal(seen.copy.state, OCT_STATE_INITIALIZING);
	assert_int_equal(seen.copy.status.reason, 0);
	assert_false(seen.copy.status.has_outcome);
	assert_true(seen.copy.schedule.due.us == OCT_TIME_NEVER.us);
	assert_string_equal(seen.message, "");
	assert_int_equal(oct_latency_total(&seen.latency), 0);
}

/* A prober stopped while it edits shows the last status, whole. */
static void
stopped_while_editing(void **state)
{
	OctNodeStatus *status;

	publish();
	status = oct_nodetab_edit_status(0);
	assert_string_equal(status->message, "as it came");
	assert_int_equal(status->successes, 1);
	memset(status, 0x55, sizeof(OctNodeStatus));
	look(GENERATION, at(11 * SECOND));
	assert_int_equal(seen.copy.state, OCT_STATE_HEALTHY);
	assert_string_equal(seen.message, "as it came");
	assert_int_equal(oct_nodetab_shown_status(0)->generation, GENERATION);
}

static void
old_verdicts(void **state)
{
	publish();
	look(GENERATION, at(15 * SECOND));
	assert_int_equal(seen.copy.state, OCT_STATE_HEALTHY);
	look(GENERATION, at(15 * SECOND + 1));
	assert_int_equal(seen.copy.state, OCT_STATE_STALE);
	assert_int_equal(seen.copy.status.health, OCT_UNKNOWN);
	assert_int_equal(seen.copy.status.reason, OCT_REASON_OK);
	look(GENERATION, at(17 * SECOND));
	assert_int_equal(seen.copy.status.tally.healthy_us, 5 * SECOND);
	assert_int_equal(seen.copy.status.tally.unknown_us, 2 * SECOND);

	oct_status_max_age_ms = 1000;
	look(GENERATION, at(11 * SECOND + 1));
	assert_int_equal(seen.copy.state, OCT_STATE_STALE);
	oct_status_max_age_ms = -1;
	look(GENERATION, at(1000000 * SECOND));
	assert_int_equal(seen.copy.state, OCT_STATE_HEALTHY);
}

/* What is unknown already does not grow old. */
static void
no_verdict_is_not_old(void **state)
{
	OctNodeStatus *status;

	publish();
	status = oct_nodetab_edit_status(0);
	status->health = OCT_UNKNOWN;
	status->reason = OCT_REASON_DISABLED;
	oct_nodetab_show_status(0);
	look(GENERATION, at(100 * SECOND));
	assert_int_equal(seen.copy.state, OCT_STATE_DISABLED);
}

/* A prober stopped before it has counted a success that it shows. */
static void
stopped_before_counting(void **state)
{
	publish();
	for (int i = 1; i <= 3; i++)
	{
		OctNodeStatus *status = oct_nodetab_edit_status(0);

		oct_tally_success(&status->tally, i * 1000);
		oct_nodetab_show_status(0);
		look(GENERATION, at(11 * SECOND));
		assert_int_equal(seen.copy.status.tally.successes, i);
		assert_int_equal(oct_latency_total(&seen.latency), i);
		assert_int_equal(seen.latency.counts[oct_latency_bucket(i * 1000)], 1);

		oct_nodetab_record_latency(0, i * 1000);
		look(GENERATION, at(11 * SECOND));
		assert_int_equal(oct_latency_total(&seen.latency), i);
	}
}

/* A prober stopped while it forgets the histogram. */
static void
stopped_while_forgetting(void **state)
{
	OctNodeStatus *status;

	stopped_before_counting(state);
	status = oct_nodetab_edit_status(0);
	memset(&status->tally, 0, sizeof(OctTally));
	status->latency_void = true;
	oct_nodetab_show_status(0);
	look(GENERATION, at(11 * SECOND));
	assert_int_equal(oct_latency_total(&seen.latency), 0);

	oct_nodetab_clear_latency(0);
	oct_nodetab_edit_status(0)->latency_void = false;
	oct_nodetab_show_status(0);
	look(GENERATION, at(11 * SECOND));
	assert_int_equal(oct_latency_total(&seen.latency), 0);
}

static void
schedules(void **state)
{
	publish();
	look(GENERATION, at(11 * SECOND));
	assert_true(seen.copy.schedule.due.us == OCT_TIME_NEVER.us);
	oct_nodetab_schedule(0, at(12 * SECOND));
	look(GENERATION, at(11 * SECOND));
	assert_false(seen.copy.schedule.running);
	assert_true(seen.copy.schedule.due.us == 12 * SECOND);
	oct_nodetab_schedule_running(0);
	look(GENERATION, at(11 * SECOND));
	assert_true(seen.copy.schedule.running);
	assert_true(seen.copy.schedule.due.us == OCT_TIME_NEVER.us);

	/* without a prober there is none */
	pg_atomic_write_u32(&table.prober, OCT_NO_PROC);
	look(GENERATION, at(11 * SECOND));
	assert_false(seen.copy.schedule.running);
	oct_nodetab_schedule(0, at(12 * SECOND));
	look(GENERATION, at(11 * SECOND));
	assert_true(seen.copy.schedule.due.us == OCT_TIME_NEVER.us);
}

/* Who wants little gets no more. */
static void
no_more_than_wanted(void **state)
{
	publish();
	memset(&seen, 0x7f, sizeof(seen));
	oct_nodestatus_copy(0, GENERATION, at(11 * SECOND), OCT_STATUS_HEALTH,
						&seen.copy, NULL, NULL);
	assert_int_equal(seen.copy.status.health, OCT_HEALTHY);
	assert_int_equal(seen.copy.status.failures, 0x7f7f7f7f);
	assert_int_equal(seen.message[0], 0x7f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_published, set_up),
		cmocka_unit_test_setup(published, set_up),
		cmocka_unit_test_setup(of_another_generation, set_up),
		cmocka_unit_test_setup(stopped_while_editing, set_up),
		cmocka_unit_test_setup(old_verdicts, set_up),
		cmocka_unit_test_setup(no_verdict_is_not_old, set_up),
		cmocka_unit_test_setup(stopped_before_counting, set_up),
		cmocka_unit_test_setup(stopped_while_forgetting, set_up),
		cmocka_unit_test_setup(schedules, set_up),
		cmocka_unit_test_setup(no_more_than_wanted, set_up),
	};

	return cmocka_run_group_tests_name("nodestatus", tests, NULL, NULL);
}

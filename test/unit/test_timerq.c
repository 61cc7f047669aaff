/*-------------------------------------------------------------------------
 *
 * test_timerq.c
 *	  The queue of timers.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "timerq.h"

#define NTIMERS	500

static OctTime
at(int64 us)
{
	return (OctTime) {us};
}

static void
assert_next(OctTimerQueue *queue, int64 us)
{
	assert_true(oct_timerq_next(queue).us == us);
}

static void
assert_empty(OctTimerQueue *queue)
{
	assert_next(queue, OCT_TIME_NEVER.us);
	assert_null(oct_timerq_pop_expired(queue, at(0)));
	assert_null(oct_timerq_pop_expired(queue, at(PG_INT64_MAX - 1)));
	assert_null(oct_timerq_pop_expired(queue, OCT_TIME_NEVER));
}

static void
empty_queue(void **state)
{
	OctTimerQueue queue;

	oct_timerq_init(&queue);
	assert_empty(&queue);
}

static void
fires_when_due_and_not_before(void **state)
{
	OctTimerQueue queue;
	OctTimer	timer = {0};

	oct_timerq_init(&queue);
	oct_timerq_arm(&queue, &timer, at(100));
	assert_true(timer.armed);
	assert_next(&queue, 100);
	assert_null(oct_timerq_pop_expired(&queue, at(99)));
	assert_true(timer.armed);
	assert_ptr_equal(oct_timerq_pop_expired(&queue, at(100)), &timer);
	assert_false(timer.armed);
	assert_empty(&queue);
}

/* A fixed permutation: 7919 is prime and no divisor of NTIMERS. */
static void
fires_in_order(void **state)
{
	OctTimerQueue queue;
	static OctTimer timers[NTIMERS];

	memset(timers, 0, sizeof(timers));
	oct_timerq_init(&queue);
	for (int i = 0; i < NTIMERS; i++)
		oct_timerq_arm(&queue, &timers[i], at(i * INT64CONST(7919) % NTIMERS));
	for (int i = 0; i < NTIMERS; i++)
	{
		OctTimer   *timer;

		assert_next(&queue, i);
		timer = oct_timerq_pop_expired(&queue, at(NTIMERS));
		assert_non_null(timer);
		assert_true(timer->at.us == i);
	}
	assert_empty(&queue);
}

/* Their order is open, but each fires, once. */
static void
equal_times(void **state)
{
	OctTimerQueue queue;
	OctTimer	timers[10] = {0};
	int			fired = 0;

	oct_timerq_init(&queue);
	for (int i = 0; i < lengthof(timers); i++)
		oct_timerq_arm(&queue, &timers[i], at(5));
	while (oct_timerq_pop_expired(&queue, at(5)) != NULL)
		fired++;
	assert_int_equal(fired, lengthof(timers));
	for (int i = 0; i < lengthof(timers); i++)
		assert_false(timers[i].armed);
	assert_empty(&queue);
}

static void
arming_again_moves(void **state)
{
	OctTimerQueue queue;
	OctTimer	moved = {0};
	OctTimer	other = {0};

	oct_timerq_init(&queue);
	oct_timerq_arm(&queue, &other, at(50));
	oct_timerq_arm(&queue, &moved, at(10));
	oct_timerq_arm(&queue, &moved, at(100));	/* later */
	assert_next(&queue, 50);
	assert_ptr_equal(oct_timerq_pop_expired(&queue, at(60)), &other);
	assert_null(oct_timerq_pop_expired(&queue, at(60)));
	oct_timerq_arm(&queue, &moved, at(20)); /* sooner */
	assert_next(&queue, 20);
	oct_timerq_arm(&queue, &moved, at(20)); /* the same */
	assert_ptr_equal(oct_timerq_pop_expired(&queue, at(60)), &moved);
	assert_empty(&queue);
}

static void
a_fired_timer_can_be_armed_again(void **state)
{
	OctTimerQueue queue;
	OctTimer	timer = {0};

	oct_timerq_init(&queue);
	for (int64 us = 1; us <= 10; us++)
	{
		oct_timerq_arm(&queue, &timer, at(us));
		assert_ptr_equal(oct_timerq_pop_expired(&queue, at(us)), &timer);
	}
	assert_empty(&queue);
}

static void
disarming(void **state)
{
	OctTimerQueue queue;
	OctTimer	timers[3] = {0};

	oct_timerq_init(&queue);
	oct_timerq_disarm(&queue, &timers[0]);	/* never armed: nothing happens */
	for (int i = 0; i < lengthof(timers); i++)
		oct_timerq_arm(&queue, &timers[i], at(i));
	oct_timerq_disarm(&queue, &timers[1]);	/* from the middle */
	oct_timerq_disarm(&queue, &timers[1]);	/* twice */
	assert_false(timers[1].armed);
	oct_timerq_disarm(&queue, &timers[0]);	/* the first */
	assert_next(&queue, 2);
	oct_timerq_disarm(&queue, &timers[2]);	/* the last one left */
	assert_empty(&queue);
}

static void
never_disarms(void **state)
{
	OctTimerQueue queue;
	OctTimer	timer = {0};

	oct_timerq_init(&queue);
	oct_timerq_arm(&queue, &timer, OCT_TIME_NEVER);
	assert_false(timer.armed);
	assert_empty(&queue);
	oct_timerq_arm(&queue, &timer, at(1));
	oct_timerq_arm(&queue, &timer, OCT_TIME_NEVER);
	assert_false(timer.armed);
	assert_empty(&queue);
}

static void
extreme_times(void **state)
{
	OctTimerQueue queue;
	OctTimer	first = {0};
	OctTimer	last = {0};

	oct_timerq_init(&queue);
	oct_timerq_arm(&queue, &last, at(PG_INT64_MAX - 1));
	oct_timerq_arm(&queue, &first, at(PG_INT64_MIN));
	assert_ptr_equal(oct_timerq_pop_expired(&queue, at(PG_INT64_MIN)), &first);
	assert_null(oct_timerq_pop_expired(&queue, at(PG_INT64_MAX - 2)));
	assert_ptr_equal(oct_timerq_pop_expired(&queue, at(PG_INT64_MAX - 1)), &last);
	assert_empty(&queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_queue),
		cmocka_unit_test(fires_when_due_and_not_before),
		cmocka_unit_test(fires_in_order),
		cmocka_unit_test(equal_times),
		cmocka_unit_test(arming_again_moves),
		cmocka_unit_test(a_fired_timer_can_be_armed_again),
		cmocka_unit_test(disarming),
		cmocka_unit_test(never_disarms),
		cmocka_unit_test(extreme_times),
	};

	return cmocka_run_group_tests_name("timerq", tests, NULL, NULL);
}

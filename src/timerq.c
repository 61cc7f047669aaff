/*-------------------------------------------------------------------------
 *
 * timerq.c
 *	  A queue of timers, earliest first; see timerq.h.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "timerq.h"

/* pairingheap keeps the largest first, so "later" has to be "smaller". */
static int
compare_timers(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	OctTime		at_a = pairingheap_const_container(OctTimer, node, a)->at;
	OctTime		at_b = pairingheap_const_container(OctTimer, node, b)->at;

	return oct_time_before(at_a, at_b) ? 1 : oct_time_before(at_b, at_a) ? -1 : 0;
}

void
oct_timerq_init(OctTimerQueue *queue)
{
	queue->heap.ph_compare = compare_timers;
	queue->heap.ph_arg = NULL;
	queue->heap.ph_root = NULL;
}

/* Sets the timer to "at"; OCT_TIME_NEVER disarms it. */
void
oct_timerq_arm(OctTimerQueue *queue, OctTimer *timer, OctTime at)
{
	oct_timerq_disarm(queue, timer);
	if (at.us == OCT_TIME_NEVER.us)
		return;
	timer->at = at;
	timer->armed = true;
	pairingheap_add(&queue->heap, &timer->node);
}

void
oct_timerq_disarm(OctTimerQueue *queue, OctTimer *timer)
{
	if (!timer->armed)
		return;
	timer->armed = false;
	pairingheap_remove(&queue->heap, &timer->node);
}

/* When the earliest timer is to fire; OCT_TIME_NEVER if none is armed. */
OctTime
oct_timerq_next(OctTimerQueue *queue)
{
	if (pairingheap_is_empty(&queue->heap))
		return OCT_TIME_NEVER;
	return pairingheap_container(OctTimer, node,
								 pairingheap_first(&queue->heap))->at;
}

/*
 * The earliest timer, disarmed, if it is to fire at "now" or before; else
 * NULL.
 */
OctTimer *
oct_timerq_pop_expired(OctTimerQueue *queue, OctTime now)
{
	if (oct_time_before(now, oct_timerq_next(queue)) ||
		pairingheap_is_empty(&queue->heap))
		return NULL;
	else
	{
		OctTimer   *timer =
			pairingheap_container(OctTimer, node,
								  pairingheap_remove_first(&queue->heap));

		timer->armed = false;
		return timer;
	}
}

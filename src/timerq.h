/*-------------------------------------------------------------------------
 *
 * timerq.h
 *	  A queue of timers, earliest first.
 *
 * A timer lives in its owner's memory and stands in the queue once at most;
 * arming an armed timer moves it.  All calls are O(log n) amortized (a pairing
 * heap, core's lib/pairingheap).  Nothing allocates, nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TIMERQ_H
#define TIMERQ_H

#include "octypes.h"

#include "lib/pairingheap.h"

typedef struct OctTimer
{
	pairingheap_node node;
	OctTime		at;
	bool		armed;
} OctTimer;

typedef struct OctTimerQueue
{
	pairingheap heap;
} OctTimerQueue;

extern void oct_timerq_init(OctTimerQueue *queue);
extern void oct_timerq_arm(OctTimerQueue *queue, OctTimer *timer, OctTime at);
extern void oct_timerq_disarm(OctTimerQueue *queue, OctTimer *timer);
extern OctTime oct_timerq_next(OctTimerQueue *queue);
extern OctTimer *oct_timerq_pop_expired(OctTimerQueue *queue, OctTime now);

#endif							/* TIMERQ_H */

/*-------------------------------------------------------------------------
 *
 * probe.h
 *	  The life of one node's probing as a state machine.
 *
 *	  WAITING --due--> QUEUED --place--> RUNNING --outcome--> WAITING
 *
 * The owner holds one timer per probe and sets it to oct_probe_wake() after
 * every call; when it fires, oct_probe_on_timer() says what to do.
 *
 * A stalled prober convicts nobody.  The owner keeps the sum of the time that
 * it was late in looking at its sockets, the *lag*, and passes it in.  The
 * deadline of a running try moves by the lag that came up meanwhile, and a
 * failure that arrives when the deadline would have been over without it is
 * void: the peer may well have lost patience with us.
 *
 * Pure: no clock, no sockets, no memory of its own; nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PROBE_H
#define PROBE_H

#include "octypes.h"

#include "policy.h"

typedef enum OctProbeState
{
	OCT_PROBE_WAITING,			/* for its time: due */
	OCT_PROBE_QUEUED,			/* for a place among those in flight */
	OCT_PROBE_RUNNING			/* for an outcome, until deadline */
} OctProbeState;

typedef enum OctProbeAction
{
	OCT_PROBE_WAIT,				/* set the timer anew */
	OCT_PROBE_START,			/* queue a try, or start it */
	OCT_PROBE_EXPIRE			/* end the try: it took too long */
} OctProbeAction;

typedef struct OctProbe
{
	OctProbeState state;
	OctTime		due;			/* when the next try is, or this one was, due */
	OctTime		started;		/* of the running or else the last try */
	OctTime		limit;			/* started + timeout */
	OctTime		deadline;		/* limit, moved by the lag seen since */
	int64		lag_us;			/* the owner's lag that deadline allows for */
	uint16		phase;			/* this node's place in a period, in 65536ths */
	bool		settled;		/* is the schedule in that place? */
	OctVerdict	verdict;
} OctProbe;

extern void oct_probe_init(OctProbe *probe, OctVerdict verdict, OctTime due,
						   uint16 phase);
extern OctTime oct_probe_wake(const OctProbe *probe);
extern OctProbeAction oct_probe_on_timer(OctProbe *probe, OctTime now,
										 int64 lag_us);
extern void oct_probe_on_start(OctProbe *probe, const OctPolicy *policy,
							   OctTime now, int64 lag_us);
extern bool oct_probe_is_void(const OctProbe *probe, OctReason reason,
							  OctTime now);
extern bool oct_probe_on_outcome(OctProbe *probe, const OctPolicy *policy,
								 OctEvidence evidence, OctTime now);
extern void oct_probe_on_policy(OctProbe *probe, const OctPolicy *policy,
								OctTime now);

#endif							/* PROBE_H */

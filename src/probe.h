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
 * A stalled prober convicts nobody.  The owner keeps the sums of the time that
 * it was late in looking at its sockets, the *lag*, and passes them in: stall,
 * when it did not run (stopped, starved, swapped out), and work, when it was
 * busy with others.  The deadline of a running try moves by the stall that came
 * up meanwhile, and by the work too, but that by another timeout at most, or
 * an owner who is always busy would never convict the dead.  A failure that is
 * no timeout is void if there was a long stall before it: the peer may well
 * have lost patience with us.
 *
 * A try may go through several legs, one for each address of the node, which
 * share its time; what a leg leaves is the next one's.  A try that had to wait
 * for its addresses, or whose held session told nothing, is queued again, and
 * its time begins anew.
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

/* How late the owner was since it began, in microseconds. */
typedef struct OctLag
{
	int64		stall_us;
	int64		work_us;
} OctLag;

/* So much stall makes failures void. */
#define OCT_VOID_STALL_US	INT64CONST(1000000)

typedef struct OctProbe
{
	OctProbeState state;
	OctTime		due;			/* when the next try is, or this one was, due */
	OctTime		started;		/* of the running or else the last try */
	int			leg;			/* the running one, from 0 */
	int			nlegs;
	OctTime		limit;			/* of the running leg, lag not counted */
	OctTime		deadline;		/* limit, moved by the lag seen since */
	OctLag		lag;			/* the owner's when the try started */
	uint16		phase;			/* this node's place in a period, in 65536ths */
	uint32		dice;			/* state of the jitter's pseudo-random numbers */
	bool		settled;		/* is the schedule in that place? */
	OctVerdict	verdict;
} OctProbe;

extern void oct_probe_init(OctProbe *probe, OctVerdict verdict, OctTime due,
						   uint16 phase);
extern OctTime oct_probe_wake(const OctProbe *probe);
extern OctProbeAction oct_probe_on_timer(OctProbe *probe,
										 const OctPolicy *policy,
										 OctTime now, OctLag lag);
extern void oct_probe_on_start(OctProbe *probe, const OctPolicy *policy,
							   OctTime now, OctLag lag);
extern void oct_probe_on_leg(OctProbe *probe, const OctPolicy *policy,
							 int leg, int nlegs, OctTime now);
extern void oct_probe_on_requeue(OctProbe *probe, OctTime now);
extern void oct_probe_hasten(OctProbe *probe, OctTime due);
extern bool oct_probe_is_void(const OctProbe *probe, const OctPolicy *policy,
							  OctReason reason, OctLag lag);
extern bool oct_probe_on_outcome(OctProbe *probe, const OctPolicy *policy,
								 OctEvidence evidence, OctTime now);
extern void oct_probe_on_policy(OctProbe *probe, const OctPolicy *policy,
								OctTime now);

#endif							/* PROBE_H */

/*-------------------------------------------------------------------------
 *
 * prober_internal.h
 *	  The nodes as the prober knows them: for prober.c and probernodes.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PROBER_INTERNAL_H
#define PROBER_INTERNAL_H

#include "lib/ilist.h"

#include "attempt.h"
#include "probe.h"
#include "prober.h"
#include "timerq.h"

/* A node as the prober knows it. */
typedef struct OctNode
{
	int32		slot;
	uint32		generation;
	int32		group;			/* its place in the copies of groups */
	OctNodeSpec spec;
	OctPolicy	policy;			/* in force */
	OctProbe	probe;
	OctTimer	timer;			/* at oct_probe_wake(&probe) */
	OctAttempt	attempt;		/* while the probe is running */
	int			leg;			/* of the attempt, counted from 0 */
	int			nlegs;
	dlist_node	queue_node;		/* while the probe is queued */
} OctNode;

/* in prober.c */
extern OctTimerQueue oct_prober_timers;

extern void oct_prober_arm(OctNode *node);
extern void oct_prober_stop(OctNode *node);

/* in probernodes.c */
extern void oct_prober_init_nodes(void);
extern bool oct_prober_reconcile(OctTime now);
extern void oct_prober_reload(OctTime now);
extern OctNode *oct_prober_node(int32 slot);
extern int	oct_prober_shortest_timeout_ms(void);
extern const char *oct_prober_application_name(const OctNode *node);
extern const OctPairs *oct_prober_group_policy(const OctNode *node);

#endif							/* PROBER_INTERNAL_H */

/*-------------------------------------------------------------------------
 *
 * prober_internal.h
 *	  The nodes as the prober knows them: for the rooms of the prober only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PROBER_INTERNAL_H
#define PROBER_INTERNAL_H

#include "lib/ilist.h"

#include "attempt.h"
#include "chronicle.h"
#include "probe.h"
#include "prober.h"
#include "timerq.h"

/* A node as the prober knows it. */
typedef struct OctNode
{
	int32		slot;
	uint32		generation;
	int32		group;			/* its place in the copies of groups */
	OctHome		home;			/* the same, for others */
	uint32		group_version;	/* that it was seen with last */
	const uint32 *version;		/* that the copy of its group has by now */
	const OctLogin *login;		/* its group's */
	OctNodeSpec spec;
	OctPolicy	policy;			/* in force */
	OctProbe	probe;
	OctTimer	timer;			/* at oct_probe_wake(&probe) */
	OctRole		role;			/* that it was seen in last */
	OctTime		streak;			/* start of the first of the tries that agree */
	OctReason	refusal;		/* why it took no connections, or OK */
	uint32		checks_asked;	/* number of the last request for one */
	bool		wanted;			/* has it not been served yet? */
	bool		aside;			/* is it tried for that only, though not enabled? */
	dlist_node	queue_node;		/* while the probe is queued */

	/* while the probe is running */
	OctAttempt	attempt;		/* unless it is a sign of life that is awaited */
	bool		placed;			/* has it a place among those in flight? */
	bool		syncing;		/* is the held session to give a sign of life? */

	/* the session that is held, if any */
	OctContact *held;
	int			held_checks;	/* how often it has given a sign of life */
	int			side;			/* of owner numbers: attempts have it, it the other */
	int			brief;			/* sessions lost in a row that did not live long */
} OctNode;

/* in probertries.c */
extern OctTimerQueue oct_prober_timers;
extern OctLag oct_prober_lag;	/* all there ever was, up to the last look */
extern OctTime oct_prober_looked;	/* the last look at the sockets */
extern int64 oct_prober_cpu_us; /* time spent running, up to then or a bit less */
extern void oct_prober_init_tries(void);
extern void oct_prober_arm(OctNode *node);
extern void oct_prober_stop(OctNode *node);
extern bool oct_prober_run_timers(OctTime now, int64 tick_us);
extern void oct_prober_advance(OctNode *node, int side);
extern void oct_prober_end_held(OctNode *node);
extern void oct_prober_begin_anew(OctNode *node);
extern int	oct_prober_nrunning(void);

/* in probernews.c */
extern void oct_prober_tell(OctNode *node, const OctNodeAddress *address,
							const OctOutcome *outcome, OctEvidence evidence,
							bool retry, OctHealth old_health, OctTime now);
extern bool oct_prober_note_refusal(OctNode *node, OctReason reason);
extern void oct_prober_answer(OctNode *node, OctEvidence evidence);

/* in proberheld.c */
extern void oct_prober_limit_held(int max_sockets);
extern int	oct_prober_nheld(void);
extern void oct_prober_hold(OctNode *node, OctContact *contact);
extern void oct_prober_let_go(OctNode *node);
extern bool oct_prober_may_sync(const OctNode *node);
extern int64 oct_prober_doubt_us(OctNode *node, OctTime now);

/* in probernodes.c */
extern void oct_prober_init_nodes(void);
extern bool oct_prober_reconcile(OctTime now);
extern void oct_prober_reload(OctTime now);
extern OctNode *oct_prober_node(int32 slot);
extern int	oct_prober_shortest_timeout_ms(void);
extern int64 oct_prober_tick_us(void);

#endif							/* PROBER_INTERNAL_H */

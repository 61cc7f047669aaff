/*-------------------------------------------------------------------------
 *
 * probertries.c
 *	  The tries that are under way: how they begin, go on and end.
 *
 *	  timer -> queue -> begin -> legs ------------------> finish -> timer
 *				 ^		  |  -> lookup of the name --+
 *				 |										 |
 *				 +---------------------------------------+
 *	  timer -> sync on the held session -> finish
 *				 |
 *				 +-> it is lost: queue, at its head
 *
 * There are only so many places for sockets; who finds none waits in the queue,
 * first come, first served, and is late, never failed.  Looking up a name takes
 * no place, and neither does a session that is held (see proberheld.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "cause.h"
#include "gauges.h"
#include "iomux.h"
#include "nodetab.h"
#include "policy.h"
#include "prober_internal.h"
#include "report.h"

/* the most timers served, and tries begun, before sockets are looked at again */
#define OCT_PER_TURN		64

/* so much since the last look is worth a system call to find out */
#define OCT_LATE_US			1000

/* setting */
int			oct_max_concurrent_checks = 0;

OctTimerQueue oct_prober_timers;
OctLag		oct_prober_lag = {0};
OctTime		oct_prober_looked;
int64		oct_prober_cpu_us = 0;

static dlist_head queue = DLIST_STATIC_INIT(queue); /* waiting for a place */
static int	max_sockets;		/* that the descriptor limit allows */
static int	nplaced = 0;		/* tries that have a place */
static int	nrunning = 0;		/* tries that are under way, with a place or not */

static void on_resolved(OctWaiter *waiter);

/* Once a process, when sockets can be watched. */
void
oct_prober_init_tries(void)
{
	oct_timerq_init(&oct_prober_timers);
	max_sockets = oct_iomux_max_sockets();
	oct_prober_limit_held(max_sockets);
	oct_contact_init();
}

/* How many tries are under way, to be looked after more often than a timer says. */
int
oct_prober_nrunning(void)
{
	return nrunning;
}

void
oct_prober_arm(OctNode *node)
{
	oct_timerq_arm(&oct_prober_timers, &node->timer, oct_probe_wake(&node->probe));
	if (node->probe.state == OCT_PROBE_RUNNING)
		oct_nodetab_schedule_running(node->slot);
	else
		oct_nodetab_schedule(node->slot, node->probe.due);
}

static bool
has_free_place(void)
{
	int			places = max_sockets - oct_prober_nheld();

	if (oct_max_concurrent_checks > 0)
		places = Min(places, oct_max_concurrent_checks);
	return nplaced < places;
}

/* A try comes to its end, or will be begun anew. */
static void
leave(OctNode *node)
{
	oct_attempt_end(&node->attempt);
	nrunning--;
	if (node->placed)
		nplaced--;
	node->placed = false;
	node->syncing = false;
}

/* A running try is to be begun anew, as the first in the queue or the last. */
static void
requeue(OctNode *node, bool first)
{
	leave(node);
	oct_timerq_disarm(&oct_prober_timers, &node->timer);
	oct_probe_on_requeue(&node->probe, oct_now());
	oct_nodetab_schedule(node->slot, node->probe.due);
	if (first)
		dlist_push_head(&queue, &node->queue_node);
	else
		dlist_push_tail(&queue, &node->queue_node);
}


/* ---------- the end of a try ---------- */

static OctEvidence
evidence_of(const OctNode *node, const OctOutcome *outcome)
{
	return oct_policy_evidence_of(outcome->reason, node->policy.check_type);
}

/*
 * The lag up to "now", as far as it may void a failure.  What came since the last
 * look is not noted yet: it is a stall, but for the time that we were running.
 */
static OctLag
lag_by(OctTime now)
{
	OctLag		lag = oct_prober_lag;
	int64		late_us = oct_time_diff_us(now, oct_prober_looked);

	if (late_us >= OCT_LATE_US)
		lag.stall_us += Max(late_us - (oct_cpu_time_us() - oct_prober_cpu_us), 0);
	return lag;
}

/* The try has come to its outcome. */
static void
finish_try(OctNode *node, OctOutcome *outcome)
{
	OctTime		now = oct_now();
	OctEvidence evidence;
	OctNodeAddress address;
	bool		contacted = !node->syncing;
	bool		retry = oct_policy_in_doubt(&node->probe.verdict);
	OctVerdict *verdict = &node->probe.verdict;
	OctHealth	old_health = verdict->health;

	if (oct_probe_is_void(&node->probe, &node->policy, outcome->reason, lag_by(now)))
		outcome->reason = OCT_REASON_VOIDED;
	evidence = evidence_of(node, outcome);
	if (outcome->reason == OCT_REASON_PASSWORD_NEEDED &&
		evidence == OCT_EVIDENCE_ALIVE)
		outcome->reason = OCT_REASON_OK;	/* all that was asked */

	if (evidence == OCT_EVIDENCE_ALIVE && node->attempt.contact != NULL)
		oct_prober_hold(node, oct_attempt_take_contact(&node->attempt));
	else if (evidence == OCT_EVIDENCE_DEAD)
		oct_prober_let_go(node);
	if (contacted)
		oct_attempt_get_address(&node->attempt, &address);
	leave(node);
	(void) oct_probe_on_outcome(&node->probe, &node->policy, evidence, now);
	if (evidence != OCT_EVIDENCE_NONE && verdict->failures + verdict->successes == 1)
		node->streak = node->probe.started;
	oct_prober_arm(node);
	oct_prober_tell(node, contacted ? &address : NULL, outcome, evidence, retry,
					old_health, now);
	if (node->wanted)
		oct_prober_answer(node, evidence);
}


/* ---------- the legs of a try ---------- */

/*
 * Is the copy of its group still the one that the node was seen with?  If not,
 * there is news about the node to come: it may be gone, and the group another
 * one, whose credentials are not for its host.
 */
static bool
is_current(const OctNode *node)
{
	return node->group_version == *node->version;
}

/* Starts a leg; returns false if it has ended already, with its outcome. */
static bool
start_leg(OctNode *node, int leg, int nlegs, OctOutcome *outcome)
{
	OctTarget	target = {
		.check_type = node->policy.check_type,
		.timeout_ms = node->policy.timeout_ms,
		.name = node->spec.name,
		.port = node->spec.port,
		.login = node->login,
	};

	oct_probe_on_leg(&node->probe, &node->policy, leg, nlegs, oct_now());
	oct_prober_arm(node);
	if (!is_current(node))
	{
		oct_cause_set(outcome, OCT_REASON_VOIDED, OCT_PHASE_CONNECT,
					  "the node is being changed");
		return false;
	}
	return oct_attempt_start_leg(&node->attempt, &node->spec, &target,
								 node->slot * 2 + node->side, outcome);
}

/* A leg has come to its outcome: goes on to the next one, or finishes. */
static void
finish_leg(OctNode *node, OctOutcome *outcome)
{
	while (oct_attempt_next_leg(&node->attempt, &node->spec,
								evidence_of(node, outcome), oct_now(), outcome))
	{
		if (start_leg(node, node->probe.leg + 1, node->probe.nlegs, outcome))
			return;
	}
	finish_try(node, outcome);
}

/* A try begins, by so much later than it was due. */
static void
begin(OctNode *node, OctTime now)
{
	nrunning++;
	oct_gauge_raise(OCT_GAUGE_MAX_LATENESS, oct_time_diff_us(now, node->probe.due));
}

static void
begin_try(OctNode *node, OctTime now)
{
	OctOutcome	outcome;
	OctResolution resolution;
	int			nlegs;

	begin(node, now);
	node->attempt.waiter.done = on_resolved;
	resolution = oct_attempt_begin(&node->attempt, &node->spec, now, &nlegs, &outcome);
	oct_probe_on_start(&node->probe, &node->policy, now, oct_prober_lag);
	switch (resolution)
	{
		case OCT_RESOLVED:
			node->placed = true;
			nplaced++;
			if (!start_leg(node, 0, nlegs, &outcome))
				finish_leg(node, &outcome);
			break;
		case OCT_RESOLVING:
			oct_prober_arm(node);
			break;
		case OCT_UNRESOLVED:
			finish_try(node, &outcome);
			break;
	}
}

/*
 * The name has been looked up.  If that was in vain we learn it now; else the
 * try is begun anew when there is a place for it.
 */
static void
on_resolved(OctWaiter *waiter)
{
	OctNode    *node = (OctNode *) ((char *) waiter - offsetof(OctNode, attempt.waiter));
	OctOutcome	outcome;
	int			nlegs;

	if (oct_attempt_begin(&node->attempt, &node->spec, oct_now(), &nlegs,
						  &outcome) == OCT_UNRESOLVED)
		finish_try(node, &outcome);
	else
		requeue(node, false);
}


/* ---------- held sessions ---------- */

/* Ends a held session, if there is one, which may have been asked for a sign. */
void
oct_prober_end_held(OctNode *node)
{
	oct_prober_let_go(node);
	if (node->syncing)
		requeue(node, true);
}

/*
 * A node is to be asked in another way, or as somebody else: what was begun in
 * the old way must neither be judged by the new one nor go on as a session.
 */
void
oct_prober_begin_anew(OctNode *node)
{
	oct_prober_let_go(node);
	if (node->probe.state == OCT_PROBE_RUNNING)
		requeue(node, true);
}

/* A held session is to give a sign of life. */
static void
begin_sync(OctNode *node, OctTime now)
{
	OctOutcome	outcome;

	begin(node, now);
	node->syncing = true;
	oct_probe_on_start(&node->probe, &node->policy, now, oct_prober_lag);
	oct_prober_arm(node);
	if (!oct_contact_sync(node->held, &outcome))
		oct_prober_end_held(node);
}

/*
 * A held session has come to an end, good or bad.  If it is lost a fresh try
 * starts at once, or soon, unless there is one already.
 */
static void
finish_held(OctNode *node, OctOutcome *outcome)
{
	OctTime		now = oct_now();
	int64		doubt_us;

	if (node->syncing && outcome->reason == OCT_REASON_OK &&
		oct_contact_hold(node->held))
	{
		node->held_checks++;
		finish_try(node, outcome);
		return;
	}
	oct_report_loss(node->slot);
	doubt_us = oct_prober_doubt_us(node, now);
	oct_prober_end_held(node);
	if (node->probe.state != OCT_PROBE_WAITING)
		return;
	if (doubt_us == 0)
	{
		nrunning++;
		requeue(node, true);
	}
	else
	{
		oct_probe_hasten(&node->probe, oct_time_add_us(now, doubt_us));
		oct_prober_arm(node);
	}
}


/* ---------- what drives them ---------- */

/* Time is up for what a try is waiting for. */
static void
expire(OctNode *node)
{
	OctPhase	phase = oct_attempt_phase(&node->attempt);
	OctOutcome	outcome;

	if (node->syncing)
	{
		oct_report_loss(node->slot);
		oct_prober_end_held(node);
		return;
	}
	oct_cause_set(&outcome, phase == OCT_PHASE_DNS ?
				  OCT_REASON_RESOLVER_TROUBLE : OCT_REASON_TIMEOUT, phase, "");
	snprintf(outcome.message, sizeof(outcome.message),
			 phase == OCT_PHASE_CONNECT ?
			 "no connection within %d ms" : "no answer within %d ms",
			 node->policy.timeout_ms);
	if (phase == OCT_PHASE_DNS)
		finish_try(node, &outcome);
	else
		finish_leg(node, &outcome);
}

/* Ends what a node is about to do, and leaves its timer unarmed. */
void
oct_prober_stop(OctNode *node)
{
	oct_timerq_disarm(&oct_prober_timers, &node->timer);
	if (node->probe.state == OCT_PROBE_QUEUED)
		dlist_delete(&node->queue_node);
	if (node->probe.state == OCT_PROBE_RUNNING)
		leave(node);
	oct_prober_let_go(node);
	oct_nodetab_schedule(node->slot, OCT_TIME_NEVER);
}

/*
 * A socket of a node is ready: by the side of its owner number that of the
 * running try or that of the held session.
 */
void
oct_prober_advance(OctNode *node, int side)
{
	OctOutcome	outcome;

	if (!is_current(node))
	{
		oct_prober_begin_anew(node);
		return;
	}
	if (side == node->side)
	{
		if (node->attempt.contact != NULL &&
			!oct_contact_advance(node->attempt.contact, &outcome))
			finish_leg(node, &outcome);
	}
	else if (node->held != NULL &&
			 !oct_contact_advance(node->held, &outcome))
		finish_held(node, &outcome);
}

/*
 * Serves the timers that were due at the last tick; "now" is the last look at the
 * sockets.  Returns whether there is more to be begun.
 */
bool
oct_prober_run_timers(OctTime now, int64 tick_us)
{
	OctTime		tick = oct_time_floor(now, tick_us);
	OctTimer   *timer;
	int			begun = 0;

	for (int i = 0; i < OCT_PER_TURN &&
		 (timer = oct_timerq_pop_expired(&oct_prober_timers, tick)) != NULL; i++)
	{
		OctNode    *node = (OctNode *) ((char *) timer - offsetof(OctNode, timer));

		switch (oct_probe_on_timer(&node->probe, &node->policy, now, oct_prober_lag))
		{
			case OCT_PROBE_WAIT:
				oct_prober_arm(node);
				break;
			case OCT_PROBE_START:
				if (oct_prober_may_sync(node))
					begin_sync(node, now);
				else
					dlist_push_tail(&queue, &node->queue_node);
				break;
			case OCT_PROBE_EXPIRE:
				expire(node);
				break;
		}
	}
	while (has_free_place() && !dlist_is_empty(&queue))
	{
		if (begun++ == OCT_PER_TURN)
			return true;
		begin_try(dlist_container(OctNode, queue_node,
								  dlist_pop_head_node(&queue)), now);
	}
	return false;
}

/*-------------------------------------------------------------------------
 *
 * prober.c
 *	  The background worker that probes all registered nodes.
 *
 * One turn of its loop:
 *
 * 1. Serve interrupts: settings, barriers, shutdown.
 *
 * 2. Learn what was registered and unregistered (reconcile), from the journal
 *	  of the table of nodes.
 *
 * 3. Start or expire the tries whose timers are due (run_timers).  A try that
 *	  finds no place among those in flight waits in a queue.
 *
 * 4. Wait for sockets, for the next timer or for the latch, and advance the
 *	  tries whose sockets are ready.
 *
 * Sockets come before timers: deadlines are judged only right after all ready
 * sockets have been served, and by the time of that look at them.  The prober
 * measures by how much it looks later than it meant to, the lag, and
 * deadlines move by it (see probe.h); while tries are in flight it looks often
 * enough that no long stall goes unnoticed.
 *
 * The loop does no SQL, reads no file but the hosts file, and waits for no
 * lock.  The prober is attached to no database.  Its memory of the nodes may
 * be lost at any time: what counts is in shared memory, and a new prober takes
 * it up from there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "common/pg_prng.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "attempt.h"
#include "clock.h"
#include "ddl.h"
#include "iomux.h"
#include "nodetab.h"
#include "probe.h"
#include "prober.h"
#include "report.h"
#include "timerq.h"

/*
 * While tries are in flight, sockets are looked at so often, and being so much
 * later than meant counts as lag; or, if that is less, this part of a timeout.
 */
#define OCT_WATCH_MS		50
#define OCT_LATE_MS			25
#define OCT_TIMEOUT_PARTS	8

/* the most timers served before sockets are looked at again */
#define OCT_TIMERS_PER_TURN	64

/* the most changes copied at once, and the most sockets told at once */
#define OCT_BATCH			256

/* on a standby, how often to see whether it was promoted */
#define OCT_PROMOTION_MS	1000

/* the tries of a restarted prober are spread over this, or a period */
#define OCT_RESTART_SPREAD_MS	1000

/* A node as the prober knows it. */
typedef struct OctNode
{
	int32		slot;
	uint32		generation;
	OctNodeSpec spec;
	OctProbe	probe;
	OctTimer	timer;			/* at oct_probe_wake(&probe) */
	OctAttempt	attempt;		/* while the probe is running */
	int			leg;			/* of the attempt, counted from 0 */
	int			nlegs;
	dlist_node	queue_node;		/* while the probe is queued */
} OctNode;

/* settings */
OctPolicy	oct_default_policy = {
	.period_ms = 10000,
	.timeout_ms = 2000,
	.max_retries = 2,
	.retry_delay_ms = 1000,
};
char	   *oct_application_name = NULL;

/* the prober's state */
static OctNode **nodes;			/* by slot; NULL where there is none */
static OctTimerQueue timers;
static dlist_head queue = DLIST_STATIC_INIT(queue); /* waiting for a place */
static int	in_flight = 0;
static int	max_in_flight;
static OctLag lag = {0};		/* all there ever was */
static OctChangeCursor cursor;
static OctPolicy policy;		/* in force */


/* ---------- one try ---------- */

static void
arm_timer(OctNode *node)
{
	oct_timerq_arm(&timers, &node->timer, oct_probe_wake(&node->probe));
}

/* The try has come to its outcome. */
static void
finish_try(OctNode *node, OctOutcome *outcome)
{
	OctTime		now = oct_now();
	OctTime		started = node->probe.started;
	OctEvidence evidence;
	bool		changed;

	oct_attempt_end(&node->attempt);
	in_flight--;

	if (oct_probe_is_void(&node->probe, &policy, outcome->reason, lag))
		outcome->reason = OCT_REASON_VOIDED;
	evidence = oct_policy_evidence(outcome->reason);
	changed = oct_probe_on_outcome(&node->probe, &policy, evidence, now);
	arm_timer(node);

	if (evidence == OCT_EVIDENCE_NONE)
		oct_report_trouble(&node->spec, outcome, now);
	else
		oct_report_verdict(node->slot, node->generation, &node->probe.verdict,
						   outcome, oct_time_diff_us(now, started));
	if (changed)
		oct_report_change(&node->spec, &node->probe.verdict, outcome);
}

/* Starts a leg; returns false if it has ended already, with its outcome. */
static bool
start_leg(OctNode *node, OctOutcome *outcome)
{
	oct_probe_on_leg(&node->probe, &policy, node->leg, node->nlegs, oct_now());
	arm_timer(node);
	return oct_attempt_start_leg(&node->attempt, &node->spec,
								 oct_application_name, node->slot, outcome);
}

/* A leg has come to its outcome: goes on to the next one, or finishes. */
static void
finish_leg(OctNode *node, OctOutcome *outcome)
{
	while (oct_attempt_next_leg(&node->attempt, outcome))
	{
		node->leg++;
		if (start_leg(node, outcome))
			return;
	}
	finish_try(node, outcome);
}

static void
expire_leg(OctNode *node)
{
	OctPhase	phase = node->attempt.probe.phase;
	OctOutcome	outcome = {.reason = OCT_REASON_TIMEOUT,.phase = phase};

	snprintf(outcome.message, sizeof(outcome.message),
			 phase == OCT_PHASE_CONNECT ?
			 "no connection within %d ms" : "no answer within %d ms",
			 policy.timeout_ms);
	finish_leg(node, &outcome);
}

static void
start_try(OctNode *node, OctTime now)
{
	OctOutcome	outcome;

	in_flight++;
	node->leg = 0;
	node->nlegs = oct_attempt_begin(&node->attempt, &node->spec, &outcome);
	oct_probe_on_start(&node->probe, &policy, now, lag);

	if (node->nlegs == 0)
		finish_try(node, &outcome);
	else if (!start_leg(node, &outcome))
		finish_leg(node, &outcome);
}

/* The socket of a running try is ready. */
static void
advance_try(OctNode *node)
{
	OctOutcome	outcome;

	if (!oct_attempt_advance(&node->attempt, node->slot, &outcome))
		finish_leg(node, &outcome);
}

/* Starts queued tries as long as there is a place. */
static void
start_queued(OctTime now)
{
	while (in_flight < max_in_flight && !dlist_is_empty(&queue))
		start_try(dlist_container(OctNode, queue_node,
								  dlist_pop_head_node(&queue)), now);
}

/* Serves the timers that are due; "now" is the last look at the sockets. */
static void
run_timers(OctTime now)
{
	OctTimer   *timer;

	for (int i = 0; i < OCT_TIMERS_PER_TURN &&
		 (timer = oct_timerq_pop_expired(&timers, now)) != NULL; i++)
	{
		OctNode    *node = (OctNode *) ((char *) timer - offsetof(OctNode, timer));

		switch (oct_probe_on_timer(&node->probe, &policy, now, lag))
		{
			case OCT_PROBE_WAIT:
				arm_timer(node);
				break;
			case OCT_PROBE_START:
				dlist_push_tail(&queue, &node->queue_node);
				break;
			case OCT_PROBE_EXPIRE:
				expire_leg(node);
				break;
		}
	}
	start_queued(now);
}


/* ---------- which nodes there are ---------- */

static void
drop_node(OctNode *node)
{
	oct_timerq_disarm(&timers, &node->timer);
	if (node->probe.state == OCT_PROBE_QUEUED)
		dlist_delete(&node->queue_node);
	if (node->probe.state == OCT_PROBE_RUNNING)
	{
		oct_attempt_end(&node->attempt);
		in_flight--;
	}
	nodes[node->slot] = NULL;
	pfree(node);
}

/*
 * Takes up a node: a new one at once, one that has a verdict already, of a
 * prober before us, within its next period.
 */
static void
take_node(const OctSlotChange *change, OctTime now)
{
	OctNode    *node = MemoryContextAllocZero(TopMemoryContext, sizeof(OctNode));
	OctNodeStatus status;
	OctVerdict	verdict = {.health = OCT_UNKNOWN};
	OctTime		due = now;

	node->slot = change->slot;
	node->generation = change->generation;
	node->spec = change->spec;

	oct_nodetab_get_status(node->slot, &status);
	if (status.generation == node->generation)
	{
		int			spread_ms = Min(policy.period_ms, OCT_RESTART_SPREAD_MS);

		verdict.health = status.health;
		verdict.failures = status.failures;
		verdict.successes = status.successes;
		due = oct_time_add_us(now, pg_prng_uint64_range(&pg_global_prng_state, 0,
														spread_ms * OCT_US_PER_MS));
	}
	oct_probe_init(&node->probe, verdict, due,
				   (uint16) pg_prng_uint32(&pg_global_prng_state));
	nodes[node->slot] = node;
	arm_timer(node);
}

/* Returns false if the table is being written, so that we have to come back. */
static bool
reconcile(OctTime now)
{
	static OctSlotChange changes[OCT_BATCH];

	while (oct_nodetab_has_changes(&cursor))
	{
		int			n = oct_nodetab_next_changes(&cursor, changes, OCT_BATCH);

		if (n < 0)
			return false;
		for (int i = 0; i < n; i++)
		{
			OctNode    *node = nodes[changes[i].slot];

			if (node != NULL && node->generation == changes[i].generation)
				continue;
			if (node != NULL)
				drop_node(node);
			if (changes[i].generation != 0)
				take_node(&changes[i], now);
		}
	}
	return true;
}


/* ---------- the worker ---------- */

/* New settings count at once, but only if they are new. */
static void
reload_settings(void)
{
	OctTime		now = oct_now();

	ProcessConfigFile(PGC_SIGHUP);
	if (memcmp(&policy, &oct_default_policy, sizeof(policy)) == 0)
		return;
	policy = oct_default_policy;
	for (int i = 0; i < oct_nodetab_nslots(); i++)
	{
		if (nodes[i] != NULL)
		{
			oct_probe_on_policy(&nodes[i]->probe, &policy, now);
			arm_timer(nodes[i]);
		}
	}
}

static void
serve_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		reload_settings();
	}
	if (oct_ddl_promoted())
		proc_exit(1);			/* to clean up what recovery left undecided */
	if (catchupInterruptPending)
	{
		ProcessCatchupInterrupt();
		MemoryContextSwitchTo(TopMemoryContext);
	}
}

/*
 * How long the wait that begins at "now" may be, in milliseconds rounded up, so
 * that all that becomes due within one is served at once; -1 is for ever.
 */
static int64
time_to_wait_ms(OctTime now, bool reconciled)
{
	OctTime		next = oct_timerq_next(&timers);
	int64		wait_ms = -1;
	int64		most_ms = -1;

	if (next.us != OCT_TIME_NEVER.us)
		wait_ms = Max((oct_time_diff_us(next, now) + OCT_US_PER_MS - 1) /
					  OCT_US_PER_MS, 0);
	if (oct_ddl_awaits_promotion())
		most_ms = OCT_PROMOTION_MS;
	if (in_flight > 0)
		most_ms = Max(Min(policy.timeout_ms / OCT_TIMEOUT_PARTS, OCT_WATCH_MS), 1);
	if (!reconciled)
		most_ms = 1;
	return wait_ms < 0 ? most_ms : most_ms < 0 ? wait_ms : Min(wait_ms, most_ms);
}

/*
 * The sockets are looked at "late_us" later than meant: work as far as we ran
 * meanwhile, else stall.  To ask costs a system call, so it is not done always.
 */
static void
note_lag(OctTime now, int64 late_us)
{
	static OctTime asked = {0};
	static int64 cpu_us = 0;
	int64		limit_us = Min(OCT_LATE_MS, policy.timeout_ms / OCT_TIMEOUT_PARTS) * 1000;
	int64		work_us;

	if (late_us <= limit_us && oct_time_diff_us(now, asked) <= limit_us / 2)
		return;
	work_us = oct_cpu_time_us() - cpu_us;
	cpu_us += work_us;
	asked = now;
	if (late_us <= limit_us)
		return;
	lag.work_us += Min(late_us, work_us);
	lag.stall_us += late_us - Min(late_us, work_us);
}

/*
 * Waits once and advances the tries whose sockets are ready.  "looked" is the
 * time of the last look at the sockets and becomes that of this one.  Returns
 * false if there was none, or if more sockets may be ready.
 */
static bool
wait_and_advance(OctTime *looked, bool reconciled)
{
	int			owners[OCT_BATCH];
	OctTime		before = oct_now();
	int64		wait_ms = time_to_wait_ms(before, reconciled);
	int			n = oct_iomux_wait(wait_ms, owners, OCT_BATCH);
	OctTime		after = oct_now();
	int64		late_us = oct_time_diff_us(before, *looked);

	if (wait_ms >= 0)
		late_us += Max(oct_time_diff_us(after, before) - wait_ms * OCT_US_PER_MS, 0);
	note_lag(after, late_us);
	*looked = after;
	for (int i = 0; i < n; i++)
		advance_try(nodes[owners[i]]);
	return n >= 0 && n < OCT_BATCH;
}

static void
probe_for_ever(void)
{
	OctTime		looked = oct_now();

	for (;;)
	{
		int			passes = in_flight / OCT_BATCH + 1;
		bool		reconciled;

		ResetLatch(MyLatch);
		serve_interrupts();
		reconciled = reconcile(looked);
		run_timers(looked);

		/* serve all sockets that are ready now, but none for ever */
		while (!wait_and_advance(&looked, reconciled) && passes-- > 0)
			serve_interrupts();
	}
}

void
oct_prober_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, SIG_IGN);	/* there is no query to cancel */
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	MemoryContextSwitchTo(TopMemoryContext);
	oct_ddl_clean_up();

	/* messages must be recognized by pqprobe and be safe in every log */
	SetConfigOption("lc_messages", "C", PGC_SUSET, PGC_S_OVERRIDE);

	oct_pqprobe_init();
	oct_resolver_init();
	oct_iomux_init();
	oct_timerq_init(&timers);
	max_in_flight = oct_iomux_max_sockets();
	policy = oct_default_policy;
	nodes = MemoryContextAllocExtended(TopMemoryContext,
									   sizeof(OctNode *) * oct_nodetab_nslots(),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	/* from here on changes wake us; those before are found by the first pass */
	oct_nodetab_attach_prober();
	oct_nodetab_rewind(&cursor);
	probe_for_ever();
}

/* Has the postmaster start the prober and keep it. */
void
oct_prober_register(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, "octopus_fdw", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "oct_prober_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "octopus_fdw prober", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "octopus_fdw prober", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

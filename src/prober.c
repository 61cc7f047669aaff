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
 * The loop does no SQL, reads no file but the hosts file (see dns.c), and waits
 * for no lock.  The prober is attached to no database.  Its memory of the nodes may
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
#include "prober_internal.h"
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

/* the most sockets told at once */
#define OCT_BATCH			256

/* on a standby, how often to see whether it was promoted */
#define OCT_PROMOTION_MS	1000

/* settings */
OctPolicy	oct_default_policy = {
	.enabled = true,
	.period_ms = 10000,
	.timeout_ms = 2000,
	.max_retries = 2,
	.retry_delay_ms = 1000,
	.healthy_threshold = 1,
	.check_type = OCT_CHECK_AUTO,
	.down_period_ms = -1,
	.jitter_percent = 10,
	.keep_connections = false,
};
char	   *oct_application_name = NULL;

/* the prober's state */
OctTimerQueue oct_prober_timers;
static dlist_head queue = DLIST_STATIC_INIT(queue); /* waiting for a place */
static int	in_flight = 0;
static int	max_in_flight;
static OctLag lag = {0};		/* all there ever was */


/* ---------- one try ---------- */

void
oct_prober_arm(OctNode *node)
{
	oct_timerq_arm(&oct_prober_timers, &node->timer, oct_probe_wake(&node->probe));
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

	if (oct_probe_is_void(&node->probe, &node->policy, outcome->reason, lag))
		outcome->reason = OCT_REASON_VOIDED;
	evidence = oct_policy_evidence_of(outcome->reason, node->policy.check_type);
	if (outcome->reason == OCT_REASON_PASSWORD_NEEDED &&
		evidence == OCT_EVIDENCE_ALIVE)
		outcome->reason = OCT_REASON_OK;	/* all that was asked */
	changed = oct_probe_on_outcome(&node->probe, &node->policy, evidence, now);
	oct_prober_arm(node);

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
	oct_probe_on_leg(&node->probe, &node->policy, node->leg, node->nlegs, oct_now());
	oct_prober_arm(node);
	return oct_attempt_start_leg(&node->attempt, &node->spec,
								 oct_prober_group_policy(node),
								 oct_prober_application_name(node), node->slot,
								 outcome);
}

/* A leg has come to its outcome: goes on to the next one, or finishes. */
static void
finish_leg(OctNode *node, OctOutcome *outcome)
{
	while (oct_attempt_next_leg(&node->attempt, &node->spec, outcome))
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
			 node->policy.timeout_ms);
	finish_leg(node, &outcome);
}

static void
start_try(OctNode *node, OctTime now)
{
	OctOutcome	outcome;

	in_flight++;
	node->leg = 0;
	node->nlegs = oct_attempt_begin(&node->attempt, &node->spec, &outcome);
	oct_probe_on_start(&node->probe, &node->policy, now, lag);

	if (node->nlegs == 0)
		finish_try(node, &outcome);
	else if (!start_leg(node, &outcome))
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
	{
		oct_attempt_end(&node->attempt);
		in_flight--;
	}
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
		 (timer = oct_timerq_pop_expired(&oct_prober_timers, now)) != NULL; i++)
	{
		OctNode    *node = (OctNode *) ((char *) timer - offsetof(OctNode, timer));

		switch (oct_probe_on_timer(&node->probe, &node->policy, now, lag))
		{
			case OCT_PROBE_WAIT:
				oct_prober_arm(node);
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


/* ---------- the worker ---------- */

static void
serve_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		oct_resolver_reload();
		oct_prober_reload(oct_now());
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
	OctTime		next = oct_timerq_next(&oct_prober_timers);
	int64		wait_ms = -1;
	int64		most_ms = -1;

	if (oct_time_before(oct_resolver_next(), next))
		next = oct_resolver_next();
	if (next.us != OCT_TIME_NEVER.us)
		wait_ms = Max((oct_time_diff_us(next, now) + OCT_US_PER_MS - 1) /
					  OCT_US_PER_MS, 0);
	if (oct_ddl_awaits_promotion())
		most_ms = OCT_PROMOTION_MS;
	if (in_flight > 0)
		most_ms = Max(Min(oct_prober_shortest_timeout_ms() / OCT_TIMEOUT_PARTS, OCT_WATCH_MS), 1);
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
	int64		limit_us = Min(OCT_LATE_MS, oct_prober_shortest_timeout_ms() / OCT_TIMEOUT_PARTS) * 1000;
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
	{
		if (owners[i] >= oct_nodetab_nslots())
			oct_resolver_advance(owners[i] - oct_nodetab_nslots());
		else
			advance_try(oct_prober_node(owners[i]));
	}
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
		reconciled = oct_prober_reconcile(looked);
		oct_resolver_on_timer(looked);
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
	oct_iomux_init();
	oct_resolver_init(oct_nodetab_nslots());
	oct_timerq_init(&oct_prober_timers);
	max_in_flight = oct_iomux_max_sockets();

	/* from here on changes wake us; those before are found by the first pass */
	oct_nodetab_attach_prober();
	oct_prober_init_nodes();
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

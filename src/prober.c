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
 * deadlines move by it (see probe.h); while tries are in flight it looks at
 * least every OCT_WATCH_MS, so that no longer stall goes unnoticed.
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
#include <sys/resource.h>

#include "common/pg_prng.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "clock.h"
#include "iomux.h"
#include "nodetab.h"
#include "pqprobe.h"
#include "probe.h"
#include "prober.h"
#include "report.h"
#include "resolver.h"
#include "timerq.h"

/* the longest wait while tries are in flight */
#define OCT_WATCH_MS		50

/* being later than this is lag; below, it is the work of a turn */
#define OCT_LATE_US			INT64CONST(25000)

/* the most timers served before sockets are looked at again */
#define OCT_TIMERS_PER_TURN	64

/* the most changes copied at once, and the most sockets told at once */
#define OCT_BATCH			256

/* descriptors left alone beside those of fd.c */
#define OCT_SPARE_FDS		64

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
	OctPqProbe	try;			/* while the probe is running */
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
static int64 lag_us = 0;		/* all there ever was */
static OctChangeCursor cursor;
static OctPolicy policy;		/* in force */


/* ---------- one try ---------- */

static void
arm_timer(OctNode *node)
{
	oct_timerq_arm(&timers, &node->timer, oct_probe_wake(&node->probe));
}

/* The running try has come to an outcome. */
static void
finish_try(OctNode *node, OctOutcome *outcome)
{
	OctTime		now = oct_now();
	OctTime		started = node->probe.started;
	OctEvidence evidence;
	bool		changed;

	oct_pqprobe_close(&node->try);
	in_flight--;

	if (oct_probe_is_void(&node->probe, outcome->reason, now))
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

static void
expire_try(OctNode *node)
{
	OctOutcome	outcome = {.reason = OCT_REASON_TIMEOUT,.phase = node->try.phase};

	snprintf(outcome.message, sizeof(outcome.message),
			 node->try.phase == OCT_PHASE_CONNECT ?
			 "no connection within %d ms" : "no answer within %d ms",
			 policy.timeout_ms);
	finish_try(node, &outcome);
}

/* Watches the socket of the running try. */
static bool
watch_try(OctNode *node, int events, OctOutcome *outcome)
{
	if (oct_iomux_watch(oct_pqprobe_socket(&node->try), events, node->slot))
		return true;
	memset(outcome, 0, sizeof(OctOutcome));
	outcome->reason = OCT_REASON_VOIDED;
	outcome->phase = node->try.phase;
	strlcpy(outcome->message, strerror(errno), OCT_MESSAGE_SIZE);
	return false;
}

static void
start_try(OctNode *node, OctTime now)
{
	OctTarget	target = {
		.port = node->spec.port,
		.application_name = oct_application_name,
	};
	OctOutcome	outcome;
	char		addresses[OCT_ADDRESSES_SIZE];

	in_flight++;
	oct_probe_on_start(&node->probe, &policy, now, lag_us);
	arm_timer(node);

	if (node->spec.name[0] == '/')
		target.socket_dir = node->spec.name;
	else if (oct_resolver_lookup(node->spec.name, addresses, &outcome))
		target.addresses = addresses;
	else
	{
		finish_try(node, &outcome);
		return;
	}

	if (!oct_pqprobe_start(&node->try, &target, &outcome) ||
		!watch_try(node, OCT_IO_WRITE, &outcome))
		finish_try(node, &outcome);
}

/* The socket of a running try is ready. */
static void
advance_try(OctNode *node)
{
	OctOutcome	outcome;
	int			events;

	if (!oct_pqprobe_advance(&node->try, &events, &outcome) ||
		!watch_try(node, events, &outcome))
		finish_try(node, &outcome);
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

		switch (oct_probe_on_timer(&node->probe, now, lag_us))
		{
			case OCT_PROBE_WAIT:
				arm_timer(node);
				break;
			case OCT_PROBE_START:
				dlist_push_tail(&queue, &node->queue_node);
				break;
			case OCT_PROBE_EXPIRE:
				expire_try(node);
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
		oct_pqprobe_close(&node->try);
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
	if (catchupInterruptPending)
	{
		ProcessCatchupInterrupt();
		MemoryContextSwitchTo(TopMemoryContext);
	}
}

/*
 * How long the next wait may be, in milliseconds rounded up, so that all that
 * becomes due within one is served at once; -1 is for ever.
 */
static int64
time_to_wait_ms(bool reconciled)
{
	OctTime		next = oct_timerq_next(&timers);
	int64		wait_ms = -1;

	if (next.us != OCT_TIME_NEVER.us)
		wait_ms = Max((oct_time_diff_us(next, oct_now()) + OCT_US_PER_MS - 1) /
					  OCT_US_PER_MS, 0);
	if (in_flight > 0)
		wait_ms = Min(wait_ms < 0 ? OCT_WATCH_MS : wait_ms, OCT_WATCH_MS);
	if (!reconciled)
		wait_ms = Min(wait_ms < 0 ? 1 : wait_ms, 1);
	return wait_ms;
}

static void
probe_for_ever(void)
{
	int			owners[OCT_BATCH];
	OctTime		looked = oct_now(); /* when all ready sockets had been served */
	int64		meant_us = 0;	/* how long after that to look again */

	for (;;)
	{
		bool		reconciled;
		int64		wait_ms;
		OctTime		now;
		int			n;

		ResetLatch(MyLatch);
		serve_interrupts();
		reconciled = reconcile(looked);
		run_timers(looked);

		do
		{
			wait_ms = time_to_wait_ms(reconciled);
			n = oct_iomux_wait(wait_ms, owners, OCT_BATCH);
			now = oct_now();
			for (int i = 0; i < n; i++)
				advance_try(nodes[owners[i]]);
			if (wait_ms < 0)
				looked = now;	/* nothing was meant, so nothing is late */
			else
				meant_us += wait_ms * OCT_US_PER_MS;
			if (n < 0)
				serve_interrupts();
		} while (n < 0 || n == OCT_BATCH);

		if (oct_time_diff_us(now, looked) - meant_us > OCT_LATE_US)
			lag_us += oct_time_diff_us(now, looked) - meant_us;
		looked = now;
		meant_us = 0;
	}
}

/* How many descriptors tries may take, the soft limit having been raised. */
static int
descriptor_limit(void)
{
	struct rlimit limit;
	int64		fds;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		elog(ERROR, "getrlimit failed: %m");
	if (limit.rlim_cur < limit.rlim_max)
	{
		rlim_t		soft = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			limit.rlim_cur = soft;
	}
	fds = Min(limit.rlim_cur, PG_INT32_MAX);

	/* fd.c's share, of which the prober uses next to nothing */
	return (int) Max(fds - max_safe_fds - OCT_SPARE_FDS, fds / 2);
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

	/* messages must be recognized by pqprobe and be safe in every log */
	SetConfigOption("lc_messages", "C", PGC_SUSET, PGC_S_OVERRIDE);

	oct_pqprobe_init();
	oct_resolver_init();
	oct_iomux_init();
	oct_timerq_init(&timers);
	max_in_flight = descriptor_limit();
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

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
 * 3. Start or expire the tries whose timers are due (probertries.c), and ask
 *	  the resolver whether its time has come.
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
 * The loop does no SQL, reads no file but the hosts file (see resolver.c), and
 * waits for no lock.  The prober is attached to no database.  Its memory of the nodes may
 * be lost at any time: what counts is in shared memory, and a new prober takes
 * it up from there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "clock.h"
#include "compat.h"
#include "ddl.h"
#include "events.h"
#include "gauges.h"
#include "iomux.h"
#include "nodetab.h"
#include "pqprobe.h"
#include "prober_internal.h"
#include "resolver.h"

/*
 * While tries are in flight, sockets are looked at so often, and being so much
 * later than meant counts as lag; or, if that is less, this part of a timeout.
 */
#define OCT_WATCH_MS		50
#define OCT_LATE_MS			25
#define OCT_TIMEOUT_PARTS	8

/* the most sockets told at once */
#define OCT_BATCH			256

/* so often are sockets looked at anew while there are so many ready ones */
#define OCT_PASSES			64

/* on a standby, how often to see whether it was promoted */
#define OCT_PROMOTION_MS	1000

/* owner numbers from here on are the resolver's; those below are the nodes' */
static int	resolver_owner;

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
 * How long the wait that begins at "now" may be, in milliseconds: to the first
 * tick at which a timer is due, rounded up; -1 is for ever.
 */
static int64
time_to_wait_ms(OctTime now, bool reconciled, bool has_more)
{
	int64		tick_us = oct_prober_tick_us();
	OctTime		next = oct_timerq_next(&oct_prober_timers);
	OctTime		resolver = oct_resolver_next();
	int64		wait_ms = -1;
	int64		most_ms = -1;

	if (has_more)
		return 0;
	if (next.us != OCT_TIME_NEVER.us)
		next = oct_time_floor(oct_time_add_us(next, tick_us - 1), tick_us);
	if (oct_time_before(resolver, next))
		next = resolver;
	if (next.us != OCT_TIME_NEVER.us)
		wait_ms = Max((oct_time_diff_us(next, now) + OCT_US_PER_MS - 1) /
					  OCT_US_PER_MS, 0);
	if (oct_ddl_awaits_promotion())
		most_ms = OCT_PROMOTION_MS;
	if (oct_prober_nrunning() > 0)
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
	int64		limit_us = Min(OCT_LATE_MS, oct_prober_shortest_timeout_ms() / OCT_TIMEOUT_PARTS) * 1000;
	int64		work_us;

	if (late_us <= limit_us && oct_time_diff_us(now, asked) <= limit_us / 2)
		return;
	work_us = oct_cpu_time_us() - oct_prober_cpu_us;
	oct_prober_cpu_us += work_us;
	asked = now;
	if (late_us <= limit_us)
		return;
	oct_prober_lag.work_us += Min(late_us, work_us);
	oct_prober_lag.stall_us += late_us - Min(late_us, work_us);
}

/* Tells those who ask for octopus.monitor. */
static void
show_gauges(void)
{
	oct_gauge_set(OCT_GAUGE_LAST_TICK, oct_prober_looked.us);
	oct_gauge_set(OCT_GAUGE_IN_FLIGHT, oct_prober_nrunning());
	oct_gauge_set(OCT_GAUGE_HELD, oct_prober_nheld());
	oct_gauge_set(OCT_GAUGE_DNS_PENDING, oct_resolver_pending());
}

/*
 * Waits once, looks at the sockets and advances the tries whose sockets are
 * ready.  Returns false if there was no look, or if more may be ready.
 */
static bool
wait_and_advance(bool reconciled, bool has_more)
{
	int			owners[OCT_BATCH];
	OctTime		before = oct_now();
	int64		wait_ms = time_to_wait_ms(before, reconciled, has_more);
	int64		late_us = oct_time_diff_us(before, oct_prober_looked);
	OctTime		after;
	int			n;

	/* what has come of this turn, before it gets old */
	show_gauges();
	oct_events_announce();
	n = oct_iomux_wait(wait_ms, owners, OCT_BATCH);
	after = oct_now();
	if (wait_ms >= 0)
		late_us += Max(oct_time_diff_us(after, before) - wait_ms * OCT_US_PER_MS, 0);
	note_lag(after, late_us);
	oct_prober_looked = after;
	for (int i = 0; i < n; i++)
	{
		OctNode    *node;

		if (owners[i] >= resolver_owner)
			oct_resolver_advance(owners[i] - resolver_owner);
		else if ((node = oct_prober_node(owners[i] / 2)) != NULL)
			oct_prober_advance(node, owners[i] % 2);
	}
	return n >= 0 && n < OCT_BATCH;
}

static void
probe_for_ever(void)
{
	oct_prober_looked = oct_now();
	for (;;)
	{
		int			passes = Max(OCT_PASSES, resolver_owner / OCT_BATCH + 1);
		bool		reconciled;
		bool		has_more;

		ResetLatch(MyLatch);
		serve_interrupts();
		reconciled = oct_prober_reconcile(oct_prober_looked);
		oct_resolver_on_timer(oct_prober_looked);
		has_more = oct_prober_run_timers(oct_prober_looked, oct_prober_tick_us());

		/* serve all sockets that are ready now, but none for ever */
		while (!wait_and_advance(reconciled, has_more) && passes-- > 0)
			serve_interrupts();
	}
}

void
oct_prober_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, OCT_SIG_IGN);	/* there is no query to cancel */
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	MemoryContextSwitchTo(TopMemoryContext);
	oct_ddl_clean_up();

	/* messages must be recognized by pqprobe and be safe in every log */
	SetConfigOption("lc_messages", "C", PGC_SUSET, PGC_S_OVERRIDE);

	oct_pqprobe_init();
	oct_iomux_init();
	resolver_owner = oct_nodetab_nslots() * 2;
	oct_resolver_init(resolver_owner);
	oct_prober_init_tries();

	/* from here on changes wake us; those before are found by the first pass */
	oct_nodetab_attach_prober();
	oct_gauges_attach_prober();
	oct_chronicle_start();
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

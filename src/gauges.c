/*-------------------------------------------------------------------------
 *
 * gauges.c
 *	  What the prober tells of itself: numbers in shared memory.
 *
 * Each is an atomic word that the prober alone writes, but for what it has not
 * begun yet to write when the server starts.  They are read one by one, so two of
 * them may be of different turns of its loop.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "gauges.h"

static pg_atomic_uint64 *gauges;

/* For shmem_request_hook. */
void
oct_gauges_request(void)
{
	RequestAddinShmemSpace(sizeof(pg_atomic_uint64) * OCT_GAUGE_COUNT);
}

/* For shmem_startup_hook. */
void
oct_gauges_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	gauges = ShmemInitStruct("octopus_fdw gauges",
							 sizeof(pg_atomic_uint64) * OCT_GAUGE_COUNT, &found);
	if (!found)
	{
		for (int i = 0; i < OCT_GAUGE_COUNT; i++)
			pg_atomic_init_u64(&gauges[i], 0);
		oct_gauge_set(OCT_GAUGE_STATS_RESET, GetCurrentTimestamp());
	}
	LWLockRelease(AddinShmemInitLock);
}

/* The prober ends, unless a successor has put its own number there already. */
static void
detach_prober(int code, Datum arg)
{
	uint64		me = MyProcPid;

	pg_atomic_compare_exchange_u64(&gauges[OCT_GAUGE_PID], &me, 0);
}

/* This process is the prober from now on, until it exits. */
void
oct_gauges_attach_prober(void)
{
	oct_gauge_set(OCT_GAUGE_IN_FLIGHT, 0);
	oct_gauge_set(OCT_GAUGE_HELD, 0);
	oct_gauge_set(OCT_GAUGE_DNS_PENDING, 0);
	oct_gauge_set(OCT_GAUGE_LAST_TICK, 0);
	oct_gauge_set(OCT_GAUGE_BACKEND_START, MyStartTimestamp);
	oct_gauge_set(OCT_GAUGE_PID, MyProcPid);
	before_shmem_exit(detach_prober, (Datum) 0);
}

int64
oct_gauge_get(OctGauge gauge)
{
	return (int64) pg_atomic_read_u64(&gauges[gauge]);
}

/* The prober only, as what follows. */
void
oct_gauge_set(OctGauge gauge, int64 value)
{
	pg_atomic_write_u64(&gauges[gauge], (uint64) value);
}

void
oct_gauge_add(OctGauge gauge, int64 increment)
{
	oct_gauge_set(gauge, oct_gauge_get(gauge) + increment);
}

/* To the value, unless it is that high already. */
void
oct_gauge_raise(OctGauge gauge, int64 value)
{
	if (oct_gauge_get(gauge) < value)
		oct_gauge_set(gauge, value);
}

/*-------------------------------------------------------------------------
 *
 * events.c
 *	  What has happened to nodes: a ring of events, and waiting for the next one.
 *
 * 1. The prober, the only writer, puts an event over the oldest one.  While it
 *	  does the place bears no id, so that a reader can tell that what he copied
 *	  was being changed; nobody takes a lock.
 *
 * 2. Then it counts the event.  Readers go by that number, so they never see an
 *	  event whose predecessors are not there.
 *
 * 3. At the end of its turn, if anything was counted, it wakes those who wait.
 *	  They wait for news of any kind; what they are after they find out for
 *	  themselves.
 *
 * Ids begin with the time at which shared memory was made, in microseconds since
 * 1970, and so are greater than all before a restart, if there was less than one
 * event a microsecond and nobody has set the clock back.
 *
 * Without a ring (max_events is 0) events are counted all the same, so that who
 * waits is woken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "events.h"
#include "gauges.h"

/* the longest sleep: ConditionVariableTimedSleep takes milliseconds as long */
#define OCT_MAX_SLEEP_MS	INT64CONST(3600000)

/* One place of the ring. */
typedef struct OctSharedEvent
{
	pg_atomic_uint64 id;		/* 0: being written, or never was */
	OctEvent	event;			/* written by the prober */
} OctSharedEvent;

typedef struct OctSharedEvents
{
	int64		first_id;		/* fixed at start-up, as is: */
	int32		nplaces;
	pg_atomic_uint64 next_id;	/* written by the prober */
	ConditionVariable news;		/* has a lock of its own */
	OctSharedEvent ring[FLEXIBLE_ARRAY_MEMBER];
} OctSharedEvents;

/* setting */
int			oct_max_events = 8192;

static OctSharedEvents *events = NULL;
static uint64 announced = 0;	/* by this process, the prober */
static bool stirred = false;	/* the same */

static const char *const type_names[] = {
	[OCT_EVENT_REGISTERED] = "registered",
	[OCT_EVENT_REMOVED] = "removed",
	[OCT_EVENT_HEALTH] = "health",
	[OCT_EVENT_ROLE] = "role",
	[OCT_EVENT_RESTART] = "restart",
	[OCT_EVENT_POLICY] = "policy",
	[OCT_EVENT_MONITOR] = "monitor",
};

StaticAssertDecl(lengthof(type_names) == OCT_EVENT_TYPES,
				 "every OctEventType needs its name");

const char *
oct_event_type_name(OctEventType type)
{
	return type_names[type];
}


/* ---------- set-up ---------- */

static Size
ring_size(void)
{
	return add_size(offsetof(OctSharedEvents, ring),
					mul_size(sizeof(OctSharedEvent), oct_max_events));
}

/* For shmem_request_hook. */
void
oct_events_request(void)
{
	RequestAddinShmemSpace(ring_size());
}

/* For shmem_startup_hook. */
void
oct_events_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	events = ShmemInitStruct("octopus_fdw events", ring_size(), &found);
	if (!found)
	{
		events->first_id = GetCurrentTimestamp() +
			(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
		events->nplaces = oct_max_events;
		pg_atomic_init_u64(&events->next_id, events->first_id);
		ConditionVariableInit(&events->news);
		for (int i = 0; i < events->nplaces; i++)
			pg_atomic_init_u64(&events->ring[i].id, 0);
	}
	LWLockRelease(AddinShmemInitLock);
}


/* ---------- the prober ---------- */

/* Makes an event that says nothing yet. */
void
oct_events_init(OctEvent *event, OctEventType type)
{
	memset(event, 0, sizeof(OctEvent));
	event->type = type;
	event->old_health = event->new_health = OCT_NO_HEALTH;
	event->detection_us = -1;
}

/* Gives the event its id and its time, and writes it.  Does not throw. */
void
oct_events_write(OctEvent *event)
{
	uint64		id = pg_atomic_read_u64(&events->next_id);

	event->id = (int64) id;
	event->time = GetCurrentTimestamp();
	if (events->nplaces > 0)
	{
		OctSharedEvent *place = &events->ring[id % events->nplaces];

		if (pg_atomic_read_u64(&place->id) != 0)
			oct_gauge_add(OCT_GAUGE_EVENTS_DROPPED, 1);
		pg_atomic_write_u64(&place->id, 0);
		pg_write_barrier();
		place->event = *event;
		pg_write_barrier();
		pg_atomic_write_u64(&place->id, id);
	}
	pg_write_barrier();
	pg_atomic_write_u64(&events->next_id, id + 1);
}

/* There is news that is no event. */
void
oct_events_stir(void)
{
	stirred = true;
}

/*
 * Wakes those who wait, if there is news since the last call.  Nothing is held
 * meanwhile but the condition variable's own lock, for moments.
 */
void
oct_events_announce(void)
{
	uint64		next = pg_atomic_read_u64(&events->next_id);

	if (next == announced && !stirred)
		return;
	announced = next;
	stirred = false;
	ConditionVariableBroadcast(&events->news);
}


/* ---------- readers ---------- */

/* That the next event will have. */
int64
oct_events_next_id(void)
{
	int64		next = (int64) pg_atomic_read_u64(&events->next_id);

	pg_read_barrier();
	return next;
}

/* No event before this is left. */
int64
oct_events_oldest_id(void)
{
	return Max(oct_events_next_id() - events->nplaces, events->first_id);
}

/* Copies an event; false if it has been overwritten, or has not come yet. */
bool
oct_events_read(int64 id, OctEvent *event)
{
	OctSharedEvent *place;

	if (events->nplaces == 0 || id < events->first_id)
		return false;
	place = &events->ring[id % events->nplaces];
	if (pg_atomic_read_u64(&place->id) != id)
		return false;
	pg_read_barrier();
	*event = place->event;
	pg_read_barrier();
	return pg_atomic_read_u64(&place->id) == id;
}


/*
 * Wakes those who wait, on behalf of a session: for news that is none for the
 * prober.  Does not throw.
 */
void
oct_events_wake(void)
{
	if (events != NULL)
		ConditionVariableBroadcast(&events->news);
}


/* ---------- who waits ---------- */

void
oct_events_prepare_to_sleep(void)
{
	ConditionVariablePrepareToSleep(&events->news);
}

/*
 * Waits for news, but not longer than given.  Returns false when that time has
 * come.  Serves interrupts, and so may throw; the sleep is cancelled then by the
 * end of the transaction.
 */
bool
oct_events_sleep(OctTime until)
{
	static uint32 wait_event = 0;
	int64		left_us = oct_time_diff_us(until, oct_now());
	int64		left_ms;

	if (left_us <= 0)
		return false;
	if (wait_event == 0)
		wait_event = oct_wait_event("OctopusNews");
	left_ms = Min((left_us + OCT_US_PER_MS - 1) / OCT_US_PER_MS, OCT_MAX_SLEEP_MS);
	(void) ConditionVariableTimedSleep(&events->news, (long) left_ms, wait_event);
	return true;
}

void
oct_events_cancel_sleep(void)
{
	ConditionVariableCancelSleep();
}

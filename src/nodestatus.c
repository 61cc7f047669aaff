/*-------------------------------------------------------------------------
 *
 * nodestatus.c
 *	  The status of each slot: one writer, many readers, no lock.
 *
 * There are two copies and a counter of flips.  The prober alone writes, always
 * the copy that is not shown, and then flips; a reader takes the copy that the
 * counter names and repeats only if a flip passed meanwhile.  So a prober
 * stopped in the middle of writing delays nobody.
 *
 * The histogram of latencies is too large to be there twice.  It follows the
 * copies by one success at most: the prober flips, then counts the success there.
 * A reader, who takes both between the same flips, sees by the sums whether that
 * one is missing, and adds it.
 *
 * A verdict is shown as long as it is fresh enough, by the monotonic clock, so
 * that nobody is misled by a prober that is stopped, busy or gone.
 *
 * When the next try is stands beside, in a word of its own, since it changes
 * without anything being found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodetab_internal.h"
#include "policy.h"

/* setting */
int			oct_status_max_age_ms = 0;


/* ---------- readers ---------- */

/* Until when a verdict may be shown. */
OctTime
oct_nodetab_fresh_until(const OctNodeStatus *status)
{
	return oct_nodestatus_fresh_until(status->judged, status->max_age_us);
}

/* Copies the used part of a message, which may be changing under our hands. */
static void
copy_message(char *to, const char *from)
{
	size_t		len = strnlen(from, OCT_MESSAGE_SIZE - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

/*
 * The word that the prober writes: twice the time that the next try is due, plus
 * one if there is one under way; 0 if there is to be none.
 */
static OctSchedule
read_schedule(int32 slot)
{
	uint64		word = pg_atomic_read_u64(&oct_slots[slot].schedule);
	OctSchedule schedule = {.running = (word & 1) != 0,.due = OCT_TIME_NEVER};

	if (pg_atomic_read_u32(&oct_table->prober) == OCT_NO_PROC)
		schedule.running = false;
	else if (word > 1)
		schedule.due = (OctTime) {(int64) (word >> 1)};
	return schedule;
}

/* Makes a histogram that was read with a status agree with it. */
static void
complete_latency(const OctNodeStatus *status, OctLatency *latency)
{
	const OctTally *tally = &status->tally;

	if (status->latency_void)
		memset(latency, 0, sizeof(OctLatency));
	else if (oct_latency_total(latency) < tally->successes)
		oct_latency_record(latency, tally->last_us);
}

/* Nothing is known of a node. */
static void
forget(OctStatusCopy *copy, OctStatusDepth depth, char *message,
	   OctLatency *latency)
{
	memset(&copy->status, 0, depth);
	copy->status.health = OCT_UNKNOWN;
	copy->schedule = (OctSchedule) {.due = OCT_TIME_NEVER};
	if (message != NULL)
		message[0] = '\0';
	if (latency != NULL)
		memset(latency, 0, sizeof(OctLatency));
}

/*
 * Copies the status that readers may see of a slot whose spec is of the given
 * generation, as far as it is wanted; message and histogram (of which the tally
 * is a part) if there is room for them.
 */
void
oct_nodestatus_copy(int32 slot, uint32 generation, OctTime now,
					OctStatusDepth depth, OctStatusCopy *copy, char *message,
					OctLatency *latency)
{
	OctSharedSlot *shared = &oct_slots[slot];
	OctNodeStatus *status = &copy->status;
	uint32		flips;

	do
	{
		flips = pg_atomic_read_u32(&shared->flips);
		pg_read_barrier();
		memcpy(status, &shared->status.copy[flips & 1], depth);
		if (message != NULL)
			copy_message(message, shared->status.copy[flips & 1].message);
		if (latency != NULL)
			*latency = shared->status.latency;
		pg_read_barrier();
	} while (pg_atomic_read_u32(&shared->flips) != flips);

	copy->schedule = read_schedule(slot);
	copy->state = OCT_STATE_INITIALIZING;
	if (status->generation != generation)
	{
		forget(copy, depth, message, latency);
		return;
	}
	if (latency != NULL)
		complete_latency(status, latency);
	if (depth >= OCT_STATUS_TALLY)
		oct_tally_account(&status->tally, status->health,
						  oct_nodetab_fresh_until(status), now);
	if (depth >= OCT_STATUS_DETAIL && status->has_outcome)
		copy->state = oct_policy_state(&(OctVerdict) {status->health,
									   status->failures, status->successes},
									   status->reason);
	if (status->health != OCT_UNKNOWN &&
		oct_time_before(oct_nodetab_fresh_until(status), now))
	{
		status->health = OCT_UNKNOWN;
		copy->state = OCT_STATE_STALE;
	}
}


/* ---------- the writer: the prober ---------- */

/* The status as published last, where it is. */
const OctNodeStatus *
oct_nodetab_shown_status(int32 slot)
{
	OctSharedSlot *shared = &oct_slots[slot];

	return &shared->status.copy[pg_atomic_read_u32(&shared->flips) & 1];
}

/*
 * Begins a new status of a slot: returns the copy that is not shown, made equal
 * to the one that is, to be changed in its place.  Takes no lock, does not throw.
 */
OctNodeStatus *
oct_nodetab_edit_status(int32 slot)
{
	OctSharedSlot *shared = &oct_slots[slot];
	uint32		flips = pg_atomic_read_u32(&shared->flips);
	const OctNodeStatus *shown = &shared->status.copy[flips & 1];
	OctNodeStatus *next = &shared->status.copy[(flips + 1) & 1];

	/* the flip before must not be seen after what is written now */
	pg_write_barrier();
	memcpy(next, shown, OCT_STATUS_TALLY);
	copy_message(next->message, shown->message);
	return next;
}

/* Shows what was begun by oct_nodetab_edit_status.  Does not throw. */
void
oct_nodetab_show_status(int32 slot)
{
	OctSharedSlot *shared = &oct_slots[slot];
	uint32		flips = pg_atomic_read_u32(&shared->flips) + 1;
	const OctNodeStatus *next = &shared->status.copy[flips & 1];

	shared->head[flips & 1] = (OctStatusHead) {
		.generation = next->generation,
		.health = next->health,
		.judged = next->judged,
		.max_age_us = next->max_age_us,
	};
	pg_write_barrier();
	pg_atomic_write_u32(&shared->flips, flips);
}

/* Counts a success that is shown already.  Does not throw. */
void
oct_nodetab_record_latency(int32 slot, int64 check_time_us)
{
	pg_write_barrier();
	oct_latency_record(&oct_slots[slot].status.latency, check_time_us);
}

/* Forgets all of them, while nobody looks: see latency_void.  Does not throw. */
void
oct_nodetab_clear_latency(int32 slot)
{
	pg_write_barrier();
	memset(&oct_slots[slot].status.latency, 0, sizeof(OctLatency));
	pg_write_barrier();
}

/* The next try of a slot's node is due then, or never. */
void
oct_nodetab_schedule(int32 slot, OctTime due)
{
	pg_atomic_write_u64(&oct_slots[slot].schedule,
						due.us == OCT_TIME_NEVER.us ? 0 : (uint64) due.us << 1);
}

/* A try is under way. */
void
oct_nodetab_schedule_running(int32 slot)
{
	pg_atomic_write_u64(&oct_slots[slot].schedule, 1);
}

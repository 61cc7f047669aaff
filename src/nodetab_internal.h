/*-------------------------------------------------------------------------
 *
 * nodetab_internal.h
 *	  The table of nodes as memory: for its own rooms and statusset.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef NODETAB_INTERNAL_H
#define NODETAB_INTERNAL_H

#include "nodetab.h"

#include "port/atomics.h"
#include "storage/lwlock.h"

/*
 * Slots are far apart, so that to walk along them would be to wait for memory.
 * What comes soon is fetched ahead; by number, since nodes that were registered
 * one after the other are mostly in slots that follow each other.
 */
#define OCT_CACHE_LINE		64
#define OCT_FETCH_AHEAD		8

#ifdef pg_attribute_aligned
#define OCT_ALIGNED			pg_attribute_aligned(OCT_CACHE_LINE)
#define oct_prefetch(what)	__builtin_prefetch(what)
#else
#define OCT_ALIGNED
#define oct_prefetch(what)	((void) (what))
#endif

#define OCT_NO_SLOT		(-1)
#define OCT_NO_GROUP	(-1)
#define OCT_NO_PROC		PG_UINT32_MAX

/*
 * What most readers want of a status, once more, so that it is in one line of
 * the processor's cache with what tells which copy is shown.
 */
typedef struct OctStatusHead
{
	uint32		generation;		/* see OctNodeStatus */
	OctHealth	health;
	OctTime		judged;
	int64		max_age_us;
} OctStatusHead;

/* Written by the prober. */
typedef struct OctSharedStatus
{
	pg_atomic_uint64 answer;	/* to requests for checks; see requests.c */
	pg_atomic_uint32 resets_done;	/* number of the last reset */
	OctNodeStatus copy[2];
	OctLatency	latency;		/* of the successes that the tally counts */
} OctSharedStatus;

/*
 * The first members, a line of the cache, are the prober's, as is status; the
 * lock has the others.
 */
typedef struct OCT_ALIGNED OctSharedSlot
{
	pg_atomic_uint32 flips;		/* head[flips & 1] and copy[flips & 1] are shown */
	pg_atomic_uint64 schedule;	/* see read_schedule in nodestatus.c */
	OctStatusHead head[2];

	uint32		generation;		/* 0: the slot is free */
	int32		group;			/* index of its group */
	int32		next_in_bucket; /* index chain */
	int32		next_in_group;	/* group chain, or chain of free slots */
	int32		prev_in_group;	/* group chain */
	OctNodeSpec spec;
	uint32		checks_asked;	/* numbers of the last requests, which go on from */
	uint32		resets_asked;	/* node to node */

	OctSharedStatus status;
} OctSharedSlot;

StaticAssertDecl(offsetof(OctSharedSlot, generation) == OCT_CACHE_LINE,
				 "what readers want is in more lines than need be");

/* Protected by the table's lock. */
typedef struct OctSharedGroup
{
	OctGroup	group;
	uint32		version;		/* of policy and server name, never used before */
	int32		nnodes;			/* 0: the group is free */
	int32		first;			/* its chain of slots, oldest node first */
	int32		last;
} OctSharedGroup;

typedef struct OctSharedTable
{
	/* fixed at start-up */
	int32		nslots;
	int32		ngroups;
	uint32		bucket_mask;	/* number of buckets - 1 */
	uint32		loaded;			/* the last generation that came from the file */

	/* protected by the table's lock */
	int32		free_slots;		/* how many */
	int32		first_free;		/* chain of them */
	int32		free_groups;	/* how many */
	int32		reserved_slots; /* promised to transactions about to commit */
	int32		reserved_groups;
	uint32		last_generation;
	uint32		last_version;

	/* written with the lock held, read without */
	pg_atomic_uint64 nchanges;	/* ever; position in the journal */
	pg_atomic_uint32 nunbound;	/* groups that are unbound */

	/* written by the prober, read by all */
	pg_atomic_uint32 prober;	/* its proc number, or OCT_NO_PROC */
	pg_atomic_uint64 seen;		/* the position in the journal that it has served */
	pg_atomic_uint32 monitor_resets_done;	/* number of the last one */

	/* written and read by all */
	pg_atomic_uint32 monitor_resets_asked;
} OctSharedTable;

/* where the parts of the table are, the same in every process */
extern OctSharedTable *oct_table;	/* NULL: there is none */
extern OctSharedGroup *oct_groups;
extern OctSharedSlot *oct_slots;
extern int32 *oct_buckets;
extern int32 *oct_journal;		/* nslots entries */
extern LWLock *oct_table_lock;

/* in nodetab.c; the caller holds the lock */
extern int	oct_nodetab_free_slots(void);
extern void oct_nodetab_copy_group(OctGroup *to, const OctGroup *from);
extern int32 oct_nodetab_find_group(OctGroupKey key);
extern int32 oct_nodetab_find_slot(int32 group, const OctNodeSpec *spec);
extern void oct_nodetab_note_change(int32 slot);

extern void oct_nodetab_wake_prober(void);	/* without it */

/* A reader is at this slot, and will want that much of the ones to come. */
static inline void
oct_nodetab_fetch_ahead(int32 slot, Size depth)
{
	OctSharedSlot *ahead;
	const char *copy;

	if (slot + OCT_FETCH_AHEAD >= oct_table->nslots)
		return;
	ahead = &oct_slots[slot + OCT_FETCH_AHEAD];
	oct_prefetch(ahead);
	oct_prefetch(&ahead->generation);
	if (depth == 0)
		return;

	/* of this one the beginning is there by now */
	ahead = &oct_slots[slot + OCT_FETCH_AHEAD / 2];
	copy = (const char *) &ahead->status.copy[pg_atomic_read_u32(&ahead->flips) & 1];
	for (Size at = 0; at < depth; at += OCT_CACHE_LINE)
		oct_prefetch(copy + at);
}

/* in nodestatus.c */
extern void oct_nodestatus_copy(int32 slot, uint32 generation, OctTime now,
								OctStatusDepth depth, OctStatusCopy *copy,
								char *message, OctLatency *latency);

/* Until when a verdict may be shown, by what the prober or the setting says. */
static inline OctTime
oct_nodestatus_fresh_until(OctTime judged, int64 max_age_us)
{
	if (oct_status_max_age_ms < 0)
		return OCT_TIME_NEVER;
	if (oct_status_max_age_ms > 0)
		max_age_us = oct_status_max_age_ms * OCT_US_PER_MS;
	return oct_time_add_us(judged, max_age_us);
}

/*
 * What most readers want of the status of a slot whose spec is of the given
 * generation, the health as it may be shown.  Here, because thousands of them are
 * read at a time.
 */
static inline OctStatusHead
oct_nodestatus_head(int32 slot, uint32 generation, OctTime now)
{
	OctSharedSlot *shared = &oct_slots[slot];
	OctStatusHead head;
	uint32		flips;

	do
	{
		flips = pg_atomic_read_u32(&shared->flips);
		pg_read_barrier();
		head = shared->head[flips & 1];
		pg_read_barrier();
	} while (pg_atomic_read_u32(&shared->flips) != flips);

	if (head.generation != generation ||
		oct_time_before(oct_nodestatus_fresh_until(head.judged, head.max_age_us), now))
		head.health = OCT_UNKNOWN;
	return head;
}

/* Of that the health. */
static inline OctHealth
oct_nodestatus_health(int32 slot, uint32 generation, OctTime now)
{
	return oct_nodestatus_head(slot, generation, now).health;
}

#endif							/* NODETAB_INTERNAL_H */

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

#define OCT_NO_SLOT		(-1)
#define OCT_NO_GROUP	(-1)
#define OCT_NO_PROC		PG_UINT32_MAX

/* Written by the prober. */
typedef struct OctSharedStatus
{
	pg_atomic_uint32 flips;		/* copy[flips & 1] is shown */
	pg_atomic_uint64 answer;	/* to requests for checks; see requests.c */
	pg_atomic_uint32 resets_done;	/* by the prober */
	pg_atomic_uint64 schedule;	/* see oct_nodestatus_copy */
	OctNodeStatus copy[2];
	OctLatency	latency;		/* of the successes that the tally counts */
} OctSharedStatus;

/* All but status: protected by the table's lock. */
typedef struct OctSharedSlot
{
	uint32		generation;		/* 0: the slot is free */
	int32		group;			/* index of its group */
	int32		next_in_bucket; /* index chain */
	int32		next_in_group;	/* group chain, or chain of free slots */
	int32		prev_in_group;	/* group chain */
	OctNodeSpec spec;
	uint32		checks_asked;	/* numbers of the last requests, which go on from */
	uint32		resets_asked;	/* node to node */
	OctSharedStatus status;		/* see above */
} OctSharedSlot;

/* Protected by the table's lock. */
typedef struct OctSharedGroup
{
	OctGroup	group;
	uint32		version;		/* of its policy, never used before */
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

/* in nodestatus.c */
extern OctHealth oct_nodestatus_health(int32 slot, uint32 generation,
									   OctTime now);
extern void oct_nodestatus_copy(int32 slot, uint32 generation, OctTime now,
								OctStatusDepth depth, OctStatusCopy *copy,
								char *message, OctLatency *latency);

#endif							/* NODETAB_INTERNAL_H */

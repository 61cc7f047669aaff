/*-------------------------------------------------------------------------
 *
 * nodetab.c
 *	  The table of nodes in shared memory: groups, slots, a hash index on
 *	  (group, name, port), a journal of changes, and a status per slot.
 *
 * It is of fixed size and holds no pointers: everything is an index, a process
 * is named by its proc number.
 *
 * Each slot has two halves with one writer each:
 *
 * - The *spec*: what was registered.  Written by committing backends with the
 *	 table's LWLock held exclusively, read with it held shared.  The lock is
 *	 held for copies of memory only: no I/O, no allocation, no error.  The
 *	 prober takes it conditionally and only in shared mode, so that it never
 *	 waits, and a prober stopped while it holds it keeps no reader out.
 *
 * - The *status*: what the prober found.  There are two copies and a counter
 *	 of flips; the prober alone writes, always the copy that is not shown, and
 *	 then flips.  A reader takes the copy that the counter names and repeats
 *	 only if a flip passed meanwhile, so a prober stopped in the middle of
 *	 writing delays nobody.  No lock is involved.
 *
 * A slot's *generation* is the identity of a registration, never used again
 * before 2^32 others.  A status bears the generation that it was measured for,
 * and readers show "unknown" while the two differ: registering a node anew
 * does not touch the status, and a late word about a removed node harms
 * nobody.
 *
 * The *journal* is a ring of the slots changed last, the count of all changes
 * ever being its position.  The prober, having seen n changes, reads on from
 * there; if the ring has overtaken it, it passes over all slots.
 *
 * A group exists while it has nodes.  Its slots are chained, so that reading a
 * group costs by its own size.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "compat.h"
#include "nodetab.h"

#define OCT_NO_SLOT		(-1)
#define OCT_NO_GROUP	(-1)
#define OCT_NO_PROC		PG_UINT32_MAX

typedef struct OctSharedStatus
{
	pg_atomic_uint32 flips;		/* copy[flips & 1] is shown */
	OctNodeStatus copy[2];		/* written by the prober */
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
	OctSharedStatus status;		/* see above */
} OctSharedSlot;

/* Protected by the table's lock. */
typedef struct OctSharedGroup
{
	OctGroupKey key;
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

	/* protected by the table's lock */
	int32		free_slots;		/* how many */
	int32		first_free;		/* chain of them */
	int32		free_groups;	/* how many */
	int32		reserved_slots; /* promised to transactions about to commit */
	int32		reserved_groups;
	uint32		last_generation;

	/* written with the lock held, read without */
	pg_atomic_uint64 nchanges;	/* ever; position in the journal */

	/* written by the prober, read by all */
	pg_atomic_uint32 prober;	/* its proc number, or OCT_NO_PROC */
} OctSharedTable;

/* settings */
int			oct_max_nodes = 4096;
int			oct_max_groups = 64;

/* where the parts of the table are, the same in every process */
static OctSharedTable *table = NULL;
static OctSharedGroup *groups;
static OctSharedSlot *slots;
static int32 *buckets;
static int32 *journal;			/* nslots entries */
static LWLock *table_lock;

/* what this backend's transaction has reserved */
static int32 my_reserved_slots = 0;
static int32 my_reserved_groups = 0;


/* ---------- set-up ---------- */

static uint32
bucket_count(void)
{
	uint32		n = 16;

	while (n < (uint32) oct_max_nodes * 2)
		n *= 2;
	return n;
}

/* Bytes of shared memory that the table takes at the present settings. */
Size
oct_nodetab_size(void)
{
	Size		size = MAXALIGN(sizeof(OctSharedTable));

	size = add_size(size, MAXALIGN(mul_size(sizeof(OctSharedGroup), oct_max_groups)));
	size = add_size(size, MAXALIGN(mul_size(sizeof(OctSharedSlot), oct_max_nodes)));
	size = add_size(size, MAXALIGN(mul_size(sizeof(int32), bucket_count())));
	size = add_size(size, MAXALIGN(mul_size(sizeof(int32), oct_max_nodes)));
	return size;
}

/* For shmem_request_hook. */
void
oct_nodetab_request(void)
{
	RequestAddinShmemSpace(oct_nodetab_size());
	RequestNamedLWLockTranche("octopus_fdw", 1);
}

static void
init_table(void)
{
	table->nslots = oct_max_nodes;
	table->ngroups = oct_max_groups;
	table->bucket_mask = bucket_count() - 1;
	table->free_slots = oct_max_nodes;
	table->first_free = 0;
	table->free_groups = oct_max_groups;
	table->reserved_slots = 0;
	table->reserved_groups = 0;
	table->last_generation = 0;
	pg_atomic_init_u64(&table->nchanges, 0);
	pg_atomic_init_u32(&table->prober, OCT_NO_PROC);

	memset(groups, 0, sizeof(OctSharedGroup) * oct_max_groups);
	for (int i = 0; i < oct_max_nodes; i++)
	{
		memset(&slots[i], 0, sizeof(OctSharedSlot));
		slots[i].next_in_group = i + 1 < oct_max_nodes ? i + 1 : OCT_NO_SLOT;
		pg_atomic_init_u32(&slots[i].status.flips, 0);
	}
	for (uint32 i = 0; i <= table->bucket_mask; i++)
		buckets[i] = OCT_NO_SLOT;
}

/* For shmem_startup_hook: finds the table, or makes it empty. */
void
oct_nodetab_startup(void)
{
	char	   *at;
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	at = ShmemInitStruct("octopus_fdw nodes", oct_nodetab_size(), &found);
	table = (OctSharedTable *) at;
	at += MAXALIGN(sizeof(OctSharedTable));
	groups = (OctSharedGroup *) at;
	at += MAXALIGN(sizeof(OctSharedGroup) * oct_max_groups);
	slots = (OctSharedSlot *) at;
	at += MAXALIGN(sizeof(OctSharedSlot) * oct_max_nodes);
	buckets = (int32 *) at;
	at += MAXALIGN(sizeof(int32) * bucket_count());
	journal = (int32 *) at;
	table_lock = &GetNamedLWLockTranche("octopus_fdw")->lock;

	if (!found)
		init_table();
	LWLockRelease(AddinShmemInitLock);
}

/* Is there a table, that is, was the library preloaded? */
bool
oct_nodetab_is_up(void)
{
	return table != NULL;
}

int
oct_nodetab_nslots(void)
{
	return table->nslots;
}


/* ---------- index and chains; the caller holds the lock ---------- */

/*
 * Group counts are small, and a group is looked up once a statement, so the
 * array is searched.
 */
static int32
find_group(OctGroupKey key)
{
	for (int32 i = 0; i < table->ngroups; i++)
	{
		if (groups[i].nnodes > 0 &&
			groups[i].key.dboid == key.dboid &&
			groups[i].key.serverid == key.serverid)
			return i;
	}
	return OCT_NO_GROUP;
}

static int32
add_group(OctGroupKey key)
{
	int32		i = 0;

	while (groups[i].nnodes > 0)
		i++;
	Assert(i < table->ngroups);
	groups[i].key = key;
	groups[i].first = OCT_NO_SLOT;
	groups[i].last = OCT_NO_SLOT;
	table->free_groups--;
	return i;
}

static int32 *
bucket_of(int32 group, const OctNodeSpec *spec)
{
	uint32		hash = hash_bytes((const unsigned char *) spec->name,
								  strlen(spec->name));

	hash = hash_combine(hash, murmurhash32((uint32) spec->port));
	hash = hash_combine(hash, murmurhash32((uint32) group));
	return &buckets[hash & table->bucket_mask];
}

static bool
same_node(const OctNodeSpec *a, const OctNodeSpec *b)
{
	return a->port == b->port && strcmp(a->name, b->name) == 0;
}

static int32
find_slot(int32 group, const OctNodeSpec *spec)
{
	int32		i;

	if (group == OCT_NO_GROUP)
		return OCT_NO_SLOT;
	for (i = *bucket_of(group, spec); i != OCT_NO_SLOT; i = slots[i].next_in_bucket)
	{
		if (slots[i].group == group && same_node(&slots[i].spec, spec))
			break;
	}
	return i;
}

/* Tells the prober that a slot changed. */
static void
note_change(int32 slot)
{
	uint64		n = pg_atomic_read_u64(&table->nchanges);

	journal[n % table->nslots] = slot;
	pg_atomic_write_u64(&table->nchanges, n + 1);
}

static void
link_to_group(int32 i, int32 group)
{
	OctSharedSlot *slot = &slots[i];
	int32		last = groups[group].last;

	slot->group = group;
	slot->prev_in_group = last;
	slot->next_in_group = OCT_NO_SLOT;
	if (last == OCT_NO_SLOT)
		groups[group].first = i;
	else
		slots[last].next_in_group = i;
	groups[group].last = i;
	groups[group].nnodes++;
}

static void
unlink_from_group(int32 i)
{
	OctSharedSlot *slot = &slots[i];
	OctSharedGroup *group = &groups[slot->group];

	if (slot->prev_in_group == OCT_NO_SLOT)
		group->first = slot->next_in_group;
	else
		slots[slot->prev_in_group].next_in_group = slot->next_in_group;
	if (slot->next_in_group == OCT_NO_SLOT)
		group->last = slot->prev_in_group;
	else
		slots[slot->next_in_group].prev_in_group = slot->prev_in_group;
	if (--group->nnodes == 0)
		table->free_groups++;
}

static void
add_node(OctGroupKey key, const OctNodeSpec *spec)
{
	int32		group = find_group(key);
	int32		i = table->first_free;
	OctSharedSlot *slot = &slots[i];
	int32	   *bucket;

	if (group == OCT_NO_GROUP)
		group = add_group(key);
	Assert(i != OCT_NO_SLOT);

	table->first_free = slot->next_in_group;
	table->free_slots--;
	if (++table->last_generation == 0)
		table->last_generation = 1;
	slot->generation = table->last_generation;
	slot->spec = *spec;

	link_to_group(i, group);
	bucket = bucket_of(group, spec);
	slot->next_in_bucket = *bucket;
	*bucket = i;
	note_change(i);
}

static void
remove_node(OctGroupKey key, const OctNodeSpec *spec)
{
	int32		group = find_group(key);
	int32		i = find_slot(group, spec);
	OctSharedSlot *slot = &slots[i];
	int32	   *link;

	if (i == OCT_NO_SLOT)
		return;

	for (link = bucket_of(group, spec); *link != i;)
		link = &slots[*link].next_in_bucket;
	*link = slot->next_in_bucket;

	unlink_from_group(i);

	slot->generation = 0;
	slot->next_in_group = table->first_free;
	table->first_free = i;
	table->free_slots++;
	note_change(i);
}


/* ---------- status: one writer, many readers ---------- */

/*
 * The health that readers may see of a slot whose spec is of the given
 * generation.
 */
static OctHealth
read_health(OctSharedStatus *status, uint32 generation)
{
	uint32		flips;
	uint32		measured;
	OctHealth	health;

	do
	{
		flips = pg_atomic_read_u32(&status->flips);
		pg_read_barrier();
		measured = status->copy[flips & 1].generation;
		health = status->copy[flips & 1].health;
		pg_read_barrier();
	} while (pg_atomic_read_u32(&status->flips) != flips);

	return measured == generation ? health : OCT_UNKNOWN;
}

/* The status as published last.  For its writer, the prober, only. */
void
oct_nodetab_get_status(int32 slot, OctNodeStatus *status)
{
	OctSharedStatus *shared = &slots[slot].status;

	*status = shared->copy[pg_atomic_read_u32(&shared->flips) & 1];
}

/*
 * Shows a new status of a slot.  For the prober only.  Takes no lock, does not
 * throw.
 */
void
oct_nodetab_publish(int32 slot, const OctNodeStatus *status)
{
	OctSharedStatus *shared = &slots[slot].status;
	uint32		flips = pg_atomic_read_u32(&shared->flips);

	shared->copy[(flips + 1) & 1] = *status;
	pg_write_barrier();
	pg_atomic_write_u32(&shared->flips, flips + 1);

	/* the next call must not be seen to write before this flip is */
	pg_write_barrier();
}


/* ---------- readers ---------- */

/* How many nodes a group has. */
int
oct_nodetab_count(OctGroupKey key)
{
	int32		group;
	int			n;

	LWLockAcquire(table_lock, LW_SHARED);
	group = find_group(key);
	n = group == OCT_NO_GROUP ? 0 : groups[group].nnodes;
	LWLockRelease(table_lock);
	return n;
}

/* How many more nodes find room, those reserved for others not counted. */
int
oct_nodetab_room(void)
{
	int			n;

	LWLockAcquire(table_lock, LW_SHARED);
	n = table->free_slots - table->reserved_slots;
	LWLockRelease(table_lock);
	return n;
}

/* Copies a slot out; only the used part of the name travels. */
static void
view_slot(int32 i, OctNodeView *view)
{
	OctSharedSlot *slot = &slots[i];

	view->slot = i;
	view->health = read_health(&slot->status, slot->generation);
	view->spec.port = slot->spec.port;
	strlcpy(view->spec.name, slot->spec.name, OCT_NAME_SIZE);
}

/* Looks a node up; false if the group does not have it. */
bool
oct_nodetab_lookup(OctGroupKey key, const OctNodeSpec *spec, OctNodeView *view)
{
	int32		i;

	LWLockAcquire(table_lock, LW_SHARED);
	i = find_slot(find_group(key), spec);
	if (i != OCT_NO_SLOT)
		view_slot(i, view);
	LWLockRelease(table_lock);
	return i != OCT_NO_SLOT;
}

/* Reads the node in a slot; false if it is not one of the group's. */
bool
oct_nodetab_read_slot(OctGroupKey key, int32 slot, OctNodeView *view)
{
	bool		found = false;

	LWLockAcquire(table_lock, LW_SHARED);
	if (slot >= 0 && slot < table->nslots && slots[slot].generation != 0 &&
		slots[slot].group == find_group(key))
	{
		view_slot(slot, view);
		found = true;
	}
	LWLockRelease(table_lock);
	return found;
}

/*
 * Copies all nodes of a group out, at one instant as regards registrations.
 * The array is palloc'd in the current memory context.
 */
OctNodeView *
oct_nodetab_read_group(OctGroupKey key, int *nviews)
{
	int			room = oct_nodetab_count(key);

	for (;;)
	{
		OctNodeView *views = palloc_extended(sizeof(OctNodeView) * Max(room, 1),
											 MCXT_ALLOC_HUGE);
		int32		group;
		int			n = 0;
		int			nnodes = 0;

		LWLockAcquire(table_lock, LW_SHARED);
		group = find_group(key);
		if (group != OCT_NO_GROUP)
		{
			nnodes = groups[group].nnodes;
			if (nnodes <= room)
			{
				for (int32 i = groups[group].first; i != OCT_NO_SLOT;
					 i = slots[i].next_in_group)
					view_slot(i, &views[n++]);
			}
		}
		LWLockRelease(table_lock);

		if (n == nnodes)
		{
			*nviews = n;
			return views;
		}

		/* it grew between the two looks */
		pfree(views);
		room = nnodes;
	}
}


/* ---------- writers ---------- */

/*
 * Reserves the slots and groups that a list of changes needs, net of what it
 * removes itself.  The changes stand ordered by group, and the caller holds
 * the writer lock of each of them.  Does not throw; what was reserved must be
 * given back by oct_nodetab_apply() or oct_nodetab_release().
 */
OctRoom
oct_nodetab_reserve(const OctChange *changes, int nchanges)
{
	OctRoom		room = OCT_ROOM_RESERVED;
	int32		need_slots = 0;
	int32		need_groups = 0;

	Assert(my_reserved_slots == 0 && my_reserved_groups == 0);

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	for (int i = 0; i < nchanges; i++)
	{
		need_slots += changes[i].kind == OCT_CHANGE_ADD ? 1 : -1;
		if ((i == 0 || changes[i].group.serverid != changes[i - 1].group.serverid) &&
			find_group(changes[i].group) == OCT_NO_GROUP)
			need_groups++;
	}
	need_slots = Max(need_slots, 0);

	if (need_slots > table->free_slots - table->reserved_slots)
		room = OCT_ROOM_NODES_FULL;
	else if (need_groups > table->free_groups - table->reserved_groups)
		room = OCT_ROOM_GROUPS_FULL;
	else
	{
		table->reserved_slots += need_slots;
		table->reserved_groups += need_groups;
		my_reserved_slots = need_slots;
		my_reserved_groups = need_groups;
	}
	LWLockRelease(table_lock);
	return room;
}

/* The caller holds the lock. */
static void
give_back_reservation(void)
{
	table->reserved_slots -= my_reserved_slots;
	table->reserved_groups -= my_reserved_groups;
	my_reserved_slots = 0;
	my_reserved_groups = 0;
}

/* Tells the prober, if there is one, to look.  Does not throw. */
static void
wake_prober(void)
{
	uint32		prober = pg_atomic_read_u32(&table->prober);

	if (prober != OCT_NO_PROC)
		SetLatch(&GetPGProcByNumber(prober)->procLatch);
}

/*
 * Makes a list of changes true: removals first, so that what they free serves
 * the additions.  Room was reserved for it.  Does not throw, does not
 * allocate: the transaction has committed.
 */
void
oct_nodetab_apply(const OctChange *changes, int nchanges)
{
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	give_back_reservation();
	for (int i = 0; i < nchanges; i++)
	{
		if (changes[i].kind == OCT_CHANGE_REMOVE)
			remove_node(changes[i].group, &changes[i].spec);
	}
	for (int i = 0; i < nchanges; i++)
	{
		if (changes[i].kind == OCT_CHANGE_ADD)
			add_node(changes[i].group, &changes[i].spec);
	}
	LWLockRelease(table_lock);
	wake_prober();
}

/* Gives back what is reserved, if anything.  Does not throw. */
void
oct_nodetab_release(void)
{
	if (my_reserved_slots == 0 && my_reserved_groups == 0)
		return;
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	give_back_reservation();
	LWLockRelease(table_lock);
}


/* ---------- the prober ---------- */

/*
 * The prober ends.  Its number stays if a successor has put its own there
 * already.
 */
static void
detach_prober(int code, Datum arg)
{
	uint32		me = (uint32) oct_my_proc_number();

	pg_atomic_compare_exchange_u32(&table->prober, &me, OCT_NO_PROC);
}

/* This process is the prober from now on, until it exits. */
void
oct_nodetab_attach_prober(void)
{
	pg_atomic_write_u32(&table->prober, (uint32) oct_my_proc_number());
	before_shmem_exit(detach_prober, (Datum) 0);
}

/* Makes the next calls pass over all slots. */
void
oct_nodetab_rewind(OctChangeCursor *cursor)
{
	cursor->seen = pg_atomic_read_u64(&table->nchanges);
	cursor->next_slot = 0;
}

/* Is there anything that oct_nodetab_next_changes would tell?  Lock-free. */
bool
oct_nodetab_has_changes(const OctChangeCursor *cursor)
{
	return cursor->next_slot != OCT_NO_SLOT ||
		cursor->seen != pg_atomic_read_u64(&table->nchanges);
}

static void
tell_change(int32 i, OctSlotChange *change)
{
	change->slot = i;
	change->generation = slots[i].generation;
	if (change->generation != 0)
		change->spec = slots[i].spec;
}

/*
 * Copies the next changes out, at most max_changes of them, and moves the
 * cursor past them.  A slot may be told more often than it changed, always as
 * it is now.
 *
 * Returns how many there are, or -1 if the table is just being written and
 * the caller has to come back.  Never waits.
 */
int
oct_nodetab_next_changes(OctChangeCursor *cursor, OctSlotChange *changes,
						 int max_changes)
{
	int			n = 0;
	uint64		nchanges;

	if (!LWLockConditionalAcquire(table_lock, LW_SHARED))
		return -1;

	nchanges = pg_atomic_read_u64(&table->nchanges);
	if (nchanges - cursor->seen > (uint64) table->nslots)
		oct_nodetab_rewind(cursor);

	while (cursor->next_slot != OCT_NO_SLOT && n < max_changes)
	{
		tell_change(cursor->next_slot, &changes[n++]);
		if (++cursor->next_slot == table->nslots)
			cursor->next_slot = OCT_NO_SLOT;
	}
	while (cursor->seen < nchanges && n < max_changes)
		tell_change(journal[cursor->seen++ % table->nslots], &changes[n++]);

	LWLockRelease(table_lock);
	return n;
}

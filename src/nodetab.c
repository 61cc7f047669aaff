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
 *	 waits, and a prober stopped while it holds it keeps no reader out (but a
 *	 committing writer, until it goes on).
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
 * The nodes of unbound groups (see octypes.h) are kept, but not told the prober.
 *
 * A group exists while it has nodes.  Its slots are chained, so that reading a
 * group costs by its own size.  Its policy and its server's name have a version;
 * the prober copies it when a slot refers to one that it does not know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"

#include "compat.h"
#include "nodetab_internal.h"
#include "pairs.h"

/* what this backend's transaction has reserved */
static int32 my_reserved_slots = 0;
static int32 my_reserved_groups = 0;


/* ---------- index and chains; the caller holds the lock ---------- */

/*
 * Group counts are small, and a group is looked up once a statement, so the
 * array is searched.
 */
int32
oct_nodetab_find_group(OctGroupKey key)
{
	for (int32 i = 0; i < oct_table->ngroups; i++)
	{
		if (oct_groups[i].nnodes > 0 &&
			oct_same_group(oct_groups[i].group.key, key))
			return i;
	}
	return OCT_NO_GROUP;
}

/* Only the used part of the policy travels. */
void
oct_nodetab_copy_group(OctGroup *to, const OctGroup *from)
{
	memcpy(to, from, offsetof(OctGroup, policy.bytes) + from->policy.size);
}

/* The next one of numbers that are never 0. */
static uint32
next_number(uint32 *last)
{
	if (++*last == 0)
		*last = 1;
	return *last;
}

static int32
add_group(const OctGroup *group)
{
	int32		i = 0;

	while (oct_groups[i].nnodes > 0)
		i++;
	Assert(i < oct_table->ngroups);
	oct_nodetab_copy_group(&oct_groups[i].group, group);
	oct_groups[i].version = next_number(&oct_table->last_version);
	oct_groups[i].first = OCT_NO_SLOT;
	oct_groups[i].last = OCT_NO_SLOT;
	oct_table->free_groups--;
	if (oct_group_is_unbound(group->key))
		pg_atomic_fetch_add_u32(&oct_table->nunbound, 1);
	return i;
}

static int32 *
bucket_of(int32 group, const OctNodeSpec *spec)
{
	uint32		hash = hash_bytes((const unsigned char *) spec->name,
								  strlen(spec->name));

	hash = hash_combine(hash, murmurhash32((uint32) spec->port));
	hash = hash_combine(hash, murmurhash32((uint32) group));
	return &oct_buckets[hash & oct_table->bucket_mask];
}

static bool
same_node(const OctNodeSpec *a, const OctNodeSpec *b)
{
	return a->port == b->port && strcmp(a->name, b->name) == 0;
}

int32
oct_nodetab_find_slot(int32 group, const OctNodeSpec *spec)
{
	int32		i;

	if (group == OCT_NO_GROUP)
		return OCT_NO_SLOT;
	for (i = *bucket_of(group, spec); i != OCT_NO_SLOT; i = oct_slots[i].next_in_bucket)
	{
		if (oct_slots[i].group == group && same_node(&oct_slots[i].spec, spec))
			break;
	}
	return i;
}

/* Tells the prober that a slot changed. */
void
oct_nodetab_note_change(int32 slot)
{
	uint64		n = pg_atomic_read_u64(&oct_table->nchanges);

	oct_journal[n % oct_table->nslots] = slot;
	pg_atomic_write_u64(&oct_table->nchanges, n + 1);
}

static void
link_to_group(int32 i, int32 group)
{
	OctSharedSlot *slot = &oct_slots[i];
	int32		last = oct_groups[group].last;

	slot->group = group;
	slot->prev_in_group = last;
	slot->next_in_group = OCT_NO_SLOT;
	if (last == OCT_NO_SLOT)
		oct_groups[group].first = i;
	else
		oct_slots[last].next_in_group = i;
	oct_groups[group].last = i;
	oct_groups[group].nnodes++;
}

static void
unlink_from_group(int32 i)
{
	OctSharedSlot *slot = &oct_slots[i];
	OctSharedGroup *group = &oct_groups[slot->group];

	if (slot->prev_in_group == OCT_NO_SLOT)
		group->first = slot->next_in_group;
	else
		oct_slots[slot->prev_in_group].next_in_group = slot->next_in_group;
	if (slot->next_in_group == OCT_NO_SLOT)
		group->last = slot->prev_in_group;
	else
		oct_slots[slot->next_in_group].prev_in_group = slot->prev_in_group;
	if (--group->nnodes > 0)
		return;
	oct_table->free_groups++;
	if (oct_group_is_unbound(group->group.key))
		pg_atomic_fetch_sub_u32(&oct_table->nunbound, 1);
}

static void
add_node(const OctGroup *described, const OctNodeSpec *spec)
{
	int32		group = oct_nodetab_find_group(described->key);
	int32		i = oct_table->first_free;
	OctSharedSlot *slot = &oct_slots[i];
	int32	   *bucket;

	if (group == OCT_NO_GROUP)
		group = add_group(described);
	Assert(i != OCT_NO_SLOT);

	oct_table->first_free = slot->next_in_group;
	oct_table->free_slots--;
	slot->generation = next_number(&oct_table->last_generation);
	slot->spec = *spec;

	link_to_group(i, group);
	bucket = bucket_of(group, spec);
	slot->next_in_bucket = *bucket;
	*bucket = i;
	oct_nodetab_note_change(i);
}

/* Gives a node that is there, and stays the same node, other options. */
static void
update_node(OctGroupKey key, const OctNodeSpec *spec)
{
	int32		i = oct_nodetab_find_slot(oct_nodetab_find_group(key), spec);

	if (i == OCT_NO_SLOT)
		return;
	oct_slots[i].spec.options = spec->options;
	oct_nodetab_note_change(i);
}

static void
remove_node(OctGroupKey key, const OctNodeSpec *spec)
{
	int32		group = oct_nodetab_find_group(key);
	int32		i = oct_nodetab_find_slot(group, spec);
	OctSharedSlot *slot;
	int32	   *link;

	if (i == OCT_NO_SLOT)
		return;
	slot = &oct_slots[i];

	for (link = bucket_of(group, spec); *link != i;)
		link = &oct_slots[*link].next_in_bucket;
	*link = slot->next_in_bucket;

	unlink_from_group(i);

	slot->generation = 0;
	slot->next_in_group = oct_table->first_free;
	oct_table->first_free = i;
	oct_table->free_slots++;
	oct_nodetab_note_change(i);
}


/* ---------- writers ---------- */

/*
 * Slots that may be taken.  The caller holds the lock.  More may be free, if
 * the table was made larger than the setting for what it holds.
 */
int
oct_nodetab_free_slots(void)
{
	int			used = oct_table->nslots - oct_table->free_slots;

	return Min(oct_table->free_slots, oct_max_nodes - used) -
		oct_table->reserved_slots;
}

/* By how much a change makes the number of groups grow: -1, 0 or 1. */
static int
group_growth(const OctChange *change)
{
	int32		group = oct_nodetab_find_group(change->key);
	int			before = group == OCT_NO_GROUP ? 0 : oct_groups[group].nnodes;
	int			after = before - change->nremovals + change->nadditions;

	return (after > 0) - (before > 0);
}

/*
 * Reserves the slots and groups that changes need, one for each group, net of
 * what they remove themselves.  The caller holds the writer lock of each
 * group.  Does not throw; what was reserved must be given back by
 * oct_nodetab_apply() or oct_nodetab_release().
 */
OctRoom
oct_nodetab_reserve(const OctChange *changes, int nchanges)
{
	OctRoom		room = OCT_ROOM_RESERVED;
	int32		need_slots = 0;
	int32		need_groups = 0;

	Assert(my_reserved_slots == 0 && my_reserved_groups == 0);

	LWLockAcquire(oct_table_lock, LW_EXCLUSIVE);
	for (int i = 0; i < nchanges; i++)
	{
		need_slots += changes[i].nadditions - changes[i].nremovals;
		need_groups += group_growth(&changes[i]);
	}
	need_slots = Max(need_slots, 0);
	need_groups = Max(need_groups, 0);

	if (need_slots > 0 && need_slots > oct_nodetab_free_slots())
		room = OCT_ROOM_NODES_FULL;
	else if (need_groups > oct_table->free_groups - oct_table->reserved_groups)
		room = OCT_ROOM_GROUPS_FULL;
	else
	{
		oct_table->reserved_slots += need_slots;
		oct_table->reserved_groups += need_groups;
		my_reserved_slots = need_slots;
		my_reserved_groups = need_groups;
	}
	LWLockRelease(oct_table_lock);
	return room;
}

/* The caller holds the lock. */
static void
give_back_reservation(void)
{
	oct_table->reserved_slots -= my_reserved_slots;
	oct_table->reserved_groups -= my_reserved_groups;
	my_reserved_slots = 0;
	my_reserved_groups = 0;
}

/* Tells the prober, if there is one, to look.  Does not throw. */
void
oct_nodetab_wake_prober(void)
{
	uint32		prober = pg_atomic_read_u32(&oct_table->prober);

	if (prober != OCT_NO_PROC)
		SetLatch(&GetPGProcByNumber(prober)->procLatch);
}

/*
 * A group may have new names, or a new policy; the caller holds the lock.  The
 * prober is told of what it uses: the policy, and the server's name for events.
 */
static void
update_group(const OctGroup *group)
{
	int32		g = oct_nodetab_find_group(group->key);
	bool		same;

	if (g == OCT_NO_GROUP)
		return;
	same = oct_pairs_equal(&oct_groups[g].group.policy, &group->policy) &&
		strcmp(oct_groups[g].group.server_name, group->server_name) == 0;
	oct_nodetab_copy_group(&oct_groups[g].group, group);
	if (same)
		return;
	oct_groups[g].version = next_number(&oct_table->last_version);
	for (int32 i = oct_groups[g].first; i != OCT_NO_SLOT;
		 i = oct_slots[i].next_in_group)
		oct_nodetab_note_change(i);
}

/*
 * Makes changes true: removals first, so that what they free serves the
 * additions.  Room was reserved for it.  Does not throw, does not allocate:
 * the transaction has committed.
 */
void
oct_nodetab_apply(const OctChange *changes, int nchanges)
{
	LWLockAcquire(oct_table_lock, LW_EXCLUSIVE);
	give_back_reservation();
	for (int i = 0; i < nchanges; i++)
	{
		for (int k = 0; k < changes[i].nremovals; k++)
			remove_node(changes[i].key, &changes[i].removals[k]);
	}
	for (int i = 0; i < nchanges; i++)
	{
		if (changes[i].group != NULL)
			update_group(changes[i].group);
		for (int k = 0; k < changes[i].nupdates; k++)
			update_node(changes[i].key, &changes[i].updates[k]);
		Assert(changes[i].group != NULL || changes[i].nadditions == 0);
		for (int k = 0; k < changes[i].nadditions; k++)
			add_node(changes[i].group, &changes[i].additions[k]);
	}
	LWLockRelease(oct_table_lock);
	oct_nodetab_wake_prober();
}

/*
 * Loads a node that the registry has, if it is not there yet; if it is, with
 * the options that the registry says.  Returns false if there is no room.
 * Does not throw.
 */
bool
oct_nodetab_load_node(const OctGroup *group, const OctNodeSpec *spec)
{
	int32		g;
	bool		there;

	LWLockAcquire(oct_table_lock, LW_EXCLUSIVE);
	g = oct_nodetab_find_group(group->key);
	there = oct_nodetab_find_slot(g, spec) != OCT_NO_SLOT;
	if (!there && oct_table->free_slots > 0 &&
		(g != OCT_NO_GROUP || oct_table->free_groups > 0))
	{
		add_node(group, spec);
		there = true;
	}
	else if (there)
	{
		update_group(group);
		update_node(group->key, spec);
	}
	LWLockRelease(oct_table_lock);
	return there;
}

/* Gives back what is reserved, if anything.  Does not throw. */
void
oct_nodetab_release(void)
{
	if (my_reserved_slots == 0 && my_reserved_groups == 0)
		return;
	LWLockAcquire(oct_table_lock, LW_EXCLUSIVE);
	give_back_reservation();
	LWLockRelease(oct_table_lock);
}

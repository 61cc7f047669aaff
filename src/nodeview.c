/*-------------------------------------------------------------------------
 *
 * nodeview.c
 *	  Reading the table of nodes: copies for backends, news for the prober.
 *
 * Nothing is held of the table when a call returns; see nodetab.c for the
 * locking rules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"

#include "clock.h"
#include "compat.h"
#include "nodetab_internal.h"


/* ---------- readers ---------- */

/* How many nodes a group has. */
int
oct_nodetab_count(OctGroupKey key)
{
	int32		group;
	int			n;

	LWLockAcquire(oct_table_lock, LW_SHARED);
	group = oct_nodetab_find_group(key);
	n = group == OCT_NO_GROUP ? 0 : oct_groups[group].nnodes;
	LWLockRelease(oct_table_lock);
	return n;
}

/* How many more nodes find room, those reserved for others not counted. */
int
oct_nodetab_room(void)
{
	int			n;

	LWLockAcquire(oct_table_lock, LW_SHARED);
	n = oct_nodetab_free_slots();
	LWLockRelease(oct_table_lock);
	return n;
}

/* Reports which of the table's limits is reached. */
void
oct_nodetab_report_full(OctRoom room, int elevel)
{
	if (room == OCT_ROOM_GROUPS_FULL)
		ereport(elevel,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many groups of nodes"),
				 errdetail("Nodes can be registered on %d foreign servers at most.",
						   oct_max_groups),
				 errhint("Increase \"octopus.max_groups\" and restart the server.")));
	else
		ereport(elevel,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many registered nodes"),
				 errdetail("The server can monitor %d nodes at most.", oct_max_nodes),
				 errhint("Increase \"octopus.max_nodes\" and restart the server.")));
}

/* Copies a slot out; only the used part of the name travels. */
static void
view_slot(int32 i, OctNodeView *view)
{
	OctSharedSlot *slot = &oct_slots[i];

	view->rowid = (uint32) i;
	view->health = oct_nodestatus_health(i, slot->generation, oct_now());
	view->spec.port = slot->spec.port;
	strlcpy(view->spec.name, slot->spec.name, OCT_NAME_SIZE);
	view->spec.options = slot->spec.options;
}

/* Looks a node up; false if the group does not have it. */
bool
oct_nodetab_lookup(OctGroupKey key, const OctNodeSpec *spec, OctNodeView *view)
{
	int32		i;

	LWLockAcquire(oct_table_lock, LW_SHARED);
	i = oct_nodetab_find_slot(oct_nodetab_find_group(key), spec);
	if (i != OCT_NO_SLOT)
		view_slot(i, view);
	LWLockRelease(oct_table_lock);
	return i != OCT_NO_SLOT;
}

/* Reads the node in a slot; false if it is not one of the group's. */
bool
oct_nodetab_read_slot(OctGroupKey key, int32 slot, OctNodeView *view)
{
	bool		found = false;

	LWLockAcquire(oct_table_lock, LW_SHARED);
	if (slot >= 0 && slot < oct_table->nslots && oct_slots[slot].generation != 0 &&
		oct_slots[slot].group == oct_nodetab_find_group(key))
	{
		view_slot(slot, view);
		found = true;
	}
	LWLockRelease(oct_table_lock);
	return found;
}

/*
 * Copies all nodes of a group out, as far as wanted (OctRowParts), at one instant
 * as regards registrations, into palloc'd memory.
 */
OctRowSet *
oct_nodetab_read_group(OctGroupKey key, int parts)
{
	int			nnodes = oct_nodetab_count(key);
	OctTime		now = oct_now();

	for (;;)
	{
		OctRowSet  *set = oct_rowset_make(nnodes, parts);
		bool		fits;
		int32		group;

		LWLockAcquire(oct_table_lock, LW_SHARED);
		group = oct_nodetab_find_group(key);
		fits = group == OCT_NO_GROUP || oct_groups[group].nnodes <= nnodes;
		nnodes = group == OCT_NO_GROUP ? 0 : oct_groups[group].nnodes;
		if (fits && nnodes > 0)
		{
			for (int32 i = oct_groups[group].first; i != OCT_NO_SLOT;
				 i = oct_slots[i].next_in_group)
			{
				oct_nodetab_fetch_ahead(i, 0);
				oct_rowset_add(set, (uint32) i,
							   oct_nodestatus_health(i, oct_slots[i].generation, now),
							   &oct_slots[i].spec);
			}
		}
		LWLockRelease(oct_table_lock);

		if (fits)
			return set;

		/* it grew between the two looks */
		oct_rowset_free(set);
	}
}

/* All groups there are, in a palloc'd array. */
OctGroupKey *
oct_nodetab_read_groups(int *ngroups)
{
	OctGroupKey *keys = palloc(sizeof(OctGroupKey) * oct_table->ngroups);
	int			n = 0;

	LWLockAcquire(oct_table_lock, LW_SHARED);
	for (int32 i = 0; i < oct_table->ngroups; i++)
	{
		if (oct_groups[i].nnodes > 0)
			keys[n++] = oct_groups[i].group.key;
	}
	LWLockRelease(oct_table_lock);
	*ngroups = n;
	return keys;
}

/* Copies a group out; false if it has no nodes, and so is not there. */
bool
oct_nodetab_get_group(OctGroupKey key, OctGroup *group)
{
	int32		g;

	LWLockAcquire(oct_table_lock, LW_SHARED);
	g = oct_nodetab_find_group(key);
	if (g != OCT_NO_GROUP)
		oct_nodetab_copy_group(group, &oct_groups[g].group);
	LWLockRelease(oct_table_lock);
	return g != OCT_NO_GROUP;
}

/* Are there groups that are unbound?  Lock-free. */
bool
oct_nodetab_has_unbound(void)
{
	return pg_atomic_read_u32(&oct_table->nunbound) > 0;
}

/* Has the memory of a spec fetched, that of the next node in the chain. */
static void
fetch_next(int32 slot)
{
	int32		next = oct_slots[slot].next_in_group;

	if (next == OCT_NO_SLOT)
		return;
	oct_prefetch(&oct_slots[next].generation);
	for (Size at = 0; at < sizeof(OctNodeOptions); at += OCT_CACHE_LINE)
		oct_prefetch((const char *) &oct_slots[next].spec.options + at);
}

/*
 * Tells the visitor all groups and their nodes, as they are committed.  The
 * caller holds the lock of the registry file, without which nobody changes
 * the table; so the visitor may do I/O and throw.  Returns false if it ended
 * the walk.
 */
bool
oct_nodetab_walk(const OctVisitor *visitor)
{
	for (int32 g = 0; g < oct_table->ngroups; g++)
	{
		if (oct_groups[g].nnodes == 0)
			continue;
		if (!visitor->group(visitor->arg, &oct_groups[g].group))
			return false;
		for (int32 i = oct_groups[g].first; i != OCT_NO_SLOT;
			 i = oct_slots[i].next_in_group)
		{
			fetch_next(i);
			if (!visitor->node(visitor->arg, i, &oct_slots[i].spec))
				return false;
		}
	}
	return true;
}

/* How many groups and nodes there are; under the registry file's lock, too. */
void
oct_nodetab_totals(int *ngroups, int *nnodes)
{
	*ngroups = oct_table->ngroups - oct_table->free_groups;
	*nnodes = oct_table->nslots - oct_table->free_slots;
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

	pg_atomic_compare_exchange_u32(&oct_table->prober, &me, OCT_NO_PROC);
}

/* This process is the prober from now on, until it exits. */
void
oct_nodetab_attach_prober(void)
{
	pg_atomic_write_u32(&oct_table->prober, (uint32) oct_my_proc_number());
	before_shmem_exit(detach_prober, (Datum) 0);
}

/* Makes the next calls pass over all slots. */
void
oct_nodetab_rewind(OctChangeCursor *cursor)
{
	cursor->seen = pg_atomic_read_u64(&oct_table->nchanges);
	cursor->next_slot = 0;
}

/* Is there anything that oct_nodetab_next_changes would tell?  Lock-free. */
bool
oct_nodetab_has_changes(const OctChangeCursor *cursor)
{
	return cursor->next_slot != OCT_NO_SLOT ||
		cursor->seen != pg_atomic_read_u64(&oct_table->nchanges);
}

static void
tell_change(int32 i, OctSlotChange *change, OctGroupCopies *copies)
{
	int32		g = oct_slots[i].group;

	change->slot = i;
	change->generation = oct_slots[i].generation;
	if (change->generation != 0 && oct_group_is_unbound(oct_groups[g].group.key))
		change->generation = 0;
	if (change->generation == 0)
		return;
	change->spec = oct_slots[i].spec;
	change->group = g;
	change->checks_asked = oct_slots[i].checks_asked;
	change->resets_asked = oct_slots[i].resets_asked;
	if (copies->versions[g] != oct_groups[g].version)
	{
		copies->versions[g] = oct_groups[g].version;
		oct_nodetab_copy_group(&copies->groups[g], &oct_groups[g].group);
	}
}

/*
 * Copies the next changes out, at most max_changes of them, with the groups
 * that they refer to as far as the copies are not up to date, and moves the
 * cursor past them.  A slot may be told more often than it changed, always as
 * it is now.
 *
 * Returns how many there are, or -1 if the table is just being written and
 * the caller has to come back.  Never waits.
 */
int
oct_nodetab_next_changes(OctChangeCursor *cursor, OctSlotChange *changes,
						 int max_changes, OctGroupCopies *copies)
{
	int			n = 0;
	uint64		nchanges;

	if (!LWLockConditionalAcquire(oct_table_lock, LW_SHARED))
		return -1;

	nchanges = pg_atomic_read_u64(&oct_table->nchanges);
	if (nchanges - cursor->seen > (uint64) oct_table->nslots)
		oct_nodetab_rewind(cursor);

	while (cursor->next_slot != OCT_NO_SLOT && n < max_changes)
	{
		tell_change(cursor->next_slot, &changes[n++], copies);
		if (++cursor->next_slot == oct_table->nslots)
			cursor->next_slot = OCT_NO_SLOT;
	}
	while (cursor->seen < nchanges && n < max_changes)
		tell_change(oct_journal[cursor->seen++ % oct_table->nslots],
					&changes[n++], copies);

	LWLockRelease(oct_table_lock);
	return n;
}

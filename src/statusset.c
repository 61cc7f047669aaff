/*-------------------------------------------------------------------------
 *
 * statusset.c
 *	  Statuses of nodes, as they travel from the table to a scan.
 *
 * The table's lock is held, shared, while they are copied, so that the nodes
 * stay what they are; the prober waits for that lock never.  Nothing is
 * allocated meanwhile: the room is guessed before, and if it does not do the
 * set is read once more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "nodetab_internal.h"
#include "statusset.h"

/* What is wanted of how many groups and nodes. */
typedef struct OctExtent
{
	int			ngroups;
	int			nnodes;
} OctExtent;

/* Where the name stands behind a row, after the histogram if that is wanted. */
static Size
name_offset(const OctStatusQuery *query)
{
	return MAXALIGN(offsetof(OctStatusRow, copy.status) + query->depth) +
		(query->with_latency ? MAXALIGN(sizeof(OctLatency)) : 0);
}

static Size
row_size(const OctStatusQuery *query, Size name_len, Size message_size)
{
	return name_offset(query) + MAXALIGN(VARHDRSZ + name_len + message_size);
}

static bool
is_wanted(const OctStatusQuery *query, int32 group)
{
	OctGroupKey key = oct_groups[group].group.key;

	return oct_groups[group].nnodes > 0 &&
		(query->all_groups ? key.dboid == query->group.dboid :
		 oct_same_group(key, query->group));
}

/* The caller holds the lock, shared. */
static OctExtent
measure(const OctStatusQuery *query)
{
	OctExtent	extent = {0};

	for (int32 g = 0; g < oct_table->ngroups; g++)
	{
		if (!is_wanted(query, g))
			continue;
		extent.ngroups++;
		extent.nnodes += query->node != NULL ? 1 : oct_groups[g].nnodes;
	}
	return extent;
}

static OctStatusSet *
make_set(const OctStatusQuery *query, OctExtent extent)
{
	OctStatusSet *set = palloc0(sizeof(OctStatusSet));

	set->servers = palloc(sizeof(NameData) * Max(extent.ngroups, 1));
	set->room = row_size(query, OCT_NAME_SIZE,
						 query->with_messages ? OCT_MESSAGE_SIZE : 0) * extent.nnodes;
	set->rows = palloc_extended(Max(set->room, 1), MCXT_ALLOC_HUGE);
	return set;
}

void
oct_statusset_free(OctStatusSet *set)
{
	pfree(set->rows);
	pfree(set->servers);
	pfree(set);
}

/* Adds a slot's status, for which there is room.  Does not throw. */
static void
add_slot(OctStatusSet *set, const OctStatusQuery *query, int32 slot)
{
	OctStatusRow *row = (OctStatusRow *) (set->rows + set->used);
	const OctNodeSpec *spec = &oct_slots[slot].spec;
	Size		len = query->without_names ? 0 : strlen(spec->name);
	text	   *name;
	char	   *message = NULL;
	Size		message_size = 0;
	OctLatency *latency = NULL;

	row->server = set->nservers;
	row->port = spec->port;
	row->generation = oct_slots[slot].generation;
	row->name_offset = name_offset(query);
	row->message_offset = 0;
	row->latency_offset = 0;
	name = oct_statusrow_name(row);
	SET_VARSIZE(name, VARHDRSZ + len);
	memcpy(VARDATA(name), spec->name, len);

	if (query->depth == OCT_STATUS_HEALTH)
	{
		OctStatusHead head = oct_nodestatus_head(slot, row->generation, set->now);

		row->copy.status.generation = head.generation;
		row->copy.status.health = head.health;
		row->copy.status.judged = head.judged;
		row->copy.status.max_age_us = head.max_age_us;
		row->size = row_size(query, len, 0);
		set->used += row->size;
		return;
	}
	if (query->with_messages)
		message = VARDATA(name) + len;
	if (query->with_latency)
	{
		row->latency_offset = MAXALIGN(offsetof(OctStatusRow, copy.status) + query->depth);
		latency = oct_statusrow_latency(row);
	}
	oct_nodestatus_copy(slot, oct_slots[slot].generation, set->now, query->depth,
						&row->copy, message, latency);
	if (message != NULL && message[0] != '\0')
	{
		row->message_offset = message - (char *) row;
		message_size = strlen(message) + 1;
	}
	row->size = row_size(query, len, message_size);
	set->used += row->size;
}

/* Adds what is wanted of a group.  Does not throw. */
static void
add_group(OctStatusSet *set, const OctStatusQuery *query, int32 group)
{
	int32		slot;

	namestrcpy(&set->servers[set->nservers], oct_groups[group].group.server_name);
	if (query->node != NULL)
	{
		slot = oct_nodetab_find_slot(group, query->node);
		if (slot != OCT_NO_SLOT)
			add_slot(set, query, slot);
	}
	else
	{
		for (slot = oct_groups[group].first; slot != OCT_NO_SLOT;
			 slot = oct_slots[slot].next_in_group)
		{
			oct_nodetab_fetch_ahead(slot, query->depth);
			add_slot(set, query, slot);
		}
	}
	set->nservers++;
}

/* Reads a set into palloc'd memory. */
OctStatusSet *
oct_statusset_read(const OctStatusQuery *query)
{
	OctExtent	extent;

	LWLockAcquire(oct_table_lock, LW_SHARED);
	extent = measure(query);
	LWLockRelease(oct_table_lock);

	for (;;)
	{
		OctStatusSet *set = make_set(query, extent);
		OctExtent	before = extent;
		bool		fits;

		LWLockAcquire(oct_table_lock, LW_SHARED);
		extent = measure(query);
		fits = extent.ngroups <= before.ngroups && extent.nnodes <= before.nnodes;
		set->now = oct_now();
		set->wall_clock = GetCurrentTimestamp();
		for (int32 g = 0; fits && g < oct_table->ngroups; g++)
		{
			if (is_wanted(query, g))
				add_group(set, query, g);
		}
		LWLockRelease(oct_table_lock);

		if (fits)
			return set;

		/* it grew between the two looks */
		oct_statusset_free(set);
	}
}

/* How many nodes are wanted. */
int
oct_statusset_count(const OctStatusQuery *query)
{
	OctExtent	extent;

	LWLockAcquire(oct_table_lock, LW_SHARED);
	extent = measure(query);
	LWLockRelease(oct_table_lock);
	return extent.nnodes;
}

/*
 * The row at a position, which begins at 0 and is moved on; NULL behind the
 * last one.
 */
OctStatusRow *
oct_statusset_next(const OctStatusSet *set, Size *position)
{
	OctStatusRow *row = (OctStatusRow *) (set->rows + *position);

	if (*position == set->used)
		return NULL;
	*position += row->size;
	return row;
}

/* An instant of the monotonic clock as a date. */
TimestampTz
oct_statusset_date(const OctStatusSet *set, OctTime when)
{
	return set->wall_clock + oct_time_diff_us(when, set->now);
}

/*-------------------------------------------------------------------------
 *
 * regview.c
 *	  The table of nodes as a transaction sees it: what is committed, and its
 *	  own changes.
 *
 * Of a node's versions the newest that an earlier command made counts, so a
 * statement does not see its own changes (and an INSERT ... SELECT from itself
 * ends).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pending.h"
#include "regview.h"

/* rowids with this bit name a pending change, others a slot of the table */
#define OCT_ROWID_PENDING	0x80000000U

/* The group of a foreign server of this database. */
OctGroupKey
oct_regview_group(Oid serverid)
{
	return (OctGroupKey) {.dboid = MyDatabaseId,.serverid = serverid};
}


static uint32
rowid_of(const OctPending *version)
{
	return OCT_ROWID_PENDING | (uint32) oct_pending_index(version);
}

/* A node that was not registered anew keeps its health. */
static OctHealth
health_of(const OctPending *version)
{
	OctNodeView view;

	if (!version->renewed &&
		oct_nodetab_lookup(version->group, &version->spec, &view))
		return view.health;
	return OCT_UNKNOWN;
}

static void
view_pending(const OctPending *version, OctNodeView *view)
{
	view->rowid = rowid_of(version);
	view->health = health_of(version);
	view->spec = version->spec;
}

/* What of the rows, read from the table, the pending changes leave as it is. */
static OctRowSet *
merge_pending(OctGroupKey group, CommandId cid, const OctRowSet *rows)
{
	OctRowSet  *merged = oct_rowset_make(rows->nrows + oct_pending_count(),
										 rows->parts);
	OctNodeSpec spec = {0};
	Size		position = 0;
	OctRow	   *row;

	for (int i = 0; (row = oct_rowset_next(rows, &position)) != NULL; i++)
	{
		oct_row_get_key(row, &spec);
		if (rows->options != NULL)
			spec.options = rows->options[i];
		if (oct_pending_visible(group, &spec, cid) == NULL)
			oct_rowset_add(merged, row->rowid, row->health, &spec);
	}
	for (int32 i = 0; i < oct_pending_count(); i++)
	{
		OctPending *version = oct_pending_get(i);

		if (oct_same_group(version->group, group) &&
			oct_pending_is_present(version) &&
			oct_pending_visible(group, &version->spec, cid) == version)
			oct_rowset_add(merged, rowid_of(version), health_of(version),
						   &version->spec);
	}
	return merged;
}

/*
 * All nodes of a group that the command "cid" sees, with the parts that are
 * wanted (OctRowParts) at least, in palloc'd memory.
 */
OctRowSet *
oct_regview_read_group(OctGroupKey group, CommandId cid, int parts)
{
	OctRowSet  *rows;
	OctRowSet  *merged;

	if (oct_pending_count() == 0)
		return oct_nodetab_read_group(group, parts);
	rows = oct_nodetab_read_group(group, parts | OCT_ROW_NAMES);
	merged = merge_pending(group, cid, rows);
	oct_rowset_free(rows);
	return merged;
}

/* How many nodes a group has, all own changes counted.  For the planner. */
double
oct_regview_count(OctGroupKey group)
{
	double		n = oct_nodetab_count(group);

	for (int32 i = 0; i < oct_pending_count(); i++)
	{
		if (oct_same_group(oct_pending_get(i)->group, group))
			n += oct_pending_growth_of(oct_pending_get(i));
	}
	return n;
}

/* The node with a key, if the command "cid" sees it. */
bool
oct_regview_lookup(OctGroupKey group, const OctNodeSpec *spec, CommandId cid,
				   OctNodeView *view)
{
	OctPending *version = oct_pending_visible(group, spec, cid);

	if (version == NULL)
		return oct_nodetab_lookup(group, spec, view);
	if (!oct_pending_is_present(version))
		return false;
	view_pending(version, view);
	return true;
}

/*
 * The node that a rowid names.  Under the writer lock of its group a rowid
 * stays what it was when it was read; false says that it was not.
 */
bool
oct_regview_read_row(OctGroupKey group, uint32 rowid, OctNodeView *view)
{
	uint32		i = rowid & ~OCT_ROWID_PENDING;

	if (!(rowid & OCT_ROWID_PENDING))
		return oct_nodetab_read_slot(group, (int32) rowid, view);
	if (i >= (uint32) oct_pending_count() ||
		!oct_same_group(oct_pending_get(i)->group, group))
		return false;
	view_pending(oct_pending_get(i), view);
	return true;
}

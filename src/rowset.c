/*-------------------------------------------------------------------------
 *
 * rowset.c
 *	  Rows of nodes, packed into one piece of memory; see rowset.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "compat.h"
#include "rowset.h"

#define OCT_ROW_MAX_SIZE	INTALIGN(OCT_ROW_HEADER + OCT_NAME_SIZE)

/* An empty set that has room for so many rows, in palloc'd memory. */
OctRowSet *
oct_rowset_make(int room, int parts)
{
	OctRowSet  *set = palloc0(sizeof(OctRowSet));

	set->parts = parts;
	set->room = room;
	set->rows = palloc_extended(Max(room, 1) * OCT_ROW_MAX_SIZE,
								MCXT_ALLOC_HUGE);
	if (parts & OCT_ROW_OPTIONS)
		set->options = palloc_extended(Max(room, 1) * sizeof(OctNodeOptions),
									   MCXT_ALLOC_HUGE);
	return set;
}

void
oct_rowset_free(OctRowSet *set)
{
	if (set->options != NULL)
		pfree(set->options);
	pfree(set->rows);
	pfree(set);
}

/* The key of the row's node; the rest of spec is left as it is. */
void
oct_row_get_key(const OctRow *row, OctNodeSpec *spec)
{
	Size		len = VARSIZE(&row->name) - VARHDRSZ;

	spec->port = row->port;
	memcpy(spec->name, VARDATA(&row->name), len);
	spec->name[len] = '\0';
}

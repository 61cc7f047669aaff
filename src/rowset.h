/*-------------------------------------------------------------------------
 *
 * rowset.h
 *	  Rows of nodes, packed into one piece of memory.
 *
 * Names are short as a rule, and a thousand rows at their greatest size would
 * be paid for in page faults; so a row takes what its name takes.  The name
 * stands there as a text datum, to be handed out without another copy.
 *
 * The options of nodes, which few ask for, stand beside the rows.
 *
 * Adding neither allocates nor throws, so that it can be done with a lock held:
 * a set is made for the number of rows that it must be able to hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ROWSET_H
#define ROWSET_H

#include "octypes.h"

#include "compat.h"

typedef struct OctRow
{
	uint32		size;			/* to the next row */
	uint32		rowid;			/* names the row to oct_regview_read_row */
	OctHealth	health;
	int32		port;
	text		name;			/* its bytes follow; not terminated */
} OctRow;

/* What rows have beyond health and port; bits. */
typedef enum OctRowParts
{
	OCT_ROW_NAMES = 1 << 0,		/* else they are empty */
	OCT_ROW_OPTIONS = 1 << 1
} OctRowParts;

typedef struct OctRowSet
{
	int			parts;			/* OctRowParts */
	int			nrows;
	int			room;			/* rows that there is memory for */
	Size		used;			/* bytes of rows */
	char	   *rows;
	OctNodeOptions *options;	/* by number of row; NULL: not wanted */
} OctRowSet;

extern OctRowSet *oct_rowset_make(int room, int parts);
extern void oct_rowset_free(OctRowSet *set);
extern void oct_row_get_key(const OctRow *row, OctNodeSpec *spec);

#define OCT_ROW_HEADER		(offsetof(OctRow, name) + VARHDRSZ)

/* Adds a row, for which there is room.  Does not throw. */
static inline void
oct_rowset_add(OctRowSet *set, uint32 rowid, OctHealth health,
			   const OctNodeSpec *spec)
{
	OctRow	   *row = (OctRow *) (set->rows + set->used);
	Size		len = 0;

	Assert(set->nrows < set->room);
	if (set->parts & OCT_ROW_NAMES)
	{
		len = strlen(spec->name);
		memcpy(VARDATA(&row->name), spec->name, len);
	}
	SET_VARSIZE(&row->name, VARHDRSZ + len);
	row->size = INTALIGN(OCT_ROW_HEADER + len);
	row->rowid = rowid;
	row->health = health;
	row->port = spec->port;
	set->used += row->size;
	if (set->options != NULL)
		set->options[set->nrows] = spec->options;
	set->nrows++;
}

/*
 * The row at a position, which begins at 0 and is moved on; NULL behind the
 * last one.
 */
static inline OctRow *
oct_rowset_next(const OctRowSet *set, Size *position)
{
	OctRow	   *row = (OctRow *) (set->rows + *position);

	if (*position == set->used)
		return NULL;
	*position += row->size;
	return row;
}

#endif							/* ROWSET_H */

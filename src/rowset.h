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

typedef struct OctRow
{
	uint32		rowid;			/* names the row to oct_regview_read_row */
	OctHealth	health;
	int32		port;
	text		name;			/* its bytes follow; not terminated */
} OctRow;

typedef struct OctRowSet
{
	int			nrows;
	int			room;			/* rows that there is memory for */
	Size		used;			/* bytes of rows */
	char	   *rows;
	OctNodeOptions *options;	/* by number of row; NULL: not wanted */
} OctRowSet;

extern OctRowSet *oct_rowset_make(int room, bool with_options);
extern void oct_rowset_free(OctRowSet *set);
extern void oct_rowset_add(OctRowSet *set, uint32 rowid, OctHealth health,
						   const OctNodeSpec *spec);
extern OctRow *oct_rowset_next(const OctRowSet *set, Size *position);
extern void oct_row_get_key(const OctRow *row, OctNodeSpec *spec);

#endif							/* ROWSET_H */

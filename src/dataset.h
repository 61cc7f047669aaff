/*-------------------------------------------------------------------------
 *
 * dataset.h
 *	  What foreign tables can show: a dataset is a name, columns, and a way to
 *	  make rows.
 *
 * Each has a room of its own (nodesdata, statusdata, ...), and binding.c knows
 * them all.  A scan calls "begin" once, "next" for each row, and "rewind" to
 * begin again with the same rows, all in memory that lives as long as the rows.
 * "next" fills values and nulls of the slot for the columns that are bound, as
 * far as the scan has use for them; all others are null already.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DATASET_H
#define DATASET_H

#include "octypes.h"

#include "executor/tuptable.h"

#include "statusset.h"

/* More columns than any dataset has. */
#define OCT_MAX_COLUMNS		32

typedef struct OctDataset OctDataset;

/* A column of a dataset, and where a table has it. */
typedef struct OctBoundColumn
{
	int			column;			/* its place in the dataset */
	int			att;			/* its place in a row of the table, from 0 */
} OctBoundColumn;

/* A foreign table bound to its dataset. */
typedef struct OctBinding
{
	const OctDataset *dataset;
	Oid			serverid;		/* the group that it is about */
	bool		all_servers;	/* it is about all of this database */
	AttrNumber	attnos[OCT_MAX_COLUMNS];	/* by column; 0: the table lacks it */
	int			nbound;
	OctBoundColumn bound[OCT_MAX_COLUMNS];	/* by column, those that are wanted */
} OctBinding;

/* What a scan asks of a dataset. */
typedef struct OctScanQuery
{
	const OctBinding *binding;
	CommandId	cid;			/* of the command that reads */
	Oid			userid;			/* on whose behalf */
	bool		by_key;			/* only of one node: */
	const OctNodeSpec *key;		/* this one; NULL: of none */
} OctScanQuery;

typedef struct OctDatasetColumn
{
	const char *name;
	Oid			typid;
	const char *type_name;
	const char *traits;			/* of a table's column, in SQL; NULL: none */
} OctDatasetColumn;

/* The first columns of a dataset about nodes. */
enum
{
	OCT_KEY_COLUMN_SERVER,
	OCT_KEY_COLUMN_NAME,
	OCT_KEY_COLUMN_PORT,
	OCT_KEY_COLUMNS
};

#define OCT_KEY_COLUMN_ROWS \
	{"server_name", NAMEOID, "name"}, \
	{"node_name", TEXTOID, "text"}, \
	{"node_port", INT4OID, "integer"}

struct OctDataset
{
	const char *name;
	const OctDatasetColumn *columns;
	int			ncolumns;
	bool		writable;

	/* the columns by which a node's rows are found at once; -1: there are none */
	int			name_column;
	int			port_column;
	double		rows_per_node;	/* an estimate */

	/* how many rows a scan of all finds, an estimate */
	double		(*count) (const OctBinding *binding);

	void	   *(*begin) (const OctScanQuery *query);
	bool		(*next) (void *rows, TupleTableSlot *slot);
	void		(*rewind) (void *rows);
};

/* Is one of these columns wanted, of those from "first" to "last"? */
static inline bool
oct_binding_wants(const OctBinding *binding, int first, int last)
{
	for (int i = 0; i < binding->nbound; i++)
	{
		if (binding->bound[i].column >= first && binding->bound[i].column <= last)
			return true;
	}
	return false;
}

/* what datasets about nodes have in common */
extern OctStatusQuery oct_dataset_query(const OctBinding *binding);
extern OctStatusSet *oct_dataset_read(const OctScanQuery *scan,
									  OctStatusQuery query);
extern double oct_dataset_count(const OctBinding *binding);
extern Datum oct_dataset_key(const OctStatusSet *set, OctStatusRow *row,
							 int column);

/* Makes a column of a row, other than those of the key; "rows" is a scan's own. */
typedef Datum (*OctColumnMaker) (void *rows, OctStatusRow *row, int column,
								 bool *isnull);

/*
 * "next" for a dataset with a row for each node.  Inline, since it is called for
 * every row, and what makes a column is known where it is called.
 */
static inline bool
oct_dataset_next(const OctBinding *binding, const OctStatusSet *set,
				 Size *position, OctColumnMaker make, void *rows,
				 TupleTableSlot *slot)
{
	OctStatusRow *row = oct_statusset_next(set, position);

	if (row == NULL)
		return false;
	for (int i = 0; i < binding->nbound; i++)
	{
		int			column = binding->bound[i].column;
		int			att = binding->bound[i].att;

		slot->tts_isnull[att] = false;
		slot->tts_values[att] = column < OCT_KEY_COLUMNS ?
			oct_dataset_key(set, row, column) :
			make(rows, row, column, &slot->tts_isnull[att]);
	}
	return true;
}

#endif							/* DATASET_H */

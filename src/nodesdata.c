/*-------------------------------------------------------------------------
 *
 * nodesdata.c
 *	  The dataset "nodes": what is registered, with its options and health.
 *
 * It shows the table of nodes as the transaction sees it, with its own changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "storage/itemptr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "nodesdata.h"
#include "regview.h"

static const OctDatasetColumn columns[] = {
	[OCT_COLUMN_NODE_NAME] = {"node_name", TEXTOID, "text", "NOT NULL"},
	[OCT_COLUMN_NODE_PORT] = {"node_port", INT4OID, "integer", "NOT NULL DEFAULT 5432"},
	[OCT_COLUMN_HEALTH_STATUS] = {"health_status", INT4OID, "integer", "DEFAULT -1"},
	[OCT_COLUMN_ENABLED] = {"enabled", BOOLOID, "boolean"},
	[OCT_COLUMN_HOSTADDR] = {"hostaddr", TEXTOID, "text"},
	[OCT_COLUMN_PERIOD] = {"health_check_period", INT4OID, "integer"},
	[OCT_COLUMN_TIMEOUT] = {"health_check_timeout", INT4OID, "integer"},
	[OCT_COLUMN_MAX_RETRIES] = {"health_check_max_retries", INT4OID, "integer"},
	[OCT_COLUMN_RETRY_DELAY] = {"health_check_retry_delay", INT4OID, "integer"},
	[OCT_COLUMN_HEALTHY_THRESHOLD] = {"healthy_threshold", INT4OID, "integer"},
	[OCT_COLUMN_CHECK_TYPE] = {"health_check_type", TEXTOID, "text"},
	[OCT_COLUMN_REGISTERED_BY] = {"registered_by", NAMEOID, "name"},
	[OCT_COLUMN_REGISTERED_AT] = {"registered_at", TIMESTAMPTZOID, "timestamp with time zone"},
};

StaticAssertDecl(lengthof(columns) == OCT_COLUMN_COUNT,
				 "every OctColumn needs its row");

/* The rows of a scan. */
typedef struct OctNodesRows
{
	const OctBinding *binding;
	OctRowSet  *set;
	Size		position;		/* of the next row */
	int			row;			/* its number */

	/* where the table has the columns that most tables have; -1: not wanted */
	int			name_att;
	int			port_att;
	int			health_att;
} OctNodesRows;

/* Does a table show any of a node's options? */
bool
oct_nodesdata_has_options(const OctBinding *binding)
{
	return oct_binding_wants(binding, OCT_COLUMN_HEALTH_STATUS + 1,
							 OCT_COLUMN_COUNT - 1);
}

/* The option that a column shows; NULL if it shows something else. */
const OctOption *
oct_nodesdata_option(OctColumn column)
{
	return oct_optable_find(columns[column].name);
}

/* A node's own option as a datum; NULL is what it leaves to its group. */
static Datum
option_datum(OctColumn column, const OctNodeOptions *options, bool *isnull)
{
	const OctOption *option = oct_nodesdata_option(column);
	int			value = oct_optable_value(&options->policy, option);

	*isnull = value == OCT_INHERIT;
	if (*isnull)
		return (Datum) 0;
	switch (option->kind)
	{
		case OCT_OPTION_BOOL:
			return BoolGetDatum(value != 0);
		case OCT_OPTION_CHECK_TYPE:
			return CStringGetTextDatum(oct_optable_check_type_name(value));
		case OCT_OPTION_MS:
		case OCT_OPTION_NUMBER:
			break;
	}
	return Int32GetDatum(value);
}

/*
 * Puts a row into a slot of the bound table, whose other columns are null and
 * which is not stored yet; the options count only if the table shows any.  The
 * name, a text, and the options are not copied; some others are, in the current
 * memory context.
 */
void
oct_nodesdata_store_row(const OctBinding *binding, Datum name, int32 port,
						OctHealth health, const OctNodeOptions *options,
						TupleTableSlot *slot)
{
	for (int i = 0; i < binding->nbound; i++)
	{
		OctColumn	column = (OctColumn) binding->bound[i].column;
		int			att = binding->bound[i].att;

		slot->tts_isnull[att] = false;
		switch (column)
		{
			case OCT_COLUMN_NODE_NAME:
				slot->tts_values[att] = name;
				break;
			case OCT_COLUMN_NODE_PORT:
				slot->tts_values[att] = Int32GetDatum(port);
				break;
			case OCT_COLUMN_HEALTH_STATUS:
				slot->tts_values[att] = Int32GetDatum((int32) health);
				break;
			case OCT_COLUMN_HOSTADDR:
				if (options->hostaddr[0] == '\0')
					slot->tts_isnull[att] = true;
				else
					slot->tts_values[att] = CStringGetTextDatum(options->hostaddr);
				break;
			case OCT_COLUMN_REGISTERED_BY:
				slot->tts_values[att] = CStringGetDatum(options->registered_by);
				break;
			case OCT_COLUMN_REGISTERED_AT:
				slot->tts_values[att] = TimestampTzGetDatum(options->registered_at);
				break;
			case OCT_COLUMN_ENABLED:
			case OCT_COLUMN_PERIOD:
			case OCT_COLUMN_TIMEOUT:
			case OCT_COLUMN_MAX_RETRIES:
			case OCT_COLUMN_RETRY_DELAY:
			case OCT_COLUMN_HEALTHY_THRESHOLD:
			case OCT_COLUMN_CHECK_TYPE:
				slot->tts_values[att] = option_datum(column, options,
													 &slot->tts_isnull[att]);
				break;
			case OCT_COLUMN_COUNT:
				break;
		}
	}
}


/* ---------- scans ---------- */

static double
count_nodes(const OctBinding *binding)
{
	return oct_regview_count(oct_regview_group(binding->serverid));
}

/* Where the table has a column that is wanted; else -1. */
static int
find_att(const OctBinding *binding, OctColumn column)
{
	for (int i = 0; i < binding->nbound; i++)
	{
		if (binding->bound[i].column == column)
			return binding->bound[i].att;
	}
	return -1;
}

static void *
begin_nodes(const OctScanQuery *query)
{
	OctGroupKey group = oct_regview_group(query->binding->serverid);
	int			parts = 0;
	OctNodesRows *rows = palloc0(sizeof(OctNodesRows));
	OctNodeView view;

	rows->binding = query->binding;
	rows->name_att = find_att(query->binding, OCT_COLUMN_NODE_NAME);
	rows->port_att = find_att(query->binding, OCT_COLUMN_NODE_PORT);
	rows->health_att = find_att(query->binding, OCT_COLUMN_HEALTH_STATUS);
	if (oct_nodesdata_has_options(query->binding))
		parts |= OCT_ROW_OPTIONS;
	if (rows->name_att >= 0)
		parts |= OCT_ROW_NAMES;
	if (!query->by_key)
	{
		rows->set = oct_regview_read_group(group, query->cid, parts);
		return rows;
	}
	rows->set = oct_rowset_make(1, parts);
	if (query->key != NULL &&
		oct_regview_lookup(group, query->key, query->cid, &view))
		oct_rowset_add(rows->set, view.rowid, view.health, &view.spec);
	return rows;
}

static inline void
store(TupleTableSlot *slot, int att, Datum value)
{
	if (att < 0)
		return;
	slot->tts_isnull[att] = false;
	slot->tts_values[att] = value;
}

/*
 * Rows without options, which are read by the thousand, take the short way.  A
 * row's ctid tells modify.c which row it is.
 */
static bool
next_node(void *private, TupleTableSlot *slot)
{
	OctNodesRows *rows = (OctNodesRows *) private;
	OctRow	   *row = oct_rowset_next(rows->set, &rows->position);
	OctNodeOptions *options = rows->set->options;

	if (row == NULL)
		return false;
	if (options != NULL)
		oct_nodesdata_store_row(rows->binding, PointerGetDatum(&row->name), row->port,
								row->health, &options[rows->row++], slot);
	else
	{
		store(slot, rows->name_att, PointerGetDatum(&row->name));
		store(slot, rows->port_att, Int32GetDatum(row->port));
		store(slot, rows->health_att, Int32GetDatum((int32) row->health));
	}
	ItemPointerSet(&slot->tts_tid, row->rowid, FirstOffsetNumber);
	return true;
}

static void
rewind_nodes(void *private)
{
	OctNodesRows *rows = (OctNodesRows *) private;

	rows->position = 0;
	rows->row = 0;
}

const OctDataset oct_nodesdata = {
	.name = "nodes",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.writable = true,
	.name_column = OCT_COLUMN_NODE_NAME,
	.port_column = OCT_COLUMN_NODE_PORT,
	.rows_per_node = 1,
	.count = count_nodes,
	.begin = begin_nodes,
	.next = next_node,
	.rewind = rewind_nodes,
};

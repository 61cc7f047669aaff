/*-------------------------------------------------------------------------
 *
 * latencydata.c
 *	  The dataset "node_latency": how long checks of each node take, as a
 *	  histogram.
 *
 * There is a row for each bucket that is not empty.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/float.h"

#include "latencydata.h"

/* a guess: how many buckets of a node are not empty */
#define OCT_BUCKETS_PER_NODE	10

typedef enum OctLatencyColumn
{
	OCT_LATENCY_LOWER = OCT_KEY_COLUMNS,
	OCT_LATENCY_UPPER,
	OCT_LATENCY_COUNT,
	OCT_LATENCY_COLUMN_COUNT
} OctLatencyColumn;

static const OctDatasetColumn columns[] = {
	OCT_KEY_COLUMN_ROWS,
	[OCT_LATENCY_LOWER] = {"lower_bound", FLOAT8OID, "double precision"},
	[OCT_LATENCY_UPPER] = {"upper_bound", FLOAT8OID, "double precision"},
	[OCT_LATENCY_COUNT] = {"count", INT8OID, "bigint"},
};

StaticAssertDecl(lengthof(columns) == OCT_LATENCY_COLUMN_COUNT,
				 "every OctLatencyColumn needs its row");

/* The rows of a scan. */
typedef struct OctLatencyRows
{
	const OctBinding *binding;
	OctStatusSet *set;
	Size		position;		/* of the next node */
	OctStatusRow *node;			/* the present one; NULL: before the first */
	int			bucket;			/* its next one */
} OctLatencyRows;

static double
count_buckets(const OctBinding *binding)
{
	return oct_dataset_count(binding) * OCT_BUCKETS_PER_NODE;
}

static void *
begin_latency(const OctScanQuery *scan)
{
	OctLatencyRows *rows = palloc0(sizeof(OctLatencyRows));
	OctStatusQuery query = oct_dataset_query(scan->binding);

	rows->binding = scan->binding;
	query.depth = OCT_STATUS_TALLY;
	query.with_latency = true;
	rows->set = oct_dataset_read(scan, query);
	return rows;
}

static void
rewind_latency(void *private)
{
	OctLatencyRows *rows = (OctLatencyRows *) private;

	rows->position = 0;
	rows->node = NULL;
}

/* Goes on to the next bucket that is not empty; false if there is none. */
static bool
go_on(OctLatencyRows *rows)
{
	rows->bucket++;
	for (;;)
	{
		while (rows->node != NULL && rows->bucket < OCT_LATENCY_BUCKETS)
		{
			if (oct_statusrow_latency(rows->node)->counts[rows->bucket] > 0)
				return true;
			rows->bucket++;
		}
		rows->node = oct_statusset_next(rows->set, &rows->position);
		rows->bucket = 0;
		if (rows->node == NULL)
			return false;
	}
}

static Datum
ms_datum(int64 us)
{
	return Float8GetDatum(us == PG_INT64_MAX ? get_float8_infinity() : us / 1000.0);
}

static Datum
column_datum(OctLatencyRows *rows, int column)
{
	switch (column)
	{
		case OCT_LATENCY_LOWER:
			return ms_datum(oct_latency_lower_us(rows->bucket));
		case OCT_LATENCY_UPPER:
			return ms_datum(oct_latency_upper_us(rows->bucket));
		case OCT_LATENCY_COUNT:
			return Int64GetDatum(oct_statusrow_latency(rows->node)->counts[rows->bucket]);
		default:
			return oct_dataset_key(rows->set, rows->node, column);
	}
}

static bool
next_bucket(void *private, TupleTableSlot *slot)
{
	OctLatencyRows *rows = (OctLatencyRows *) private;
	const OctBinding *binding = rows->binding;

	if (!go_on(rows))
		return false;
	for (int i = 0; i < binding->nbound; i++)
	{
		int			att = binding->bound[i].att;

		slot->tts_isnull[att] = false;
		slot->tts_values[att] = column_datum(rows, binding->bound[i].column);
	}
	return true;
}

const OctDataset oct_latencydata = {
	.name = "node_latency",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.writable = false,
	.name_column = OCT_KEY_COLUMN_NAME,
	.port_column = OCT_KEY_COLUMN_PORT,
	.rows_per_node = OCT_BUCKETS_PER_NODE,
	.count = count_buckets,
	.begin = begin_latency,
	.next = next_bucket,
	.rewind = rewind_latency,
};

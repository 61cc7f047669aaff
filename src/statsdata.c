/*-------------------------------------------------------------------------
 *
 * statsdata.c
 *	  The dataset "node_stats": what each node has been through, in numbers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "statsdata.h"

typedef enum OctStatsColumn
{
	OCT_STATS_CHECKS = OCT_KEY_COLUMNS,
	OCT_STATS_SUCCESSES,
	OCT_STATS_FAILURES,
	OCT_STATS_TIMEOUTS,
	OCT_STATS_RETRIES,
	OCT_STATS_VOIDS,
	OCT_STATS_TRANSITIONS,
	OCT_STATS_DNS_FAILURES,
	OCT_STATS_LOSSES,
	OCT_STATS_TOTAL,
	/* from here on: NULL if there was no success */
	OCT_STATS_MIN,
	OCT_STATS_MAX,
	OCT_STATS_MEAN,
	OCT_STATS_STDDEV,
	/* the next three are taken from the histogram */
	OCT_STATS_P50,
	OCT_STATS_P95,
	OCT_STATS_P99,
	OCT_STATS_HEALTHY,
	OCT_STATS_UNHEALTHY,
	OCT_STATS_UNKNOWN,
	OCT_STATS_RESET,
	OCT_STATS_COLUMN_COUNT
} OctStatsColumn;

static const OctDatasetColumn columns[] = {
	OCT_KEY_COLUMN_ROWS,
	[OCT_STATS_CHECKS] = {"check_count", INT8OID, "bigint"},
	[OCT_STATS_SUCCESSES] = {"success_count", INT8OID, "bigint"},
	[OCT_STATS_FAILURES] = {"failure_count", INT8OID, "bigint"},
	[OCT_STATS_TIMEOUTS] = {"timeout_count", INT8OID, "bigint"},
	[OCT_STATS_RETRIES] = {"retry_count", INT8OID, "bigint"},
	[OCT_STATS_VOIDS] = {"void_count", INT8OID, "bigint"},
	[OCT_STATS_TRANSITIONS] = {"transition_count", INT8OID, "bigint"},
	[OCT_STATS_DNS_FAILURES] = {"dns_failure_count", INT8OID, "bigint"},
	[OCT_STATS_LOSSES] = {"connection_loss_count", INT8OID, "bigint"},
	[OCT_STATS_TOTAL] = {"total_check_time", FLOAT8OID, "double precision"},
	[OCT_STATS_MIN] = {"min_check_time", FLOAT8OID, "double precision"},
	[OCT_STATS_MAX] = {"max_check_time", FLOAT8OID, "double precision"},
	[OCT_STATS_MEAN] = {"mean_check_time", FLOAT8OID, "double precision"},
	[OCT_STATS_STDDEV] = {"stddev_check_time", FLOAT8OID, "double precision"},
	[OCT_STATS_P50] = {"p50_check_time", FLOAT8OID, "double precision"},
	[OCT_STATS_P95] = {"p95_check_time", FLOAT8OID, "double precision"},
	[OCT_STATS_P99] = {"p99_check_time", FLOAT8OID, "double precision"},
	[OCT_STATS_HEALTHY] = {"healthy_time", FLOAT8OID, "double precision"},
	[OCT_STATS_UNHEALTHY] = {"unhealthy_time", FLOAT8OID, "double precision"},
	[OCT_STATS_UNKNOWN] = {"unknown_time", FLOAT8OID, "double precision"},
	[OCT_STATS_RESET] = {"stats_reset", TIMESTAMPTZOID, "timestamp with time zone"},
};

StaticAssertDecl(lengthof(columns) == OCT_STATS_COLUMN_COUNT,
				 "every OctStatsColumn needs its row");
StaticAssertDecl(OCT_STATS_COLUMN_COUNT <= OCT_MAX_COLUMNS,
				 "OCT_MAX_COLUMNS is too small");

/* The rows of a scan. */
typedef struct OctStatsRows
{
	const OctBinding *binding;
	OctStatusSet *set;
	Size		position;		/* of the next row */
} OctStatsRows;

static void *
begin_stats(const OctScanQuery *scan)
{
	OctStatsRows *rows = palloc0(sizeof(OctStatsRows));
	OctStatusQuery query = oct_dataset_query(scan->binding);

	rows->binding = scan->binding;
	query.depth = OCT_STATUS_TALLY;
	query.with_latency = oct_binding_wants(scan->binding, OCT_STATS_P50, OCT_STATS_P99);
	rows->set = oct_dataset_read(scan, query);
	return rows;
}

static void
rewind_stats(void *private)
{
	((OctStatsRows *) private)->position = 0;
}

static Datum
ms_datum(double us)
{
	return Float8GetDatum(us / 1000);
}

static Datum
seconds_datum(int64 us)
{
	return Float8GetDatum((double) us / 1000000);
}

/* What the histogram says, as far as it is not known better. */
static Datum
quantile_datum(OctStatusRow *row, double share)
{
	const OctTally *tally = &row->copy.status.tally;
	double		us = oct_latency_quantile_us(oct_statusrow_latency(row), share);

	return ms_datum(Max(Min(us, tally->max_us), tally->min_us));
}

static Datum
column_datum(void *private, OctStatusRow *row, int column, bool *isnull)
{
	const OctTally *tally = &row->copy.status.tally;

	*isnull = column >= OCT_STATS_MIN && column <= OCT_STATS_P99 &&
		tally->successes == 0;
	if (*isnull)
		return (Datum) 0;

	switch ((OctStatsColumn) column)
	{
		case OCT_STATS_CHECKS:
			return Int64GetDatum(tally->successes + tally->failures + tally->voids);
		case OCT_STATS_SUCCESSES:
			return Int64GetDatum(tally->successes);
		case OCT_STATS_FAILURES:
			return Int64GetDatum(tally->failures);
		case OCT_STATS_TIMEOUTS:
			return Int64GetDatum(tally->timeouts);
		case OCT_STATS_RETRIES:
			return Int64GetDatum(tally->retries);
		case OCT_STATS_VOIDS:
			return Int64GetDatum(tally->voids);
		case OCT_STATS_TRANSITIONS:
			return Int64GetDatum(tally->transitions);
		case OCT_STATS_DNS_FAILURES:
			return Int64GetDatum(tally->dns_failures);
		case OCT_STATS_LOSSES:
			return Int64GetDatum(tally->losses);
		case OCT_STATS_TOTAL:
			return ms_datum(tally->total_us);
		case OCT_STATS_MIN:
			return ms_datum(tally->min_us);
		case OCT_STATS_MAX:
			return ms_datum(tally->max_us);
		case OCT_STATS_MEAN:
			return ms_datum(tally->mean_us);
		case OCT_STATS_STDDEV:
			return ms_datum(sqrt(oct_tally_variance(tally)));
		case OCT_STATS_P50:
			return quantile_datum(row, 0.50);
		case OCT_STATS_P95:
			return quantile_datum(row, 0.95);
		case OCT_STATS_P99:
			return quantile_datum(row, 0.99);
		case OCT_STATS_HEALTHY:
			return seconds_datum(tally->healthy_us);
		case OCT_STATS_UNHEALTHY:
			return seconds_datum(tally->unhealthy_us);
		case OCT_STATS_UNKNOWN:
			return seconds_datum(tally->unknown_us);
		case OCT_STATS_RESET:
			*isnull = row->copy.status.stats_reset == 0;
			return TimestampTzGetDatum(row->copy.status.stats_reset);
		case OCT_STATS_COLUMN_COUNT:
			break;
	}
	*isnull = true;
	return (Datum) 0;
}

static bool
next_stats(void *private, TupleTableSlot *slot)
{
	OctStatsRows *rows = (OctStatsRows *) private;

	return oct_dataset_next(rows->binding, rows->set, &rows->position,
							column_datum, rows, slot);
}

const OctDataset oct_statsdata = {
	.name = "node_stats",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.writable = false,
	.name_column = OCT_KEY_COLUMN_NAME,
	.port_column = OCT_KEY_COLUMN_PORT,
	.rows_per_node = 1,
	.count = oct_dataset_count,
	.begin = begin_stats,
	.next = next_stats,
	.rewind = rewind_stats,
};

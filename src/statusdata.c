/*-------------------------------------------------------------------------
 *
 * statusdata.c
 *	  The dataset "node_status": what is known of each node.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shown.h"
#include "statusdata.h"

#define TIMESTAMPTZ_NAME	"timestamp with time zone"

typedef enum OctStatusColumn
{
	OCT_STATUS_HEALTH_STATUS = OCT_KEY_COLUMNS,
	/* from here on: OCT_STATUS_DETAIL */
	OCT_STATUS_STATE,
	OCT_STATUS_REASON,
	OCT_STATUS_PHASE,
	OCT_STATUS_SQLSTATE,
	OCT_STATUS_ERROR_MESSAGE,
	OCT_STATUS_FAILURES,
	OCT_STATUS_SUCCESSES,
	OCT_STATUS_LAST_CHECK,
	OCT_STATUS_LAST_SUCCESS,
	OCT_STATUS_LAST_FAILURE,
	OCT_STATUS_STATUS_CHANGE,
	OCT_STATUS_NEXT_CHECK,
	OCT_STATUS_CHECK_TIME,
	OCT_STATUS_ROLE,
	OCT_STATUS_READ_ONLY,
	OCT_STATUS_SERVER_VERSION,
	OCT_STATUS_NODE_ADDR,
	OCT_STATUS_SSL,
	OCT_STATUS_IN_FLIGHT,
	OCT_STATUS_COLUMN_COUNT
} OctStatusColumn;

static const OctDatasetColumn columns[] = {
	OCT_KEY_COLUMN_ROWS,
	[OCT_STATUS_HEALTH_STATUS] = {"health_status", INT4OID, "integer"},
	[OCT_STATUS_STATE] = {"state", TEXTOID, "text"},
	[OCT_STATUS_REASON] = {"reason", TEXTOID, "text"},
	[OCT_STATUS_PHASE] = {"phase", TEXTOID, "text"},
	[OCT_STATUS_SQLSTATE] = {"sqlstate", TEXTOID, "text"},
	[OCT_STATUS_ERROR_MESSAGE] = {"error_message", TEXTOID, "text"},
	[OCT_STATUS_FAILURES] = {"consecutive_failures", INT4OID, "integer"},
	[OCT_STATUS_SUCCESSES] = {"consecutive_successes", INT4OID, "integer"},
	[OCT_STATUS_LAST_CHECK] = {"last_check_time", TIMESTAMPTZOID, TIMESTAMPTZ_NAME},
	[OCT_STATUS_LAST_SUCCESS] = {"last_success_time", TIMESTAMPTZOID, TIMESTAMPTZ_NAME},
	[OCT_STATUS_LAST_FAILURE] = {"last_failure_time", TIMESTAMPTZOID, TIMESTAMPTZ_NAME},
	[OCT_STATUS_STATUS_CHANGE] = {"status_change_time", TIMESTAMPTZOID, TIMESTAMPTZ_NAME},
	[OCT_STATUS_NEXT_CHECK] = {"next_check_time", TIMESTAMPTZOID, TIMESTAMPTZ_NAME},
	[OCT_STATUS_CHECK_TIME] = {"check_time", FLOAT8OID, "double precision"},
	[OCT_STATUS_ROLE] = {"role", TEXTOID, "text"},
	[OCT_STATUS_READ_ONLY] = {"read_only", BOOLOID, "boolean"},
	[OCT_STATUS_SERVER_VERSION] = {"server_version", TEXTOID, "text"},
	[OCT_STATUS_NODE_ADDR] = {"node_addr", INETOID, "inet"},
	[OCT_STATUS_SSL] = {"ssl", BOOLOID, "boolean"},
	[OCT_STATUS_IN_FLIGHT] = {"in_flight", BOOLOID, "boolean"},
};

StaticAssertDecl(lengthof(columns) == OCT_STATUS_COLUMN_COUNT,
				 "every OctStatusColumn needs its row");
StaticAssertDecl(OCT_STATUS_COLUMN_COUNT <= OCT_MAX_COLUMNS,
				 "OCT_MAX_COLUMNS is too small");

/* The rows of a scan. */
typedef struct OctStatusRows
{
	const OctBinding *binding;
	bool		secrets;		/* may the reader see all? */
	OctStatusSet *set;
	Size		position;		/* of the next row */

	/* the version shown last, which is often the next one, too */
	MemoryContext rows_cxt;
	int32		version;
	text	   *version_shown;
} OctStatusRows;

static void *
begin_statuses(const OctScanQuery *scan)
{
	const OctBinding *binding = scan->binding;
	OctStatusRows *rows = palloc0(sizeof(OctStatusRows));
	OctStatusQuery query = oct_dataset_query(binding);

	rows->binding = binding;
	rows->secrets = oct_shown_secrets(scan->userid);
	rows->rows_cxt = CurrentMemoryContext;
	if (oct_binding_wants(binding, OCT_STATUS_STATE, OCT_STATUS_COLUMN_COUNT - 1))
		query.depth = OCT_STATUS_DETAIL;
	query.with_messages = rows->secrets &&
		oct_binding_wants(binding, OCT_STATUS_ERROR_MESSAGE, OCT_STATUS_ERROR_MESSAGE);
	rows->set = oct_dataset_read(scan, query);
	return rows;
}

static void
rewind_statuses(void *private)
{
	((OctStatusRows *) private)->position = 0;
}


/* ---------- columns ---------- */

/* A date that may not have come yet. */
static Datum
date_datum(TimestampTz date, bool *isnull)
{
	*isnull = date == 0;
	return TimestampTzGetDatum(date);
}

static Datum
answer_datum(OctAnswer answer, bool *isnull)
{
	*isnull = answer == OCT_ANSWER_NONE;
	return BoolGetDatum(answer == OCT_ANSWER_YES);
}

static Datum
next_check_datum(const OctStatusRows *rows, OctSchedule schedule, bool *isnull)
{
	*isnull = schedule.due.us == OCT_TIME_NEVER.us;
	return TimestampTzGetDatum(*isnull ? 0 :
							   oct_statusset_date(rows->set, schedule.due));
}

static Datum
version_datum(OctStatusRows *rows, int32 version, bool *isnull)
{
	*isnull = version == 0;
	if (version != rows->version && !*isnull)
	{
		MemoryContext caller_cxt = MemoryContextSwitchTo(rows->rows_cxt);

		rows->version_shown = oct_shown_version(version);
		rows->version = version;
		MemoryContextSwitchTo(caller_cxt);
	}
	return PointerGetDatum(rows->version_shown);
}

/* What the last try came to; NULL if there was none. */
static Datum
outcome_datum(const OctStatusRows *rows, OctStatusRow *row,
			  OctStatusColumn column, bool *isnull)
{
	const OctNodeStatus *status = &row->copy.status;
	const char *message;

	*isnull = !status->has_outcome;
	if (*isnull)
		return (Datum) 0;
	if (column == OCT_STATUS_REASON)
		return oct_shown_reason(status->reason);
	if (column == OCT_STATUS_PHASE)
	{
		*isnull = status->reason == OCT_REASON_DISABLED;
		return oct_shown_phase(status->phase);
	}
	if (column == OCT_STATUS_SQLSTATE)
	{
		*isnull = status->sqlstate[0] == '\0';
		return *isnull ? (Datum) 0 :
			PointerGetDatum(oct_shown_message(status->sqlstate));
	}
	message = oct_statusrow_message(row);
	*isnull = message == NULL || !rows->secrets;
	return *isnull ? (Datum) 0 : PointerGetDatum(oct_shown_message(message));
}

static Datum
column_datum(void *private, OctStatusRow *row, int column, bool *isnull)
{
	OctStatusRows *rows = (OctStatusRows *) private;
	const OctNodeStatus *status = &row->copy.status;

	switch ((OctStatusColumn) column)
	{
		case OCT_STATUS_HEALTH_STATUS:
			return Int32GetDatum((int32) status->health);
		case OCT_STATUS_STATE:
			return oct_shown_state(row->copy.state);
		case OCT_STATUS_REASON:
		case OCT_STATUS_PHASE:
		case OCT_STATUS_SQLSTATE:
		case OCT_STATUS_ERROR_MESSAGE:
			return outcome_datum(rows, row, column, isnull);
		case OCT_STATUS_FAILURES:
			return Int32GetDatum(Min(status->failures, PG_INT32_MAX));
		case OCT_STATUS_SUCCESSES:
			return Int32GetDatum(Min(status->successes, PG_INT32_MAX));
		case OCT_STATUS_LAST_CHECK:
			return date_datum(status->last_check_time, isnull);
		case OCT_STATUS_LAST_SUCCESS:
			return date_datum(status->last_success_time, isnull);
		case OCT_STATUS_LAST_FAILURE:
			return date_datum(status->last_failure_time, isnull);
		case OCT_STATUS_STATUS_CHANGE:
			return date_datum(status->status_change_time, isnull);
		case OCT_STATUS_NEXT_CHECK:
			return next_check_datum(rows, row->copy.schedule, isnull);
		case OCT_STATUS_CHECK_TIME:
			*isnull = status->last_check_time == 0;
			return Float8GetDatum((double) status->check_time_us / 1000);
		case OCT_STATUS_ROLE:
			*isnull = status->role == OCT_ROLE_UNKNOWN;
			return oct_shown_role(status->role);
		case OCT_STATUS_READ_ONLY:
			return answer_datum(status->read_only, isnull);
		case OCT_STATUS_SERVER_VERSION:
			return version_datum(rows, status->server_version, isnull);
		case OCT_STATUS_NODE_ADDR:
			*isnull = status->address.size == 0 || !rows->secrets;
			return *isnull ? (Datum) 0 : oct_shown_address(&status->address);
		case OCT_STATUS_SSL:
			return answer_datum(status->encrypted, isnull);
		case OCT_STATUS_IN_FLIGHT:
			return BoolGetDatum(row->copy.schedule.running);
		case OCT_STATUS_COLUMN_COUNT:
			break;
	}
	*isnull = true;
	return (Datum) 0;
}

static bool
next_status(void *private, TupleTableSlot *slot)
{
	OctStatusRows *rows = (OctStatusRows *) private;

	return oct_dataset_next(rows->binding, rows->set, &rows->position,
							column_datum, rows, slot);
}

const OctDataset oct_statusdata = {
	.name = "node_status",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.writable = false,
	.name_column = OCT_KEY_COLUMN_NAME,
	.port_column = OCT_KEY_COLUMN_PORT,
	.rows_per_node = 1,
	.count = oct_dataset_count,
	.begin = begin_statuses,
	.next = next_status,
	.rewind = rewind_statuses,
};

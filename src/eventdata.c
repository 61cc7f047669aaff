/*-------------------------------------------------------------------------
 *
 * eventdata.c
 *	  The dataset "node_events": what has happened to nodes, as far as the ring
 *	  of events still knows.
 *
 * Events are read from the ring one by one, oldest first, up to the newest one
 * at the start of the scan.  What is overwritten meanwhile is left out, always
 * from the beginning: nothing is missing between two events of a scan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "eventdata.h"
#include "events.h"
#include "shown.h"

/* events that a scan has room for at first */
#define OCT_FIRST_ROOM	64

typedef enum OctEventColumn
{
	OCT_EVENT_COLUMN_ID = OCT_KEY_COLUMNS,
	OCT_EVENT_COLUMN_TIME,
	OCT_EVENT_COLUMN_TYPE,
	OCT_EVENT_COLUMN_OLD_HEALTH,
	OCT_EVENT_COLUMN_NEW_HEALTH,
	OCT_EVENT_COLUMN_OLD_ROLE,
	OCT_EVENT_COLUMN_NEW_ROLE,
	OCT_EVENT_COLUMN_REASON,
	OCT_EVENT_COLUMN_SQLSTATE,
	OCT_EVENT_COLUMN_MESSAGE,
	OCT_EVENT_COLUMN_DETECTION,
	OCT_EVENT_COLUMN_COUNT
} OctEventColumn;

static const OctDatasetColumn columns[] = {
	OCT_KEY_COLUMN_ROWS,
	[OCT_EVENT_COLUMN_ID] = {"event_id", INT8OID, "bigint"},
	[OCT_EVENT_COLUMN_TIME] = {"event_time", TIMESTAMPTZOID, "timestamp with time zone"},
	[OCT_EVENT_COLUMN_TYPE] = {"event_type", TEXTOID, "text"},
	[OCT_EVENT_COLUMN_OLD_HEALTH] = {"old_health_status", INT4OID, "integer"},
	[OCT_EVENT_COLUMN_NEW_HEALTH] = {"new_health_status", INT4OID, "integer"},
	[OCT_EVENT_COLUMN_OLD_ROLE] = {"old_role", TEXTOID, "text"},
	[OCT_EVENT_COLUMN_NEW_ROLE] = {"new_role", TEXTOID, "text"},
	[OCT_EVENT_COLUMN_REASON] = {"reason", TEXTOID, "text"},
	[OCT_EVENT_COLUMN_SQLSTATE] = {"sqlstate", TEXTOID, "text"},
	[OCT_EVENT_COLUMN_MESSAGE] = {"error_message", TEXTOID, "text"},
	[OCT_EVENT_COLUMN_DETECTION] = {"detection_time", FLOAT8OID, "double precision"},
};

StaticAssertDecl(lengthof(columns) == OCT_EVENT_COLUMN_COUNT,
				 "every OctEventColumn needs its row");

/* The rows of a scan: those events that it is about, all in memory. */
typedef struct OctEventRows
{
	const OctBinding *binding;
	bool		secrets;		/* may the reader see all? */
	OctEvent   *events;
	int			nevents;
	int			position;		/* of the next one */
} OctEventRows;

static double
count_events(const OctBinding *binding)
{
	return (double) (oct_events_next_id() - oct_events_oldest_id());
}

/* Is the scan about this event?  Those about everything are everybody's. */
static bool
is_wanted(const OctScanQuery *scan, const OctEvent *event)
{
	const OctBinding *binding = scan->binding;

	if (event->group.dboid == InvalidOid)
		return binding->all_servers;
	return event->group.dboid == MyDatabaseId &&
		(binding->all_servers || event->group.serverid == binding->serverid);
}

static void *
begin_events(const OctScanQuery *scan)
{
	OctEventRows *rows = palloc0(sizeof(OctEventRows));
	int64		end = oct_events_next_id();
	int64		id = oct_events_oldest_id();
	Size		room = OCT_FIRST_ROOM;

	rows->binding = scan->binding;
	rows->secrets = oct_shown_secrets(scan->userid);
	rows->events = palloc(sizeof(OctEvent) * room);
	for (; id < end; id++)
	{
		CHECK_FOR_INTERRUPTS();
		if (rows->nevents == room)
		{
			room *= 2;
			rows->events = repalloc_huge(rows->events, sizeof(OctEvent) * room);
		}
		if (!oct_events_read(id, &rows->events[rows->nevents]))
			rows->nevents = 0;	/* so are all before it */
		else if (is_wanted(scan, &rows->events[rows->nevents]))
			rows->nevents++;
	}
	return rows;
}

static void
rewind_events(void *private)
{
	((OctEventRows *) private)->position = 0;
}

static Datum
text_datum(const char *value, bool *isnull)
{
	*isnull = value[0] == '\0';
	return *isnull ? (Datum) 0 : PointerGetDatum(oct_shown_message(value));
}

static Datum
health_datum(int8 health, bool *isnull)
{
	*isnull = health == OCT_NO_HEALTH;
	return Int32GetDatum(health);
}

static Datum
role_datum(OctRole role, bool *isnull)
{
	*isnull = role == OCT_ROLE_UNKNOWN;
	return oct_shown_role(role);
}

static Datum
key_datum(const OctEvent *event, int column, bool *isnull)
{
	switch (column)
	{
		case OCT_KEY_COLUMN_SERVER:
			*isnull = event->server_name[0] == '\0';
			return CStringGetDatum(event->server_name);
		case OCT_KEY_COLUMN_NAME:
			*isnull = event->port == 0;
			return *isnull ? (Datum) 0 : CStringGetTextDatum(event->node_name);
		default:
			*isnull = event->port == 0;
			return Int32GetDatum(event->port);
	}
}

static Datum
column_datum(const OctEventRows *rows, const OctEvent *event, int column,
			 bool *isnull)
{
	switch (column)
	{
		case OCT_EVENT_COLUMN_ID:
			return Int64GetDatum(event->id);
		case OCT_EVENT_COLUMN_TIME:
			return TimestampTzGetDatum(event->time);
		case OCT_EVENT_COLUMN_TYPE:
			return CStringGetTextDatum(oct_event_type_name(event->type));
		case OCT_EVENT_COLUMN_OLD_HEALTH:
			return health_datum(event->old_health, isnull);
		case OCT_EVENT_COLUMN_NEW_HEALTH:
			return health_datum(event->new_health, isnull);
		case OCT_EVENT_COLUMN_OLD_ROLE:
			return role_datum(event->old_role, isnull);
		case OCT_EVENT_COLUMN_NEW_ROLE:
			return role_datum(event->new_role, isnull);
		case OCT_EVENT_COLUMN_REASON:
			*isnull = !event->has_reason;
			return oct_shown_reason(event->reason);
		case OCT_EVENT_COLUMN_SQLSTATE:
			return text_datum(event->sqlstate, isnull);
		case OCT_EVENT_COLUMN_MESSAGE:
			return text_datum(rows->secrets ? event->message : "", isnull);
		case OCT_EVENT_COLUMN_DETECTION:
			*isnull = event->detection_us < 0;
			return Float8GetDatum(event->detection_us / 1000.0);
		default:
			return key_datum(event, column, isnull);
	}
}

static bool
next_event(void *private, TupleTableSlot *slot)
{
	OctEventRows *rows = (OctEventRows *) private;
	const OctBinding *binding = rows->binding;
	const OctEvent *event;

	if (rows->position == rows->nevents)
		return false;
	event = &rows->events[rows->position++];
	for (int i = 0; i < binding->nbound; i++)
	{
		int			att = binding->bound[i].att;

		slot->tts_isnull[att] = false;
		slot->tts_values[att] = column_datum(rows, event, binding->bound[i].column,
											 &slot->tts_isnull[att]);
	}
	return true;
}

const OctDataset oct_eventdata = {
	.name = "node_events",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.writable = false,
	.name_column = -1,
	.port_column = -1,
	.rows_per_node = 1,
	.count = count_events,
	.begin = begin_events,
	.next = next_event,
	.rewind = rewind_events,
};

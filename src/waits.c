/*-------------------------------------------------------------------------
 *
 * waits.c
 *	  SQL functions that wait for something to become so.
 *
 * They sleep until the prober has news (see events.h), and then look.  They may
 * be cancelled at any time, take no lock while they sleep and write nothing, so
 * they work on a standby, too.  As any statement they hold a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "binding.h"
#include "events.h"
#include "nodeargs.h"
#include "nodetab.h"
#include "statusset.h"

PG_FUNCTION_INFO_V1(octopus_wait_for_health);
PG_FUNCTION_INFO_V1(octopus_wait_for_primary);
PG_FUNCTION_INFO_V1(octopus_wait_for_event);

/* A node that is to come to a health. */
typedef struct OctAwaited
{
	OctGroupKey group;
	OctNodeSpec node;
	uint32		generation;		/* of its registration, 0 before the first look */
	OctHealth	health;
} OctAwaited;

/* The status that readers may see of the node by now. */
static OctStatusRow *
read_node(const OctAwaited *awaited, OctStatusSet **set)
{
	OctStatusQuery query = {
		.group = awaited->group,
		.node = &awaited->node,
		.depth = OCT_STATUS_HEALTH,
	};
	Size		position = 0;

	*set = oct_statusset_read(&query);
	return oct_statusset_next(*set, &position);
}

/* Is it so?  If not, *until is when to look again even without news. */
static bool
has_health(OctAwaited *awaited, OctTime *until)
{
	OctStatusSet *set;
	OctStatusRow *row = read_node(awaited, &set);
	bool		reached;

	if (row == NULL && awaited->generation == 0)
		oct_nodeargs_report_missing(&awaited->node);
	if (row == NULL ||
		(awaited->generation != 0 && row->generation != awaited->generation))
		oct_nodeargs_report_removed(&awaited->node);
	awaited->generation = row->generation;
	reached = row->copy.status.health == awaited->health;
	if (awaited->health == OCT_UNKNOWN && row->copy.status.health != OCT_UNKNOWN)
	{
		OctTime		fresh_until = oct_nodetab_fresh_until(&row->copy.status);

		if (oct_time_before(fresh_until, *until))
			*until = oct_time_add_ms(fresh_until, 1);
	}
	oct_statusset_free(set);
	return reached;
}

/*
 * octopus.wait_for_health(node_name, node_port, health_status, timeout,
 * server_name): true if it has come to that, false if time is over
 */
Datum
octopus_wait_for_health(PG_FUNCTION_ARGS)
{
	OctAwaited	awaited = {.generation = 0};
	OctTime		deadline;
	bool		reached;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(4))
		PG_RETURN_NULL();
	awaited.group = oct_nodeargs_group(fcinfo, 4);
	deadline = oct_nodeargs_deadline(fcinfo, 3);
	awaited.health = PG_GETARG_INT32(2);
	if (awaited.health < OCT_UNKNOWN || awaited.health > OCT_HEALTHY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid health status: %d", (int) awaited.health),
				 errhint("Give 1 for healthy, 0 for unhealthy, or -1 for unknown.")));
	if (!oct_nodeargs_key(fcinfo, 0, &awaited.node))
		oct_nodeargs_report_missing(&awaited.node);
	oct_nodeargs_check_own_changes(awaited.group, &awaited.node);

	oct_events_prepare_to_sleep();
	for (;;)
	{
		OctTime		until = deadline;

		reached = has_health(&awaited, &until);
		if (reached || (!oct_events_sleep(until) && until.us == deadline.us))
			break;
	}
	oct_events_cancel_sleep();
	PG_RETURN_BOOL(reached);
}

/* A healthy primary of the group, as a row; NULL if there is none. */
static OctStatusRow *
find_primary(OctStatusSet *set)
{
	Size		position = 0;
	OctStatusRow *row;

	while ((row = oct_statusset_next(set, &position)) != NULL)
	{
		if (row->copy.status.health == OCT_HEALTHY &&
			row->copy.status.role == OCT_ROLE_PRIMARY)
			break;
	}
	return row;
}

/*
 * octopus.wait_for_primary(server_name, timeout): the node that is one, or NULLs
 * if time is over
 */
Datum
octopus_wait_for_primary(PG_FUNCTION_ARGS)
{
	OctStatusQuery query = {.depth = OCT_STATUS_DETAIL};
	const char *server_name;
	OctTime		deadline;
	OctStatusSet *set;
	OctStatusRow *row;
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	server_name = NameStr(*PG_GETARG_NAME(0));
	query.group = oct_nodeargs_group(fcinfo, 0);
	deadline = oct_nodeargs_deadline(fcinfo, 1);
	oct_nodeargs_check_own_group(query.group, server_name);

	oct_events_prepare_to_sleep();
	for (;;)
	{
		set = oct_statusset_read(&query);
		row = find_primary(set);
		if (row != NULL)
			break;
		oct_statusset_free(set);
		oct_nodeargs_check_server(query.group, server_name);
		if (!oct_events_sleep(deadline))
			break;
	}
	oct_events_cancel_sleep();

	if (row != NULL)
	{
		values[0] = PointerGetDatum(oct_statusrow_name(row));
		values[1] = Int32GetDatum(row->port);
		nulls[0] = nulls[1] = false;
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* The first event from *id on that is about this database; goes on with *id. */
static bool
find_event(int64 *id)
{
	int64		end = oct_events_next_id();
	OctEvent	event;

	*id = Max(*id, oct_events_oldest_id());
	for (; *id < end; (*id)++)
	{
		if (oct_events_read(*id, &event) &&
			(event.group.dboid == MyDatabaseId || event.group.dboid == InvalidOid))
			return true;
	}
	return false;
}

/*
 * octopus.wait_for_event(after_event_id, timeout): the id of the next event, or of
 * the oldest one left, that is about this database; NULL if time is over
 */
Datum
octopus_wait_for_event(PG_FUNCTION_ARGS)
{
	OctTime		deadline;
	int64		id;
	bool		found;

	oct_binding_require_preload();
	if (oct_max_events == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no events are kept"),
				 errhint("Set \"octopus.max_events\" and restart the server.")));
	deadline = oct_nodeargs_deadline(fcinfo, 1);
	if (PG_ARGISNULL(0))
		id = oct_events_next_id();
	else
		id = PG_GETARG_INT64(0) < PG_INT64_MAX ? PG_GETARG_INT64(0) + 1 : PG_INT64_MAX;

	oct_events_prepare_to_sleep();
	while (!(found = find_event(&id)) && oct_events_sleep(deadline))
		;
	oct_events_cancel_sleep();
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_INT64(id);
}

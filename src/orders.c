/*-------------------------------------------------------------------------
 *
 * orders.c
 *	  SQL functions that have the prober do something, and wait until it has.
 *
 * They write nothing but a request in shared memory, so they work on a standby,
 * too, and a rollback does not undo them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "adopt.h"
#include "binding.h"
#include "clock.h"
#include "events.h"
#include "nodeargs.h"
#include "requests.h"

PG_FUNCTION_INFO_V1(octopus_check_node);
PG_FUNCTION_INFO_V1(octopus_reset_stats);

/* how long to wait for the prober to begin to count anew */
#define OCT_RESET_WAIT_MS	2000

/*
 * octopus.check_node(node_name, node_port, timeout, server_name): the health of a
 * node by a check that has ended after the call; NULL if time is over
 */
Datum
octopus_check_node(PG_FUNCTION_ARGS)
{
	OctTicket	ticket = {.number = 0};
	OctTicketState state;
	OctTime		deadline;
	OctHealth	health = OCT_UNKNOWN;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	ticket.group = oct_nodeargs_group(fcinfo, 3);
	deadline = oct_nodeargs_deadline(fcinfo, 2);
	if (!oct_nodeargs_key(fcinfo, 0, &ticket.node))
		oct_nodeargs_report_missing(&ticket.node);
	oct_nodeargs_check_own_changes(ticket.group, &ticket.node);
	if (!oct_request_check(&ticket))
		oct_nodeargs_report_missing(&ticket.node);

	oct_events_prepare_to_sleep();
	while ((state = oct_request_look(&ticket, &health)) == OCT_TICKET_WAITING &&
		   oct_events_sleep(deadline))
		;
	oct_events_cancel_sleep();
	if (state == OCT_TICKET_GONE)
		oct_nodeargs_report_removed(&ticket.node);
	if (state == OCT_TICKET_WAITING)
		PG_RETURN_NULL();
	PG_RETURN_INT32((int32) health);
}

/* Waits until the prober has done what was asked up to there. */
static void
await_prober(uint64 position)
{
	OctTime		deadline = oct_time_add_ms(oct_now(), OCT_RESET_WAIT_MS);
	bool		done;

	oct_events_prepare_to_sleep();
	while (!(done = oct_request_is_seen(position)) && oct_events_sleep(deadline))
		;
	oct_events_cancel_sleep();
	if (!done)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("statistics have not been reset yet"),
				 errdetail("The prober does not answer."),
				 errhint("It will reset them when it goes on.")));
}

/*
 * octopus.reset_stats(node_name, node_port, server_name): since when the counts
 * of those nodes begin anew.  What is NULL stands for all there are in this
 * database; if all is, the counts of octopus.monitor begin anew, too.
 */
Datum
octopus_reset_stats(PG_FUNCTION_ARGS)
{
	bool		all_groups = PG_ARGISNULL(2);
	OctGroupKey group = {MyDatabaseId, InvalidOid};
	OctNodeSpec node;
	uint64		position = 0;
	TimestampTz now = GetCurrentTimestamp();

	oct_binding_require_preload();
	if (PG_ARGISNULL(0) != PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a node needs both a name and a port"),
				 errhint("Give both, or none of them for all nodes.")));
	if (!all_groups)
		group = oct_nodeargs_group(fcinfo, 2);
	else
		oct_adopt_groups(InvalidOid);

	if (PG_ARGISNULL(0))
		(void) oct_request_reset(group, all_groups, NULL, &position);
	else if (!oct_nodeargs_key(fcinfo, 0, &node) ||
			 oct_request_reset(group, all_groups, &node, &position) == 0)
		oct_nodeargs_report_missing(&node);
	if (PG_ARGISNULL(0) && all_groups)
		oct_request_monitor_reset();
	await_prober(position);
	PG_RETURN_TIMESTAMPTZ(now);
}

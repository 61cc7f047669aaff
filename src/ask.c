/*-------------------------------------------------------------------------
 *
 * ask.c
 *	  SQL functions that tell at once whether a node is healthy.
 *
 * A look at one slot of the table, for use in the conditions of a query.  Only
 * registrations that are committed count.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "nodeargs.h"
#include "nodetab.h"

PG_FUNCTION_INFO_V1(octopus_is_healthy);
PG_FUNCTION_INFO_V1(octopus_if_healthy);

/* The health of the node named by three arguments; unknown if there is none. */
static OctHealth
health_of(FunctionCallInfo fcinfo, int arg)
{
	OctGroupKey group = oct_nodeargs_group(fcinfo, arg + 2);
	OctNodeSpec key;
	OctNodeView view;

	if (!oct_nodeargs_key(fcinfo, arg, &key) ||
		!oct_nodetab_lookup(group, &key, &view))
		return OCT_UNKNOWN;
	return view.health;
}

/* octopus.is_healthy(node_name, node_port, server_name): NULL if nobody knows */
Datum
octopus_is_healthy(PG_FUNCTION_ARGS)
{
	OctHealth	health = health_of(fcinfo, 0);

	if (health == OCT_UNKNOWN)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(health == OCT_HEALTHY);
}

/* octopus.if_healthy(key, node_name, ...): the key if the node is, else NULL */
Datum
octopus_if_healthy(PG_FUNCTION_ARGS)
{
	if (health_of(fcinfo, 1) != OCT_HEALTHY)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

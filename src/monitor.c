/*-------------------------------------------------------------------------
 *
 * monitor.c
 *	  SQL functions about the prober itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/timestamp.h"

#include "binding.h"
#include "clock.h"
#include "gauges.h"
#include "nodetab.h"

PG_FUNCTION_INFO_V1(octopus_prober_state);

/* The columns, in the order of the function's result. */
typedef enum OctProberColumn
{
	OCT_PROBER_PID,
	OCT_PROBER_BACKEND_START,
	OCT_PROBER_LAST_TICK,
	OCT_PROBER_MAX_LATENESS,
	OCT_PROBER_NODES,
	OCT_PROBER_IN_FLIGHT,
	OCT_PROBER_HELD,
	OCT_PROBER_DNS_PENDING,
	OCT_PROBER_CHECKS,
	OCT_PROBER_EVENTS_DROPPED,
	OCT_PROBER_SUSPENDED,
	OCT_PROBER_STATS_RESET,
	OCT_PROBER_COLUMNS
} OctProberColumn;

/* When the prober looked at its sockets last, as a date. */
static TimestampTz
last_tick(void)
{
	OctTime		tick = {oct_gauge_get(OCT_GAUGE_LAST_TICK)};

	return GetCurrentTimestamp() - oct_time_diff_us(oct_now(), tick);
}

/* octopus.prober_state(): one row, that of octopus.monitor */
Datum
octopus_prober_state(PG_FUNCTION_ARGS)
{
	Datum		values[OCT_PROBER_COLUMNS];
	bool		nulls[OCT_PROBER_COLUMNS] = {0};
	TupleDesc	desc;
	int			ngroups;
	int			nnodes;

	oct_binding_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	if (desc->natts != OCT_PROBER_COLUMNS)
		elog(ERROR, "return type must have %d columns", OCT_PROBER_COLUMNS);

	oct_nodetab_totals(&ngroups, &nnodes);
	nulls[OCT_PROBER_PID] = oct_gauge_get(OCT_GAUGE_PID) == 0;
	nulls[OCT_PROBER_BACKEND_START] = nulls[OCT_PROBER_PID];
	nulls[OCT_PROBER_LAST_TICK] = oct_gauge_get(OCT_GAUGE_LAST_TICK) == 0;
	values[OCT_PROBER_PID] = Int32GetDatum(oct_gauge_get(OCT_GAUGE_PID));
	values[OCT_PROBER_BACKEND_START] =
		TimestampTzGetDatum(oct_gauge_get(OCT_GAUGE_BACKEND_START));
	values[OCT_PROBER_LAST_TICK] = TimestampTzGetDatum(last_tick());
	values[OCT_PROBER_MAX_LATENESS] =
		Float8GetDatum((double) oct_gauge_get(OCT_GAUGE_MAX_LATENESS) / 1000);
	values[OCT_PROBER_NODES] = Int32GetDatum(nnodes);
	values[OCT_PROBER_IN_FLIGHT] = Int32GetDatum(oct_gauge_get(OCT_GAUGE_IN_FLIGHT));
	values[OCT_PROBER_HELD] = Int32GetDatum(oct_gauge_get(OCT_GAUGE_HELD));
	values[OCT_PROBER_DNS_PENDING] = Int32GetDatum(oct_gauge_get(OCT_GAUGE_DNS_PENDING));
	values[OCT_PROBER_CHECKS] = Int64GetDatum(oct_gauge_get(OCT_GAUGE_CHECKS));
	values[OCT_PROBER_EVENTS_DROPPED] =
		Int64GetDatum(oct_gauge_get(OCT_GAUGE_EVENTS_DROPPED));
	values[OCT_PROBER_SUSPENDED] = BoolGetDatum(oct_gauge_get(OCT_GAUGE_SUSPENDED) != 0);
	values[OCT_PROBER_STATS_RESET] =
		TimestampTzGetDatum(oct_gauge_get(OCT_GAUGE_STATS_RESET));
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

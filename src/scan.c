/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Planning and executing scans of foreign tables.
 *
 * A table is read in one of two ways.  A *lookup* asks the hash index for one
 * node, in each group that the table shows; it is possible where a query fixes
 * both node_name and node_port (see nodekey.c).  Everything else is a *full
 * scan*.
 *
 * Either way all conditions are tested again on each row by the executor, so
 * what is done here can make a query faster but not wrong.
 *
 * The rows of a full scan are copied once when the first is asked for, and
 * kept for rescans: one scan shows one instant.  Of a row only those columns are
 * made that the query has use for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "binding.h"
#include "compat.h"
#include "nodekey.h"
#include "scan.h"

/* What GetForeignRelSize finds out, in baserel->fdw_private. */
typedef struct OctPlanInfo
{
	OctBinding *binding;
	bool		lookup;			/* do the table's own conditions fix the key? */
} OctPlanInfo;

/* The state of a scan, in ForeignScanState.fdw_state. */
typedef struct OctScan
{
	OctBinding *binding;
	const OctDataset *dataset;
	Oid			userid;			/* on whose behalf */
	List	   *keys;			/* ExprStates of a lookup; NIL: full scan */
	MemoryContext rows_cxt;		/* for rows */
	void	   *rows;			/* NULL: not read yet */
} OctScan;


/* ---------- planning ---------- */

static void
octopusGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel,
						 Oid foreigntableid)
{
	OctPlanInfo *info = palloc0(sizeof(OctPlanInfo));
	const OctDataset *dataset;

	baserel->fdw_private = info;
	info->binding = oct_binding_make_oid(foreigntableid);
	info->lookup = oct_nodekey_find(root, baserel, info->binding,
									baserel->baserestrictinfo) != NIL;
	dataset = info->binding->dataset;

	baserel->tuples = dataset->count(info->binding);
	if (info->lookup)
		baserel->rows = dataset->rows_per_node;
	else
		baserel->rows = clamp_row_est(baserel->tuples *
									  clauselist_selectivity(root,
															 baserel->baserestrictinfo,
															 0, JOIN_INNER, NULL));
}

/* A path that reads "tuples" rows and returns "rows" of them. */
static void
add_scan_path(PlannerInfo *root, RelOptInfo *baserel, double tuples,
			  double rows, Relids outer)
{
	Cost		startup = baserel->baserestrictcost.startup;
	Cost		per_tuple = cpu_tuple_cost + baserel->baserestrictcost.per_tuple;

	add_path(baserel, (Path *)
			 oct_create_foreignscan_path(root, baserel, rows, startup,
										 startup + per_tuple * tuples,
										 outer, NIL));
}

/* Paths of lookups whose key comes, wholly or in part, from other relations. */
static void
add_join_paths(PlannerInfo *root, RelOptInfo *baserel)
{
	OctBinding *binding = ((OctPlanInfo *) baserel->fdw_private)->binding;
	double		found = binding->dataset->rows_per_node;
	List	   *names = oct_nodekey_sources(root, baserel, binding, OCT_KEY_NAME);
	List	   *ports = oct_nodekey_sources(root, baserel, binding, OCT_KEY_PORT);
	List	   *seen = NIL;
	ListCell   *name;
	ListCell   *port;

	foreach(name, names)
	{
		foreach(port, ports)
		{
			Relids		outer = bms_union(lfirst(name), lfirst(port));

			outer = bms_union(outer, baserel->lateral_relids);
			if (bms_is_empty(outer) || list_member(seen, outer))
				continue;
			seen = lappend(seen, outer);
			add_scan_path(root, baserel, found,
						  Min(get_baserel_parampathinfo(root, baserel, outer)->ppi_rows,
							  found),
						  outer);
		}
	}
}

static void
octopusGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel,
					   Oid foreigntableid)
{
	OctPlanInfo *info = (OctPlanInfo *) baserel->fdw_private;

	add_scan_path(root, baserel,
				  info->lookup ? info->binding->dataset->rows_per_node : baserel->tuples,
				  baserel->rows, baserel->lateral_relids);
	if (!info->lookup)
		add_join_paths(root, baserel);
}

/*
 * The columns, as a list of their numbers, that the query has use for.  Others
 * may be null.
 */
static List *
wanted_columns(RelOptInfo *baserel, const OctBinding *binding,
			   List *scan_clauses)
{
	Bitmapset  *attrs = NULL;
	List	   *attnos = NIL;
	ListCell   *lc;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid, &attrs);
	foreach(lc, scan_clauses)
	{
		pull_varattnos((Node *) lfirst_node(RestrictInfo, lc)->clause,
					   baserel->relid, &attrs);
	}
	for (int i = 0; i < binding->nbound; i++)
	{
		AttrNumber	attno = binding->bound[i].att + 1;

		if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attrs) ||
			bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, attrs))
			attnos = lappend_int(attnos, attno);
	}
	return attnos;
}

/*
 * fdw_exprs holds the key of a lookup and is empty for a full scan; fdw_private
 * is the binding.
 */
static ForeignScan *
octopusGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel,
					  Oid foreigntableid, ForeignPath *best_path,
					  List *tlist, List *scan_clauses, Plan *outer_plan)
{
	OctBinding *binding = ((OctPlanInfo *) baserel->fdw_private)->binding;

	return make_foreignscan(tlist,
							extract_actual_clauses(scan_clauses, false),
							baserel->relid,
							oct_nodekey_find(root, baserel, binding, scan_clauses),
							oct_binding_to_plan(binding,
												wanted_columns(baserel, binding, scan_clauses)),
							NIL, NIL, outer_plan);
}


/* ---------- execution ---------- */

static void
octopusBeginForeignScan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	OctScan    *scan;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;

	scan = palloc0(sizeof(OctScan));
	node->fdw_state = scan;
	scan->binding = oct_binding_of_plan(plan->fdw_private);
	scan->dataset = scan->binding->dataset;
	scan->userid = oct_scan_user(node);

	/* of the other columns nobody says anything from here on */
	memset(node->ss.ss_ScanTupleSlot->tts_isnull, true,
		   node->ss.ss_ScanTupleSlot->tts_tupleDescriptor->natts);
	scan->keys = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	scan->rows_cxt = AllocSetContextCreate(CurrentMemoryContext,
										   "octopus_fdw rows",
										   ALLOCSET_DEFAULT_SIZES);
}

static void
read_rows(ForeignScanState *node)
{
	OctScan    *scan = (OctScan *) node->fdw_state;
	OctScanQuery query = {
		.binding = scan->binding,
		.cid = node->ss.ps.state->es_snapshot->curcid,
		.userid = scan->userid,
		.by_key = scan->keys != NIL,
	};
	OctNodeSpec key;
	MemoryContext caller_cxt;

	caller_cxt = MemoryContextSwitchTo(scan->rows_cxt);
	if (query.by_key &&
		oct_nodekey_evaluate(scan->keys, node->ss.ps.ps_ExprContext, &key))
		query.key = &key;
	scan->rows = scan->dataset->begin(&query);
	MemoryContextSwitchTo(caller_cxt);
}

static TupleTableSlot *
octopusIterateForeignScan(ForeignScanState *node)
{
	OctScan    *scan = (OctScan *) node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	MemoryContext caller_cxt;
	bool		found;

	if (scan->rows == NULL)
		read_rows(node);
	ExecClearTuple(slot);

	caller_cxt = MemoryContextSwitchTo(node->ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	found = scan->dataset->next(scan->rows, slot);
	MemoryContextSwitchTo(caller_cxt);
	return found ? ExecStoreVirtualTuple(slot) : slot;
}

static void
octopusReScanForeignScan(ForeignScanState *node)
{
	OctScan    *scan = (OctScan *) node->fdw_state;

	if (scan->rows == NULL)
		return;
	if (scan->keys == NIL)
		scan->dataset->rewind(scan->rows);
	else
	{
		MemoryContextReset(scan->rows_cxt);
		scan->rows = NULL;
	}
}

static void
octopusEndForeignScan(ForeignScanState *node)
{
	/* all memory goes with the query */
}

static void
octopusExplainForeignScan(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	Oid			serverid = oct_binding_plan_server(plan->fdw_private);

	ExplainPropertyText("Node Group", OidIsValid(serverid) ?
						GetForeignServer(serverid)->servername : "(all)", es);
	ExplainPropertyText("Node Access",
						plan->fdw_exprs != NIL ? "Hash Lookup" : "Full Scan", es);
}

void
oct_scan_set_callbacks(FdwRoutine *routine)
{
	routine->GetForeignRelSize = octopusGetForeignRelSize;
	routine->GetForeignPaths = octopusGetForeignPaths;
	routine->GetForeignPlan = octopusGetForeignPlan;
	routine->BeginForeignScan = octopusBeginForeignScan;
	routine->IterateForeignScan = octopusIterateForeignScan;
	routine->ReScanForeignScan = octopusReScanForeignScan;
	routine->EndForeignScan = octopusEndForeignScan;
	routine->ExplainForeignScan = octopusExplainForeignScan;
}

/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Planning and executing scans of foreign tables.
 *
 * A table is read in one of two ways.  A *lookup* asks the hash index for one
 * node; it is possible where a query fixes both node_name and node_port by
 * equality with something that is known before the scan starts: constants,
 * parameters, or columns of a table joined before.  Everything else is a
 * *full scan* of the group.
 *
 * Either way all conditions are tested again on each row by the executor, so
 * what is done here can make a query faster but not wrong.
 *
 * The rows of a full scan are copied once when the first is asked for, and
 * kept for rescans: one scan shows one instant.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "dataset.h"
#include "regview.h"
#include "scan.h"

/* What GetForeignRelSize finds out, in baserel->fdw_private. */
typedef struct OctPlanInfo
{
	OctBinding *binding;
	bool		lookup;			/* do the table's own conditions fix the key? */
} OctPlanInfo;

/* The members of the key, in the order of fdw_exprs. */
typedef enum OctKeyPart
{
	OCT_KEY_NAME,
	OCT_KEY_PORT,
	OCT_KEY_PARTS
} OctKeyPart;

static const struct
{
	OctColumn	column;
	Oid			eq_function;
}			key_parts[OCT_KEY_PARTS] = {
	[OCT_KEY_NAME] = {OCT_COLUMN_NODE_NAME, F_TEXTEQ},
	[OCT_KEY_PORT] = {OCT_COLUMN_NODE_PORT, F_INT4EQ},
};

/* The state of a scan, in ForeignScanState.fdw_state. */
typedef struct OctScan
{
	OctBinding *binding;
	List	   *keys;			/* ExprStates of a lookup; NIL: full scan */
	MemoryContext rows_cxt;		/* for rows */
	OctRowSet  *rows;			/* NULL: not read yet */
	Size		position;		/* of the next row */
	int			row;			/* its number */
} OctScan;

/* What the search for clauses that come from equivalence classes looks for. */
typedef struct OctEcTarget
{
	Index		relid;
	AttrNumber	attno;
} OctEcTarget;


/* ---------- which clauses fix the key ---------- */

static bool
is_column(Node *node, Index relid, AttrNumber attno)
{
	Var		   *var = (Var *) node;

	return IsA(node, Var) && attno != 0 &&
		(Index) var->varno == relid && var->varattno == attno &&
		var->varlevelsup == 0;
}

/*
 * If the clause is "column = value" (or the reverse) for a part of the key,
 * with a value that does not depend on the row, returns the value, else NULL.
 *
 * Names are hashed as bytes, so their equality must be that of bytes.
 */
static Expr *
key_value(PlannerInfo *root, RelOptInfo *baserel, Expr *clause, OctKeyPart part)
{
	OctPlanInfo *info = (OctPlanInfo *) baserel->fdw_private;
	AttrNumber	attno = info->binding->attnos[key_parts[part].column];
	OpExpr	   *op = (OpExpr *) clause;
	Node	   *value;

	if (!IsA(clause, OpExpr) || list_length(op->args) != 2 ||
		get_opcode(op->opno) != key_parts[part].eq_function)
		return NULL;
	if (OidIsValid(op->inputcollid) &&
		!get_collation_isdeterministic(op->inputcollid))
		return NULL;

	if (is_column(linitial(op->args), baserel->relid, attno))
		value = lsecond(op->args);
	else if (is_column(lsecond(op->args), baserel->relid, attno))
		value = linitial(op->args);
	else
		return NULL;

	if (bms_is_member(baserel->relid, pull_varnos(root, value)) ||
		contain_volatile_functions(value))
		return NULL;
	return (Expr *) value;
}

/* The value that a list of RestrictInfos gives to a part of the key. */
static Expr *
find_key_value(PlannerInfo *root, RelOptInfo *baserel, List *clauses,
			   OctKeyPart part)
{
	ListCell   *lc;

	foreach(lc, clauses)
	{
		Expr	   *value = key_value(root, baserel,
									  lfirst_node(RestrictInfo, lc)->clause,
									  part);

		if (value != NULL)
			return value;
	}
	return NULL;
}

/* The whole key as a list of expressions, or NIL if part of it is missing. */
static List *
find_key(PlannerInfo *root, RelOptInfo *baserel, List *clauses)
{
	Expr	   *name = find_key_value(root, baserel, clauses, OCT_KEY_NAME);
	Expr	   *port = find_key_value(root, baserel, clauses, OCT_KEY_PORT);

	return name != NULL && port != NULL ? list_make2(name, port) : NIL;
}

static bool
ec_member_is_target(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
					EquivalenceMember *em, void *arg)
{
	OctEcTarget *target = (OctEcTarget *) arg;

	return is_column((Node *) em->em_expr, target->relid, target->attno);
}

/*
 * Of which other relations a part of the key can come, as a list of Relids;
 * an empty set stands for the table's own conditions.
 */
static List *
key_sources(PlannerInfo *root, RelOptInfo *baserel, OctKeyPart part)
{
	OctPlanInfo *info = (OctPlanInfo *) baserel->fdw_private;
	OctEcTarget target = {baserel->relid,
	info->binding->attnos[key_parts[part].column]};
	List	   *clauses = NIL;
	List	   *sources = NIL;
	ListCell   *lc;

	if (find_key_value(root, baserel, baserel->baserestrictinfo, part) != NULL)
		return list_make1(NULL);

	foreach(lc, baserel->joininfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (join_clause_is_movable_to(rinfo, baserel))
			clauses = lappend(clauses, rinfo);
	}
	if (baserel->has_eclass_joins)
		clauses = list_concat(clauses,
							  generate_implied_equalities_for_column(root, baserel,
																	 ec_member_is_target,
																	 &target,
																	 baserel->lateral_referencers));
	foreach(lc, clauses)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (key_value(root, baserel, rinfo->clause, part) != NULL)
			sources = lappend(sources, bms_difference(rinfo->clause_relids,
													  baserel->relids));
	}
	return sources;
}


/* ---------- planning ---------- */

static void
octopusGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel,
						 Oid foreigntableid)
{
	OctPlanInfo *info = palloc0(sizeof(OctPlanInfo));

	baserel->fdw_private = info;
	info->binding = oct_dataset_bind_oid(foreigntableid);
	info->lookup = find_key(root, baserel, baserel->baserestrictinfo) != NIL;

	baserel->tuples = oct_regview_count(oct_regview_group(info->binding->serverid));
	if (info->lookup)
		baserel->rows = 1;
	else
		baserel->rows = clamp_row_est(baserel->tuples *
									  clauselist_selectivity(root,
															 baserel->baserestrictinfo,
															 0, JOIN_INNER, NULL));
}

/* A path that reads "tuples" nodes and returns "rows" of them. */
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
	List	   *names = key_sources(root, baserel, OCT_KEY_NAME);
	List	   *ports = key_sources(root, baserel, OCT_KEY_PORT);
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
			add_scan_path(root, baserel, 1,
						  Min(get_baserel_parampathinfo(root, baserel, outer)->ppi_rows, 1),
						  outer);
		}
	}
}

static void
octopusGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel,
					   Oid foreigntableid)
{
	OctPlanInfo *info = (OctPlanInfo *) baserel->fdw_private;

	add_scan_path(root, baserel, info->lookup ? 1 : baserel->tuples,
				  baserel->rows, baserel->lateral_relids);
	if (!info->lookup)
		add_join_paths(root, baserel);
}

/*
 * fdw_exprs holds the key of a lookup and is empty for a full scan; fdw_private
 * holds the server's OID.
 */
static ForeignScan *
octopusGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel,
					  Oid foreigntableid, ForeignPath *best_path,
					  List *tlist, List *scan_clauses, Plan *outer_plan)
{
	OctPlanInfo *info = (OctPlanInfo *) baserel->fdw_private;

	return make_foreignscan(tlist,
							extract_actual_clauses(scan_clauses, false),
							baserel->relid,
							find_key(root, baserel, scan_clauses),
							list_make1(makeInteger((int) info->binding->serverid)),
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
	scan->binding = oct_dataset_bind(node->ss.ss_currentRelation);
	scan->keys = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	scan->rows_cxt = AllocSetContextCreate(CurrentMemoryContext,
										   "octopus_fdw rows",
										   ALLOCSET_DEFAULT_SIZES);
}

/* Evaluates the key of a lookup; false if it names no node for sure. */
static bool
evaluate_key(OctScan *scan, ExprContext *econtext, OctNodeSpec *spec)
{
	Datum		values[OCT_KEY_PARTS];
	text	   *name;
	Size		len;

	for (int i = 0; i < OCT_KEY_PARTS; i++)
	{
		bool		isnull;

		values[i] = ExecEvalExprSwitchContext(list_nth(scan->keys, i), econtext,
											  &isnull);
		if (isnull)
			return false;
	}

	name = DatumGetTextPP(values[OCT_KEY_NAME]);
	len = VARSIZE_ANY_EXHDR(name);
	if (len >= OCT_NAME_SIZE)
		return false;
	memcpy(spec->name, VARDATA_ANY(name), len);
	spec->name[len] = '\0';
	spec->port = DatumGetInt32(values[OCT_KEY_PORT]);
	return true;
}

static void
read_rows(ForeignScanState *node)
{
	OctScan    *scan = (OctScan *) node->fdw_state;
	CommandId	cid = node->ss.ps.state->es_snapshot->curcid;
	OctGroupKey group = oct_regview_group(scan->binding->serverid);
	bool		with_options = scan->binding->with_options;
	MemoryContext caller_cxt;
	OctNodeSpec key;
	OctNodeView view;

	caller_cxt = MemoryContextSwitchTo(scan->rows_cxt);
	if (scan->keys == NIL)
		scan->rows = oct_regview_read_group(group, cid, with_options);
	else
	{
		scan->rows = oct_rowset_make(1, with_options);
		if (evaluate_key(scan, node->ss.ps.ps_ExprContext, &key) &&
			oct_regview_lookup(group, &key, cid, &view))
			oct_rowset_add(scan->rows, view.rowid, view.health, &view.spec);
	}
	MemoryContextSwitchTo(caller_cxt);
}

static TupleTableSlot *
octopusIterateForeignScan(ForeignScanState *node)
{
	OctScan    *scan = (OctScan *) node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	OctNodeOptions *options = NULL;
	MemoryContext caller_cxt;
	OctRow	   *row;

	if (scan->rows == NULL)
		read_rows(node);
	if (scan->rows->options != NULL)
		options = &scan->rows->options[scan->row];
	row = oct_rowset_next(scan->rows, &scan->position);
	if (row == NULL)
		return ExecClearTuple(slot);

	/* the row's ctid tells modify.c which row it is */
	caller_cxt = MemoryContextSwitchTo(node->ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	oct_dataset_store_row(scan->binding, PointerGetDatum(&row->name), row->port,
						  row->health, options, slot);
	MemoryContextSwitchTo(caller_cxt);
	scan->row++;
	ItemPointerSet(&slot->tts_tid, row->rowid, FirstOffsetNumber);
	return slot;
}

static void
octopusReScanForeignScan(ForeignScanState *node)
{
	OctScan    *scan = (OctScan *) node->fdw_state;

	scan->position = 0;
	scan->row = 0;
	if (scan->keys != NIL)
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
	Oid			serverid = (Oid) intVal(linitial(plan->fdw_private));

	ExplainPropertyText("Node Group", GetForeignServer(serverid)->servername, es);
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

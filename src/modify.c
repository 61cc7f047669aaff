/*-------------------------------------------------------------------------
 *
 * modify.c
 *	  INSERT, COPY, UPDATE, DELETE and TRUNCATE of foreign tables.
 *
 * Rows become changes of the current transaction (see regxact.c).  The rows to
 * update or delete are told by their ctid, which scan.c makes of a row's
 * rowid; the writer lock, taken before the first row is read, keeps it valid.
 *
 * There is no batch interface: it spares round trips, and here are none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/appendinfo.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "binding.h"
#include "compat.h"
#include "modify.h"
#include "nodeinput.h"
#include "nodesdata.h"
#include "regview.h"
#include "regxact.h"
#include "touched.h"

#define OCT_ROWID_COLUMN	"ctid"

/* The state of a modification, in ResultRelInfo.ri_FdwState. */
typedef struct OctModify
{
	OctBinding *binding;
	CommandId	cid;			/* of the changes made */
	bool		skip_conflicts; /* ON CONFLICT DO NOTHING */
	AttrNumber	rowid_attno;	/* in the subplan, for UPDATE and DELETE */
} OctModify;


/* ---------- what is given ---------- */

static void
check_writable(Relation rel, const OctBinding *binding)
{
	if (!binding->dataset->writable)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot change foreign table \"%s\"",
						RelationGetRelationName(rel)),
				 errdetail("It shows dataset \"%s\", which is read-only.",
						   binding->dataset->name),
				 errhint("Leave it out of dumps with the option --exclude-table-data of pg_dump.")));
	if (binding->attnos[OCT_COLUMN_NODE_NAME] == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot change foreign table \"%s\"",
						RelationGetRelationName(rel)),
				 errdetail("It has no column for \"node_name\".")));
}

/*
 * Reads the node that a tuple describes.  What the table has no column for is
 * left as it is.
 */
static void
read_spec(ResultRelInfo *rri, EState *estate, TupleTableSlot *slot,
		  OctNodeSpec *spec)
{
	OctModify  *modify = (OctModify *) rri->ri_FdwState;
	Relation	rel = rri->ri_RelationDesc;

	/* core leaves the constraints and bounds of foreign tables to us */
	if (RelationGetDescr(rel)->constr != NULL)
		ExecConstraints(rri, slot, estate);
	if (rel->rd_rel->relispartition)
		ExecPartitionCheck(rri, slot, estate, true);
	oct_nodeinput_read(modify->binding, rel, slot, spec);
}

/* Who registers a node, and when. */
static void
sign_options(OctNodeOptions *options)
{
	char	   *user = GetUserNameFromId(GetUserId(), true);

	memset(options->registered_by, 0, NAMEDATALEN);
	if (user != NULL)
		strlcpy(options->registered_by, user, NAMEDATALEN);
	options->registered_at = GetCurrentTransactionStartTimestamp();
}

static void
report_duplicate(Relation rel, const OctNodeSpec *spec)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("node \"%s\":%d already exists", spec->name, spec->port),
			 errtable(rel)));
}


/* ---------- planning ---------- */

static void
octopusAddForeignUpdateTargets(PlannerInfo *root, Index rtindex,
							   RangeTblEntry *target_rte,
							   Relation target_relation)
{
	Var		   *var = makeVar(rtindex, SelfItemPointerAttributeNumber,
							  TIDOID, -1, InvalidOid, 0);

	add_row_identity_var(root, var, rtindex, OCT_ROWID_COLUMN);
}

/* All tables; the few that are read-only say so more clearly themselves. */
static int
octopusIsForeignRelUpdatable(Relation rel)
{
	return (1 << CMD_INSERT) | (1 << CMD_UPDATE) | (1 << CMD_DELETE);
}


/* ---------- begin ---------- */

/*
 * Every change begins here: binds the table and locks the group.  A read-only
 * transaction has to be told from here, too: core lets it change temporary
 * tables, as it believes their content to be temporary.
 */
static OctModify *
begin_modify(Relation rel, CommandId cid, const char *command)
{
	OctModify  *modify = palloc0(sizeof(OctModify));

	PreventCommandIfReadOnly(command);
	modify->binding = oct_binding_make(rel);
	modify->cid = cid;
	check_writable(rel, modify->binding);
	oct_regxact_lock_group(modify->binding->serverid);
	oct_touched_compare(modify->binding->serverid);
	return modify;
}

/*
 * What the prober observes, or what we note of a registration, cannot be set;
 * core has such words for generated columns.
 */
static void
check_updated_column(ResultRelInfo *rri, EState *estate,
					 const OctBinding *binding, OctColumn column,
					 const char *shows)
{
	AttrNumber	attno = binding->attnos[column];
	const char *name;

	if (attno == 0 ||
		!bms_is_member(attno - FirstLowInvalidHeapAttributeNumber,
					   ExecGetUpdatedCols(rri, estate)))
		return;
	name = NameStr(TupleDescAttr(RelationGetDescr(rri->ri_RelationDesc),
								 attno - 1)->attname);
	ereport(ERROR,
			(errcode(ERRCODE_GENERATED_ALWAYS),
			 errmsg("column \"%s\" cannot be updated", name),
			 errdetail("Column \"%s\" shows %s.", name, shows)));
}

static void
octopusBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *rri,
						  List *fdw_private, int subplan_index, int eflags)
{
	EState	   *estate = mtstate->ps.state;
	ModifyTable *plan = (ModifyTable *) mtstate->ps.plan;
	OctModify  *modify;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;

	modify = begin_modify(rri->ri_RelationDesc, estate->es_output_cid,
						  mtstate->operation == CMD_INSERT ? "INSERT" :
						  mtstate->operation == CMD_UPDATE ? "UPDATE" : "DELETE");
	modify->skip_conflicts = plan->onConflictAction == ONCONFLICT_NOTHING;
	if (mtstate->operation == CMD_UPDATE)
	{
		check_updated_column(rri, estate, modify->binding,
							 OCT_COLUMN_HEALTH_STATUS, "what the prober observes");
		check_updated_column(rri, estate, modify->binding,
							 OCT_COLUMN_REGISTERED_BY, "who registered the node");
		check_updated_column(rri, estate, modify->binding,
							 OCT_COLUMN_REGISTERED_AT, "when the node was registered");
	}
	if (mtstate->operation != CMD_INSERT)
	{
		modify->rowid_attno =
			ExecFindJunkAttributeInTlist(outerPlanState(mtstate)->plan->targetlist,
										 OCT_ROWID_COLUMN);
		if (!AttributeNumberIsValid(modify->rowid_attno))
			elog(ERROR, "could not find junk column \"%s\"", OCT_ROWID_COLUMN);
	}
	rri->ri_FdwState = modify;
}

/* COPY, which runs without a plan, and rows routed to a partition. */
static void
octopusBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *rri)
{
	ModifyTable *plan = (ModifyTable *) mtstate->ps.plan;
	OctModify  *modify;

	/* rows moved here by the UPDATE of a partitioned table: begun already */
	if (rri->ri_FdwState != NULL)
		return;

	modify = begin_modify(rri->ri_RelationDesc,
						  plan == NULL ? GetCurrentCommandId(true) :
						  mtstate->ps.state->es_output_cid,
						  plan == NULL ? "COPY FROM" : "INSERT");
	modify->skip_conflicts = plan != NULL &&
		plan->onConflictAction == ONCONFLICT_NOTHING;
	rri->ri_FdwState = modify;
}


/* ---------- rows ---------- */

/* Makes a node the tuple that is returned. */
static void
store_node(const OctModify *modify, EState *estate, const OctNodeSpec *spec,
		   OctHealth health, TupleTableSlot *slot)
{
	MemoryContext caller_cxt =
		MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	oct_nodesdata_store_row(modify->binding, CStringGetTextDatum(spec->name),
							spec->port, health, &spec->options, slot);
	ExecStoreVirtualTuple(slot);
	MemoryContextSwitchTo(caller_cxt);
}

static TupleTableSlot *
octopusExecForeignInsert(EState *estate, ResultRelInfo *rri,
						 TupleTableSlot *slot, TupleTableSlot *planSlot)
{
	OctModify  *modify = (OctModify *) rri->ri_FdwState;
	OctNodeSpec spec = {.port = OCT_PORT_DEFAULT};

	oct_optable_set_inherit(&spec.options.policy);
	read_spec(rri, estate, slot, &spec);
	sign_options(&spec.options);
	if (!oct_regxact_add(modify->binding->serverid, &spec, modify->cid))
	{
		if (modify->skip_conflicts)
			return NULL;
		report_duplicate(rri->ri_RelationDesc, &spec);
	}
	store_node(modify, estate, &spec, OCT_UNKNOWN, slot);
	return slot;
}

/* The row that the subplan's junk column tells. */
static void
read_old_row(const OctModify *modify, TupleTableSlot *planSlot,
			 OctNodeView *view)
{
	bool		isnull;
	Datum		tid = ExecGetJunkAttribute(planSlot, modify->rowid_attno, &isnull);
	uint32		rowid;

	if (isnull)
		elog(ERROR, "%s is NULL", OCT_ROWID_COLUMN);
	rowid = ItemPointerGetBlockNumber((ItemPointer) DatumGetPointer(tid));
	if (!oct_regview_read_row(oct_regview_group(modify->binding->serverid), rowid,
							  view))
		elog(ERROR, "row %u does not exist", rowid);
}

static TupleTableSlot *
octopusExecForeignUpdate(EState *estate, ResultRelInfo *rri,
						 TupleTableSlot *slot, TupleTableSlot *planSlot)
{
	OctModify  *modify = (OctModify *) rri->ri_FdwState;
	Oid			serverid = modify->binding->serverid;
	OctNodeView old;
	OctNodeSpec spec;

	read_old_row(modify, planSlot, &old);
	spec = old.spec;
	read_spec(rri, estate, slot, &spec);

	/* NULL says that this command has updated the row already */
	if (spec.port == old.spec.port && strcmp(spec.name, old.spec.name) == 0 &&
		strcmp(spec.options.hostaddr, old.spec.options.hostaddr) == 0)
		return oct_regxact_update(serverid, &spec, modify->cid) ? slot : NULL;

	/* another name, port or address is another node */
	sign_options(&spec.options);
	if (!oct_regxact_remove(serverid, &old.spec, modify->cid))
		return NULL;
	if (!oct_regxact_add(serverid, &spec, modify->cid))
		report_duplicate(rri->ri_RelationDesc, &spec);
	store_node(modify, estate, &spec, OCT_UNKNOWN, slot);
	return slot;
}

static TupleTableSlot *
octopusExecForeignDelete(EState *estate, ResultRelInfo *rri,
						 TupleTableSlot *slot, TupleTableSlot *planSlot)
{
	OctModify  *modify = (OctModify *) rri->ri_FdwState;
	OctNodeView old;

	read_old_row(modify, planSlot, &old);
	if (!oct_regxact_remove(modify->binding->serverid, &old.spec, modify->cid))
		return NULL;

	store_node(modify, estate, &old.spec, old.health, slot);
	return slot;
}

static void
octopusExecForeignTruncate(List *rels, DropBehavior behavior,
						   bool restart_seqs)
{
	ListCell   *lc;

	foreach(lc, rels)
	{
		OctModify  *modify = begin_modify((Relation) lfirst(lc),
										  GetCurrentCommandId(true),
										  "TRUNCATE TABLE");
		Oid			serverid = modify->binding->serverid;
		OctRowSet  *rows = oct_regview_read_group(oct_regview_group(serverid),
												  modify->cid, OCT_ROW_NAMES);
		OctNodeSpec spec = {0};
		Size		position = 0;
		OctRow	   *row;

		while ((row = oct_rowset_next(rows, &position)) != NULL)
		{
			oct_row_get_key(row, &spec);
			(void) oct_regxact_remove(serverid, &spec, modify->cid);
		}
		oct_rowset_free(rows);
	}
}

static void
octopusExplainForeignModify(ModifyTableState *mtstate, ResultRelInfo *rri,
							List *fdw_private, int subplan_index,
							ExplainState *es)
{
	ForeignTable *table = GetForeignTable(RelationGetRelid(rri->ri_RelationDesc));

	ExplainPropertyText("Node Group",
						GetForeignServer(table->serverid)->servername, es);
}

void
oct_modify_set_callbacks(FdwRoutine *routine)
{
	routine->AddForeignUpdateTargets = octopusAddForeignUpdateTargets;
	routine->IsForeignRelUpdatable = octopusIsForeignRelUpdatable;
	routine->BeginForeignModify = octopusBeginForeignModify;
	routine->BeginForeignInsert = octopusBeginForeignInsert;
	routine->ExecForeignInsert = octopusExecForeignInsert;
	routine->ExecForeignUpdate = octopusExecForeignUpdate;
	routine->ExecForeignDelete = octopusExecForeignDelete;
	routine->ExecForeignTruncate = octopusExecForeignTruncate;
	routine->ExplainForeignModify = octopusExplainForeignModify;
}

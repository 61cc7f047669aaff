/*-------------------------------------------------------------------------
 *
 * nodekey.c
 *	  Which clauses of a query fix the key of a node, so that it can be looked
 *	  up.
 *
 * Both node_name and node_port have to be fixed by equality with something that
 * is known before the scan starts: constants, parameters, or columns of a table
 * joined before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "nodekey.h"

static const Oid eq_functions[OCT_KEY_PARTS] = {
	[OCT_KEY_NAME] = F_TEXTEQ,
	[OCT_KEY_PORT] = F_INT4EQ,
};

/* What the search for clauses that come from equivalence classes looks for. */
typedef struct OctEcTarget
{
	Index		relid;
	AttrNumber	attno;
} OctEcTarget;

/* Where the table has a part of the key; 0: nowhere. */
static AttrNumber
key_attno(const OctBinding *binding, OctKeyPart part)
{
	int			column = part == OCT_KEY_NAME ? binding->dataset->name_column :
		binding->dataset->port_column;

	return column < 0 ? 0 : binding->attnos[column];
}

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
key_value(PlannerInfo *root, RelOptInfo *baserel, const OctBinding *binding,
		  Expr *clause, OctKeyPart part)
{
	AttrNumber	attno = key_attno(binding, part);
	OpExpr	   *op = (OpExpr *) clause;
	Node	   *value;

	if (!IsA(clause, OpExpr) || list_length(op->args) != 2 ||
		get_opcode(op->opno) != eq_functions[part])
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
find_key_value(PlannerInfo *root, RelOptInfo *baserel,
			   const OctBinding *binding, List *clauses, OctKeyPart part)
{
	ListCell   *lc;

	foreach(lc, clauses)
	{
		Expr	   *value = key_value(root, baserel, binding,
									  lfirst_node(RestrictInfo, lc)->clause,
									  part);

		if (value != NULL)
			return value;
	}
	return NULL;
}

/* The whole key as a list of expressions, or NIL if part of it is missing. */
List *
oct_nodekey_find(PlannerInfo *root, RelOptInfo *baserel,
				 const OctBinding *binding, List *clauses)
{
	Expr	   *name = find_key_value(root, baserel, binding, clauses, OCT_KEY_NAME);
	Expr	   *port = find_key_value(root, baserel, binding, clauses, OCT_KEY_PORT);

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
List *
oct_nodekey_sources(PlannerInfo *root, RelOptInfo *baserel,
					const OctBinding *binding, OctKeyPart part)
{
	OctEcTarget target = {baserel->relid, key_attno(binding, part)};
	List	   *clauses = NIL;
	List	   *sources = NIL;
	ListCell   *lc;

	if (find_key_value(root, baserel, binding, baserel->baserestrictinfo, part) != NULL)
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

		if (key_value(root, baserel, binding, rinfo->clause, part) != NULL)
			sources = lappend(sources, bms_difference(rinfo->clause_relids,
													  baserel->relids));
	}
	return sources;
}

/* Makes a key of a name and a port; false if no node can have such a name. */
bool
oct_nodekey_set(OctNodeSpec *key, const text *name, int32 port)
{
	Size		len = VARSIZE_ANY_EXHDR(name);

	if (len >= OCT_NAME_SIZE)
		return false;
	memcpy(key->name, VARDATA_ANY(name), len);
	key->name[len] = '\0';
	key->port = port;
	return true;
}

/*
 * Evaluates the key of a lookup, a list of ExprStates; false if it names no node
 * for sure.
 */
bool
oct_nodekey_evaluate(List *exprs, ExprContext *econtext, OctNodeSpec *spec)
{
	Datum		values[OCT_KEY_PARTS];

	for (int i = 0; i < OCT_KEY_PARTS; i++)
	{
		bool		isnull;

		values[i] = ExecEvalExprSwitchContext(list_nth(exprs, i), econtext, &isnull);
		if (isnull)
			return false;
	}

	return oct_nodekey_set(spec, DatumGetTextPP(values[OCT_KEY_NAME]),
						   DatumGetInt32(values[OCT_KEY_PORT]));
}

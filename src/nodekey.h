/*-------------------------------------------------------------------------
 *
 * nodekey.h
 *	  Which clauses of a query fix the key of a node, so that it can be looked
 *	  up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef NODEKEY_H
#define NODEKEY_H

#include "dataset.h"

#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

/* The members of the key, in the order of oct_nodekey_find's expressions. */
typedef enum OctKeyPart
{
	OCT_KEY_NAME,
	OCT_KEY_PORT,
	OCT_KEY_PARTS
} OctKeyPart;

extern List *oct_nodekey_find(PlannerInfo *root, RelOptInfo *baserel,
							  const OctBinding *binding, List *clauses);
extern List *oct_nodekey_sources(PlannerInfo *root, RelOptInfo *baserel,
								 const OctBinding *binding, OctKeyPart part);
extern bool oct_nodekey_set(OctNodeSpec *key, const text *name, int32 port);
extern bool oct_nodekey_evaluate(List *exprs, ExprContext *econtext,
								 OctNodeSpec *spec);

#endif							/* NODEKEY_H */

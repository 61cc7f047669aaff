/*-------------------------------------------------------------------------
 *
 * binding.h
 *	  Which dataset a foreign table shows, and how its columns are bound to
 *	  those of the dataset.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BINDING_H
#define BINDING_H

#include "dataset.h"

#include "utils/rel.h"

extern void oct_binding_require_preload(void);
extern OctBinding *oct_binding_make(Relation rel);
extern OctBinding *oct_binding_make_oid(Oid relid);
extern List *oct_binding_to_plan(const OctBinding *binding, const List *attnos);
extern OctBinding *oct_binding_of_plan(const List *plan);
extern Oid	oct_binding_plan_server(const List *plan);
extern const OctDataset *oct_binding_find_dataset(const char *name);
extern const OctDataset *oct_binding_dataset(int i);
extern const char *oct_binding_dataset_names(void);

#endif							/* BINDING_H */

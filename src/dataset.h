/*-------------------------------------------------------------------------
 *
 * dataset.h
 *	  What a foreign table shows: the dataset "nodes", its columns, and how a
 *	  table's columns are bound to them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DATASET_H
#define DATASET_H

#include "octypes.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "optable.h"
#include "nodetab.h"

typedef enum OctColumn
{
	OCT_COLUMN_NODE_NAME,
	OCT_COLUMN_NODE_PORT,
	OCT_COLUMN_HEALTH_STATUS,
	/* from here on: columns of OctNodeOptions */
	OCT_COLUMN_ENABLED,
	OCT_COLUMN_HOSTADDR,
	OCT_COLUMN_PERIOD,
	OCT_COLUMN_TIMEOUT,
	OCT_COLUMN_MAX_RETRIES,
	OCT_COLUMN_RETRY_DELAY,
	OCT_COLUMN_HEALTHY_THRESHOLD,
	OCT_COLUMN_CHECK_TYPE,
	OCT_COLUMN_REGISTERED_BY,
	OCT_COLUMN_REGISTERED_AT,
	OCT_COLUMN_COUNT
} OctColumn;

/* A foreign table bound to its dataset. */
typedef struct OctBinding
{
	Oid			serverid;		/* the group whose nodes it shows */
	AttrNumber	attnos[OCT_COLUMN_COUNT];	/* 0: the table lacks the column */
	bool		with_options;	/* does it show any of a node's options? */
} OctBinding;

extern void oct_dataset_require_preload(void);
extern OctBinding *oct_dataset_bind(Relation rel);
extern OctBinding *oct_dataset_bind_oid(Oid relid);
extern bool oct_dataset_exists(const char *name);
extern const char *oct_dataset_names(void);

extern void oct_dataset_store_row(const OctBinding *binding, Datum name,
								  int32 port, OctHealth health,
								  const OctNodeOptions *options,
								  TupleTableSlot *slot);
extern const OctOption *oct_dataset_option(OctColumn column);

#endif							/* DATASET_H */

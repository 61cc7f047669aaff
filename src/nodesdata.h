/*-------------------------------------------------------------------------
 *
 * nodesdata.h
 *	  The dataset "nodes": what is registered, with its options and health.
 *
 *-------------------------------------------------------------------------
 */
#ifndef NODESDATA_H
#define NODESDATA_H

#include "dataset.h"
#include "optable.h"

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

extern const OctDataset oct_nodesdata;

extern bool oct_nodesdata_has_options(const OctBinding *binding);
extern void oct_nodesdata_store_row(const OctBinding *binding, Datum name,
									int32 port, OctHealth health,
									const OctNodeOptions *options,
									TupleTableSlot *slot);
extern const OctOption *oct_nodesdata_option(OctColumn column);

#endif							/* NODESDATA_H */

/*-------------------------------------------------------------------------
 *
 * dataset.c
 *	  What datasets about nodes have in common: which nodes they are about, and
 *	  the columns that say so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "dataset.h"
#include "regview.h"

/* The nodes that a table shows, as a query for all of them. */
OctStatusQuery
oct_dataset_query(const OctBinding *binding)
{
	return (OctStatusQuery) {
		.group = oct_regview_group(binding->serverid),
		.all_groups = binding->all_servers,
		.depth = OCT_STATUS_HEALTH,
	};
}

/* How many they are. */
double
oct_dataset_count(const OctBinding *binding)
{
	OctStatusQuery query = oct_dataset_query(binding);

	return oct_statusset_count(&query);
}

/* Reads those of them that a scan wants. */
OctStatusSet *
oct_dataset_read(const OctScanQuery *scan, OctStatusQuery query)
{
	OctNodeSpec nobody = {0};

	query.without_names = !oct_binding_wants(scan->binding, OCT_KEY_COLUMN_NAME,
											 OCT_KEY_COLUMN_NAME);
	if (scan->by_key)
		query.node = scan->key != NULL ? scan->key : &nobody;
	return oct_statusset_read(&query);
}

/* One of the first columns of a row. */
Datum
oct_dataset_key(const OctStatusSet *set, OctStatusRow *row, int column)
{
	switch (column)
	{
		case OCT_KEY_COLUMN_SERVER:
			return NameGetDatum(&set->servers[row->server]);
		case OCT_KEY_COLUMN_NAME:
			return PointerGetDatum(oct_statusrow_name(row));
		default:
			return Int32GetDatum(row->port);
	}
}

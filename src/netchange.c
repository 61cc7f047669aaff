/*-------------------------------------------------------------------------
 *
 * netchange.c
 *	  What the pending changes of a transaction come to: the newest version of
 *	  each node, compared with the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "netchange.h"
#include "pending.h"

/* A node that changes, before the changes are put together by group. */
typedef struct OctNetNode
{
	OctPending *version;		/* what it comes to */
	int			order;			/* among the changes of the transaction */
	bool		in_table;
} OctNetNode;

static int
compare_net_nodes(const void *a, const void *b)
{
	const OctNetNode *node_a = (const OctNetNode *) a;
	const OctNetNode *node_b = (const OctNetNode *) b;
	OctGroupKey key_a = node_a->version->group;
	OctGroupKey key_b = node_b->version->group;

	if (key_a.dboid != key_b.dboid)
		return key_a.dboid < key_b.dboid ? -1 : 1;
	if (key_a.serverid != key_b.serverid)
		return key_a.serverid < key_b.serverid ? -1 : 1;
	return node_a->order < node_b->order ? -1 : 1;
}

/*
 * What the newest version of each node comes to, compared with the table,
 * ordered by group and within it by time.
 */
static OctNetNode *
collect_net_nodes(int *nnodes)
{
	OctNetNode *nodes = MemoryContextAllocHuge(TopTransactionContext,
											   sizeof(OctNetNode) *
											   (Size) oct_pending_count());
	int			n = 0;

	for (int32 i = 0; i < oct_pending_count(); i++)
	{
		OctPending *version = oct_pending_get(i);
		OctNodeView view;

		if (oct_pending_newest(version->group, &version->spec) != version ||
			(version->kind == OCT_PENDING_UPDATE && !version->renewed))
			continue;
		nodes[n].version = version;
		nodes[n].order = n;
		nodes[n].in_table = oct_nodetab_lookup(version->group, &version->spec,
											   &view);
		if (nodes[n].in_table || oct_pending_is_present(version))
			n++;
	}
	qsort(nodes, n, sizeof(OctNetNode), compare_net_nodes);
	*nnodes = n;
	return nodes;
}

/* Names a group of this database; others, and those dropped, lose nodes only. */
static void
name_group(OctGroup *group)
{
	ForeignServer *server;
	char	   *dbname;

	if (group->key.dboid != MyDatabaseId)
		return;
	server = GetForeignServerExtended(group->key.serverid, FSV_MISSING_OK);
	dbname = get_database_name(MyDatabaseId);
	if (server == NULL || dbname == NULL)
		return;
	strlcpy(group->server_name, server->servername, NAMEDATALEN);
	strlcpy(group->dbname, dbname, NAMEDATALEN);
}

/*
 * The net changes of the transaction, one for each group, in memory that lives
 * as long as it.  A node that was removed and registered again is a new
 * registration.
 */
int
oct_netchange_collect(OctChange **net_changes)
{
	OctChange  *changes;
	int			nchanges = 0;
	int			nnodes;
	OctNetNode *nodes = collect_net_nodes(&nnodes);
	MemoryContext caller_cxt = MemoryContextSwitchTo(TopTransactionContext);
	OctNodeSpec *specs = palloc_extended(sizeof(OctNodeSpec) * 2 * Max(nnodes, 1),
										 MCXT_ALLOC_HUGE);

	changes = palloc_extended(sizeof(OctChange) * Max(nnodes, 1),
								  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int first = 0, i; first < nnodes; first = i)
	{
		OctChange  *change = &changes[nchanges++];
		OctGroupKey key = nodes[first].version->group;

		change->group.key = key;
		name_group(&change->group);
		change->removals = specs;
		for (i = first; i < nnodes && oct_same_group(nodes[i].version->group, key); i++)
		{
			if (nodes[i].in_table)
				change->removals[change->nremovals++] = nodes[i].version->spec;
		}
		change->additions = change->removals + change->nremovals;
		for (i = first; i < nnodes && oct_same_group(nodes[i].version->group, key); i++)
		{
			if (oct_pending_is_present(nodes[i].version))
				change->additions[change->nadditions++] = nodes[i].version->spec;
		}
		specs = change->additions + change->nadditions;
	}
	MemoryContextSwitchTo(caller_cxt);
	*net_changes = changes;
	return nchanges;
}

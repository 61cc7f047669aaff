/*-------------------------------------------------------------------------
 *
 * netchange.c
 *	  What the pending changes of a transaction come to: the newest version of
 *	  each node, compared with the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "grouppolicy.h"
#include "netchange.h"
#include "pending.h"
#include "touched.h"

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

		if (oct_pending_newest(version->group, &version->spec) != version)
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

/*
 * What a group of this database is by now, in memory that lives as long as the
 * transaction; NULL for others, and for those dropped: they lose nodes only.
 */
static const OctGroup *
describe_group(OctGroupKey key)
{
	OctGroup   *group;

	if (key.dboid != MyDatabaseId)
		return NULL;
	group = palloc(sizeof(OctGroup));
	group->key = key;
	return oct_grouppolicy_read(group, ERROR) ? group : NULL;
}

/* What becomes of a node. */
typedef enum OctNetKind
{
	OCT_NET_REMOVAL,
	OCT_NET_UPDATE,
	OCT_NET_ADDITION
} OctNetKind;

/* Does it?  A node that was registered anew is both removed and added. */
static bool
is_kind(const OctNetNode *node, OctNetKind kind)
{
	const OctPending *version = node->version;
	bool		stays = node->in_table && oct_pending_is_present(version) &&
		!version->renewed;

	switch (kind)
	{
		case OCT_NET_REMOVAL:
			return node->in_table && !stays;
		case OCT_NET_UPDATE:
			return stays;
		case OCT_NET_ADDITION:
			return oct_pending_is_present(version) && !stays;
	}
	return false;
}

/* Copies the nodes of a kind; returns how many there are. */
static int
copy_specs(const OctNetNode *nodes, int nnodes, OctNetKind kind,
		   OctNodeSpec *specs)
{
	int			n = 0;

	for (int i = 0; i < nnodes; i++)
	{
		if (is_kind(&nodes[i], kind))
			specs[n++] = nodes[i].version->spec;
	}
	return n;
}

/* Puts the changed nodes of one group together; returns the specs' end. */
static OctNodeSpec *
fill_change(OctChange *change, const OctNetNode *nodes, int nnodes,
			OctNodeSpec *specs)
{
	change->key = nodes[0].version->group;
	change->group = describe_group(change->key);
	change->removals = specs;
	change->nremovals = copy_specs(nodes, nnodes, OCT_NET_REMOVAL, specs);
	specs += change->nremovals;
	change->updates = specs;
	change->nupdates = copy_specs(nodes, nnodes, OCT_NET_UPDATE, specs);
	specs += change->nupdates;
	change->additions = specs;
	change->nadditions = copy_specs(nodes, nnodes, OCT_NET_ADDITION, specs);
	specs += change->nadditions;

	/* its server went while we waited for the lock of the registry */
	if (change->nadditions > 0 && change->group == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("foreign server with OID %u was concurrently dropped",
						change->key.serverid)));
	return specs;
}

/* Groups that have another description only; returns how many changes there are. */
static int
add_touched(OctChange *changes, int nchanges, OctGroup *groups, int ngroups)
{
	int			nnode_changes = nchanges;

	for (int g = 0; g < ngroups; g++)
	{
		int			i = 0;

		while (i < nnode_changes && !oct_same_group(changes[i].key, groups[g].key))
			i++;
		if (i < nnode_changes)
			continue;			/* described by then */
		changes[nchanges].key = groups[g].key;
		changes[nchanges++].group = &groups[g];
	}
	return nchanges;
}

/*
 * The net changes of the transaction, one for each group, in memory that lives
 * as long as it.  A node that was removed and registered again is a new
 * registration.
 */
int
oct_netchange_collect(OctChange **net_changes)
{
	int			nchanges = 0;
	int			nnodes;
	int			ngroups;
	OctGroup   *groups;
	OctNetNode *nodes;
	OctNodeSpec *specs;
	OctChange  *changes;
	MemoryContext caller_cxt;

	/* see what those committed who held the lock of the registry before us */
	AcceptInvalidationMessages();
	nodes = collect_net_nodes(&nnodes);
	ngroups = oct_touched_collect(&groups);
	caller_cxt = MemoryContextSwitchTo(TopTransactionContext);
	specs = palloc_extended(sizeof(OctNodeSpec) * 2 * Max(nnodes, 1),
							MCXT_ALLOC_HUGE);
	changes = palloc_extended(sizeof(OctChange) * (Max(nnodes, 1) + ngroups),
							  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (int first = 0, i; first < nnodes; first = i)
	{
		OctGroupKey key = nodes[first].version->group;

		i = first;
		while (i < nnodes && oct_same_group(nodes[i].version->group, key))
			i++;
		specs = fill_change(&changes[nchanges++], &nodes[first], i - first, specs);
	}
	nchanges = add_touched(changes, nchanges, groups, ngroups);
	MemoryContextSwitchTo(caller_cxt);
	*net_changes = changes;
	return nchanges;
}

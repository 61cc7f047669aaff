/*-------------------------------------------------------------------------
 *
 * regxact.c
 *	  Registering as part of a transaction.
 *
 * The way of a registration from statement to truth:
 *
 * 1. Before a statement that writes reads its first row, it takes the writer
 *	  lock of its group (oct_regxact_lock_group), which the transaction keeps
 *	  to its end.  So nobody else changes the group meanwhile, and what was
 *	  read is still so when it is written.  The lock is taken anew by every
 *	  statement: rolling back a savepoint releases what was taken after it.
 *
 * 2. oct_regxact_add and oct_regxact_remove push a change on the list of
 *	  pending changes, with its nesting level and command id.  Several changes
 *	  of one node form a chain, newest first, that a hash table finds by key:
 *	  these are the node's versions as this transaction sees them.
 *
 * 3. Reading merges table and versions.  Of a node's versions the newest that
 *	  an earlier command made counts, so a statement does not see its own
 *	  changes (and an INSERT ... SELECT from itself ends).
 *
 * 4. Subtransactions: changes stand in the order of their making, so those of
 *	  the current subtransaction are at the end of the list.  Its commit hands
 *	  them to the parent, its abort pops them.
 *
 * 5. XACT_EVENT_PRE_COMMIT: what the versions come to is compared with the
 *	  table and becomes a list of net changes, which the registry prepares.
 *	  An error is still an ordinary error.
 *
 * 6. XACT_EVENT_COMMIT: the registry makes them true; nothing may fail.
 *	  XACT_EVENT_ABORT: it forgets them.
 *
 * The list lives in TopTransactionContext and ends with it.
 *
 * Known weakness: the list of one transaction is in memory whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "registry.h"
#include "regxact.h"

/* the fourth field of our advisory lock tags, away from the SQL functions' */
#define OCT_LOCK_GROUP		0x0C70

#define OCT_NO_CHANGE		(-1)

/* rowids with this bit name a pending change, others a slot of the table */
#define OCT_ROWID_PENDING	0x80000000U

/* A version of a node; members from "spec" on are unused if it is absent. */
typedef struct OctPending
{
	int			nest_level;
	CommandId	cid;
	int32		older;			/* the node's version before, or OCT_NO_CHANGE */
	bool		present;
	Oid			serverid;
	OctNodeSpec spec;
} OctPending;

typedef struct OctPendingKey
{
	Oid			serverid;
	OctNodeSpec spec;
} OctPendingKey;

typedef struct OctPendingNode
{
	OctPendingKey key;
	int32		newest;			/* its newest version, or OCT_NO_CHANGE */
} OctPendingNode;

/* the pending changes of this transaction, oldest first */
static OctPending *pending = NULL;
static int32 npending = 0;
static int32 pending_size = 0;
static int32 net_growth = 0;	/* additions less removals */

/* OctPendingNode by key; NULL as long as there is no change */
static HTAB *pending_nodes = NULL;

/* the net changes, between PRE_COMMIT and COMMIT or ABORT */
static OctChange *net_changes = NULL;
static int	n_net_changes = 0;


/* ---------- the list of changes ---------- */

static OctGroupKey
group_key(Oid serverid)
{
	return (OctGroupKey) {.dboid = MyDatabaseId,.serverid = serverid};
}

static OctPendingNode *
find_node(Oid serverid, const OctNodeSpec *spec, HASHACTION action)
{
	OctPendingKey key;
	OctPendingNode *node;
	bool		found;

	if (pending_nodes == NULL)
		return NULL;

	memset(&key, 0, sizeof(key));
	key.serverid = serverid;
	key.spec.port = spec->port;
	strlcpy(key.spec.name, spec->name, OCT_NAME_SIZE);
	node = hash_search(pending_nodes, &key, action, &found);
	if (action == HASH_ENTER && !found)
		node->newest = OCT_NO_CHANGE;
	return node;
}

/* The version of a node that a command sees, or NULL if the table's counts. */
static OctPending *
visible_version(const OctPendingNode *node, CommandId cid)
{
	int32		i = node == NULL ? OCT_NO_CHANGE : node->newest;

	while (i != OCT_NO_CHANGE && pending[i].cid >= cid)
		i = pending[i].older;
	return i == OCT_NO_CHANGE ? NULL : &pending[i];
}

/* The newest version of a node, or NULL if the table's counts. */
static OctPending *
newest_version(const OctPendingNode *node)
{
	return node == NULL || node->newest == OCT_NO_CHANGE ?
		NULL : &pending[node->newest];
}

static void
make_room_for_change(void)
{
	if (pending_nodes == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(OctPendingKey);
		ctl.entrysize = sizeof(OctPendingNode);
		ctl.hcxt = TopTransactionContext;
		pending_nodes = hash_create("octopus_fdw pending nodes", 64, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (pending == NULL)
	{
		pending = MemoryContextAlloc(TopTransactionContext,
									 sizeof(OctPending) * 64);
		pending_size = 64;
	}
	else if (npending == pending_size)
	{
		pending = repalloc_huge(pending,
								sizeof(OctPending) * 2 * (Size) pending_size);
		pending_size *= 2;
	}
}

static void
push_change(Oid serverid, const OctNodeSpec *spec, CommandId cid, bool present)
{
	OctPendingNode *node;
	OctPending *change;

	/*
	 * The change is no catalog change, but has to commit durably and in
	 * order: it needs a transaction id, and no change may go unseen by later
	 * commands.
	 */
	(void) GetTopTransactionId();
	(void) GetCurrentCommandId(true);

	make_room_for_change();
	node = find_node(serverid, spec, HASH_ENTER);
	change = &pending[npending];
	change->nest_level = GetCurrentTransactionNestLevel();
	change->cid = cid;
	change->older = node->newest;
	change->present = present;
	change->serverid = serverid;
	change->spec = *spec;
	node->newest = npending++;
	net_growth += present ? 1 : -1;
}

/* Undoes the newest change.  Does not throw. */
static void
pop_change(void)
{
	OctPending *change = &pending[--npending];

	find_node(change->serverid, &change->spec, HASH_FIND)->newest = change->older;
	net_growth -= change->present ? 1 : -1;
}

static void
forget_changes(void)
{
	/* the memory goes with TopTransactionContext */
	pending = NULL;
	npending = 0;
	pending_size = 0;
	net_growth = 0;
	pending_nodes = NULL;
	net_changes = NULL;
	n_net_changes = 0;
}


/* ---------- writing ---------- */

/*
 * Takes the writer lock of a group, until the transaction ends or the current
 * savepoint is rolled back.  Waits for other writers; may raise what
 * LockAcquire raises (lock_timeout, deadlock, cancel).
 */
void
oct_regxact_lock_group(Oid serverid)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, serverid, 0, OCT_LOCK_GROUP);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* Does the group have the node, all own changes counted? */
static bool
is_present(Oid serverid, const OctNodeSpec *spec)
{
	OctPending *version = newest_version(find_node(serverid, spec, HASH_FIND));
	OctNodeView view;

	if (version != NULL)
		return version->present;
	return oct_nodetab_lookup(group_key(serverid), spec, &view);
}

/*
 * Registers a node.  Returns false if the group has it already; raises an
 * error if the table is full.
 */
bool
oct_regxact_add(Oid serverid, const OctNodeSpec *spec, CommandId cid)
{
	if (is_present(serverid, spec))
		return false;
	if (net_growth >= oct_nodetab_room())
		oct_registry_report_full(OCT_ROOM_NODES_FULL);
	push_change(serverid, spec, cid, true);
	return true;
}

/*
 * Unregisters a node.  Returns false if it is gone already, which happens to
 * a statement that meets a row twice (by a join, say).
 */
bool
oct_regxact_remove(Oid serverid, const OctNodeSpec *spec, CommandId cid)
{
	if (!is_present(serverid, spec))
		return false;
	push_change(serverid, spec, cid, false);
	return true;
}


/* ---------- reading ---------- */

static void
row_of_pending(const OctPending *version, OctRow *row)
{
	row->rowid = OCT_ROWID_PENDING | (uint32) (version - pending);
	row->health = OCT_UNKNOWN;
	row->spec = version->spec;
}

static void
row_of_view(const OctNodeView *view, OctRow *row)
{
	row->rowid = (uint32) view->slot;
	row->health = view->health;
	row->spec.port = view->spec.port;
	strlcpy(row->spec.name, view->spec.name, OCT_NAME_SIZE);
}

/* How many nodes a group has, all own changes counted.  For the planner. */
double
oct_regxact_count(Oid serverid)
{
	double		n = oct_nodetab_count(group_key(serverid));

	for (int32 i = 0; i < npending; i++)
	{
		if (pending[i].serverid == serverid)
			n += pending[i].present ? 1 : -1;
	}
	return n;
}

/*
 * All nodes of a group that the command "cid" sees, in an array palloc'd in
 * the current memory context.
 */
OctRow *
oct_regxact_read_group(Oid serverid, CommandId cid, int *nrows)
{
	int			nviews;
	OctNodeView *views = oct_nodetab_read_group(group_key(serverid), &nviews);
	Size		most = (Size) nviews + npending;
	OctRow	   *rows = palloc_extended(sizeof(OctRow) * Max(most, 1),
									   MCXT_ALLOC_HUGE);
	int			n = 0;

	for (int i = 0; i < nviews; i++)
	{
		OctPendingNode *node = find_node(serverid, &views[i].spec, HASH_FIND);

		if (visible_version(node, cid) == NULL)
			row_of_view(&views[i], &rows[n++]);
	}
	pfree(views);

	for (int32 i = 0; i < npending; i++)
	{
		OctPending *version = &pending[i];

		if (version->serverid == serverid && version->present &&
			visible_version(find_node(serverid, &version->spec, HASH_FIND),
							cid) == version)
			row_of_pending(version, &rows[n++]);
	}
	*nrows = n;
	return rows;
}

/* The node with a key, if the command "cid" sees it. */
bool
oct_regxact_lookup(Oid serverid, const OctNodeSpec *spec, CommandId cid,
				   OctRow *row)
{
	OctPending *version = visible_version(find_node(serverid, spec, HASH_FIND),
										  cid);
	OctNodeView view;

	if (version != NULL)
	{
		if (version->present)
			row_of_pending(version, row);
		return version->present;
	}
	if (!oct_nodetab_lookup(group_key(serverid), spec, &view))
		return false;
	row_of_view(&view, row);
	return true;
}

/*
 * The row that a rowid names.  Under the writer lock of its group a rowid
 * stays what it was when it was read; false says that it was not.
 */
bool
oct_regxact_read_row(Oid serverid, uint32 rowid, OctRow *row)
{
	OctNodeView view;

	if (rowid & OCT_ROWID_PENDING)
	{
		uint32		i = rowid & ~OCT_ROWID_PENDING;

		if (i >= (uint32) npending || pending[i].serverid != serverid)
			return false;
		row_of_pending(&pending[i], row);
		return true;
	}
	if (!oct_nodetab_read_slot(group_key(serverid), (int32) rowid, &view))
		return false;
	row_of_view(&view, row);
	return true;
}


/* ---------- the transaction's end ---------- */

static int
compare_changes(const void *a, const void *b)
{
	const OctChange *change_a = (const OctChange *) a;
	const OctChange *change_b = (const OctChange *) b;

	if (change_a->group.serverid != change_b->group.serverid)
		return change_a->group.serverid < change_b->group.serverid ? -1 : 1;
	return 0;
}

/*
 * What all versions come to, compared with the table, ordered by group.  A
 * node that was removed and registered again is a new registration.
 */
static void
collect_net_changes(void)
{
	HASH_SEQ_STATUS scan;
	OctPendingNode *node;

	net_changes = MemoryContextAllocHuge(TopTransactionContext,
										 sizeof(OctChange) * 2 * (Size) npending);
	n_net_changes = 0;

	hash_seq_init(&scan, pending_nodes);
	while ((node = hash_seq_search(&scan)) != NULL)
	{
		OctPending *version = newest_version(node);
		OctChange	change;
		OctNodeView view;

		if (version == NULL)
			continue;
		change.group = group_key(version->serverid);
		change.spec = version->spec;
		if (oct_nodetab_lookup(change.group, &change.spec, &view))
		{
			change.kind = OCT_CHANGE_REMOVE;
			net_changes[n_net_changes++] = change;
		}
		if (version->present)
		{
			change.kind = OCT_CHANGE_ADD;
			net_changes[n_net_changes++] = change;
		}
	}
	qsort(net_changes, n_net_changes, sizeof(OctChange), compare_changes);
}

static void
prepare_commit(void)
{
	if (npending == 0)
		return;
	collect_net_changes();
	if (n_net_changes > 0)
		oct_registry_prepare(net_changes, n_net_changes);
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			prepare_commit();
			break;

		case XACT_EVENT_COMMIT:
			if (n_net_changes > 0)
				oct_registry_commit(net_changes, n_net_changes);
			forget_changes();
			break;

		case XACT_EVENT_ABORT:
			oct_registry_abort();
			forget_changes();
			break;

		case XACT_EVENT_PRE_PREPARE:
			if (npending > 0)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has registered or unregistered octopus_fdw nodes")));
			break;

		case XACT_EVENT_PREPARE:
			forget_changes();
			break;

		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			/* parallel workers neither register nor see pending changes */
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId my_subid,
				 SubTransactionId parent_subid, void *arg)
{
	int			level;

	if (npending == 0)
		return;
	level = GetCurrentTransactionNestLevel();

	switch (event)
	{
		case SUBXACT_EVENT_COMMIT_SUB:
			for (int32 i = npending - 1;
				 i >= 0 && pending[i].nest_level >= level; i--)
				pending[i].nest_level = level - 1;
			break;

		case SUBXACT_EVENT_ABORT_SUB:
			while (npending > 0 && pending[npending - 1].nest_level >= level)
				pop_change();
			break;

		case SUBXACT_EVENT_START_SUB:
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			break;
	}
}

/* Once a process, in _PG_init; children of the postmaster inherit it. */
void
oct_regxact_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}

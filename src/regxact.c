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
 *	  (Rows that a partitioned table routes to a partition of ours are the
 *	  exception: core tells of the partition when its first row comes.)
 *
 * 2. oct_regxact_add and oct_regxact_remove push a change on the list of
 *	  pending changes (pending.c), with its nesting level and command id.
 *
 * 3. Reading merges table and pending changes (regview.c).
 *
 * 4. The end of a subtransaction hands its changes to the parent, or forgets
 *	  them.
 *
 * 5. XACT_EVENT_PRE_COMMIT: the registry is opened, so that the table stands
 *	  still; what the versions come to is compared with it and becomes the net
 *	  changes, which the registry prepares.  An error is still an ordinary error.
 *
 * 6. XACT_EVENT_COMMIT: the registry makes them true; nothing may fail.
 *	  XACT_EVENT_ABORT: it forgets them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/lmgr.h"

#include "events.h"
#include "netchange.h"
#include "pending.h"
#include "registry.h"
#include "regview.h"
#include "regxact.h"
#include "touched.h"

/* the fourth field of our advisory lock tags, away from the SQL functions' */
#define OCT_LOCK_GROUP		0x0C70

/*
 * The outermost nesting level at which this transaction took a writer lock, 0
 * if it holds none; a prepared transaction would keep it.
 */
static int	lock_level = 0;

/* the database that this transaction drops, or InvalidOid */
static Oid	dropped_database = InvalidOid;
static char dropped_name[NAMEDATALEN];

/* the net changes, one for each group, between PRE_COMMIT and COMMIT or ABORT */
static OctChange *net_changes = NULL;
static int	n_net_changes = 0;

/* ---------- writing ---------- */

static void
set_group_tag(LOCKTAG *tag, OctGroupKey group)
{
	SET_LOCKTAG_ADVISORY(*tag, group.dboid, group.serverid, 0, OCT_LOCK_GROUP);
}

static void
lock_group(OctGroupKey group)
{
	LOCKTAG		tag;

	set_group_tag(&tag, group);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	if (lock_level == 0)
		lock_level = GetCurrentTransactionNestLevel();
}

/*
 * Takes the writer lock of a group, until the transaction ends or the current
 * savepoint is rolled back.  Waits for other writers; may raise what
 * LockAcquire raises (lock_timeout, deadlock, cancel), and an error if nothing
 * can be registered now.
 */
void
oct_regxact_lock_group(Oid serverid)
{
	oct_registry_check_writable();
	oct_registry_settle(ERROR);
	lock_group(oct_regview_group(serverid));
}

/* Takes the writer lock of a group if nobody else has it. */
bool
oct_regxact_try_lock_group(OctGroupKey group)
{
	LOCKTAG		tag;

	set_group_tag(&tag, group);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
oct_regxact_unlock_group(OctGroupKey group)
{
	LOCKTAG		tag;

	set_group_tag(&tag, group);
	LockRelease(&tag, ExclusiveLock, false);
}

/* Does the group have the node, all own changes counted? */
static bool
is_present(OctGroupKey group, const OctNodeSpec *spec)
{
	OctPending *version = oct_pending_newest(group, spec);
	OctNodeView view;

	if (version != NULL)
		return oct_pending_is_present(version);
	return oct_nodetab_lookup(group, spec, &view);
}

static void
push_change(OctGroupKey group, const OctNodeSpec *spec, CommandId cid,
			OctPendingKind kind)
{
	/*
	 * No catalog says that this transaction wrote something: it needs an id,
	 * to commit in order and durably, and later commands must see its work.
	 */
	(void) GetTopTransactionId();
	(void) GetCurrentCommandId(true);
	oct_pending_push(group, spec, cid, kind);
}

/*
 * Registers a node.  Returns false if the group has it already; raises an
 * error if the table is full.
 */
bool
oct_regxact_add(Oid serverid, const OctNodeSpec *spec, CommandId cid)
{
	OctGroupKey group = oct_regview_group(serverid);

	if (is_present(group, spec))
		return false;
	if (oct_pending_growth() >= Max(oct_nodetab_room(), 0))
		oct_nodetab_report_full(OCT_ROOM_NODES_FULL, ERROR);
	push_change(group, spec, cid, OCT_PENDING_ADD);
	return true;
}

/*
 * Has the command changed the node already?  That happens when it meets a row
 * twice (by a join, say); what it made of the row then is not what it meets.
 */
static bool
is_changed_by(OctGroupKey group, const OctNodeSpec *spec, CommandId cid)
{
	return oct_pending_newest(group, spec) != oct_pending_visible(group, spec, cid);
}

/*
 * Updates a node that the command "cid" sees and that stays the same node.
 * Returns false if the same command has changed it already.
 */
bool
oct_regxact_update(Oid serverid, const OctNodeSpec *spec, CommandId cid)
{
	OctGroupKey group = oct_regview_group(serverid);

	if (is_changed_by(group, spec, cid))
		return false;
	push_change(group, spec, cid, OCT_PENDING_UPDATE);
	return true;
}

/*
 * Unregisters a node that the command "cid" sees.  Returns false if the same
 * command has changed it already.
 */
bool
oct_regxact_remove(Oid serverid, const OctNodeSpec *spec, CommandId cid)
{
	OctGroupKey group = oct_regview_group(serverid);

	if (is_changed_by(group, spec, cid))
		return false;
	push_change(group, spec, cid, OCT_PENDING_REMOVE);
	return true;
}

/* Unregisters all nodes of a group because of what it hangs on. */
static void
drop_nodes(OctGroupKey group)
{
	OctRowSet  *rows = oct_regview_read_group(group, InvalidCommandId,
											   OCT_ROW_NAMES);
	OctNodeSpec spec = {0};
	Size		position = 0;
	OctRow	   *row;

	while ((row = oct_rowset_next(rows, &position)) != NULL)
	{
		oct_row_get_key(row, &spec);
		push_change(group, &spec, GetCurrentCommandId(true), OCT_PENDING_DROP);
	}
	oct_rowset_free(rows);
}

/* Unregisters the nodes of a group whose foreign server is being dropped. */
void
oct_regxact_drop_group(OctGroupKey group)
{
	oct_registry_settle(WARNING);
	lock_group(group);
	if (oct_regview_count(group) > 0)
		drop_nodes(group);
}

/*
 * Has the nodes of a database unregistered at the commit of this transaction,
 * which drops it, or finds it gone and knows no name any more.  Nobody is connected
 * to it by then.  Its files are gone before the commit, which must not fail because
 * of us.
 */
void
oct_regxact_drop_database(Oid dboid, const char *name)
{
	dropped_database = dboid;
	strlcpy(dropped_name, name != NULL ? name : "", NAMEDATALEN);
}

/*
 * Has the table groups of the database that is being dropped, or such as wait for
 * one of its name?  Unregisters their nodes if that is wanted.
 */
static bool
has_nodes_to_drop(bool drop)
{
	int			ngroups;
	OctGroupKey *groups = oct_nodetab_read_groups(&ngroups);
	OctGroup   *group = palloc(sizeof(OctGroup));
	bool		has = false;

	for (int i = 0; i < ngroups; i++)
	{
		if (groups[i].dboid != dropped_database &&
			(!oct_group_is_unbound(groups[i]) || dropped_name[0] == '\0' ||
			 !oct_nodetab_get_group(groups[i], group) ||
			 strcmp(group->dbname, dropped_name) != 0))
			continue;
		has = true;
		if (drop)
			drop_nodes(groups[i]);
	}
	pfree(group);
	pfree(groups);
	return has;
}


/* ---------- the transaction's end ---------- */

/* Prepares the changes; if the transaction must commit a failure is a warning. */
static void
prepare_changes(bool must_commit)
{
	int			elevel = must_commit ? WARNING : ERROR;

	if (!oct_registry_open(elevel, oct_pending_drops_only()))
		return;
	if (must_commit)
		(void) has_nodes_to_drop(true);
	n_net_changes = oct_netchange_collect(&net_changes);
	if (oct_pending_count() == 0 && n_net_changes > 0 && !must_commit)
		oct_registry_check_writable();
	if (n_net_changes > 0 &&
		!oct_registry_prepare(net_changes, n_net_changes, elevel))
		n_net_changes = 0;
}

/*
 * Prepares the changes, if there are any.  DROP DATABASE must commit: it cannot be
 * cancelled meanwhile (a warning would look for that), and a failure leaves orphans
 * for the prober to drop.
 */
static void
prepare_commit(void)
{
	bool		must_commit = OidIsValid(dropped_database) &&
		has_nodes_to_drop(false);

	if (must_commit)
	{
		HOLD_INTERRUPTS();
		prepare_changes(true);
		RESUME_INTERRUPTS();
	}
	else if (oct_pending_count() > 0 || oct_touched_any())
		prepare_changes(false);
}

static void
forget_changes(void)
{
	oct_pending_forget();
	oct_touched_forget();
	dropped_database = InvalidOid;
	lock_level = 0;
	net_changes = NULL;			/* TopTransactionContext's, too */
	n_net_changes = 0;
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			oct_registry_judge();
			prepare_commit();
			break;

		case XACT_EVENT_COMMIT:
			if (n_net_changes > 0)
				oct_registry_commit(net_changes, n_net_changes);
			else if (lock_level > 0)
				oct_events_wake();	/* a server without nodes may be gone */
			forget_changes();
			break;

		case XACT_EVENT_ABORT:
			oct_registry_abort();
			forget_changes();
			break;

		case XACT_EVENT_PRE_PREPARE:
			oct_registry_judge();
			if (oct_pending_count() > 0 || lock_level > 0 || oct_touched_any())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has changed octopus_fdw nodes, servers or user mappings")));
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
	int			level = GetCurrentTransactionNestLevel();

	switch (event)
	{
		case SUBXACT_EVENT_COMMIT_SUB:
			oct_pending_commit_subxact(level);
			lock_level = Min(lock_level, level - 1);
			break;

		case SUBXACT_EVENT_ABORT_SUB:
			oct_pending_abort_subxact(level);
			if (lock_level >= level)
				lock_level = 0;
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

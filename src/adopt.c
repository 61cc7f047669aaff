/*-------------------------------------------------------------------------
 *
 * adopt.c
 *	  Groups brought in accord with the servers that there are.
 *
 * This is done when a session uses the extension, whether it reads or writes:
 *
 * - Groups that came with the registry of another database system, after
 *	 pg_upgrade or a copy of the file, are *bound*: a foreign server of ours
 *	 that has the group's name, in a database that has its other name, takes its
 *	 nodes over.  What it has already stays as it is.  What cannot be bound
 *	 waits, in the registry file, too.
 *
 * - Groups of this database whose server is gone, dropped behind our back, are
 *	 dropped.  Once a session is enough.
 *
 * - The group of the server in use is given the policy that the catalogs say, if
 *	 it changed without us.  Once a session and server, too.
 *
 * All that follows from what the catalogs say and not from what this transaction
 * does, so they are not undone with it.  Therefore only that counts which is
 * committed: nothing is done after this transaction has touched a server of
 * ours or a user mapping, and no server counts that it has made or altered.
 * Readers must not wait, so locks that others hold put it off to the next use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "commands/dbcommands.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "adopt.h"
#include "grouppolicy.h"
#include "registry.h"
#include "regview.h"
#include "regxact.h"
#include "touched.h"

/* ---------- changes ---------- */

/* All nodes of a group, in palloc'd memory. */
static OctNodeSpec *
read_nodes(OctGroupKey key, int *nnodes)
{
	OctRowSet  *rows = oct_nodetab_read_group(key, OCT_ROW_NAMES | OCT_ROW_OPTIONS);
	OctNodeSpec *specs = palloc_extended(sizeof(OctNodeSpec) * Max(rows->nrows, 1),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	Size		position = 0;
	OctRow	   *row;
	int			n = 0;

	while ((row = oct_rowset_next(rows, &position)) != NULL)
	{
		oct_row_get_key(row, &specs[n]);
		specs[n].options = rows->options[n];
		n++;
	}
	oct_rowset_free(rows);
	*nnodes = n;
	return specs;
}

/* A group loses all its nodes.  The registry is open. */
static void
remove_group(OctGroupKey key)
{
	OctChange	change = {.key = key};

	change.removals = read_nodes(key, &change.nremovals);
	if (change.nremovals > 0)
		oct_registry_amend(&change, 1);
	pfree(change.removals);
}

/* The nodes of a group become those of another one.  The registry is open. */
static void
move_nodes(OctGroupKey from, const OctGroup *to)
{
	OctChange	changes[] = {{.key = from}, {.key = to->key,.group = to}};
	OctNodeSpec *nodes;
	int			nnodes;

	nodes = read_nodes(from, &nnodes);
	changes[0].removals = nodes;
	changes[0].nremovals = nnodes;
	changes[1].additions = palloc_extended(sizeof(OctNodeSpec) * Max(nnodes, 1),
										   MCXT_ALLOC_HUGE);
	for (int i = 0; i < nnodes; i++)
	{
		OctNodeView view;

		if (!oct_nodetab_lookup(to->key, &nodes[i], &view))
			changes[1].additions[changes[1].nadditions++] = nodes[i];
	}

	/* somebody else may have moved them while we waited for the locks */
	if (nnodes > 0)
		oct_registry_amend(changes, lengthof(changes));
	pfree(changes[1].additions);
	pfree(nodes);
}


/* ---------- servers ---------- */

/*
 * The server of ours with a name, whatever this transaction may have made of
 * it; InvalidOid if there is none.
 */
static Oid
find_server(const char *name)
{
	Oid			serverid = get_foreign_server_oid(name, true);

	return OidIsValid(serverid) && oct_grouppolicy_is_ours(serverid) ?
		serverid : InvalidOid;
}

/* Is the server as it is committed? */
static bool
is_committed(Oid serverid)
{
	HeapTuple	tuple = SearchSysCache1(FOREIGNSERVEROID, ObjectIdGetDatum(serverid));
	bool		committed;

	if (!HeapTupleIsValid(tuple))
		return false;
	committed = !TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	ReleaseSysCache(tuple);
	return committed;
}

/*
 * Is the server of a group gone?  If it is this transaction that has dropped it,
 * it has dropped the nodes, too, as it sees them.
 */
static bool
is_lost(OctGroupKey key)
{
	return GetForeignServerExtended(key.serverid, FSV_MISSING_OK) == NULL &&
		oct_nodetab_count(key) > 0 && oct_regview_count(key) > 0;
}


/* ---------- what is done ---------- */

/* Both locks, of a group and of the registry, or none. */
static bool
open_group(OctGroupKey key)
{
	if (!oct_regxact_try_lock_group(key))
		return false;
	if (!oct_registry_open_to_amend())
	{
		oct_regxact_unlock_group(key);
		return false;
	}
	AcceptInvalidationMessages();
	return true;
}

static void
close_group(OctGroupKey key)
{
	oct_registry_close();
	oct_regxact_unlock_group(key);
}

/*
 * Calls for each unbound group that has the name of this database, and of a
 * server of ours in it, or of the one given.
 */
static void
for_each_unbound(Oid of_server, void (*what) (const OctGroup *group, Oid serverid))
{
	const char *dbname = get_database_name(MyDatabaseId);
	OctGroup   *group = palloc(sizeof(OctGroup));
	int			ngroups;
	OctGroupKey *keys = oct_nodetab_read_groups(&ngroups);

	for (int i = 0; i < ngroups; i++)
	{
		Oid			serverid;

		if (!oct_group_is_unbound(keys[i]) ||
			!oct_nodetab_get_group(keys[i], group) || dbname == NULL ||
			strcmp(group->dbname, dbname) != 0)
			continue;
		serverid = find_server(group->server_name);
		if (OidIsValid(serverid) &&
			(serverid == of_server || !OidIsValid(of_server)))
			what(group, serverid);
	}
	pfree(keys);
	pfree(group);
}

static void
bind_group(const OctGroup *unbound, Oid serverid)
{
	OctGroup   *group = palloc(sizeof(OctGroup));

	group->key = oct_regview_group(serverid);
	if (is_committed(serverid) && open_group(group->key))
	{
		if (is_committed(serverid) && oct_grouppolicy_read(group, WARNING) &&
			strcmp(group->server_name, unbound->server_name) == 0)
			move_nodes(unbound->key, group);
		close_group(group->key);
	}
	pfree(group);
}

/* Returns false if something is left to be done. */
static bool
drop_lost_groups(void)
{
	int			ngroups;
	OctGroupKey *keys = oct_nodetab_read_groups(&ngroups);
	bool		done = true;

	for (int i = 0; i < ngroups; i++)
	{
		if (keys[i].dboid != MyDatabaseId || !is_lost(keys[i]))
			continue;
		if (!open_group(keys[i]))
			done = false;
		else
		{
			if (is_lost(keys[i]))
				remove_group(keys[i]);
			close_group(keys[i]);
		}
	}
	pfree(keys);
	return done;
}

/* Returns false if the group is to be looked at again. */
static bool
update_group(Oid serverid)
{
	OctGroup   *group = palloc(sizeof(OctGroup));
	OctChange	change = {.key = oct_regview_group(serverid),.group = group};
	bool		done;

	group->key = change.key;
	done = !oct_touched_is_outdated(group, WARNING);
	if (!done && open_group(change.key))
	{
		if (oct_touched_is_outdated(group, WARNING))
			oct_registry_amend(&change, 1);
		close_group(change.key);
		done = true;
	}
	pfree(group);
	return done;
}

static void
update_group_once(Oid serverid)
{
	static List *updated = NIL;
	MemoryContext caller_cxt;

	if (list_member_oid(updated, serverid) || !update_group(serverid))
		return;
	caller_cxt = MemoryContextSwitchTo(TopMemoryContext);
	updated = lappend_oid(updated, serverid);
	MemoryContextSwitchTo(caller_cxt);
}

/*
 * For every use of the extension, by way of a server if one is given: does what
 * is to be done.  Waits for nobody.  A policy that is too long is a warning, so
 * that readers go on and who repairs it can.
 */
void
oct_adopt_groups(Oid serverid)
{
	static bool lost_dropped = false;

	if (IsInParallelMode() || !oct_touched_nothing())
		return;
	if (oct_nodetab_has_unbound())
		for_each_unbound(InvalidOid, bind_group);
	if (!lost_dropped)
		lost_dropped = drop_lost_groups();
	if (OidIsValid(serverid))
		update_group_once(serverid);
}

static void
drop_unbound(const OctGroup *unbound, Oid serverid)
{
	oct_regxact_drop_group(unbound->key);
}

/* A server is being dropped: so are those that wait for one of its name. */
void
oct_adopt_drop_server(Oid serverid)
{
	if (oct_nodetab_has_unbound())
		for_each_unbound(serverid, drop_unbound);
}

/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  Registrations follow the objects that they hang on.
 *
 * Dropping a foreign server (by DROP SERVER, EXTENSION or OWNED) or a database
 * unregisters the nodes of its groups in the same transaction: an object
 * access hook tells of the drop, and regxact.c does the rest.  Nothing else
 * depends on the hook; what happened without it (the library not preloaded, the
 * registry not to be written) leaves orphans.  Those of databases are dropped by
 * the prober when it starts, those of servers by adopt.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/dbcommands.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "adopt.h"
#include "ddl.h"
#include "grouppolicy.h"
#include "registry.h"
#include "regxact.h"
#include "touched.h"

static object_access_hook_type prev_object_access_hook = NULL;
static bool started_in_recovery = false;

static void
on_drop(Oid class_id, Oid object_id)
{
	HeapTuple	tuple;

	if (class_id == DatabaseRelationId)
		oct_regxact_drop_database(object_id, get_database_name(object_id));
	else if (class_id == ForeignServerRelationId)
	{
		OctGroupKey key = {MyDatabaseId, object_id};

		/* the lock keeps others from filling the group until we have ended */
		oct_touched_note_undecided();
		oct_adopt_drop_server(object_id);
		if (oct_grouppolicy_is_ours(object_id) || oct_nodetab_count(key) > 0)
			oct_regxact_drop_group(key);
	}
	else if (class_id == UserMappingRelationId)
	{
		tuple = SearchSysCache1(USERMAPPINGOID, ObjectIdGetDatum(object_id));
		if (!HeapTupleIsValid(tuple))
			return;
		oct_touched_note_server(((Form_pg_user_mapping) GETSTRUCT(tuple))->umserver);
		ReleaseSysCache(tuple);
	}
}

/* A server that is new has no nodes yet, so it does not matter. */
static void
on_change(ObjectAccessType access, Oid class_id, Oid object_id)
{
	if (class_id == UserMappingRelationId)
		oct_touched_note_mapping(object_id);
	else if (class_id == ForeignServerRelationId && access == OAT_POST_ALTER)
	{
		oct_adopt_groups(InvalidOid);		/* the catalogs show its old name still */
		oct_touched_note_server(object_id);
	}
	else if (class_id == AuthIdRelationId && access == OAT_POST_ALTER)
		oct_touched_note_undecided();
	else if (class_id == DatabaseRelationId && access == OAT_POST_ALTER)
		oct_touched_note_database(object_id);
}

static void
on_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
				 int sub_id, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, class_id, object_id, sub_id, arg);

	if (access == OAT_DROP)
		on_drop(class_id, object_id);
	else if (access == OAT_POST_ALTER || access == OAT_POST_CREATE)
		on_change(access, class_id, object_id);
}

/* Once a process, in _PG_init; children of the postmaster inherit it. */
void
oct_ddl_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = on_object_access;
}

/*
 * Is there a database of that OID?  The prober has no database and so no
 * caches for it: the catalog is read as the autovacuum launcher does.
 */
static bool
database_exists(Oid dboid)
{
	Relation	rel = table_open(DatabaseRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(rel, 0, NULL);
	HeapTuple	tuple;
	bool		exists = false;

	while (!exists &&
		   HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
		exists = ((Form_pg_database) GETSTRUCT(tuple))->oid == dboid;
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return exists;
}

/* A database that is gone, but has nodes; InvalidOid if there is none. */
static Oid
find_orphan(void)
{
	int			ngroups;
	OctGroupKey *keys = oct_nodetab_read_groups(&ngroups);
	Oid			orphan = InvalidOid;

	for (int i = 0; i < ngroups && !OidIsValid(orphan); i++)
	{
		if (!oct_group_is_unbound(keys[i]) && !database_exists(keys[i].dboid))
			orphan = keys[i].dboid;
	}
	pfree(keys);
	return orphan;
}

/* Drops the nodes of one orphan; false if there is none or it stays one. */
static bool
drop_orphan(void)
{
	Oid			orphan;

	StartTransactionCommand();
	orphan = find_orphan();
	if (OidIsValid(orphan))
		oct_regxact_drop_database(orphan, NULL);
	CommitTransactionCommand();
	if (!OidIsValid(orphan))
		return false;

	StartTransactionCommand();
	if (find_orphan() == orphan)
		orphan = InvalidOid;
	CommitTransactionCommand();
	return OidIsValid(orphan);
}

/*
 * Settles what a crash may have left of the registry, and drops orphans; not
 * in recovery, when nothing is decided yet.  For the prober when it starts,
 * which must go on to probe whatever becomes of this, and wait for nobody's
 * standby.
 */
void
oct_ddl_clean_up(void)
{
	MemoryContext caller_cxt = CurrentMemoryContext;

	started_in_recovery = RecoveryInProgress();
	if (started_in_recovery)
		return;

	SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "0", PGC_USERSET, PGC_S_OVERRIDE);
	PG_TRY();
	{
		StartTransactionCommand();
		oct_registry_settle(LOG);
		CommitTransactionCommand();
		while (drop_orphan())
			;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller_cxt);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller_cxt);
}

/* Has recovery ended since oct_ddl_clean_up() had to leave it all?  Cheap. */
bool
oct_ddl_promoted(void)
{
	return started_in_recovery && !RecoveryInProgress();
}

/* Is that still to be waited for?  Nothing tells when it comes. */
bool
oct_ddl_awaits_promotion(void)
{
	return started_in_recovery;
}

/*-------------------------------------------------------------------------
 *
 * nodeargs.c
 *	  Arguments of SQL functions that name a node, a server, a time to wait.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_foreign_server.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "adopt.h"
#include "binding.h"
#include "clock.h"
#include "compat.h"
#include "grouppolicy.h"
#include "nodeargs.h"
#include "nodekey.h"
#include "pending.h"
#include "regview.h"

/*
 * The group of a foreign server by its name.  Raises an error if there is none,
 * or if it is another wrapper's; and, as every use of the extension does, if the
 * library was not preloaded.
 */
OctGroupKey
oct_nodeargs_group(FunctionCallInfo fcinfo, int arg)
{
	const char *name = NameStr(*PG_GETARG_NAME(arg));
	Oid			serverid;

	oct_binding_require_preload();
	serverid = get_foreign_server_oid(name, false);
	if (!oct_grouppolicy_is_ours(serverid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("foreign server \"%s\" is not one of octopus_fdw", name)));
	oct_adopt_groups(serverid);
	return oct_regview_group(serverid);
}

/*
 * Raises an error if the foreign server of a group, which had that name, is gone by
 * now.  Who waits sees that with a snapshot of his own, since caches may still know
 * the server when its end is told.
 */
void
oct_nodeargs_check_server(OctGroupKey group, const char *name)
{
	Relation	rel = table_open(ForeignServerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		exists;

	InvalidateCatalogSnapshot();
	ScanKeyInit(&key, Anum_pg_foreign_server_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(group.serverid));
	scan = systable_beginscan(rel, ForeignServerOidIndexId, true, NULL, 1, &key);
	exists = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (!exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server \"%s\" was dropped while it was waited for", name)));
}

/*
 * The name and the port, which are two arguments, as the key of a node.  Returns
 * false if no node can have such a name.
 */
bool
oct_nodeargs_key(FunctionCallInfo fcinfo, int arg, OctNodeSpec *key)
{
	memset(key, 0, sizeof(OctNodeSpec));
	return oct_nodekey_set(key, PG_GETARG_TEXT_PP(arg), PG_GETARG_INT32(arg + 1));
}

/* Raises the error that there is no such node. */
void
oct_nodeargs_report_missing(const OctNodeSpec *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("node \"%s\":%d does not exist", key->name, key->port)));
}

/* The same of one that has been there. */
void
oct_nodeargs_report_removed(const OctNodeSpec *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("node \"%s\":%d was removed while it was waited for",
					key->name, key->port)));
}

/*
 * Raises an error if this transaction has registered or changed the node: nobody
 * else can know of that yet, and who waited for it would wait for himself.
 */
void
oct_nodeargs_check_own_changes(OctGroupKey group, const OctNodeSpec *key)
{
	if (oct_pending_newest(group, key) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("node \"%s\":%d was registered or changed by this transaction",
						key->name, key->port),
				 errhint("Commit first: a node is probed from then on.")));
}

/* The same for any node of a group, whose foreign server has that name. */
void
oct_nodeargs_check_own_group(OctGroupKey group, const char *name)
{
	for (int32 i = 0; i < oct_pending_count(); i++)
	{
		if (oct_same_group(oct_pending_get(i)->group, group))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("nodes of server \"%s\" were changed by this transaction", name),
					 errhint("Commit first: a node is probed from then on.")));
	}
}

/*
 * When a time from now, an argument that may be NULL, will be over; NULL and
 * "infinity" are never, what is negative is now.  As elsewhere, a month has 30
 * days.
 */
OctTime
oct_nodeargs_deadline(FunctionCallInfo fcinfo, int arg)
{
	OctTime		now = oct_now();
	Interval   *interval;
	double		us;

	if (PG_ARGISNULL(arg))
		return OCT_TIME_NEVER;
	interval = PG_GETARG_INTERVAL_P(arg);
	if (oct_interval_is_endless(interval))
		return OCT_TIME_NEVER;
	us = interval->time +
		((double) interval->month * DAYS_PER_MONTH + interval->day) * USECS_PER_DAY;
	if (us >= (double) (OCT_TIME_NEVER.us - now.us))
		return OCT_TIME_NEVER;
	return oct_time_add_us(now, (int64) Max(us, 0));
}

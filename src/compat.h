/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL 15 and 19, as functions, so that no
 *	  logic elsewhere asks for a version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef COMPAT_H
#define COMPAT_H

#include "access/transam.h"
#include "commands/explain.h"
#include "datatype/timestamp.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/pathnode.h"
#include "replication/message.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif
#include "utils/wait_event.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* Takes a lock if it is free.  Raises an error only without memory to note it. */
static inline bool
oct_try_lock(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 180000
	return LockAcquireExtended(tag, mode, false, true, false, NULL, false) != LOCKACQUIRE_NOT_AVAIL;
#else
	return LockAcquireExtended(tag, mode, false, true, false, NULL) != LOCKACQUIRE_NOT_AVAIL;
#endif
}

/* Does an interval have no end?  17 and later know such. */
static inline bool
oct_interval_is_endless(const Interval *interval)
{
#if PG_VERSION_NUM >= 170000
	return INTERVAL_IS_NOEND(interval);
#else
	(void) interval;
	return false;
#endif
}

/* What pqsignal takes for a signal to be ignored. */
#if PG_VERSION_NUM >= 190000
#define OCT_SIG_IGN		PG_SIG_IGN
#else
#define OCT_SIG_IGN		SIG_IGN
#endif

/* The number by which other processes find this one's PGPROC. */
static inline int
oct_my_proc_number(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProcNumber;
#else
	return MyProc->pgprocno;
#endif
}

/* A wait event of ours: named in 17 and later, "Extension" before. */
static inline uint32
oct_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	(void) name;
	return PG_WAIT_EXTENSION;
#endif
}

/* A wait event set that lives as long as its process. */
static inline WaitEventSet *
oct_create_wait_event_set(int nevents)
{
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(NULL, nevents);
#else
	return CreateWaitEventSet(TopMemoryContext, nevents);
#endif
}

/* On whose behalf a foreign table is scanned: who asks, or the view's owner. */
static inline Oid
oct_scan_user(ForeignScanState *node)
{
	Oid			userid;

#if PG_VERSION_NUM >= 160000
	userid = ((ForeignScan *) node->ss.ps.plan)->checkAsUser;
#else
	userid = exec_rt_fetch(((Scan *) node->ss.ps.plan)->scanrelid,
						   node->ss.ps.state)->checkAsUser;
#endif
	return OidIsValid(userid) ? userid : GetUserId();
}

/* The oldest transaction id whose end the commit log tells. */
static inline TransactionId
oct_oldest_clog_xid(void)
{
#if PG_VERSION_NUM >= 170000
	return TransamVariables->oldestClogXid;
#else
	return ShmemVariableCache->oldestClogXid;
#endif
}

/* That a function does not return is said in front of it since 18. */
#ifndef pg_noreturn
#define pg_noreturn __attribute__((noreturn))
#endif

/* An empty message, of this transaction or of none, in WAL; it is not flushed. */
static inline XLogRecPtr
oct_log_empty_message(const char *prefix, bool transactional)
{
#if PG_VERSION_NUM >= 170000
	return LogLogicalMessage(prefix, "", 0, transactional, false);
#else
	return LogLogicalMessage(prefix, "", 0, transactional);
#endif
}

/* A path for a base relation that is read without any help by a join. */
static inline ForeignPath *
oct_create_foreignscan_path(PlannerInfo *root, RelOptInfo *baserel,
							double rows, Cost startup_cost, Cost total_cost,
							Relids required_outer, List *fdw_private)
{
#if PG_VERSION_NUM >= 180000
	return create_foreignscan_path(root, baserel, NULL, rows, 0,
								   startup_cost, total_cost, NIL,
								   required_outer, NULL, NIL, fdw_private);
#elif PG_VERSION_NUM >= 170000
	return create_foreignscan_path(root, baserel, NULL, rows,
								   startup_cost, total_cost, NIL,
								   required_outer, NULL, NIL, fdw_private);
#else
	return create_foreignscan_path(root, baserel, NULL, rows,
								   startup_cost, total_cost, NIL,
								   required_outer, NULL, fdw_private);
#endif
}

#endif							/* COMPAT_H */

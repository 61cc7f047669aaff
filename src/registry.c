/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  What is registered, for good.
 *
 * The registry lives in shared memory only, so registrations last as long as
 * the server runs and no backend crashes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "registry.h"

/* Raises the error that says which of the table's limits is reached. */
void
oct_registry_report_full(OctRoom room)
{
	if (room == OCT_ROOM_GROUPS_FULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many groups of nodes"),
				 errdetail("Nodes can be registered on %d foreign servers at most.",
						   oct_max_groups),
				 errhint("Increase \"octopus.max_groups\" and restart the server.")));
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many registered nodes"),
			 errdetail("The server can monitor %d nodes at most.", oct_max_nodes),
			 errhint("Increase \"octopus.max_nodes\" and restart the server.")));
}

/*
 * At XACT_EVENT_PRE_COMMIT: makes sure that the changes can be committed.
 * Raises an error if they cannot.  The changes stand ordered by group, and
 * the caller holds the writer lock of each group.
 */
void
oct_registry_prepare(const OctChange *changes, int nchanges)
{
	OctRoom		room = oct_nodetab_reserve(changes, nchanges);

	if (room != OCT_ROOM_RESERVED)
		oct_registry_report_full(room);
}

/* At XACT_EVENT_COMMIT: makes them true.  Does not throw. */
void
oct_registry_commit(const OctChange *changes, int nchanges)
{
	oct_nodetab_apply(changes, nchanges);
}

/* At XACT_EVENT_ABORT, whether prepared or not.  Does not throw. */
void
oct_registry_abort(void)
{
	oct_nodetab_release();
}

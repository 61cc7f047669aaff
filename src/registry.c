/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  What is registered, for good: the file on disk.
 *
 * The registry file holds all registrations as of some commit.  It is never
 * changed: each commit that registers something puts a new image, written
 * whole, in its place.  The commit record in WAL decides whether an image
 * counts, which takes this order of steps:
 *
 * 1. PRE_COMMIT (oct_registry_open).  Take the lock of the registry file, to
 *	  the end of the transaction, so that one image is made at a time.  Settle
 *	  what another transaction may have left behind.
 *
 * 2. PRE_COMMIT (oct_registry_prepare).  Reserve room in the table of nodes.
 *	  Put an empty message of this transaction into WAL and flush it: a
 *	  transaction id that never reached WAL can be handed out again after a
 *	  crash, and the commit of its namesake would vouch for our image.
 *
 * 3. Write the image, which names this transaction, and give it durably the
 *	  name of the *pending* file.  From now on it is true if and only if the
 *	  transaction commits.  See that the commit record is flushed even if
 *	  synchronous_commit is off.
 *
 *	  Up to here every failure is an ordinary error.
 *
 * 4. Core writes the commit record.
 *
 * 5. COMMIT (oct_registry_commit).  Rename the pending file over the registry
 *	  file, with the bare system call: durable_rename could raise an error,
 *	  which would be a PANIC here.  No flush is needed, since after a crash the
 *	  commit log says the same again.  If the rename fails, note that the
 *	  pending file is left over.  Apply the changes to the table of nodes.
 *
 *	  ABORT (oct_registry_abort).  Unlink the pending file, if it is ours.
 *
 * A pending file that was left over, by a crash or a failed rename, is told by
 * a flag in shared memory and by nothing else: the file alone says nothing,
 * since the transaction that it names may be running.  To settle it means to
 * ask the commit log and then to rename, or to unlink it.  The prober does that
 * when it starts, or the next writer.
 *
 * A file that cannot be believed is left as it is for whoever wants to look at
 * it, and nothing is written until oct_registry_reset().
 *
 * Lock order: the writer lock of the group, the lock of the registry file, the
 * lock of the table of nodes.
 *
 * Known weakness: the registry is not in WAL.  A standby has what the base
 * backup had.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "compat.h"
#include "regdisk.h"
#include "registry.h"
#include "regload.h"

#define OCT_FILE			"octopus_fdw.registry"
#define OCT_FILE_PENDING	OCT_FILE ".pending"
#define OCT_FILE_TEMPORARY	OCT_FILE ".tmp"
#define OCT_FILE_UNSETTLED	OCT_FILE ".unsettled"
#define OCT_FILE_BAD		OCT_FILE ".bad"

/* the fourth field of the file's advisory lock tag; see regxact.c */
#define OCT_LOCK_FILE		0x0C71

/*
 * Written by the postmaster before there is any other process, and then with
 * the lock of the registry file held; left_over may be set without it.
 */
typedef struct OctSharedRegistry
{
	uint64		serial;			/* of the image that counts */
	bool		refusing;		/* is nothing to be written? */
	char		cause[MAXPGPATH];	/* why: file and cause */
	volatile bool left_over;	/* is there a pending file to be settled? */
} OctSharedRegistry;

static OctSharedRegistry *registry = NULL;

/* the image of the transaction under way */
static bool pending_is_mine = false;
static uint64 pending_serial;


/* ---------- start ---------- */

/* For shmem_request_hook: room for what the files hold. */
void
oct_registry_request(void)
{
	OctRegImage image;
	OctRegImage pending;

	oct_regdisk_read(OCT_FILE, &image);
	oct_regdisk_read(OCT_FILE_PENDING, &pending);
	oct_nodetab_request((int) Max(image.header.nnodes, pending.header.nnodes),
						(int) Max(image.header.ngroups, pending.header.ngroups));
	oct_regdisk_free(&image);
	oct_regdisk_free(&pending);
	RequestAddinShmemSpace(MAXALIGN(sizeof(OctSharedRegistry)));
}

/* From now on nothing is written.  Does not throw. */
static void
refuse_writes(const char *path, const char *cause)
{
	registry->refusing = true;
	snprintf(registry->cause, sizeof(registry->cause), "File \"%s\", %s.",
			 path, cause);
	ereport(LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("registry of octopus_fdw cannot be used"),
			 errdetail("%s", registry->cause)));
}

/* For shmem_startup_hook, in the postmaster, where nothing may throw. */
void
oct_registry_startup(void)
{
	OctRegImage image;
	bool		found;

	oct_nodetab_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	registry = ShmemInitStruct("octopus_fdw registry",
							   sizeof(OctSharedRegistry), &found);
	LWLockRelease(AddinShmemInitLock);
	if (found)
		return;

	memset(registry, 0, sizeof(OctSharedRegistry));
	oct_regdisk_read(OCT_FILE, &image);
	if (image.state == OCT_REG_BAD)
		refuse_writes(OCT_FILE, image.cause);
	else if (image.state == OCT_REG_GOOD &&
			 image.header.system_identifier != GetSystemIdentifier())
		refuse_writes(OCT_FILE, "it belongs to another database system");
	else if (image.state == OCT_REG_GOOD)
	{
		oct_regload_fill(&image);
		registry->serial = image.header.serial;
	}
	oct_regdisk_free(&image);

	unlink(OCT_FILE_TEMPORARY);
	registry->left_over = access(OCT_FILE_PENDING, F_OK) == 0;
}


/* ---------- a pending file left over ---------- */

/* How the transaction that a pending image names has ended. */
typedef enum OctFate
{
	OCT_FATE_COMMITTED,
	OCT_FATE_ABORTED,
	OCT_FATE_UNKNOWN
} OctFate;

/*
 * Asks the commit log; a transaction id that it does not reach, or that was
 * never handed out, has no fate.  The source of the test is core's
 * TransactionIdInRecentPast.
 */
static OctFate
ask_commit_log(FullTransactionId fxid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	TransactionId xid = XidFromFullTransactionId(fxid);
	uint32		epoch = EpochFromFullTransactionId(next);
	TransactionId oldest;
	OctFate		fate = OCT_FATE_UNKNOWN;

	if (!TransactionIdIsNormal(xid) || !FullTransactionIdPrecedes(fxid, next))
		return OCT_FATE_UNKNOWN;

	LWLockAcquire(XactTruncationLock, LW_SHARED);
	oldest = oct_oldest_clog_xid();
	if (oldest > XidFromFullTransactionId(next))
		epoch--;
	if (!FullTransactionIdPrecedes(fxid,
								   FullTransactionIdFromEpochAndXid(epoch, oldest)))
		fate = TransactionIdDidCommit(xid) ? OCT_FATE_COMMITTED :
			OCT_FATE_ABORTED;
	LWLockRelease(XactTruncationLock);
	return fate;
}

/* Gets a pending file that nobody can judge out of the way. */
static bool
set_aside_pending(const char *cause, int elevel)
{
	if (durable_rename(OCT_FILE_PENDING, OCT_FILE_UNSETTLED, elevel) != 0)
		return false;
	refuse_writes(OCT_FILE_UNSETTLED, cause);
	return true;
}

/*
 * Settles a pending file.  The caller holds the lock of the registry file.
 * Reports a failure at elevel and returns false.
 */
static bool
settle_pending(int elevel)
{
	OctRegImage image;
	OctFate		fate;
	bool		done = true;

	oct_regdisk_read(OCT_FILE_PENDING, &image);
	if (image.state == OCT_REG_BAD)
		done = set_aside_pending(image.cause, elevel);
	else if (image.state == OCT_REG_GOOD)
	{
		/* a base backup may hold an older pending file than registry */
		fate = image.header.serial <= registry->serial ? OCT_FATE_ABORTED :
			ask_commit_log(FullTransactionIdFromU64(image.header.full_xid));
		if (fate == OCT_FATE_UNKNOWN)
			done = set_aside_pending("the commit log does not know the transaction that wrote it",
									 elevel);
		else if (fate == OCT_FATE_ABORTED)
			done = durable_unlink(OCT_FILE_PENDING, elevel) == 0;
		else if ((done = durable_rename(OCT_FILE_PENDING, OCT_FILE, elevel) == 0))
		{
			oct_regload_replace(&image);
			registry->serial = image.header.serial;
		}
	}
	oct_regdisk_free(&image);
	if (done)
		registry->left_over = false;
	return done;
}

/* Is there a pending file that is to be settled? */
static bool
must_settle(void)
{
	return registry->left_over && !registry->refusing;
}

static void
lock_file(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, InvalidOid, 0, 0, OCT_LOCK_FILE);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* For the prober when it starts; within a transaction. */
void
oct_registry_settle(void)
{
	if (!must_settle())
		return;
	lock_file();
	if (must_settle())
		(void) settle_pending(LOG);
}


/* ---------- a transaction that registers ---------- */

/* Raises an error if nothing can be written. */
void
oct_registry_check_writable(void)
{
	if (registry->refusing)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("registry of octopus_fdw cannot be used"),
				 errdetail("%s", registry->cause),
				 errhint("Repair or restore the file and restart the server, or have a superuser call octopus.registry_reset(), which sets the file aside.")));
}

/* Reports which of the table's limits is reached. */
void
oct_registry_report_full(OctRoom room, int elevel)
{
	if (room == OCT_ROOM_GROUPS_FULL)
		ereport(elevel,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many groups of nodes"),
				 errdetail("Nodes can be registered on %d foreign servers at most.",
						   oct_max_groups),
				 errhint("Increase \"octopus.max_groups\" and restart the server.")));
	else
		ereport(elevel,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many registered nodes"),
				 errdetail("The server can monitor %d nodes at most.", oct_max_nodes),
				 errhint("Increase \"octopus.max_nodes\" and restart the server.")));
}

/*
 * At XACT_EVENT_PRE_COMMIT: step 1.  From then on until the end of the
 * transaction the table of nodes does not change.  Reports a failure at elevel
 * and returns false.
 */
bool
oct_registry_open(int elevel)
{
	lock_file();
	if (must_settle() && !settle_pending(elevel))
		return false;
	if (registry->refusing && elevel < ERROR)
		return false;
	oct_registry_check_writable();
	return true;
}

/* Steps 2 and 3 but for the reservation. */
static bool
write_pending(const OctChange *changes, int nchanges, int elevel)
{
	OctRegHeader header = {
		.system_identifier = GetSystemIdentifier(),
		.serial = registry->serial + 1,
		.full_xid = U64FromFullTransactionId(GetTopFullTransactionId()),
	};

	XLogFlush(oct_log_empty_message("octopus_fdw"));
	if (!oct_regdisk_write(OCT_FILE_TEMPORARY, &header, changes, nchanges, elevel))
		return false;

	pending_is_mine = true;
	pending_serial = header.serial;
	if (durable_rename(OCT_FILE_TEMPORARY, OCT_FILE_PENDING, elevel) != 0)
		return false;
	ForceSyncCommit();
	return true;
}

/*
 * At XACT_EVENT_PRE_COMMIT, after oct_registry_open: steps 2 and 3, for changes
 * of which there is one for each group.  Reports a failure at elevel and
 * returns false; nothing will change then.
 */
bool
oct_registry_prepare(const OctChange *changes, int nchanges, int elevel)
{
	OctRoom		room = oct_nodetab_reserve(changes, nchanges);

	if (room != OCT_ROOM_RESERVED)
	{
		oct_registry_report_full(room, elevel);
		return false;
	}
	if (!write_pending(changes, nchanges, elevel))
	{
		oct_registry_abort();
		return false;
	}
	return true;
}

/* At XACT_EVENT_COMMIT: step 5.  Does not throw. */
void
oct_registry_commit(const OctChange *changes, int nchanges)
{
	if (rename(OCT_FILE_PENDING, OCT_FILE) == 0)
		registry->serial = pending_serial;
	else
		registry->left_over = true;
	pending_is_mine = false;
	oct_nodetab_apply(changes, nchanges);
}

/* At XACT_EVENT_ABORT, however far it had come.  Does not throw. */
void
oct_registry_abort(void)
{
	if (pending_is_mine && unlink(OCT_FILE_PENDING) != 0 && errno != ENOENT)
		registry->left_over = true;
	pending_is_mine = false;
	oct_nodetab_release();
}


/* ---------- the way back ---------- */

/* Renames a file, if it is there, to a name that no file has. */
static void
set_aside(const char *path, const char *name)
{
	char		free_name[MAXPGPATH];

	if (access(path, F_OK) != 0)
		return;
	strlcpy(free_name, name, sizeof(free_name));
	for (int i = 1; access(free_name, F_OK) == 0; i++)
		snprintf(free_name, sizeof(free_name), "%s.%d", name, i);
	if (rename(path, free_name) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m",
						path, free_name)));
}

/*
 * Sets a file that cannot be believed aside and starts afresh, with what is in
 * memory.  Not transactional.  The caller is in a transaction and has
 * checked the right to do this.
 */
void
oct_registry_reset(void)
{
	OctRegHeader header = {.system_identifier = GetSystemIdentifier()};

	PreventCommandDuringRecovery("octopus.registry_reset()");
	lock_file();
	if (!registry->refusing)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("registry of octopus_fdw is in order")));

	if (registry->left_over)
		set_aside(OCT_FILE_PENDING, OCT_FILE_UNSETTLED);
	registry->left_over = false;
	set_aside(OCT_FILE, OCT_FILE_BAD);
	header.serial = registry->serial + 1;
	(void) oct_regdisk_write(OCT_FILE_TEMPORARY, &header, NULL, 0, ERROR);
	(void) durable_rename(OCT_FILE_TEMPORARY, OCT_FILE, ERROR);
	registry->serial = header.serial;
	registry->refusing = false;
}

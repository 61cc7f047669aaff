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
 * when it starts, or whatever transaction is the first to commit, so that no
 * id handed out since can vouch for it.
 *
 * A file that cannot be believed is left as it is, and nothing is written until
 * oct_registry_reset().
 *
 * Lock order: the writer lock of the group, the lock of the registry file, the
 * lock of the table of nodes.
 *
 * Known weakness: it is not in WAL.  A standby has what the base backup had.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "compat.h"
#include "fate.h"
#include "regdisk.h"
#include "registry.h"
#include "regload.h"

#define OCT_FILE			"octopus_fdw.registry"
#define OCT_FILE_PENDING	OCT_FILE ".pending"
#define OCT_FILE_TEMPORARY	OCT_FILE ".tmp"
#define OCT_FILE_UNSETTLED	OCT_FILE ".unsettled"
#define OCT_FILE_BAD		OCT_FILE ".bad"

#define OCT_FOREIGN			"it belongs to another database system"

/*
 * Written by the postmaster before there is any other process, and then with
 * the lock of the registry file held; left_over may be set without it.
 */
typedef struct OctSharedRegistry
{
	uint64		serial;			/* of the image that counts */
	uint64		last_serial;	/* given to any image */
	bool		refusing;		/* is nothing to be written? */
	char		cause[MAXPGPATH];	/* why: file and cause */
	volatile bool left_over;	/* is there a pending file to be settled? */
	pg_atomic_uint64 judgement; /* of it, see fate.h; 0 is none yet */
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
	snprintf(registry->cause, sizeof(registry->cause), "File \"%s\", %s.",
			 path, cause);
	registry->refusing = true;
	ereport(LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("registry of octopus_fdw cannot be used"),
			 errdetail("%s", registry->cause)));
}

/* Takes the image for the one that counts, the table having been made like it. */
static void
accept_image(const OctRegImage *image, bool complete)
{
	registry->serial = image->header.serial;
	registry->last_serial = Max(registry->last_serial, image->header.serial);
	if (!complete)
		refuse_writes(OCT_FILE, "it holds more than there is room for");
}

static void
load_registry(void)
{
	OctRegImage image;

	oct_regdisk_read(OCT_FILE, &image);
	if (image.state == OCT_REG_BAD || image.state == OCT_REG_UNREADABLE)
		refuse_writes(OCT_FILE, image.cause);
	else if (image.state == OCT_REG_GOOD &&
			 image.header.system_identifier != GetSystemIdentifier())
		refuse_writes(OCT_FILE, OCT_FOREIGN);
	else if (image.state == OCT_REG_GOOD)
		accept_image(&image, oct_regload_fill(&image));
	oct_regdisk_free(&image);
}

/* For shmem_startup_hook, in the postmaster, where nothing may throw. */
void
oct_registry_startup(void)
{
	bool		found;

	oct_nodetab_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	registry = ShmemInitStruct("octopus_fdw registry",
							   sizeof(OctSharedRegistry), &found);
	LWLockRelease(AddinShmemInitLock);
	if (found)
		return;

	memset(registry, 0, sizeof(OctSharedRegistry));
	pg_atomic_init_u64(&registry->judgement, 0);
	load_registry();
	unlink(OCT_FILE_TEMPORARY);
	registry->left_over = oct_regdisk_exists(OCT_FILE_PENDING);
	if (oct_regdisk_exists(OCT_FILE_UNSETTLED))
		refuse_writes(OCT_FILE_UNSETTLED, "nobody has said what to do with it");
}


/* ---------- a pending file left over ---------- */

/*
 * Gets a pending file that nobody can judge out of the way.  Nothing is written
 * from now on, even if that fails.
 */
static bool
set_aside_pending(const char *cause, int elevel)
{
	refuse_writes(OCT_FILE_UNSETTLED, cause);
	return oct_regdisk_rename(OCT_FILE_PENDING, OCT_FILE_UNSETTLED, elevel);
}

/* What cannot be read now may be later; always returns false. */
static bool
report_unreadable(const char *path, const OctRegImage *image, int elevel)
{
	ereport(elevel,
			(errcode(ERRCODE_IO_ERROR),
			 errmsg("registry of octopus_fdw cannot be read now"),
			 errdetail("File \"%s\", %s.", path, image->cause)));
	return false;
}

/*
 * The pending file is not there any more.  It may be the registry: a rename
 * that was reported to have failed may have been done.
 */
static bool
settle_renamed(int elevel)
{
	OctRegImage image;

	oct_regdisk_read(OCT_FILE, &image);
	if (image.state == OCT_REG_GOOD && image.header.serial > registry->serial)
		accept_image(&image, oct_regload_replace(&image));
	oct_regdisk_free(&image);
	if (image.state != OCT_REG_GOOD &&
		(image.state != OCT_REG_MISSING || registry->serial > 0))
		return report_unreadable(OCT_FILE, &image, elevel);
	return oct_regdisk_sync_names(elevel);
}

static OctFate
judge(const OctRegImage *image, bool only_first)
{
	return oct_fate_judge(&registry->judgement, image->header.serial,
						  FullTransactionIdFromU64(image->header.full_xid),
						  only_first);
}

/* Does with a good pending file what its fate demands. */
static bool
settle_image(const OctRegImage *image, int elevel)
{
	if (image->header.system_identifier != GetSystemIdentifier())
		return set_aside_pending(OCT_FOREIGN, elevel);

	registry->last_serial = Max(registry->last_serial, image->header.serial);
	/* a base backup may hold an older pending file than registry */
	switch (image->header.serial <= registry->serial ? OCT_FATE_ABORTED :
			judge(image, false))
	{
		case OCT_FATE_COMMITTED:
			if (!oct_regdisk_rename(OCT_FILE_PENDING, OCT_FILE, elevel))
				return false;
			accept_image(image, oct_regload_replace(image));
			return true;
		case OCT_FATE_ABORTED:
			return oct_regdisk_remove(OCT_FILE_PENDING, elevel);
		case OCT_FATE_UNKNOWN:
			break;
	}
	return set_aside_pending("the commit log does not know the transaction that wrote it",
							 elevel);
}

/*
 * Settles a pending file.  The caller holds the lock of the registry file.
 * Reports a failure at elevel and returns false.
 */
static bool
settle_pending(int elevel)
{
	OctRegImage image;
	bool		done = false;

	oct_regdisk_read(OCT_FILE_PENDING, &image);
	switch (image.state)
	{
		case OCT_REG_MISSING:
			done = settle_renamed(elevel);
			break;
		case OCT_REG_BAD:
			done = set_aside_pending(image.cause, elevel);
			break;
		case OCT_REG_UNREADABLE:
			done = report_unreadable(OCT_FILE_PENDING, &image, elevel);
			break;
		case OCT_REG_GOOD:
			done = settle_image(&image, elevel);
			break;
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

/*
 * Settles what was left over, if anything, ahead of all else: before a writer
 * looks at the table, and when the prober starts.  Within a transaction; the
 * lock does not stay.
 */
void
oct_registry_settle(int elevel)
{
	if (!must_settle())
		return;
	(void) oct_regdisk_lock(true);
	if (must_settle())
		(void) settle_pending(elevel);
	oct_regdisk_unlock();
}

/*
 * At XACT_EVENT_PRE_COMMIT of any transaction that has an id, before its commit
 * record: sees to it that what was left over by a crash has been judged.  Of the
 * ids handed out since the server started none has committed by then, so none
 * can vouch for an image that it did not write.  Waits for nobody.
 */
void
oct_registry_judge(void)
{
	OctRegImage image;

	if (!registry->left_over || pg_atomic_read_u64(&registry->judgement) != 0)
		return;
	oct_regdisk_read(OCT_FILE_PENDING, &image);
	if (image.state == OCT_REG_GOOD)
		(void) judge(&image, true);
	oct_regdisk_free(&image);
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

/*
 * At XACT_EVENT_PRE_COMMIT: step 1.  From then on until the end of the
 * transaction the table of nodes does not change.  Reports a failure at elevel
 * and returns false.  A transaction that only drops what has to go with other
 * objects is let through even if nothing can be written.
 */
bool
oct_registry_open(int elevel, bool drops_only)
{
	if (!oct_regdisk_lock(elevel >= ERROR))
	{
		ereport(elevel,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain the lock of the registry of octopus_fdw")));
		return false;
	}
	if (must_settle() && !settle_pending(elevel))
		return false;
	if (!drops_only)
		oct_registry_check_writable();
	return true;
}

/* Steps 2 and 3 but for the reservation. */
static bool
write_pending(const OctChange *changes, int nchanges, int elevel)
{
	OctRegHeader header = {
		.system_identifier = GetSystemIdentifier(),
		.serial = ++registry->last_serial,
		.full_xid = U64FromFullTransactionId(GetTopFullTransactionId()),
	};

	XLogFlush(oct_log_empty_message("octopus_fdw"));
	if (!oct_regdisk_write(OCT_FILE_TEMPORARY, &header, changes, nchanges, elevel))
		return false;

	/* the rename of the transaction before us must not be overtaken */
	if (!oct_regdisk_sync_names(elevel))
		return false;

	pending_is_mine = true;
	pending_serial = header.serial;
	if (!oct_regdisk_rename(OCT_FILE_TEMPORARY, OCT_FILE_PENDING, elevel))
		return false;
	ForceSyncCommit();
	return true;
}

/*
 * At XACT_EVENT_PRE_COMMIT, after oct_registry_open: steps 2 and 3, for changes
 * of which there is one for each group.  Reports a failure at elevel and
 * returns false; nothing will change then.  As long as nothing can be written,
 * drops change the table only.
 */
bool
oct_registry_prepare(const OctChange *changes, int nchanges, int elevel)
{
	OctRoom		room = oct_nodetab_reserve(changes, nchanges);

	if (room != OCT_ROOM_RESERVED)
	{
		oct_nodetab_report_full(room, elevel);
		return false;
	}
	if (!registry->refusing && !write_pending(changes, nchanges, elevel))
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
	if (pending_is_mine)
	{
		if (rename(OCT_FILE_PENDING, OCT_FILE) == 0)
			registry->serial = pending_serial;
		else
			registry->left_over = true;
	}
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
	(void) oct_regdisk_lock(true);
	if (!registry->refusing)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("registry of octopus_fdw is in order")));

	/* the new image first: what comes next takes no room on disk */
	header.serial = ++registry->last_serial;
	(void) oct_regdisk_write(OCT_FILE_TEMPORARY, &header, NULL, 0, ERROR);
	oct_regdisk_set_aside(OCT_FILE_PENDING, OCT_FILE_BAD, false);
	oct_regdisk_set_aside(OCT_FILE_UNSETTLED, OCT_FILE_BAD, false);
	oct_regdisk_set_aside(OCT_FILE, OCT_FILE_BAD, true);
	(void) oct_regdisk_rename(OCT_FILE_TEMPORARY, OCT_FILE, ERROR);
	registry->serial = header.serial;
	registry->left_over = registry->refusing = false;
	oct_regdisk_unlock();
}

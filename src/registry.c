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
 *	  Put an empty message of this transaction into WAL, and flush it: a
 *	  transaction id that never reached WAL can be handed out again after a
 *	  crash, and the commit of its namesake would vouch for our image.
 *
 * 3. Write the image, which names this transaction, and flush it.  It has durably
 *	  the name of the *pending* file then, be it that it is given it now or that
 *	  it was written over what had it (regturn.c).  From now on it is true if and
 *	  only if the transaction commits.  See that the commit record is flushed even
 *	  if synchronous_commit is off.
 *
 *	  Up to here every failure is an ordinary error.
 *
 * 4. Core writes the commit record.
 *
 * 5. COMMIT (oct_registry_commit).  The pending file becomes the registry file,
 *	  with a bare system call: durable_rename could raise an error, which would
 *	  be a PANIC here.  What was the registry becomes the pending file, to be
 *	  written over by a later transaction.  (Not if there is a password in it:
 *	  those are nowhere but in the registry.)  No flush is needed, since after a
 *	  crash the commit log says the same again.  If it fails, note that the
 *	  pending file is left over.  Apply the changes to the table of nodes.
 *
 *	  ABORT (oct_registry_abort).  Unlink the pending file, if it is ours.
 *
 * A pending file that was left over, by a crash or a failed rename, is told by
 * a flag in shared memory and by nothing else: the file alone says nothing,
 * since the transaction that it names may be running, or it is older than the
 * registry and waits to be written over.  To settle it means to ask the commit log
 * and then to rename, or to unlink it.  The prober does that when it starts, or
 * whatever transaction is the first to commit, so that no id handed out since can
 * vouch for it.
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
#include "registry_internal.h"
#include "regload.h"

/* see registry_internal.h */
OctSharedRegistry *oct_registry = NULL;

/* the image of the transaction under way; 0: there is none */
static OctRegId my_image;
static bool my_image_holds_password;


/* ---------- start ---------- */

/* For shmem_request_hook: room for what the files hold. */
void
oct_registry_request(void)
{
	uint32		nnodes = 0;
	uint32		ngroups = 0;

	for (int i = -1; i < OCT_TURNS; i++)
	{
		OctRegImage image;

		oct_regdisk_read(i < 0 ? OCT_FILE : oct_registry_pending[i], &image);
		nnodes = Max(nnodes, image.header.nnodes);
		ngroups = Max(ngroups, image.header.ngroups);
		oct_regdisk_free(&image);
	}
	oct_nodetab_request((int) nnodes, (int) ngroups);
	RequestAddinShmemSpace(MAXALIGN(sizeof(OctSharedRegistry)));
}

/* From now on nothing is written.  Does not throw. */
void
oct_registry_refuse_writes(const char *path, const char *cause)
{
	snprintf(oct_registry->cause, sizeof(oct_registry->cause), "File \"%s\", %s.",
			 path, cause);
	oct_registry->refusing = true;
	ereport(LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("registry of octopus_fdw cannot be used"),
			 errdetail("%s", oct_registry->cause)));
}

/* Takes the image for the one that counts, the table having been made like it. */
void
oct_registry_accept_image(const OctRegImage *image, bool complete)
{
	oct_registry->image = (OctRegId) {image->header.serial, image->header.crc};
	oct_registry->last_serial = Max(oct_registry->last_serial, image->header.serial);
	if (!complete)
		oct_registry_refuse_writes(OCT_FILE, "it holds more than there is room for");
}

/* Is a pending file of ours, or of no account beside a registry of others? */
static bool
is_pending_harmless(const OctRegImage *pending, const OctRegHeader *registry)
{
	const OctRegHeader *header = &pending->header;

	return pending->state == OCT_REG_MISSING ||
		(header->serial > 0 && header->system_identifier == GetSystemIdentifier()) ||
		(header->serial > 0 && header->system_identifier == registry->system_identifier &&
		 header->serial <= registry->serial);
}

static bool
are_pending_harmless(const OctRegHeader *registry)
{
	bool		harmless = true;

	for (int i = 0; i < OCT_TURNS; i++)
	{
		OctRegImage image;

		oct_regdisk_read(oct_registry_pending[i], &image);
		harmless = harmless && is_pending_harmless(&image, registry);
		oct_regdisk_free(&image);
	}
	return harmless;
}

/* Is there a pending file, as far as can be told? */
bool
oct_registry_has_pending(void)
{
	for (int i = 0; i < OCT_TURNS; i++)
	{
		if (oct_regname_exists(oct_registry_pending[i]))
			return true;
	}
	return false;
}

/*
 * Takes over what another database system registered: its groups wait for
 * adopt.c to find databases and servers of their names.  A pending file that
 * counts is not to be there unless we made it, by our first commit since: of its
 * transactions our commit log knows nothing.
 */
static void
take_over(const OctRegImage *image)
{
	if (!are_pending_harmless(&image->header))
	{
		oct_registry_refuse_writes(OCT_FILE, OCT_FOREIGN ", and a pending file is beside it");
		return;
	}
	oct_registry_accept_image(image, oct_regload_fill(image, true));
	ereport(LOG,
			(errmsg("registry of octopus_fdw comes from another database system"),
			 errdetail("%u groups with %u nodes wait for the first use of octopus_fdw in their databases.",
					   image->header.ngroups, image->header.nnodes)));
}

static void
load_registry(void)
{
	OctRegImage image;

	oct_regdisk_read(OCT_FILE, &image);
	if (image.state == OCT_REG_BAD || image.state == OCT_REG_UNREADABLE)
		oct_registry_refuse_writes(OCT_FILE, image.cause);
	else if (image.state == OCT_REG_GOOD &&
			 image.header.system_identifier != GetSystemIdentifier())
		take_over(&image);
	else if (image.state == OCT_REG_GOOD)
		oct_registry_accept_image(&image, oct_regload_fill(&image, false));
	oct_regdisk_free(&image);
}

/* At the end of the postmaster, when all others are gone. */
static void
end_registry(int code, Datum arg)
{
	if (code == 0)
		oct_regturn_clear();
}

/* For shmem_startup_hook, in the postmaster, where nothing may throw. */
void
oct_registry_startup(void)
{
	bool		found;

	oct_nodetab_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	oct_registry = ShmemInitStruct("octopus_fdw registry",
							   sizeof(OctSharedRegistry), &found);
	LWLockRelease(AddinShmemInitLock);
	if (found)
		return;

	memset(oct_registry, 0, sizeof(OctSharedRegistry));
	for (int i = 0; i < OCT_TURNS; i++)
		pg_atomic_init_u64(&oct_registry->judgements[i], 0);
	oct_registry->copied = access(BACKUP_LABEL_FILE, F_OK) == 0 ||
		access(STANDBY_SIGNAL_FILE, F_OK) == 0 ||
		access(RECOVERY_SIGNAL_FILE, F_OK) == 0;
	unlink(OCT_FILE_TEMPORARY);
	oct_registry_forget_files();
	on_shmem_exit(end_registry, 0);
	load_registry();
	oct_nodetab_loaded();
	oct_registry->left_over = oct_registry_has_pending();
	if (oct_regname_exists(OCT_FILE_UNSETTLED))
		oct_registry_refuse_writes(OCT_FILE_UNSETTLED, "nobody has said what to do with it");
}


/* ---------- a transaction that registers ---------- */

/* Raises an error if nothing can be written. */
void
oct_registry_check_writable(void)
{
	if (oct_registry->refusing)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("registry of octopus_fdw cannot be used"),
				 errdetail("%s", oct_registry->cause),
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
	if (!oct_reglock_acquire(elevel >= ERROR))
	{
		ereport(elevel,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain the lock of the registry of octopus_fdw")));
		return false;
	}
	if (oct_registry_must_settle() && !oct_registry_settle_pending(elevel))
		return false;
	if (!drops_only)
		oct_registry_check_writable();
	return true;
}

/*
 * From now on no file is spare: it is not certain what they are, and which have lost
 * the registry's name for good.
 */
void
oct_registry_forget_files(void)
{
	for (int i = 0; i < OCT_TURNS; i++)
		oct_registry->spares[i] = OCT_SPARE_NOT;
	oct_registry->holds_password = true;
}

/* Of an image that is about to be made, but for what it holds. */
static OctRegHeader
next_header(FullTransactionId writer)
{
	return (OctRegHeader) {
		.system_identifier = GetSystemIdentifier(),
		.serial = ++oct_registry->last_serial,
		.full_xid = U64FromFullTransactionId(writer),
		.has_predecessor = true,
		.predecessor = oct_registry->image,
	};
}

/* Steps 2 and 3 but for the reservation. */
static bool
write_pending(const OctChange *changes, int nchanges, int elevel)
{
	OctRegHeader header = next_header(GetTopFullTransactionId());
	const char *path;
	int			fd;

	XLogFlush(oct_log_empty_message("octopus_fdw", true));
	fd = oct_regturn_open(&path, elevel);
	if (fd < 0 ||
		!oct_regdisk_write(fd, path, &header, changes, nchanges,
						   &my_image_holds_password, elevel) ||
		!oct_regturn_give(elevel))
		return false;
	my_image = (OctRegId) {header.serial, header.crc};
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
	if (!oct_registry->refusing && !write_pending(changes, nchanges, elevel))
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
	if (my_image.serial > 0)
	{
		if (oct_regturn_commit(!oct_registry->holds_password))
		{
			oct_registry->image = my_image;
			oct_registry->holds_password = my_image_holds_password;
		}
		else
			oct_registry->left_over = true;
	}
	my_image.serial = 0;
	oct_nodetab_apply(changes, nchanges);
}

/* At XACT_EVENT_ABORT, however far it had come.  Does not throw. */
void
oct_registry_abort(void)
{
	if (!oct_regturn_abort())
		oct_registry->left_over = true;
	my_image.serial = 0;
	oct_nodetab_release();
}


/* ---------- what is no transaction's work ---------- */

/*
 * Takes the lock of the registry file, unless somebody else has it, and settles
 * what was left over; false if there is no lock or it cannot be settled.
 */
bool
oct_registry_open_to_amend(void)
{
	if (!oct_reglock_try())
		return false;
	if (RecoveryInProgress() || !oct_registry_must_settle() ||
		oct_registry_settle_pending(LOG))
		return true;
	oct_reglock_release();
	return false;
}

void
oct_registry_close(void)
{
	oct_reglock_release();
}

/*
 * Writes an image that no transaction has to commit, for the file that the caller
 * gives it to.  Reports a failure at elevel and returns false.
 */
static bool
write_temporary(const OctChange *changes, int nchanges, OctRegId *image, int elevel)
{
	OctRegHeader header = next_header(InvalidFullTransactionId);
	bool		holds_password;
	int			fd;

	oct_registry->holds_password = true;	/* as it may, from now on */
	fd = oct_regname_create(OCT_FILE_TEMPORARY, elevel);
	if (fd < 0 || !oct_regdisk_write(fd, OCT_FILE_TEMPORARY, &header, changes,
									 nchanges, &holds_password, elevel))
		return false;
	*image = (OctRegId) {header.serial, header.crc};
	return true;
}

/* The changes of oct_registry_amend, for the file. */
static void
rewrite_file(const OctChange *changes, int nchanges)
{
	OctRegId	image;

	/* what the catalogs say now must not be undone by a crash */
	XLogFlush(oct_log_empty_message("octopus_fdw", false));
	if (!write_temporary(changes, nchanges, &image, LOG))
		return;
	if (oct_regname_give(OCT_FILE_TEMPORARY, OCT_FILE, LOG))
		oct_registry->image = image;
	else
		oct_registry->left_over = true; /* it may be the registry */
}

/*
 * Makes changes true that no transaction makes: they follow from what the
 * catalogs say, committed.  The caller has opened the registry to amend it and
 * holds the locks of the groups.  In recovery, in a read-only transaction, and
 * if the file cannot be written, they are true in memory, to be made again
 * after a restart.
 */
void
oct_registry_amend(const OctChange *changes, int nchanges)
{
	if (!oct_registry->refusing && !RecoveryInProgress() && !XactReadOnly)
		rewrite_file(changes, nchanges);
	oct_nodetab_apply(changes, nchanges);
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
	OctRegId	image;

	PreventCommandDuringRecovery("octopus.registry_reset()");
	(void) oct_reglock_acquire(true);
	if (!oct_registry->refusing)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("registry of octopus_fdw is in order")));

	/* the new image first: what comes next takes no room on disk */
	(void) write_temporary(NULL, 0, &image, ERROR);
	oct_registry_forget_files();
	for (int i = 0; i < OCT_TURNS; i++)
	{
		(void) oct_regname_set_aside(oct_registry_pending[i], OCT_FILE_BAD, false, ERROR);
		pg_atomic_write_u64(&oct_registry->judgements[i], 0);
	}
	(void) oct_regname_set_aside(OCT_FILE_UNSETTLED, OCT_FILE_BAD, false, ERROR);
	(void) oct_regname_set_aside(OCT_FILE, OCT_FILE_BAD, true, ERROR);
	(void) oct_regname_give(OCT_FILE_TEMPORARY, OCT_FILE, ERROR);
	oct_registry->image = image;
	oct_registry->left_over = oct_registry->refusing = false;
	oct_reglock_release();
}

/*-------------------------------------------------------------------------
 *
 * regsettle.c
 *	  A pending file that was left over, by a crash or a failed rename.
 *
 * registry.c tells how it comes to be and who may touch it.  To settle it means
 * to ask the commit log, and then to make it the registry or to remove it; what
 * nobody can judge is set aside.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"

#include "compat.h"
#include "fate.h"
#include "registry_internal.h"
#include "regload.h"

/*
 * Gets a pending file that nobody can judge out of the way.  Nothing is written
 * from now on, even if that fails.
 */
static bool
set_aside_pending(const char *cause, int elevel)
{
	oct_registry_refuse_writes(OCT_FILE_UNSETTLED, cause);
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
	if (image.state == OCT_REG_GOOD && image.header.serial > oct_registry->serial)
		oct_registry_accept_image(&image, oct_regload_replace(&image));
	oct_regdisk_free(&image);
	if (image.state != OCT_REG_GOOD &&
		(image.state != OCT_REG_MISSING || oct_registry->serial > 0))
		return report_unreadable(OCT_FILE, &image, elevel);
	return oct_regdisk_sync_names(elevel);
}

static OctFate
judge(const OctRegImage *image, bool only_first)
{
	return oct_fate_judge(&oct_registry->judgement, image->header.serial,
						  FullTransactionIdFromU64(image->header.full_xid),
						  only_first);
}

/* Does with a good pending file what its fate demands. */
static bool
settle_image(const OctRegImage *image, int elevel)
{
	if (image->header.system_identifier != GetSystemIdentifier())
		return set_aside_pending(OCT_FOREIGN, elevel);

	oct_registry->last_serial = Max(oct_registry->last_serial, image->header.serial);
	/* a base backup may hold an older pending file than registry */
	switch (image->header.serial <= oct_registry->serial ? OCT_FATE_ABORTED :
			judge(image, false))
	{
		case OCT_FATE_COMMITTED:
			if (!oct_regdisk_rename(OCT_FILE_PENDING, OCT_FILE, elevel))
				return false;
			oct_registry_accept_image(image, oct_regload_replace(image));
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
bool
oct_registry_settle_pending(int elevel)
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
		oct_registry->left_over = false;
	return done;
}

/* Is there a pending file that is to be settled? */
bool
oct_registry_must_settle(void)
{
	return oct_registry->left_over && !oct_registry->refusing;
}

/*
 * Settles what was left over, if anything, ahead of all else: before a writer
 * looks at the table, and when the prober starts.  Within a transaction; the
 * lock does not stay.
 */
void
oct_registry_settle(int elevel)
{
	if (!oct_registry_must_settle())
		return;
	(void) oct_regdisk_lock(true);
	if (oct_registry_must_settle())
		(void) oct_registry_settle_pending(elevel);
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

	if (!oct_registry->left_over || pg_atomic_read_u64(&oct_registry->judgement) != 0)
		return;
	oct_regdisk_read(OCT_FILE_PENDING, &image);
	if (image.state == OCT_REG_GOOD)
		(void) judge(&image, true);
	oct_regdisk_free(&image);
}

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
 * Gets a pending file that nobody can judge out of the way, unless one is there
 * already.  Nothing is written from now on, even if that fails.
 */
static bool
set_aside_pending(const char *path, const char *cause, int elevel)
{
	oct_registry_refuse_writes(OCT_FILE_UNSETTLED, cause);
	return oct_regname_exists(OCT_FILE_UNSETTLED) ||
		oct_regname_give(path, OCT_FILE_UNSETTLED, elevel);
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
 * A pending file that is not there any more may be the registry: a rename that
 * was reported to have failed may have been done, whether or not another file is
 * pending.  With none the registry has to be there.
 */
static bool
settle_renamed(bool has_pending, int elevel)
{
	OctRegImage image;

	oct_regdisk_read(OCT_FILE, &image);
	if (image.state == OCT_REG_GOOD && image.header.serial > oct_registry->serial)
		oct_registry_accept_image(&image, oct_regload_replace(&image));
	oct_regdisk_free(&image);
	if (image.state == OCT_REG_UNREADABLE ||
		(image.state == OCT_REG_BAD && !has_pending) ||
		(image.state == OCT_REG_MISSING && !has_pending && oct_registry->serial > 0))
		return report_unreadable(OCT_FILE, &image, elevel);
	return oct_regname_sync(elevel);
}

static OctFate
judge(int turn, const OctRegImage *image, bool only_first)
{
	return oct_fate_judge(&oct_registry->judgements[turn], image->header.serial,
						  FullTransactionIdFromU64(image->header.full_xid),
						  only_first);
}

/* Does with a good pending file what its fate demands. */
static bool
settle_image(int turn, const OctRegImage *image, int elevel)
{
	const char *path = oct_registry_pending[turn];

	if (image->header.system_identifier != GetSystemIdentifier())
		return set_aside_pending(path, OCT_FOREIGN, elevel);

	oct_registry->last_serial = Max(oct_registry->last_serial, image->header.serial);
	/* a base backup may hold an older pending file than registry */
	switch (image->header.serial <= oct_registry->serial ? OCT_FATE_ABORTED :
			judge(turn, image, false))
	{
		case OCT_FATE_COMMITTED:
			if (!oct_regname_give(path, OCT_FILE, elevel))
				return false;
			oct_registry_accept_image(image, oct_regload_replace(image));
			return true;
		case OCT_FATE_ABORTED:
			return oct_regname_remove(path, elevel);
		case OCT_FATE_UNKNOWN:
			break;
	}
	return set_aside_pending(path, "the commit log does not know the transaction that wrote it",
							 elevel);
}

/* Settles the pending file of a turn, if there is one. */
static bool
settle_turn(int turn, const OctRegImage *image, int elevel)
{
	switch (image->state)
	{
		case OCT_REG_MISSING:
			break;
		case OCT_REG_BAD:
			return set_aside_pending(oct_registry_pending[turn], image->cause, elevel);
		case OCT_REG_UNREADABLE:
			return report_unreadable(oct_registry_pending[turn], image, elevel);
		case OCT_REG_GOOD:
			return settle_image(turn, image, elevel);
	}
	return true;
}

/* Settles both, the older one first: the newer one counts if both do. */
static bool
settle_turns(const OctRegImage images[OCT_TURNS], int elevel)
{
	int			older = images[0].header.serial <= images[1].header.serial ? 0 : 1;

	for (int i = 0; i < OCT_TURNS; i++)
	{
		int			turn = (older + i) % OCT_TURNS;

		if (!settle_turn(turn, &images[turn], elevel))
			return false;
	}
	return true;
}

/*
 * Settles what was left over.  The caller holds the lock of the registry file.
 * Reports a failure at elevel and returns false.
 */
bool
oct_registry_settle_pending(int elevel)
{
	OctRegImage images[OCT_TURNS];
	volatile bool done = false;

	oct_registry_forget_files();
	for (int i = 0; i < OCT_TURNS; i++)
		oct_regdisk_read(oct_registry_pending[i], &images[i]);
	PG_TRY();
	{
		done = settle_renamed(oct_registry_has_pending(), elevel) &&
			settle_turns(images, elevel);
	}
	PG_FINALLY();
	{
		for (int i = 0; i < OCT_TURNS; i++)
			oct_regdisk_free(&images[i]);
	}
	PG_END_TRY();
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
 * At XACT_EVENT_PRE_COMMIT of any transaction, which may get an id only after
 * that (NOTIFY does): sees to it that what was left over by a crash has been
 * judged.  Of the ids handed out since the server started none has committed by
 * then, so none can vouch for an image that it did not write.  Waits for nobody.
 *
 * Known weakness: while writes are refused nothing is settled, so what nobody can
 * judge then is judged by the next server, which may find its id committed.
 */
void
oct_registry_judge(void)
{
	if (!oct_registry_must_settle() || RecoveryInProgress())
		return;
	for (int i = 0; i < OCT_TURNS && oct_registry->left_over; i++)
	{
		OctRegImage image;

		if (pg_atomic_read_u64(&oct_registry->judgements[i]) != 0)
			continue;
		oct_regdisk_read(oct_registry_pending[i], &image);

		/* once it is settled the name may be that of a running transaction */
		if (image.state == OCT_REG_GOOD && oct_registry->left_over)
			(void) judge(i, &image, true);
		oct_regdisk_free(&image);
	}
}

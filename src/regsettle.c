/*-------------------------------------------------------------------------
 *
 * regsettle.c
 *	  Pending files that were left over, by a crash or a failed rename.
 *
 * registry.c tells how they come to be and who may touch them.  To settle one means
 * to ask the commit log, and then to make it the registry or to remove it; what
 * nobody can judge is set aside.
 *
 * A file may have been left half written over.  Its header is sound then: it is
 * either that of an image that does not count any more, or it names a transaction
 * that did not commit, since who commits has flushed his image (regdisk.c).
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

/* Gets a pending file out of the way that is of no account. */
static bool
set_aside(const char *path, const char *cause, int elevel)
{
	ereport(LOG,
			(errmsg("pending file of octopus_fdw is set aside"),
			 errdetail("File \"%s\", %s.", path, cause)));
	return oct_regname_set_aside(path, OCT_FILE_BAD, false, elevel);
}

/*
 * Does the same with a pending file that nobody can judge, unless one is there
 * already.  Nothing is written from now on, even if that fails; but who was copied
 * while another one wrote goes on with what the copy has.
 */
static bool
refuse_pending(const char *path, const char *cause, int elevel)
{
	if (oct_registry->copied)
		return set_aside(path, cause, elevel);
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
	if (image.state == OCT_REG_GOOD && image.header.serial > oct_registry->image.serial)
		oct_registry_accept_image(&image, oct_regload_replace(&image));
	oct_regdisk_free(&image);
	if (image.state == OCT_REG_UNREADABLE ||
		(image.state == OCT_REG_BAD && !has_pending) ||
		(image.state == OCT_REG_MISSING && !has_pending && oct_registry->image.serial > 0))
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

/* Is it the only image that there is? */
static bool
is_only_image(const OctRegHeader *header, const OctRegImage images[OCT_TURNS])
{
	for (int i = 0; i < OCT_TURNS; i++)
	{
		if (images[i].state != OCT_REG_MISSING && &images[i].header != header)
			return false;
	}
	return true;
}

/*
 * Does an image follow the registry that there is, be it by way of others that are
 * pending?  Who puts another registry in the place of that one means that one, and
 * not what had been pending beside the other; who removes it means that, too: beside
 * the second image there always is a registry.  In a copy of another server,
 * though, files are of different times.
 */
static bool
is_successor(const OctRegHeader *header, const OctRegImage images[OCT_TURNS])
{
	const OctRegId *predecessor = &header->predecessor;

	if (!header->has_predecessor || oct_registry->copied)
		return true;
	if (predecessor->serial == oct_registry->image.serial &&
		predecessor->crc == oct_registry->image.crc)
		return predecessor->serial > 0 || is_only_image(header, images);
	for (int i = 0; i < OCT_TURNS && predecessor->serial > 0; i++)
	{
		const OctRegHeader *other = &images[i].header;

		if (other->serial == predecessor->serial && other->serial < header->serial &&
			(other->crc == predecessor->crc || images[i].state != OCT_REG_GOOD))
			return is_successor(other, images);
	}
	return false;
}

/* Makes the registry of a pending file whose transaction was committed. */
static bool
complete(const char *path, const OctRegImage *image, int elevel)
{
	if (!oct_regname_give(path, OCT_FILE, elevel))
		return false;
	ereport(LOG,
			(errmsg("pending file \"%s\" is the registry of octopus_fdw now", path),
			 errdetail("It is image " UINT64_FORMAT ", whose transaction was committed; the registry was image " UINT64_FORMAT ".",
					   image->header.serial, oct_registry->image.serial)));
	oct_registry_accept_image(image, oct_regload_replace(image));
	return true;
}

/*
 * Does with a pending file, of which at least the header can be read, what its fate
 * demands.
 */
static bool
settle_image(int turn, const OctRegImage images[OCT_TURNS], int elevel)
{
	const OctRegImage *image = &images[turn];
	const OctRegHeader *header = &image->header;
	const char *path = oct_registry_pending[turn];

	/* a spare file, or an image that a newer one has replaced */
	if (header->serial <= oct_registry->image.serial)
		return oct_regname_remove(path, elevel);
	if (header->system_identifier != GetSystemIdentifier())
		return refuse_pending(path, OCT_FOREIGN, elevel);

	oct_registry->last_serial = Max(oct_registry->last_serial, header->serial);
	if (!is_successor(header, images))
		return set_aside(path, "it does not follow the registry that is there", elevel);
	switch (judge(turn, image, false))
	{
		case OCT_FATE_COMMITTED:
			if (image->state == OCT_REG_BAD)
				return refuse_pending(path, image->cause, elevel);
			return complete(path, image, elevel);
		case OCT_FATE_ABORTED:
			return oct_regname_remove(path, elevel);
		case OCT_FATE_UNKNOWN:
			break;
	}
	return refuse_pending(path, "the commit log does not know the transaction that wrote it",
						  elevel);
}

/* Settles the pending file of a turn, if there is one. */
static bool
settle_turn(int turn, const OctRegImage images[OCT_TURNS], int elevel)
{
	const OctRegImage *image = &images[turn];

	if (image->state == OCT_REG_MISSING)
		return true;
	if (image->state == OCT_REG_UNREADABLE)
		return report_unreadable(oct_registry_pending[turn], image, elevel);
	if (image->header.serial == 0)
		return refuse_pending(oct_registry_pending[turn], image->cause, elevel);
	return settle_image(turn, images, elevel);
}

/*
 * Settles all, the newest first: each image is a whole one, so the newest that was
 * committed counts, and what is older goes.
 */
static bool
settle_turns(const OctRegImage images[OCT_TURNS], int elevel)
{
	bool		seen[OCT_TURNS] = {false};

	for (int i = 0; i < OCT_TURNS; i++)
	{
		int			newest = -1;

		for (int turn = 0; turn < OCT_TURNS; turn++)
		{
			if (!seen[turn] && (newest < 0 || images[turn].header.serial > images[newest].header.serial))
				newest = turn;
		}
		seen[newest] = true;
		if (!settle_turn(newest, images, elevel))
			return false;
	}
	return oct_regname_sync(elevel);
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
	{
		oct_regdisk_read(oct_registry_pending[i], &images[i]);
		if (images[i].header.serial <= oct_registry->image.serial)
			oct_regdisk_free(&images[i]);
	}
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
	(void) oct_reglock_acquire(true);
	if (oct_registry_must_settle())
		(void) oct_registry_settle_pending(elevel);
	oct_reglock_release();
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
		if (image.header.serial > 0 && oct_registry->left_over)
			(void) judge(i, &image, true);
		oct_regdisk_free(&image);
	}
}

/*-------------------------------------------------------------------------
 *
 * regturn.c
 *	  The names of the pending file, taken in turn.
 *
 * Making a file and giving it a name for good takes a flush of the directory,
 * which costs as much as that of the image.  So the file that an image was replaced
 * in is written over, under the name that it has: at COMMIT the pending file and the
 * registry file swap their names, and what was the registry becomes a *spare* file.
 * The swap is not flushed.  After a crash the registry's name may therefore be that
 * of any image since the last flush; but each of these is there, complete and
 * flushed, and the commit log tells the newest (regsettle.c).
 *
 * That holds as long as no file is written over that may still have the registry's
 * name on disk.  So there are several names, and the directory is flushed once when
 * they have all had their turn.  A file is spare only after that.
 *
 * Where names cannot be swapped, while somebody has a spare file open, and after
 * everything out of the ordinary, a new file is made and given its name for good.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "registry_internal.h"

/* see registry_internal.h */
const char *const oct_registry_pending[OCT_TURNS] = {
	OCT_FILE ".pending", OCT_FILE ".pending2", OCT_FILE ".pending3",
	OCT_FILE ".pending4", OCT_FILE ".pending5", OCT_FILE ".pending6",
	OCT_FILE ".pending7", OCT_FILE ".pending8"
};

/* does the pending file of the turn belong to the transaction under way? */
static bool mine = false;

static const char *
turn_path(void)
{
	return oct_registry_pending[oct_registry->turn];
}

/*
 * Makes all names what they are for good, having first given the temporary file
 * that of the turn, if that is wanted.  If it fails no later flush is believed to
 * make up for it.
 */
static bool
flush_names(bool give, int elevel)
{
	OctSpare	spares[OCT_TURNS];
	bool		done;

	memcpy(spares, oct_registry->spares, sizeof(spares));
	for (int i = 0; i < OCT_TURNS; i++)
	{
		if (spares[i] == OCT_SPARE_AFTER_FLUSH)
			oct_registry->spares[i] = OCT_SPARE_NOT;
	}
	done = give ? oct_regname_give(OCT_FILE_TEMPORARY, turn_path(), elevel) :
		oct_regname_sync(elevel);
	for (int i = 0; i < OCT_TURNS && done; i++)
	{
		if (spares[i] == OCT_SPARE_AFTER_FLUSH)
			oct_registry->spares[i] = OCT_SPARE;
	}
	return done;
}

/*
 * At PRE_COMMIT: opens a file for an image and tells its name, which is that of the
 * pending file already if a spare one is written over.  Reports a failure at elevel
 * and returns -1.
 */
int
oct_regturn_open(const char **path, int elevel)
{
	OctSpare   *spare = &oct_registry->spares[oct_registry->turn];
	int			fd = -1;

	if (*spare == OCT_SPARE_AFTER_FLUSH && !flush_names(false, elevel))
		return -1;
	*path = turn_path();
	if (*spare == OCT_SPARE)
		fd = oct_regname_open_unused(*path);
	*spare = OCT_SPARE_NOT;
	mine = fd >= 0;
	if (mine)
		return fd;

	*path = OCT_FILE_TEMPORARY;
	return oct_regname_create(*path, elevel);
}

/*
 * At PRE_COMMIT, the image being flushed: gives its file the name of the pending
 * one for good, unless it has it.  Reports a failure at elevel and returns false.
 */
bool
oct_regturn_give(int elevel)
{
	if (mine)
		return true;
	mine = true;
	return flush_names(true, elevel);
}

/* Returns false with errno set. */
static bool
swap_names(const char *one, const char *other)
{
#ifdef RENAME_EXCHANGE
	return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0;
#else
	errno = ENOSYS;
	return false;
#endif
}

/* Does it mean that names were not swapped for sure, but a rename may do? */
static bool
is_swap_unknown(int error)
{
	return error == ENOSYS || error == EINVAL || error == EPERM || error == ENOENT;
}

/*
 * At COMMIT: the pending file becomes the registry.  "keep": what was that may stay,
 * to be written over.  Returns false if it fails; it may have been done all the
 * same.  Does not throw.
 */
bool
oct_regturn_commit(bool keep)
{
	bool		swapped = keep && swap_names(turn_path(), OCT_FILE);

	mine = false;
	if (!swapped && ((keep && !is_swap_unknown(errno)) ||
					 rename(turn_path(), OCT_FILE) != 0))
		return false;
	oct_registry->spares[oct_registry->turn] = swapped ? OCT_SPARE_AFTER_FLUSH : OCT_SPARE_NOT;
	oct_registry->turn = (oct_registry->turn + 1) % OCT_TURNS;
	return true;
}

/*
 * At ABORT, however far it had come: removes the pending file if it is that of the
 * transaction.  Returns false if it fails.  Does not throw.
 */
bool
oct_regturn_abort(void)
{
	bool		was_mine = mine;

	mine = false;
	return !was_mine || unlink(turn_path()) == 0 || errno == ENOENT;
}

/*
 * At the end of the server: removes what is spare, after the flush that lets nobody
 * need it any more.  Does not throw.
 */
void
oct_regturn_clear(void)
{
	(void) flush_names(false, LOG);
	for (int i = 0; i < OCT_TURNS; i++)
	{
		if (oct_registry->spares[i] == OCT_SPARE)
			(void) unlink(oct_registry_pending[i]);
	}
}

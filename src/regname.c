/*-------------------------------------------------------------------------
 *
 * regname.c
 *	  The names of registry files in the data directory: how a file gets one,
 *	  for good, and loses it.
 *
 * What core has for such purposes (OpenTransientFile, durable_rename) raises an
 * error, whatever level it is told to report at, when this process has too many
 * files open.  There are transactions that must not fail then, so the calls
 * beneath are used here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "regname.h"

/* how many files are set aside before one is lost */
#define OCT_BAD_NAMES	1000

#if defined(F_SETLEASE) && defined(F_SETSIG)
#define OCT_HAVE_LEASES
#endif

#ifdef OCT_HAVE_LEASES
/*
 * Has the file no other name?  Its times are not asked for: from then on the kernel
 * would tell each change of them from the one before, and so write the inode, and
 * that of WAL, with each flush.
 */
static bool
has_one_name(int fd)
{
#ifdef STATX_NLINK
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, STATX_NLINK, &st) == 0 && st.stx_nlink == 1;
#else
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 1;
#endif
}
#endif

/*
 * Opens a file to write it over; -1 if it is not there, has another name, too, or
 * is open elsewhere: somebody may still read it by the name that it had, a base
 * backup for one.  Until it is closed, who opens it waits, as long as the kernel
 * lets a lease last (45 s, unless set otherwise).
 */
int
oct_regname_open_unused(const char *path)
{
#ifdef OCT_HAVE_LEASES
	int			fd = BasicOpenFile(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | PG_BINARY | O_CLOEXEC);

	if (fd < 0)
		return -1;

	/*
	 * The lease is granted if there is no other descriptor of the file, which has
	 * to be a regular one.  The signal that tells of somebody who waits for us
	 * means nothing to a backend but a look at its latch; the one sent by default
	 * would end it.
	 */
	if (has_one_name(fd) &&
		fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
		return fd;
	close(fd);
#endif
	return -1;
}

/*
 * Makes a file in the place of what has its name, which is nobody's business after
 * a crash.  Reports a failure at elevel and returns -1.
 */
int
oct_regname_create(const char *path, int elevel)
{
	int			fd = -1;

	if (unlink(path) == 0 || errno == ENOENT)
		fd = BasicOpenFile(path, O_CREAT | O_EXCL | O_WRONLY | PG_BINARY | O_CLOEXEC);
	if (fd < 0)
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path)));
	return fd;
}

/*
 * Makes the names in the data directory what they are for good.  Reports a
 * failure at elevel and returns false.
 */
bool
oct_regname_sync(int elevel)
{
	int			fd = BasicOpenFile(".", O_RDONLY | PG_BINARY | O_CLOEXEC);
	int			save_errno = 0;

	/* some file systems cannot flush directories, which then need none */
	if (fd < 0)
		save_errno = errno;
	else if (pg_fsync(fd) != 0 && errno != EBADF && errno != EINVAL)
		save_errno = errno;
	if (fd >= 0)
		close(fd);
	if (save_errno == 0)
		return true;

	errno = save_errno;
	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not fsync file \"%s\": %m", DataDir)));
	return false;
}

/*
 * Gives a file, which was flushed, another name for good.  Reports a failure at
 * elevel and returns false; the file may have that name all the same.
 */
bool
oct_regname_give(const char *from, const char *to, int elevel)
{
	if (rename(from, to) == 0)
		return oct_regname_sync(elevel);
	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not rename file \"%s\" to \"%s\": %m", from, to)));
	return false;
}

/* Removes a file; the same of failures. */
bool
oct_regname_remove(const char *path, int elevel)
{
	if (unlink(path) == 0)
		return true;
	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not remove file \"%s\": %m", path)));
	return false;
}

/* Is the file there, as far as can be told? */
bool
oct_regname_exists(const char *path)
{
	return access(path, F_OK) == 0 || errno != ENOENT;
}

/*
 * Gives a file, if it is there, the name bad_name, or if that is taken bad_name
 * with a number; unless "keep", it loses the name it has.  Reports a failure at
 * elevel and returns false.
 */
bool
oct_regname_set_aside(const char *path, const char *bad_name, bool keep, int elevel)
{
	char		name[MAXPGPATH];

	if (!oct_regname_exists(path))
		return true;
	strlcpy(name, bad_name, sizeof(name));
	for (int i = 1; oct_regname_exists(name) && i < OCT_BAD_NAMES; i++)
		snprintf(name, sizeof(name), "%s.%d", bad_name, i);

	/* a directory cannot have two names; the last name is taken by whoever comes */
	if ((keep && link(path, name) == 0) || rename(path, name) == 0)
		return true;
	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not rename file \"%s\" to \"%s\": %m", path, name)));
	return false;
}

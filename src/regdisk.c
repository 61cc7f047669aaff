/*-------------------------------------------------------------------------
 *
 * regdisk.c
 *	  Reading and writing whole registry files.
 *
 * Reading is done in the postmaster, too, so it uses neither palloc nor
 * anything else that throws.  Writing streams the table of nodes, as it will
 * be with some changes applied, to a file and flushes it to disk; nobody sees
 * the file until registry.c gives it its name.
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
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/lmgr.h"
#include "storage/lock.h"

#include "regdisk.h"

/* no registry is larger: 100,000 nodes with all their options */
#define OCT_MAX_FILE_SIZE	(256 * 1024 * 1024)

#define OCT_WRITE_BUFFER	65536

/* how long DROP DATABASE waits for the lock */
#define OCT_LOCK_TRIES		50
#define OCT_LOCK_DELAY_US	100000L

/* the fourth field of the file's advisory lock tag; see regxact.c */
#define OCT_LOCK_FILE		0x0C71

/* what a slot becomes whose node goes */
static const OctNodeSpec gone;

/* An image being written. */
typedef struct OctRegWriter
{
	OctRegEncoder encoder;
	int			fd;
	const OctChange *changes;	/* one for each group that changes */
	int			nchanges;
	const OctNodeSpec **becomes;	/* by slot: NULL, node stays as it is; or
									 * NULL, all do */
	const OctChange *current;	/* of the group being written, or NULL */
	size_t		used;			/* of the buffer */
} OctRegWriter;

/* there is one image at a time: memory that no transaction has to get anew */
static char buffer[OCT_WRITE_BUFFER];


/* ---------- reading ---------- */

/* Reads a file into malloc'd memory; returns false with errno set. */
static bool
read_file(const char *path, char **data, size_t *size)
{
	struct stat st;
	int			fd = open(path, O_RDONLY | O_NONBLOCK | PG_BINARY | O_CLOEXEC, 0);
	int			save_errno = 0;

	*data = NULL;
	*size = 0;
	if (fd < 0)
		return false;
	if (fstat(fd, &st) != 0)
		save_errno = errno;
	else if (!S_ISREG(st.st_mode))
		save_errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	else if (st.st_size > OCT_MAX_FILE_SIZE)
		save_errno = EFBIG;
	else if ((*data = malloc(st.st_size + 1)) == NULL)
		save_errno = ENOMEM;

	while (save_errno == 0 && *size < (size_t) st.st_size)
	{
		ssize_t		n = read(fd, *data + *size, st.st_size - *size);

		if (n < 0 && errno != EINTR)
			save_errno = errno;
		else if (n == 0)
			break;
		else if (n > 0)
			*size += n;
	}
	close(fd);
	if (save_errno != 0)
	{
		free(*data);
		*data = NULL;
	}
	errno = save_errno;
	return save_errno == 0;
}

/* Reads and checks a registry file.  Does not throw. */
void
oct_regdisk_read(const char *path, OctRegImage *image)
{
	OctRegError error;

	memset(image, 0, sizeof(OctRegImage));
	if (!read_file(path, &image->data, &image->size))
	{
		image->state = errno == ENOENT ? OCT_REG_MISSING :
			errno == EISDIR || errno == EINVAL || errno == EFBIG ?
			OCT_REG_BAD : OCT_REG_UNREADABLE;
		snprintf(image->cause, sizeof(image->cause), "could not read it: %s",
				 strerror(errno));
		return;
	}

	if (oct_regfile_decode(image->data, image->size, &image->header, NULL,
						   &error))
	{
		image->state = OCT_REG_GOOD;
		return;
	}
	snprintf(image->cause, sizeof(image->cause), "line %u: %s",
			 error.line, error.cause);
	oct_regdisk_free(image);
	image->state = OCT_REG_BAD;
}

void
oct_regdisk_free(OctRegImage *image)
{
	free(image->data);
	image->data = NULL;
}

/* Tells the sink what is in a good image.  Throws only if the sink does. */
void
oct_regdisk_tell(const OctRegImage *image, const OctRegSink *sink)
{
	OctRegHeader header;
	OctRegError error;

	(void) oct_regfile_decode(image->data, image->size, &header, sink, &error);
}


/* ---------- writing ---------- */

/* Returns false with errno set. */
static bool
flush_buffer(OctRegWriter *writer)
{
	size_t		done = 0;

	while (done < writer->used)
	{
		ssize_t		n;

		/* if write didn't set errno, assume the problem is no disk space */
		errno = ENOSPC;
		n = write(writer->fd, buffer + done, writer->used - done);
		if (n <= 0 && errno != EINTR)
			return false;
		if (n > 0)
			done += n;
	}
	writer->used = 0;
	return true;
}

static bool
write_bytes(void *arg, const char *bytes, size_t nbytes)
{
	OctRegWriter *writer = (OctRegWriter *) arg;

	if (writer->used + nbytes > OCT_WRITE_BUFFER && !flush_buffer(writer))
		return false;
	memcpy(buffer + writer->used, bytes, nbytes);
	writer->used += nbytes;
	return true;
}

static const OctChange *
find_change(const OctRegWriter *writer, OctGroupKey key)
{
	for (int i = 0; i < writer->nchanges; i++)
	{
		if (oct_same_group(writer->changes[i].key, key))
			return &writer->changes[i];
	}
	return NULL;
}

/* Ends the group being written with the nodes that come. */
static bool
end_group(OctRegWriter *writer)
{
	const OctChange *change = writer->current;

	writer->current = NULL;
	for (int i = 0; change != NULL && i < change->nadditions; i++)
	{
		if (!oct_regfile_put_node(&writer->encoder, &change->additions[i]))
			return false;
	}
	return true;
}

/* Does the group lose all its nodes, and so cease to be? */
static bool
is_emptied(const OctChange *change)
{
	return change->nadditions == 0 && change->nremovals > 0 &&
		change->nremovals == oct_nodetab_count(change->key);
}

/* Begins a group; one that changes may have other names and another policy. */
static bool
write_group(void *arg, const OctGroup *group)
{
	OctRegWriter *writer = (OctRegWriter *) arg;

	if (!end_group(writer))
		return false;
	writer->current = find_change(writer, group->key);
	if (writer->current != NULL && is_emptied(writer->current))
		return true;
	if (writer->current != NULL && writer->current->group != NULL)
		group = writer->current->group;
	return oct_regfile_put_group(&writer->encoder, group);
}

static bool
write_node(void *arg, int32 slot, const OctNodeSpec *spec)
{
	OctRegWriter *writer = (OctRegWriter *) arg;

	const OctNodeSpec *becomes = writer->becomes ? writer->becomes[slot] : NULL;

	if (becomes == &gone)
		return true;
	if (becomes != NULL)
		spec = becomes;
	return oct_regfile_put_node(&writer->encoder, spec);
}

/* Is it a group that the table does not have yet? */
static bool
is_new_group(const OctChange *change)
{
	return change->nadditions > 0 && oct_nodetab_count(change->key) == 0;
}

static bool
write_image(OctRegWriter *writer, const OctRegHeader *header)
{
	OctVisitor	visitor = {write_group, write_node, writer};

	errno = EINVAL;				/* unless writing says better */
	if (!oct_regfile_put_header(&writer->encoder, write_bytes, writer, header) ||
		!oct_nodetab_walk(&visitor))
		return false;
	for (int i = 0; i < writer->nchanges; i++)
	{
		if (is_new_group(&writer->changes[i]) &&
			!write_group(writer, writer->changes[i].group))
			return false;
	}
	return end_group(writer) && oct_regfile_put_end(&writer->encoder) &&
		flush_buffer(writer);
}

/* Notes what becomes of the slots of nodes of a group. */
static void
note_slots(OctRegWriter *writer, OctGroupKey key, const OctNodeSpec *specs,
		   int nspecs, bool go)
{
	if (nspecs > 0 && writer->becomes == NULL)
		writer->becomes = palloc0(sizeof(OctNodeSpec *) * oct_nodetab_nslots());
	for (int i = 0; i < nspecs; i++)
	{
		OctNodeView view;

		if (oct_nodetab_lookup(key, &specs[i], &view))
			writer->becomes[view.rowid] = go ? &gone : &specs[i];
	}
}

/* What the image will hold, and in which slots it differs from the table. */
static void
take_stock(OctRegWriter *writer, OctRegHeader *header)
{
	int			ngroups;
	int			nnodes;

	oct_nodetab_totals(&ngroups, &nnodes);
	for (int i = 0; i < writer->nchanges; i++)
	{
		const OctChange *change = &writer->changes[i];

		if (is_new_group(change))
			ngroups++;
		else if (is_emptied(change))
			ngroups--;
		nnodes += change->nadditions - change->nremovals;
		note_slots(writer, change->key, change->removals, change->nremovals, true);
		note_slots(writer, change->key, change->updates, change->nupdates, false);
	}
	header->ngroups = (uint32) ngroups;
	header->nnodes = (uint32) nnodes;
}

/*
 * Writes the table, as it will be with the changes applied, to a new file and
 * flushes it to disk.  The counts in the header are filled in.  The caller
 * holds the lock of the registry file.
 *
 * Reports a failure at elevel and returns false; the file is gone then.
 */
bool
oct_regdisk_write(const char *path, OctRegHeader *header,
				  const OctChange *changes, int nchanges, int elevel)
{
	OctRegWriter writer = {.changes = changes, .nchanges = nchanges};
	bool		done;
	int			save_errno;

	take_stock(&writer, header);

	writer.fd = BasicOpenFile(path, O_CREAT | O_TRUNC | O_WRONLY | PG_BINARY | O_CLOEXEC);
	if (writer.fd < 0)
	{
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path)));
		return false;
	}
	done = write_image(&writer, header) && pg_fsync(writer.fd) == 0;
	save_errno = errno;
	if (close(writer.fd) != 0 && done)
	{
		done = false;
		save_errno = errno;
	}
	if (writer.becomes != NULL)
		pfree(writer.becomes);
	if (done)
		return true;

	unlink(path);
	errno = save_errno;
	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not write file \"%s\": %m", path)));
	return false;
}


/* ---------- names ---------- */

/*
 * Makes the names in the data directory what they are for good.  Reports a
 * failure at elevel and returns false.
 */
bool
oct_regdisk_sync_names(int elevel)
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
oct_regdisk_rename(const char *from, const char *to, int elevel)
{
	if (rename(from, to) == 0)
		return oct_regdisk_sync_names(elevel);
	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not rename file \"%s\" to \"%s\": %m", from, to)));
	return false;
}

/* Removes a file for good; the same of failures. */
bool
oct_regdisk_remove(const char *path, int elevel)
{
	if (unlink(path) == 0)
		return oct_regdisk_sync_names(elevel);
	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not remove file \"%s\": %m", path)));
	return false;
}

/* Is the file there, as far as can be told? */
bool
oct_regdisk_exists(const char *path)
{
	return access(path, F_OK) == 0 || errno != ENOENT;
}

/*
 * Gives a file, if it is there, the name bad_name, or if that is taken bad_name
 * with a number; unless "keep", it loses the name it has.  Raises an error if
 * that fails.
 */
void
oct_regdisk_set_aside(const char *path, const char *bad_name, bool keep)
{
	char		name[MAXPGPATH];

	if (!oct_regdisk_exists(path))
		return;
	strlcpy(name, bad_name, sizeof(name));
	for (int i = 1; oct_regdisk_exists(name); i++)
		snprintf(name, sizeof(name), "%s.%d", bad_name, i);

	/* a directory cannot have two names */
	if ((!keep || link(path, name) != 0) && rename(path, name) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m",
						path, name)));
}


/* ---------- the lock of the registry file ---------- */

static void
set_file_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, InvalidOid, 0, 0, OCT_LOCK_FILE);
}

/*
 * Takes the lock of the registry file, to the end of the transaction.  A
 * transaction that has to commit whatever happens does not wait for ever, and
 * cannot be cancelled while it does; it may come away without the lock.
 */
bool
oct_regdisk_lock(bool patiently)
{
	LOCKTAG		tag;
	int			tries = OCT_LOCK_TRIES;

	set_file_tag(&tag);
	while (LockAcquire(&tag, ExclusiveLock, false, !patiently) == LOCKACQUIRE_NOT_AVAIL)
	{
		if (--tries == 0)
			return false;
		pg_usleep(OCT_LOCK_DELAY_US);
	}
	return true;
}

/* The same if nobody else has it; for who waits for nobody. */
bool
oct_regdisk_try_lock(void)
{
	LOCKTAG		tag;

	set_file_tag(&tag);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
oct_regdisk_unlock(void)
{
	LOCKTAG		tag;

	set_file_tag(&tag);
	LockRelease(&tag, ExclusiveLock, false);
}

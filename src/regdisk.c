/*-------------------------------------------------------------------------
 *
 * regdisk.c
 *	  Reading and writing whole registry files.
 *
 * Reading is done in the postmaster, too, so it uses neither palloc nor
 * anything else that throws.  Writing streams the table of nodes, as it will
 * be with some changes applied, to a file and flushes it to disk; nobody believes
 * the file until registry.c gives it its name.
 *
 * Behind its last line a file is filled up with empty ones: one that is written
 * over then keeps its size more often than not, which makes the flush a third
 * cheaper.
 *
 * A file may be written over under the name by which a crash would find it.  Its
 * header is then either that of the image before, which is of no account any more, or
 * names a transaction that did not commit, since who commits has flushed the image.
 * (A header is shorter than the sector that a disk writes as a whole.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "pairs.h"
#include "regdisk.h"

/* no registry is larger: 100,000 nodes with all their options */
#define OCT_MAX_FILE_SIZE	(256 * 1024 * 1024)

#define OCT_WRITE_BUFFER	65536

/* what the size of a file is a multiple of */
#define OCT_FILE_BLOCK		8192

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
	bool		holds_password; /* has a group one? */
} OctRegWriter;

/* there is one image at a time: memory that no transaction has to get anew */
static char buffer[OCT_WRITE_BUFFER];


/* ---------- reading ---------- */

/* Reads a file into malloc'd memory; returns false with errno set. */
static bool
read_file(const char *path, char **data, size_t *size)
{
	struct stat st;
	int			fd = BasicOpenFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY | O_CLOEXEC);
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

/*
 * How much of the data is not filling?  A base backup fills up with zeros what it
 * found shorter than it had expected.
 */
static size_t
used_size(const char *data, size_t size)
{
	while (size > 0 && data[size - 1] == '\0')
		size--;
	while (size > 1 && data[size - 1] == '\n' && data[size - 2] == '\n')
		size--;
	return size;
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

	image->size = used_size(image->data, image->size);
	if (oct_regfile_decode(image->data, image->size, &image->header, NULL,
						   &error))
	{
		image->state = OCT_REG_GOOD;
		return;
	}
	snprintf(image->cause, sizeof(image->cause), "line %u: %s",
			 error.line, error.cause);
	oct_regdisk_free(image);
	image->header.ngroups = image->header.nnodes = 0;
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

		n = write(writer->fd, buffer + done, writer->used - done);
		if (n == 0)
			errno = ENOSPC;		/* as far as can be told */
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
	writer->holds_password |= oct_pairs_get(&group->policy, "password") != NULL ||
		oct_pairs_get(&group->policy, "sslpassword") != NULL;
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

/* Fills the last block with empty lines, and ends the file there. */
static bool
fill_block(OctRegWriter *writer)
{
	char		lines[OCT_FILE_BLOCK];
	off_t		end = lseek(writer->fd, 0, SEEK_CUR) + writer->used;
	size_t		missing = (OCT_FILE_BLOCK - end % OCT_FILE_BLOCK) % OCT_FILE_BLOCK;

	memset(lines, '\n', missing);
	if (!write_bytes(writer, lines, missing) || !flush_buffer(writer))
		return false;
	end += missing;

	/* what it held before may have been longer */
	return lseek(writer->fd, 0, SEEK_END) == end || ftruncate(writer->fd, end) == 0;
}

static bool
write_image(OctRegWriter *writer, OctRegHeader *header)
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
	return end_group(writer) &&
		oct_regfile_put_end(&writer->encoder, &header->crc) && fill_block(writer);
}

/* Notes what becomes of the slots of nodes of a group; false without memory. */
static bool
note_slots(OctRegWriter *writer, OctGroupKey key, const OctNodeSpec *specs,
		   int nspecs, bool go)
{
	if (nspecs > 0 && writer->becomes == NULL)
		writer->becomes = palloc_extended(sizeof(OctNodeSpec *) * oct_nodetab_nslots(),
										  MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);
	if (nspecs > 0 && writer->becomes == NULL)
		return false;
	for (int i = 0; i < nspecs; i++)
	{
		OctNodeView view;

		if (oct_nodetab_lookup(key, &specs[i], &view))
			writer->becomes[view.rowid] = go ? &gone : &specs[i];
	}
	return true;
}

/*
 * What the image will hold, and in which slots it differs from the table; false,
 * with errno set, without memory.
 */
static bool
take_stock(OctRegWriter *writer, OctRegHeader *header)
{
	int			ngroups;
	int			nnodes;

	errno = ENOMEM;
	oct_nodetab_totals(&ngroups, &nnodes);
	for (int i = 0; i < writer->nchanges; i++)
	{
		const OctChange *change = &writer->changes[i];

		if (is_new_group(change))
			ngroups++;
		else if (is_emptied(change))
			ngroups--;
		nnodes += change->nadditions - change->nremovals;
		if (!note_slots(writer, change->key, change->removals, change->nremovals, true) ||
			!note_slots(writer, change->key, change->updates, change->nupdates, false))
			return false;
	}
	header->ngroups = (uint32) ngroups;
	header->nnodes = (uint32) nnodes;
	return true;
}

/*
 * Writes the table, as it will be with the changes applied, over what the file
 * holds and flushes it to disk.  Fills in the counts and the CRC in the header, and
 * tells whether a password is in the image.  The caller holds the lock of the
 * registry file.
 *
 * Closes the descriptor.  Reports a failure at elevel and returns false; the file
 * is gone then.
 */
bool
oct_regdisk_write(int fd, const char *path, OctRegHeader *header,
				  const OctChange *changes, int nchanges,
				  bool *holds_password, int elevel)
{
	OctRegWriter writer = {.fd = fd,.changes = changes,.nchanges = nchanges};
	bool		done;
	int			save_errno;

	done = take_stock(&writer, header) && write_image(&writer, header) &&
		pg_fdatasync(fd) == 0;
	save_errno = errno;
	if (close(fd) != 0 && done)
	{
		done = false;
		save_errno = errno;
	}
	if (writer.becomes != NULL)
		pfree(writer.becomes);
	*holds_password = writer.holds_password;
	if (done)
		return true;

	unlink(path);
	errno = save_errno;
	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not write file \"%s\": %m", path)));
	return false;
}

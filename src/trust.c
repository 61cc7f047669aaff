/*-------------------------------------------------------------------------
 *
 * trust.c
 *	  The files of certificates that a group names: can they be read at once?
 *
 * libpq reads them with each login, in the prober, which must wait for nobody.
 * Any owner of a foreign server may name one, and /dev/zero has no end, a FIFO
 * no beginning.  So they have to be ordinary files, and not too long, and those
 * of directories of revocation lists too, which are to have few others.
 *
 * That they are so when libpq opens them is not for sure, but only who writes
 * to this machine's file system can change it meanwhile.  What cannot be found
 * or opened is left to libpq, which says so at once.
 *
 * Does not throw.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <sys/stat.h>

#include "trust.h"

/* many times what all authorities of the Internet take */
#define OCT_TRUST_SIZE	(4 * 1024 * 1024)

/* as many as can be looked at with each login */
#define OCT_TRUST_ENTRIES	1024

/* Why a file cannot; NULL if it can, or if there is none. */
static const char *
obstacle_of_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return NULL;
	if (!S_ISREG(st.st_mode))
		return "a file of certificates or keys is not a regular file";
	if (st.st_size > OCT_TRUST_SIZE)
		return "a file of certificates or keys is too long";
	return NULL;
}

/* The same for those that OpenSSL would look at in a directory. */
static const char *
obstacle_in_directory(const char *directory)
{
	DIR		   *dir = opendir(directory);
	const char *why = NULL;
	struct dirent *entry;
	int			n = 0;

	if (dir == NULL)
		return NULL;
	while (why == NULL && (entry = readdir(dir)) != NULL)
	{
		char		path[MAXPGPATH];

		if (++n > OCT_TRUST_ENTRIES)
			why = "a directory of revocation lists has too many files";
		else if (strstr(entry->d_name, ".r") == NULL)
			continue;
		else if (snprintf(path, sizeof(path), "%s/%s", directory,
						  entry->d_name) >= sizeof(path))
			why = "the name of a revocation list is too long";
		else
			why = obstacle_of_file(path);
	}
	closedir(dir);
	return why;
}

/* The same for a list of directories, with colons between them. */
static const char *
obstacle_in_directories(const char *list)
{
	const char *why = NULL;

	while (why == NULL && *list != '\0')
	{
		char		directory[MAXPGPATH];
		size_t		len = strcspn(list, ":");

		if (len >= sizeof(directory))
			return "the name of a directory of revocation lists is too long";
		strlcpy(directory, list, len + 1);
		why = obstacle_in_directory(directory);
		list += len + (list[len] == ':');
	}
	return why;
}

/* Why they cannot; NULL if they can, or if there are none. */
const char *
oct_trust_obstacle(const OctPairs *policy)
{
	static const char *const files[] = {"sslrootcert", "sslcrl", "sslcert", "sslkey"};

	const char *directories = oct_pairs_get(policy, "sslcrldir");
	const char *why = NULL;

	for (int i = 0; i < lengthof(files) && why == NULL; i++)
	{
		const char *path = oct_pairs_get(policy, files[i]);

		if (path != NULL)
			why = obstacle_of_file(path);
	}
	if (why == NULL && directories != NULL)
		why = obstacle_in_directories(directories);
	return why;
}

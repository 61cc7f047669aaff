/*-------------------------------------------------------------------------
 *
 * trust.c
 *	  The files of certificates that a group names: can they be read at once?
 *
 * libpq reads them with each login, in the prober, which must wait for nobody.
 * Any owner of a foreign server may name one, and /dev/zero has no end, a FIFO
 * no beginning.  So they have to be ordinary files, and not too long.
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

#include <sys/stat.h>

#include "trust.h"

/* many times what all authorities of the Internet take */
#define OCT_TRUST_SIZE	(4 * 1024 * 1024)

/* Why they cannot; NULL if they can, or if there are none. */
const char *
oct_trust_obstacle(const OctPairs *policy)
{
	static const char *const files[] = {"sslrootcert", "sslcrl", "sslcert", "sslkey"};

	for (int i = 0; i < lengthof(files); i++)
	{
		const char *path = oct_pairs_get(policy, files[i]);
		struct stat st;

		if (path == NULL || stat(path, &st) != 0)
			continue;
		if (!S_ISREG(st.st_mode))
			return "a file of certificates or keys is not a regular file";
		if (st.st_size > OCT_TRUST_SIZE)
			return "a file of certificates or keys is too long";
	}
	return NULL;
}

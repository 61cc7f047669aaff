/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  Tells of lookups of names, which would have somebody wait.
 *
 * To be preloaded (LD_PRELOAD) into a server.  The file that LOOKUPS names gets a
 * line for each call of getaddrinfo for what need not be a number: the name.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
			struct addrinfo **result)
{
	__typeof__(&getaddrinfo) real = (__typeof__(&getaddrinfo)) dlsym(RTLD_NEXT, "getaddrinfo");
	const char *path = getenv("LOOKUPS");

	if (path != NULL && name != NULL &&
		(hints == NULL || (hints->ai_flags & AI_NUMERICHOST) == 0))
	{
		FILE	   *file = fopen(path, "a");

		if (file != NULL)
		{
			fprintf(file, "%s\n", name);
			fclose(file);
		}
	}
	return real(name, service, hints, result);
}

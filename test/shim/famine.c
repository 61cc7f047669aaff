/*-------------------------------------------------------------------------
 *
 * famine.c
 *	  A lack of memory for libpq and c-ares.
 *
 * To be preloaded (LD_PRELOAD) into a server.  While there is a file "famine" in
 * the data directory, every so many-th request for memory that one of these
 * libraries makes itself is refused, the number being what the file says.  The
 * file "famine.hit" gets a byte for each refusal, p for libpq and c for c-ares.  Nobody else goes short: core
 * reports a lack of its own as an error, which is its business.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* what the C library exports beside the names that are taken here */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

/* The number in the file; 0 if there is none. */
static long
rate(void)
{
	char		buf[32];
	int			fd = open("famine", O_RDONLY | O_CLOEXEC);
	ssize_t		n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return atol(buf);
}

/* Is this a request of theirs that is to be refused? */
static bool
refuse(const void *caller)
{
	static __thread bool busy = false;
	static unsigned long requests = 0;
	Dl_info		info;
	char		who = '\0';
	long		every;
	int			save_errno = errno;
	int			fd;

	if (busy)
		return false;
	busy = true;
	if (dladdr(caller, &info) != 0 && info.dli_fname != NULL)
		who = strstr(info.dli_fname, "libpq.so") != NULL ? 'p' :
			strstr(info.dli_fname, "libcares.so") != NULL ? 'c' : '\0';
	every = who != '\0' ? rate() : 0;
	busy = false;
	errno = save_errno;
	if (every == 0 || ++requests % every != 0)
		return false;

	fd = open("famine.hit", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, &who, 1) != 1)
		abort();
	close(fd);
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

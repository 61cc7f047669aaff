/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  libpq and c-ares get no memory.
 *
 * To be preloaded (LD_PRELOAD) into a server.  While there is a file "memory" in
 * the data directory, which is the working directory, each N-th call of malloc,
 * calloc and realloc that comes from the code of libpq or of c-ares fails, N
 * being the number in it.  What they have others allocate for them is not
 * counted.  The file "memory.hit" gets a byte for each failure: p for libpq, c
 * for c-ares.
 *
 * The loader may call us before anything of ours could be set up, so we know the
 * calls of glibc by the names that they have beside those we take.
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

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

/* Which of the two is it?  '\0' if neither. */
static char
who(void *caller)
{
	Dl_info		info;

	if (dladdr(caller, &info) == 0 || info.dli_fname == NULL)
		return '\0';
	if (strstr(info.dli_fname, "/libpq.so") != NULL)
		return 'p';
	if (strstr(info.dli_fname, "/libcares.so") != NULL)
		return 'c';
	return '\0';
}

/* Every how manieth call is to fail?  0 for none. */
static int
read_nth(void)
{
	char		buf[16] = "";
	int			fd = open("memory", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = '\0';
	close(fd);
	return atoi(buf);
}

/* Is this call to fail?  Then errno says why. */
static bool
fails(void *caller)
{
	static int	ncalls = 0;
	static bool busy = false;
	int			save_errno = errno;
	char		letter;
	int			nth;
	int			fd;

	if (busy)
		return false;
	busy = true;
	letter = who(caller);
	nth = letter == '\0' ? 0 : read_nth();
	busy = false;
	errno = save_errno;
	if (nth == 0 || ++ncalls % nth != 0)
		return false;

	fd = open("memory.hit", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, &letter, 1) != 1)
		abort();
	close(fd);
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

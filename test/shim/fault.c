/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Faults in the calls that a server makes about its registry file.
 *
 * To be preloaded (LD_PRELOAD) into a server.  A call of open, write, fsync,
 * fdatasync ("fsync"), rename, renameat2 ("swap"), link, unlink is looked at if the
 * file, or the name that it is given, has a name beginning with
 * octopus_fdw.registry; so is fsync of the data directory if the same process made
 * such a call before.  The file "fault" in the data directory, if there is one, says
 * in a line what shall happen:
 *
 *	  FUNCTION SUFFIX N ACTION
 *
 * The N-th call of FUNCTION ("rename" is also "swap"; or of "any") about a file
 * whose name ends with SUFFIX, a digit behind that not counted ("*": of whatever
 * name, "/": the data directory), meets the ACTION: a number is the errno with which
 * it fails, as do all later ones ("once" after it: only this one; a swap that fails
 * with EINPROGRESS is done, and fails with EIO); "kill" kills the process before the
 * call, with signal 9; "stop" stops it there.  Files of the data directory named "fault.calls" and
 * "fault.hit" tell of the calls counted, a line each, and of the process that
 * met the fault.  Without the file nothing happens at all.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OURS "octopus_fdw.registry"

static bool concerned = false;	/* has this process touched the registry? */

#define REAL(function) \
	((__typeof__(&function)) dlsym(RTLD_NEXT, #function))

/* Appends to a file; returns how many lines it has then. */
static int
note(const char *path, const char *text)
{
	int			fd = REAL(open) (path, O_RDWR | O_CREAT | O_APPEND, 0600);
	char		buf[4096];
	ssize_t		n;
	int			nlines = 0;

	REAL(write) (fd, text, strlen(text));
	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
	{
		for (ssize_t i = 0; i < n; i++)
			nlines += buf[i] == '\n';
	}
	close(fd);
	return nlines;
}

static bool
has_suffix(const char *path, const char *suffix)
{
	size_t		len = strlen(path);
	size_t		n = strlen(suffix);

	if (len > 0 && path[len - 1] >= '0' && path[len - 1] <= '9')
		len--;
	return strcmp(suffix, "*") == 0 ||
		(len >= n && strncmp(path + len - n, suffix, n) == 0);
}

/* Reads what shall happen. */
static bool
read_fault(char *function, char *suffix, int *nth, char *action, char *once)
{
	char		buf[256];
	int			fd = REAL(open) ("fault", O_RDONLY);
	ssize_t		n;

	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	*once = '\0';
	return sscanf(buf, "%31s %63s %d %15s %15s", function, suffix, nth, action,
				  once) >= 4;
}

static bool
is_meant(const char *function, const char *called)
{
	return strcmp(function, "any") == 0 || strcmp(function, called) == 0 ||
		(strcmp(function, "rename") == 0 && strcmp(called, "swap") == 0);
}

/* Is the call to fail?  Then errno says how. */
static bool
meets_fault(const char *called, const char *path)
{
	char		function[32];
	char		suffix[64];
	char		action[16];
	char		once[16];
	char		text[512];
	int			save_errno = errno;
	int			nth;
	int			n;

	if (!read_fault(function, suffix, &nth, action, once) ||
		!is_meant(function, called) ||
		!has_suffix(path, suffix))
	{
		errno = save_errno;
		return false;
	}
	snprintf(text, sizeof(text), "%s %s\n", called, path);
	n = note("fault.calls", text);
	errno = save_errno;
	if (n < nth || (n > nth && (*once != '\0' || atoi(action) == 0)))
		return false;

	snprintf(text, sizeof(text), "%d %s %s\n", (int) getpid(), called, path);
	note("fault.hit", text);
	if (strcmp(action, "kill") == 0)
		kill(getpid(), SIGKILL);
	else if (strcmp(action, "stop") == 0)
		kill(getpid(), SIGSTOP);
	errno = atoi(action);
	return errno != 0;
}

static bool
is_ours(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name == NULL ? path : name + 1;
	if (strncmp(name, OURS, strlen(OURS)) != 0)
		return false;
	concerned = true;
	return true;
}

/* The file behind a descriptor, if it is of interest. */
static bool
is_our_descriptor(int fd, char *path, size_t size)
{
	char		link[64];
	char		cwd[4096];
	ssize_t		n;
	int			save_errno = errno;

	if (!concerned)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, size - 1);
	path[n < 0 ? 0 : n] = '\0';
	if (getcwd(cwd, sizeof(cwd)) != NULL && strcmp(path, cwd) == 0)
		snprintf(path, size, "/");
	errno = save_errno;
	return strcmp(path, "/") == 0 || is_ours(path);
}

int
open(const char *path, int flags,...)
{
	va_list		args;
	mode_t		mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (is_ours(path) && meets_fault("open", path))
		return -1;
	return REAL(open) (path, flags, mode);
}

int
open64(const char *path, int flags,...)
{
	va_list		args;
	mode_t		mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (is_ours(path) && meets_fault("open", path))
		return -1;
	return REAL(open64) (path, flags, mode);
}

/* A write that fails has written half of it. */
ssize_t
write(int fd, const void *bytes, size_t nbytes)
{
	char		path[4096];

	if (is_our_descriptor(fd, path, sizeof(path)) && path[1] != '\0' &&
		meets_fault("write", path))
	{
		int			save_errno = errno;

		REAL(write) (fd, bytes, nbytes / 2);
		errno = save_errno;
		return -1;
	}
	return REAL(write) (fd, bytes, nbytes);
}

int
fsync(int fd)
{
	char		path[4096];

	if (is_our_descriptor(fd, path, sizeof(path)) && meets_fault("fsync", path))
		return -1;
	return REAL(fsync) (fd);
}

int
fdatasync(int fd)
{
	char		path[4096];

	if (is_our_descriptor(fd, path, sizeof(path)) && meets_fault("fsync", path))
		return -1;
	return REAL(fdatasync) (fd);
}

int
link(const char *from, const char *to)
{
	if (is_ours(to) && meets_fault("link", to))
		return -1;
	return REAL(link) (from, to);
}

/* Of a rename the new name counts. */
int
rename(const char *from, const char *to)
{
	if (is_ours(to) && meets_fault("rename", to))
		return -1;
	return REAL(rename) (from, to);
}

/* Names are swapped for the registry's, which is the second one. */
int
renameat2(int fromdir, const char *from, int todir, const char *to, unsigned int flags)
{
	if (is_ours(to) && meets_fault("swap", to))
	{
		if (errno == EINPROGRESS)
		{
			(void) REAL(renameat2) (fromdir, from, todir, to, flags);
			errno = EIO;
		}
		return -1;
	}
	return REAL(renameat2) (fromdir, from, todir, to, flags);
}

int
unlink(const char *path)
{
	if (is_ours(path) && meets_fault("unlink", path))
		return -1;
	return REAL(unlink) (path);
}

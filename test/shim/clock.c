/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  A wall clock that is wrong.
 *
 * To be preloaded (LD_PRELOAD) into a server.  The file "clock" in the data
 * directory, if there is one, says by how many seconds the wall clock is
 * ahead; it may change at any time.  The monotonic clock goes right, as it does
 * on a machine whose time somebody sets.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REAL(function) \
	((__typeof__(&function)) dlsym(RTLD_NEXT, #function))

static long
seconds_ahead(void)
{
	char		buf[32];
	int			save_errno = errno;
	int			fd = open("clock", O_RDONLY | O_CLOEXEC);
	ssize_t		n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	errno = save_errno;
	return atol(buf);
}

int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	int			result = REAL(gettimeofday) (tv, tz);

	tv->tv_sec += seconds_ahead();
	return result;
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int			result = REAL(clock_gettime) (clock, ts);

	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		ts->tv_sec += seconds_ahead();
	return result;
}

time_t
time(time_t *t)
{
	time_t		now = REAL(time) (NULL) + seconds_ahead();

	if (t != NULL)
		*t = now;
	return now;
}

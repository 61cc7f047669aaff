/*-------------------------------------------------------------------------
 *
 * iomux.c
 *	  Waiting for many sockets, for the process latch and for the death of the
 *	  postmaster, all at once.
 *
 * Core's wait event sets cannot let go of a socket, so the sockets stand in
 * an epoll instance of ours, whose descriptor stands in a wait event set (an
 * epoll descriptor can itself be polled).  To pass through both costs a few
 * system calls, too many for a busy prober: while the wait is to be short we
 * ask our epoll instance alone, and the latch has to wait that long.
 *
 * Whoever drives its socket itself adds it once: a connected one to be told as
 * long as there is something to read; one that still connects to be told once,
 * when it has connected or could not, and once more each time when something
 * comes.  That spares the system call that a change of mind takes.
 *
 * libpq closes and opens sockets as it sees fit, and a closed socket vanishes
 * from the epoll set by itself; so a socket is never removed, and to watch
 * one means to modify it if it is known and to add it if it is not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/epoll.h>
#include <sys/resource.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"

#include "compat.h"
#include "iomux.h"

/* the longest wait without a look at the latch */
#define OCT_SHORT_WAIT_MS	10

/* descriptors left alone beside those of fd.c */
#define OCT_SPARE_FDS		64

/* the most sockets told by one call of epoll_wait */
#define OCT_EPOLL_EVENTS	256

static int	epoll_fd = -1;
static WaitEventSet *wait_set = NULL;
static uint32 wait_event;

/* Once a process.  Raises an error if the kernel refuses. */
void
oct_iomux_init(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		elog(ERROR, "epoll_create1 failed: %m");

	wait_event = oct_wait_event("OctopusProberMain");
	wait_set = oct_create_wait_event_set(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, epoll_fd, NULL, NULL);
}

/*
 * How many sockets this process may have open, after the soft limit of
 * descriptors has been raised to the hard limit: what fd.c leaves, but at
 * least half of all, since this process needs next to no files.  Raises an
 * error if the kernel does not tell the limit.
 */
int
oct_iomux_max_sockets(void)
{
	struct rlimit limit;
	int64		fds;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		elog(ERROR, "getrlimit failed: %m");
	if (limit.rlim_cur < limit.rlim_max)
	{
		rlim_t		soft = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			limit.rlim_cur = soft;
	}
	fds = Min(limit.rlim_cur, PG_INT32_MAX);
	return (int) Max(fds - max_safe_fds - OCT_SPARE_FDS, fds / 2);
}

/*
 * Watches a new socket: for data, as long as there is some, if it is connected;
 * else for each change of what can be done with it.  Returns false if the
 * kernel refuses, with errno set.  Does not throw.
 */
bool
oct_iomux_add(pgsocket sock, bool connected, int owner)
{
	struct epoll_event event = {0};

	event.events = connected ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLET;
	event.data.u32 = (uint32) owner;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, sock, &event) == 0;
}

/*
 * From now on watches a socket for the given events and for errors, instead
 * of what it was watched for before.  Returns false if the kernel refuses,
 * with errno set.  Does not throw.
 */
bool
oct_iomux_watch(pgsocket sock, int events, int owner)
{
	struct epoll_event event = {0};

	event.events = ((events & OCT_IO_READ) ? EPOLLIN : 0) |
		((events & OCT_IO_WRITE) ? EPOLLOUT : 0);
	event.data.u32 = (uint32) owner;

	/* new sockets are the ones that wait for their connection, to write */
	if (events & OCT_IO_WRITE)
		return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, sock, &event) == 0 ||
			(errno == EEXIST &&
			 epoll_ctl(epoll_fd, EPOLL_CTL_MOD, sock, &event) == 0);
	return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, sock, &event) == 0 ||
		(errno == ENOENT &&
		 epoll_ctl(epoll_fd, EPOLL_CTL_ADD, sock, &event) == 0);
}

/*
 * Waits until a socket is ready, the latch is set or timeout_ms is over; a
 * negative timeout_ms waits as long as it takes.  Ends the process if the
 * postmaster is gone.
 *
 * Returns the number of sockets that are ready and writes their owners; if
 * that is max_owners there may be more of them.  A negative result says that
 * a signal came between and the sockets were not looked at.  The latch is
 * left as it is.
 */
int
oct_iomux_wait(int64 timeout_ms, int *owners, int max_owners)
{
	struct epoll_event events[OCT_EPOLL_EVENTS];
	int			n;

	if (timeout_ms < 0 || timeout_ms > OCT_SHORT_WAIT_MS)
	{
		WaitEvent	event;

		(void) WaitEventSetWait(wait_set, Min(timeout_ms, INT_MAX), &event, 1,
								wait_event);
		timeout_ms = 0;
	}
	else if (!PostmasterIsAlive())
		proc_exit(1);

	if (MyLatch->is_set)
		timeout_ms = 0;
	pgstat_report_wait_start(wait_event);
	n = epoll_wait(epoll_fd, events, Min(max_owners, OCT_EPOLL_EVENTS),
				   (int) timeout_ms);
	pgstat_report_wait_end();
	if (n < 0 && errno != EINTR)
		elog(ERROR, "epoll_wait failed: %m");
	for (int i = 0; i < n; i++)
		owners[i] = (int) events[i].data.u32;
	return n;
}

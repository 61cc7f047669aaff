/*-------------------------------------------------------------------------
 *
 * server_stub.c
 *	  What the resolver takes from the server and from iomux, for a test without
 *	  either: memory is malloc's, messages go to a buffer, sockets to poll().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <poll.h>

#include "iomux.h"
#include "nodetab.h"
#include "resolver.h"
#include "server_stub.h"
#include "utils/memutils.h"

#define MAX_OWNERS	64

MemoryContext TopMemoryContext = NULL;
int			oct_max_nodes = 4096;
int			stub_chunks = 0;
char		stub_log[1024];

static struct pollfd watched[MAX_OWNERS];	/* by owner; events 0: unused */

/* ---------- memory ---------- */

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name,
							  Size minContextSize, Size initBlockSize,
							  Size maxBlockSize)
{
	return NULL;
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	stub_chunks++;
	return calloc(1, size);
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	return MemoryContextAllocZero(context, size);
}

void
pfree(void *pointer)
{
	stub_chunks--;
	free(pointer);
}

/* ---------- messages ---------- */

bool
errstart(int elevel, const char *domain)
{
	if (elevel >= ERROR)
		abort();
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

int
errcode(int sqlerrcode)
{
	return 0;
}

static int	keep(const char *fmt, va_list args) pg_attribute_printf(1, 0);

static int
keep(const char *fmt, va_list args)
{
	vsnprintf(stub_log, sizeof(stub_log), fmt, args);
	return 0;
}

int
errmsg(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	keep(fmt, args);
	va_end(args);
	return 0;
}

int
errmsg_internal(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	keep(fmt, args);
	va_end(args);
	return 0;
}

int
errdetail(const char *fmt,...)
{
	return 0;
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
}

void
ExceptionalCondition(STUB_EXCEPTION_PARAMETERS)
{
	abort();
}

/* ---------- sockets ---------- */

/* A socket leaves by being closed, so the same number means another one. */
bool
oct_iomux_watch(pgsocket sock, int events, int owner)
{
	for (int i = 0; i < MAX_OWNERS; i++)
	{
		if (watched[i].fd == sock)
			watched[i].events = 0;
	}
	watched[owner].fd = sock;
	watched[owner].events = ((events & OCT_IO_READ) ? POLLIN : 0) |
		((events & OCT_IO_WRITE) ? POLLOUT : 0);
	return true;
}

/* Waits for the sockets and one more, and serves the former; was it ready? */
bool
stub_wait(int other, int timeout_ms)
{
	struct pollfd fds[MAX_OWNERS + 1];

	memcpy(fds, watched, sizeof(watched));
	for (int i = 0; i < MAX_OWNERS; i++)
	{
		if (fds[i].events == 0)
			fds[i].fd = -1;
	}
	fds[MAX_OWNERS].fd = other;
	fds[MAX_OWNERS].events = POLLIN;
	if (poll(fds, MAX_OWNERS + 1, timeout_ms) <= 0)
		return false;
	for (int i = 0; i < MAX_OWNERS; i++)
	{
		if (fds[i].revents & POLLNVAL)
			watched[i].events = 0;
		else if (fds[i].revents != 0)
			oct_resolver_advance(i);
	}
	return fds[MAX_OWNERS].revents != 0;
}

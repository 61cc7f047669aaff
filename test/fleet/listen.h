/*-------------------------------------------------------------------------
 *
 * listen.h
 *	  Where the nodes of the fleet listen, and those that do not.
 *
 * All nodes share one port, and as a rule one listening socket.  Two kinds have
 * a socket of their own:
 *
 * A deaf node does not even answer a SYN: its listener's queue is kept full.
 *
 * A mortal node listens on a second port, where nobody else does, so that it
 * can stop listening: connections are refused then, as by a host whose server
 * was killed.  Its address stays bound meanwhile, lest somebody else take it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FLEET_LISTEN_H
#define FLEET_LISTEN_H

#include <netinet/in.h>

#include "behaviours.h"

#define MAX_LISTENERS	2048
#define MAX_DEAF		16
#define MAX_MORTALS		1024
#define DEAF_CLIENTS	3

typedef struct Deaf
{
	uint32_t	addr;			/* 0: unused */
	int			listener;
	int			clients[DEAF_CLIENTS];	/* they keep the queue full */
} Deaf;

typedef struct Mortal
{
	uint32_t	addr;
	int			fd;				/* bound, and listening unless dead */
	bool		dead;
} Mortal;

static int	listeners[MAX_LISTENERS];
static int	nlisteners;
static uint16_t port;
static Deaf deaf_nodes[MAX_DEAF];
static Mortal mortals[MAX_MORTALS];
static int	nmortals;
static uint16_t mortal_port;

static void
die(const char *what)
{
	fprintf(stderr, "fleet: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
watch(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
}

/* A socket bound to *at_port, or to any, which *at_port then is; -1 if not. */
static int
bind_to(uint32_t addr, uint16_t *at_port, bool any_address)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t	len = sizeof(sin);
	int			one = 1;
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (any_address && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0)
	{
		close(fd);
		return -1;
	}
	sin.sin_addr.s_addr = htonl(addr);
	sin.sin_port = htons(*at_port);
	if (bind(fd, (struct sockaddr *) &sin, sizeof(sin)) < 0)
		die("bind");
	if (getsockname(fd, (struct sockaddr *) &sin, &len) < 0)
		die("getsockname");
	*at_port = ntohs(sin.sin_port);
	return fd;
}

static int
listen_on(uint32_t addr, bool any_address, int backlog)
{
	int			fd = bind_to(addr, &port, any_address);

	if (fd >= 0 && listen(fd, backlog) < 0)
		die("listen");
	return fd;
}

/* Listen on loopback as a whole, else on the addresses given or on a few. */
static void
open_listeners(char **addresses, int naddresses)
{
	struct in_addr in;

	listeners[0] = listen_on(INADDR_ANY, true, SOMAXCONN);
	if (listeners[0] >= 0)
	{
		nlisteners = 1;
		return;
	}
	for (int i = 0; i < naddresses && nlisteners < MAX_LISTENERS; i++)
	{
		if (inet_pton(AF_INET, addresses[i], &in) != 1)
			die(addresses[i]);
		listeners[nlisteners++] = listen_on(ntohl(in.s_addr), false, SOMAXCONN);
	}
	if (naddresses > 0)
		return;
	for (uint32_t b = 1; b < DEAF; b++)
		for (uint32_t d = 1; d <= 16; d++)
			listeners[nlisteners++] = listen_on(127u << 24 | b << 16 | d,
												false, SOMAXCONN);
}

static bool
deaf_end(uint32_t addr)
{
	for (Deaf *deaf = deaf_nodes; deaf < deaf_nodes + MAX_DEAF; deaf++)
	{
		if (deaf->addr != addr)
			continue;
		for (int i = 0; i < DEAF_CLIENTS; i++)
			close(deaf->clients[i]);
		close(deaf->listener);
		deaf->addr = 0;
		return true;
	}
	return false;
}

/* Listen on a node's own address and fill the queue, so that SYNs are dropped. */
static bool
deaf_begin(uint32_t addr)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	Deaf	   *deaf = deaf_nodes;

	while (deaf < deaf_nodes + MAX_DEAF && deaf->addr != 0)
		deaf++;
	if (deaf == deaf_nodes + MAX_DEAF)
		return false;
	deaf->addr = addr;
	deaf->listener = listen_on(addr, false, 0);
	sin.sin_addr.s_addr = htonl(addr);
	sin.sin_port = htons(port);
	for (int i = 0; i < DEAF_CLIENTS; i++)
	{
		deaf->clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (deaf->clients[i] < 0)
			die("socket");
		/* in progress, done or hanging: all the same here */
		(void) connect(deaf->clients[i], (struct sockaddr *) &sin, sizeof(sin));
	}
	return true;
}

static Mortal *
mortal_of(uint32_t addr)
{
	for (int i = 0; i < nmortals; i++)
		if (mortals[i].addr == addr)
			return &mortals[i];
	return NULL;
}

/* Have a mortal node listen, or refuse. */
static void
mortal_set(Mortal *mortal, bool dead)
{
	if (mortal->dead == dead)
		return;
	if (dead)
	{
		/* what waits in its queue is reset, as it is when a process dies */
		conns[mortal->fd].listener = false;
		close(mortal->fd);
		mortal->fd = bind_to(mortal->addr, &mortal_port, false);
	}
	else
	{
		if (listen(mortal->fd, SOMAXCONN) < 0)
			die("listen");
		memset(&conns[mortal->fd], 0, sizeof(Conn));
		conns[mortal->fd].listener = true;
		watch(mortal->fd);
	}
	mortal->dead = dead;
}

static bool
mortal_make(uint32_t addr)
{
	Mortal	   *mortal = mortal_of(addr);

	if (mortal == NULL)
	{
		if (nmortals == MAX_MORTALS)
			return false;
		mortal = &mortals[nmortals++];
		mortal->addr = addr;
		mortal->fd = bind_to(addr, &mortal_port, false);
		mortal->dead = true;
	}
	mortal_set(mortal, false);
	return true;
}

#endif							/* FLEET_LISTEN_H */

/*-------------------------------------------------------------------------
 *
 * floor.c
 *	  The floor: what a probe costs at least, if nothing but sockets is used.
 *
 *	  floor -p port -m tcp | answer | ready | held [-a first address]
 *			[-n nodes] [-r probes per s] [-s seconds]
 *
 * It does what must be done, when pace.h says so, and nothing else: no timers,
 * no timeouts, no verdicts.
 *
 *	  tcp		connect, close
 *	  answer	connect, send the start-up packet, read the first answer, close
 *	  ready		the same, on to ReadyForQuery, then Terminate
 *	  held		Sync, ReadyForQuery, in a session that was opened before
 *
 * The recipe: a socket that is non-blocking from its birth, no options set; the
 * packet is sent right after connect, which the kernel permits where the peer
 * is near; epoll is told once of the socket and never that it is gone; what
 * has come is read in one go; Terminate leaves together with the end of the
 * connection.
 *
 * Prints lines "key value", as loop.c does.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <sys/socket.h>

#include "pace.h"

/* A node that is being probed, or whose session is held. */
typedef struct Node
{
	int			fd;				/* -1: none */
	bool		waits;			/* for an answer */
	uint32_t	skip;			/* bytes of a message yet to come */
	uint8_t		header[5];
	uint8_t		header_len;
} Node;

static bool to_ready;
static bool held;
static bool tcp;
static Node *nodes;
static char startup[64];
static size_t startup_len;
static const char terminate[5] = {'X', 0, 0, 0, 4};
static const char sync_message[5] = {'S', 0, 0, 0, 4};

static void
put_startup(const void *data, size_t len)
{
	memcpy(startup + startup_len, data, len);
	startup_len += len;
}

static void
build_startup(void)
{
	static const char text[] = "user\0postgres\0database\0postgres\0";
	uint32_t	words[2] = {htonl(8 + sizeof(text)), htonl(3 << 16)};

	put_startup(words, sizeof(words));
	put_startup(text, sizeof(text));
}

static void
finish(Node *node, bool ok)
{
	node->waits = false;
	busy--;
	if (ok)
		done++;
	else
		failed++;
	if (held && ok)
		return;
	close(node->fd);
	node->fd = -1;
}

/* Connect and say what is to be said; false if that does not go at once. */
static bool
reach(Node *node)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct epoll_event ev = {.events = EPOLLIN};

	node->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (node->fd < 0)
		die("socket");
	node->skip = 0;
	node->header_len = 0;
	sin.sin_port = htons((uint16_t) port);
	sin.sin_addr.s_addr = htonl(first_addr + (uint32_t) (node - nodes));
	if (connect(node->fd, (struct sockaddr *) &sin, sizeof(sin)) < 0 &&
		errno != EINPROGRESS)
		return false;
	if (!tcp && send(node->fd, startup, startup_len, MSG_NOSIGNAL) < 0)
		return false;
	if (tcp)
		ev.events = EPOLLOUT;
	else if (held)
		ev.events |= EPOLLET;
	ev.data.ptr = node;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, node->fd, &ev) == 0;
}

static void
start(int n)
{
	Node	   *node = &nodes[n];
	bool		ok;

	if (node->waits)
	{
		skipped++;
		return;
	}
	node->waits = true;
	busy++;
	if (node->fd >= 0)
		ok = send(node->fd, sync_message, sizeof(sync_message), MSG_NOSIGNAL) > 0;
	else
		ok = reach(node);
	if (!ok)
		finish(node, false);
}

/* Is ReadyForQuery among the messages?  They may have been cut anywhere. */
static bool
is_ready(Node *node, const char *data, size_t len)
{
	while (len > 0)
	{
		size_t		want = node->skip > 0 ? node->skip : 5u - node->header_len;
		size_t		n = want < len ? want : len;
		uint32_t	length;

		if (node->skip > 0)
			node->skip -= (uint32_t) n;
		else
		{
			memcpy(node->header + node->header_len, data, n);
			node->header_len += (uint8_t) n;
			if (node->header_len == 5)
			{
				memcpy(&length, node->header + 1, sizeof(length));
				node->skip = ntohl(length) - 4;
				node->header_len = 0;
			}
		}
		data += n;
		len -= n;
		if (node->header[0] == 'Z' && node->header_len == 0 && node->skip == 0)
			return true;
	}
	return false;
}

static void
advance(const struct epoll_event *event)
{
	static char buf[8192];
	Node	   *node = event->data.ptr;
	ssize_t		n;

	if (tcp)
	{
		finish(node, !(event->events & (EPOLLERR | EPOLLHUP)));
		return;
	}
	n = recv(node->fd, buf, sizeof(buf), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		finish(node, false);
	else if (!to_ready)
		finish(node, buf[0] == 'R');
	else if (is_ready(node, buf, (size_t) n))
	{
		if (!held)
			(void) send(node->fd, terminate, sizeof(terminate), MSG_NOSIGNAL | MSG_MORE);
		node->header[0] = '\0';
		finish(node, true);
	}
}

/* Open the sessions, a few at a time. */
static void
open_sessions(void)
{
	for (int i = 0; i < nnodes; i++)
	{
		start(i);
		while (busy > 100 || (busy > 0 && i == nnodes - 1))
			pace_wait(100);
	}
}

int
main(int argc, char **argv)
{
	static const char usage[] = "floor -p port -m tcp | answer | ready | held"
		" [-a first address] [-n nodes] [-r probes per s] [-s seconds]";

	raise_descriptor_limit();
	pace_options(argc, argv, usage);
	if (mode == NULL || strstr("tcp answer ready held", mode) == NULL)
	{
		fprintf(stderr, "usage: %s\n", usage);
		return 1;
	}
	tcp = strcmp(mode, "tcp") == 0;
	held = strcmp(mode, "held") == 0;
	to_ready = held || strcmp(mode, "ready") == 0;
	nodes = calloc((size_t) nnodes, sizeof(Node));
	if (nodes == NULL)
		die("calloc");
	for (int i = 0; i < nnodes; i++)
		nodes[i].fd = -1;
	build_startup();
	if (held)
		open_sessions();
	return pace_measure();
}

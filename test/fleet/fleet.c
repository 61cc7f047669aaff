/*-------------------------------------------------------------------------
 *
 * fleet.c
 *	  One process that plays thousands of PostgreSQL nodes on loopback.
 *
 * Every address of 127.0.0.0/8 is a node, all on one TCP port; the second
 * octet says how the node behaves: 127.1.2.3 is healthy, 127.2.2.3 accepts
 * and stays silent, and so on; see the table in behaviours.h.  Tests and
 * benchmarks drive the program by lines on its standard input.
 *
 *	  fleet [-p port] [-s slow ms] [-d dribble ms] [address ...]
 *
 * How it goes:
 *
 * 1. open_listeners() binds 0.0.0.0 to the loopback device only, so that
 *	  nobody else can reach it.  Where the kernel refuses that, it binds the
 *	  addresses given, or the first few of each behaviour.  The port is
 *	  printed: "port N".  Nodes that must be able to refuse a connection, or
 *	  not to answer a SYN, have sockets of their own: listen.h.
 * 2. accept_all() takes what has come; getsockname tells which node was meant.
 *	  The node's behaviour may act at once (reset, closing).
 * 3. conn.h reads and answers, as behaviours.h says; what takes its time
 *	  waits in a queue that run_queues() serves.
 * 4. read_commands() obeys standard input: commands.h has the list.
 *
 * Not for: TLS, real authentication, more than one query.  Linux only.
 *
 *-------------------------------------------------------------------------
 */
#include <signal.h>
#include <sys/resource.h>

#include "commands.h"

#define MAX_FDS			131072
#define MAX_EVENTS		512

static int	max_fds;

/* Remember the node of a fresh connection and let its behaviour begin. */
static void
conn_begin(int fd, uint32_t addr)
{
	Conn	   *c = &conns[fd];
	Node	   *node = node_of(addr);
	int			kind = kind_of(node, addr);

	if (accept_us != 0 && now_us - accept_us > pause_us)
		pause_us = now_us - accept_us;
	accept_us = now_us;
	accepted[kind]++;
	node->probes++;
	node->open++;
	node_probed(node, now_us, behaviours[kind].steady);

	memset(c, 0, sizeof(*c));
	c->open = true;
	c->addr = addr;
	c->node = node;
	c->behaviour = &behaviours[kind];
	if (fd > top_fd)
		top_fd = fd;
	if (++nopen > peak_open)
		peak_open = nopen;
	if (c->behaviour->begin)
		c->behaviour->begin(c);

	/*
	 * Who connects mostly speaks first, and has done so by now if there is
	 * much to do: then epoll need not tell, nor say that there is room to
	 * send.
	 */
	c->watched = true;
	if (c->open)
		conn_read(c);
	if (c->open)
		conn_watch(c, EPOLL_CTL_ADD, c->out_len > 0);
}

static void
accept_all(int listener)
{
	for (;;)
	{
		struct sockaddr_in sin;
		socklen_t	len = sizeof(sin);
		int			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && fd < max_fds &&
			getsockname(fd, (struct sockaddr *) &sin, &len) == 0)
			conn_begin(fd, ntohl(sin.sin_addr.s_addr));
		else if (fd >= 0)
			close(fd);
		else if (errno == EMFILE || errno == ENFILE)
		{
			/* it stays in the listener's queue: do not spin on it */
			starved++;
			usleep(1000);
			return;
		}
		else if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

/*
 * Wait and serve until told to end.  Connections come first: a descriptor that
 * is closed here is not used again before the listeners have their turn.
 */
static void
serve(void)
{
	struct epoll_event events[MAX_EVENTS];

	for (;;)
	{
		int			n = epoll_wait(epoll_fd, events, MAX_EVENTS, queue_timeout_ms());
		bool		told = false;

		now_us = clock_us();
		for (int i = 0; i < n; i++)
			if (events[i].data.fd == STDIN_FILENO)
				told = true;
			else
				conn_event(&conns[events[i].data.fd], events[i].events);
		run_queues();
		for (int i = 0; i < n; i++)
			if (conns[events[i].data.fd].listener)
				accept_all(events[i].data.fd);
		if (told && !read_commands())
			return;
	}
}

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("setrlimit");
	max_fds = limit.rlim_cur > MAX_FDS ? MAX_FDS : (int) limit.rlim_cur;
	conns = calloc((size_t) max_fds, sizeof(Conn));
	answers = calloc((size_t) max_fds, sizeof(answers[0]));
	if (conns == NULL || answers == NULL)
		die("calloc");
}

int
main(int argc, char **argv)
{
	int			opt;

	while ((opt = getopt(argc, argv, "p:s:d:")) != -1)
		if (opt == 'p')
			port = (uint16_t) atoi(optarg);
		else if (opt == 's')
			slow_queue.delay_ms = think_queue.delay_ms = atoi(optarg);
		else if (opt == 'd')
			dribble_queue.delay_ms = atoi(optarg);
		else
		{
			fprintf(stderr, "usage: fleet [-p port] [-s slow ms] [-d dribble ms] [address ...]\n");
			return 1;
		}
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	build_scripts();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll_create1");
	open_listeners(argv + optind, argc - optind);
	for (int i = 0; i < nlisteners; i++)
	{
		conns[listeners[i]].listener = true;
		watch(listeners[i]);
	}
	watch(STDIN_FILENO);
	now_us = clock_us();
	mark();
	printf("port %u\n", port);
	fflush(stdout);
	serve();
	return 0;
}

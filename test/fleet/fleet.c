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
 *	  printed: "port N".
 * 2. accept_all() takes what has come; getsockname tells which node was meant.
 *	  The node's behaviour may act at once (reset, closing).
 * 3. conn.h reads and answers, as behaviours.h says; what takes its time
 *	  waits in a queue that run_queues() serves.
 * 4. read_commands() obeys standard input:
 *
 *		  become 127.1.2.3 silent	a node changes, open connections included
 *		  become 127.1.2.3 default	back to what its second octet says
 *		  mark						a measurement window begins
 *		  report					what was seen since: lines "key value"
 *		  count 127.1.2.3			probes of a node since the program started
 *		  open						connections that are open now
 *		  quit						as does end of file
 *
 *	  Every answer ends with a line "ok" or "error ...".
 *
 * A deaf node does not even answer a SYN: it has a listening socket of its own
 * whose queue is kept full.  That needs the loopback listener of step 1, and is
 * only to be had by "become".
 *
 * Not for: TLS, real authentication, real queries.  Linux only.
 *
 *-------------------------------------------------------------------------
 */
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "behaviours.h"
#include "stats.h"

#define MAX_FDS			131072
#define MAX_EVENTS		512
#define MAX_LISTENERS	1024
#define MAX_DEAF		16
#define DEAF_CLIENTS	3

static int	max_fds;
static int	epoll_fd;
static int	listeners[MAX_LISTENERS];
static int	nlisteners;
static uint16_t port;

/* A deaf node: a listener, and connections to it that keep its queue full. */
typedef struct Deaf
{
	uint32_t	addr;			/* 0: unused */
	int			listener;
	int			clients[DEAF_CLIENTS];
} Deaf;

static Deaf deaf_nodes[MAX_DEAF];

/* counters of the window, reset by "mark" */
static uint64_t mark_us;
static uint64_t mark_cpu_us;
static uint64_t accepted[NUM_BEHAVIOURS];
static uint64_t starved;		/* connections for want of a descriptor */
static int	peak_open;

static void
die(const char *what)
{
	fprintf(stderr, "fleet: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static uint64_t
cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/*
 * Listeners
 */

/* A listening socket on the port; the first one settles which port. */
static int
listen_on(uint32_t addr, bool any_address, int backlog)
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
	sin.sin_port = htons(port);
	if (bind(fd, (struct sockaddr *) &sin, sizeof(sin)) < 0)
		die("bind");
	if (listen(fd, backlog) < 0)
		die("listen");
	if (getsockname(fd, (struct sockaddr *) &sin, &len) < 0)
		die("getsockname");
	port = ntohs(sin.sin_port);
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

/* Remember the node of a fresh connection and let its behaviour begin. */
static void
conn_begin(int fd, uint32_t addr)
{
	Conn	   *c = &conns[fd];
	Node	   *node = node_of(addr);
	int			kind = (addr >> 16) & 255;
	struct epoll_event ev;

	if (node->override >= 0)
		kind = node->override;
	else if (kind == 0 || kind >= DEAF)
		kind = HEALTHY;
	accepted[kind]++;
	node_probed(node, now_us, kind == HEALTHY || kind == STANDBY);

	memset(c, 0, sizeof(*c));
	c->open = true;
	c->addr = addr;
	c->behaviour = &behaviours[kind];
	if (++nopen > peak_open)
		peak_open = nopen;
	if (c->behaviour->begin)
	{
		c->behaviour->begin(c);
		return;
	}
	ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	ev.data.fd = fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
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
 * Commands
 */

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

/* Let a node change its ways, its open connections included. */
static bool
become(uint32_t addr, const char *name)
{
	int			kind = 0;
	Node	   *node = node_of(addr);

	while (kind < NUM_BEHAVIOURS && strcmp(behaviours[kind].name, name) != 0)
		kind++;
	if (kind == NUM_BEHAVIOURS)
		return false;
	deaf_end(addr);
	if (kind == DEAF && !deaf_begin(addr))
		return false;
	node->override = kind == 0 ? -1 : (int16_t) kind;
	if (kind == 0)
		kind = (addr >> 16) & 255;
	if (kind == 0 || kind > DEAF)
		kind = HEALTHY;
	for (Conn *c = conns; c < conns + max_fds; c++)
	{
		if (!c->open || c->addr != addr)
			continue;
		unpark(c);
		c->out_len = 0;
		c->behaviour = &behaviours[kind];
		if (c->behaviour->begin)
			c->behaviour->begin(c);
	}
	return true;
}

static void
mark(void)
{
	mark_us = now_us;
	mark_cpu_us = cpu_us();
	memset(accepted, 0, sizeof(accepted));
	memset(ended, 0, sizeof(ended));
	starved = 0;
	peak_open = nopen;
	stats_mark();
}

static void
report(void)
{
	static const char *const end_names[] = {"terminate", "eof", "reset", "ours"};
	uint64_t	total = 0;

	for (int i = 0; i < NUM_BEHAVIOURS; i++)
		total += accepted[i];
	printf("window_ms %.3f\n", (double) (now_us - mark_us) / 1000.0);
	printf("fleet_cpu_ms %.3f\n", (double) (cpu_us() - mark_cpu_us) / 1000.0);
	printf("probes %llu\n", (unsigned long long) total);
	for (int i = 0; i < NUM_BEHAVIOURS; i++)
		if (accepted[i] > 0)
			printf("probes_%s %llu\n", behaviours[i].name,
				   (unsigned long long) accepted[i]);
	for (int i = 0; i < NUM_ENDS; i++)
		printf("ended_%s %llu\n", end_names[i], (unsigned long long) ended[i]);
	printf("open %d\npeak_open %d\n", nopen, peak_open);
	printf("starved %llu\n", (unsigned long long) starved);
	stats_print(now_us);
}

/* Obey one line; false ends the program. */
static bool
command(char *line)
{
	char		verb[16] = "";
	char		address[32] = "";
	char		name[32] = "";
	struct in_addr in = {0};
	int			words = sscanf(line, "%15s %31s %31s", verb, address, name);
	bool		addressed = words >= 2 && inet_pton(AF_INET, address, &in) == 1 &&
		(ntohl(in.s_addr) >> 24) == 127;
	uint32_t	addr = ntohl(in.s_addr);

	now_us = clock_us();
	if (strcmp(verb, "quit") == 0)
		return false;
	else if (strcmp(verb, "mark") == 0 && words == 1)
		mark();
	else if (strcmp(verb, "report") == 0 && words == 1)
		report();
	else if (strcmp(verb, "open") == 0 && words == 1)
		printf("open %d\n", nopen);
	else if (strcmp(verb, "count") == 0 && words == 2 && addressed)
		printf("count %u\n", node_of(addr)->probes);
	else if (strcmp(verb, "become") != 0 || words != 3 || !addressed ||
			 !become(addr, name))
	{
		printf("error cannot do: %s\n", line);
		fflush(stdout);
		return true;
	}
	printf("ok\n");
	fflush(stdout);
	return true;
}

/* Read what standard input has; false at "quit" and end of file. */
static bool
read_commands(void)
{
	static char buf[4096];
	static size_t used;
	ssize_t		n = read(STDIN_FILENO, buf + used, sizeof(buf) - 1 - used);
	char	   *line = buf;
	char	   *end;

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	used += (size_t) n;
	buf[used] = '\0';
	while ((end = strchr(line, '\n')) != NULL)
	{
		*end = '\0';
		if (!command(line))
			return false;
		line = end + 1;
	}
	used -= (size_t) (line - buf);
	memmove(buf, line, used);
	return used < sizeof(buf) - 1;
}

static void
watch(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
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
	if (conns == NULL)
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
			slow_queue.delay_ms = atoi(optarg);
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

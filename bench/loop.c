/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  The bare libpq connect loop: what a probe through libpq costs at least.
 *
 *	  loop -p port [-a first address] [-n nodes] [-r probes per s] [-s seconds]
 *
 * Logs in to consecutive addresses, each once a period at a random moment of
 * it, and logs out at once: PQconnectStartParams, PQconnectPoll driven by one
 * epoll instance, PQfinish.  It does nothing else: no timers, no timeouts, no
 * verdicts.  Starts are rounded up to the next millisecond and made in one
 * go.  The moments are random because those of independent nodes are, and
 * because chance brings more of them into one wake-up than an even rate would.
 * The options spare libpq what a probe does not need (TLS, GSS, password file,
 * keepalives).
 *
 * Prints lines "key value": probes that logged in, that failed, that were not
 * made because too many were under way, and the CPU time of this process per
 * probe.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "libpq-fe.h"

#define MAX_EVENTS	256

/* More at once mean that the machine cannot keep up: nodes are passed over. */
#define MAX_PROBES	2000

typedef struct Probe
{
	PGconn	   *conn;			/* NULL: this place is free */
	int			fd;				/* as registered with epoll */
	uint32_t	events;
} Probe;

static char address_text[INET_ADDRSTRLEN];
static char port_text[8];
static const char *const keywords[] = {
	"hostaddr", "port", "user", "dbname", "sslmode", "gssencmode",
	"passfile", "keepalives", "application_name", NULL
};
static const char *const values[] = {
	address_text, port_text, "postgres", "postgres", "disable", "disable",
	"/nonexistent/passfile", "0", "loop", NULL
};

static int	epoll_fd;
static Probe *probes;
static int	max_probes;
static int *free_places;
static int	nfree;
static long done;
static long failed;
static long skipped;

static uint64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static double
cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return 1e6 * (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void
finish(Probe *probe, bool ok)
{
	PQfinish(probe->conn);
	probe->conn = NULL;
	free_places[nfree++] = (int) (probe - probes);
	if (ok)
		done++;
	else
		failed++;
}

/* Have epoll wait for what libpq wants next, if that is not so already. */
static void
await(Probe *probe, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = probe};
	int			fd = PQsocket(probe->conn);

	if (fd == probe->fd && events == probe->events)
		return;
	if (epoll_ctl(epoll_fd, fd == probe->fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
				  fd, &ev) < 0)
	{
		finish(probe, false);
		return;
	}
	probe->fd = fd;
	probe->events = events;
}

static void
start(uint32_t addr)
{
	Probe	   *probe;
	struct in_addr in = {htonl(addr)};

	if (nfree == 0)
	{
		skipped++;
		return;
	}
	probe = &probes[free_places[--nfree]];
	inet_ntop(AF_INET, &in, address_text, sizeof(address_text));
	probe->conn = PQconnectStartParams(keywords, values, 0);
	probe->fd = -1;
	probe->events = 0;
	if (probe->conn == NULL || PQstatus(probe->conn) == CONNECTION_BAD)
		finish(probe, false);
	else
		await(probe, EPOLLOUT);
}

static void
advance(Probe *probe)
{
	switch (PQconnectPoll(probe->conn))
	{
		case PGRES_POLLING_READING:
			await(probe, EPOLLIN);
			break;
		case PGRES_POLLING_WRITING:
			await(probe, EPOLLOUT);
			break;
		case PGRES_POLLING_OK:
			finish(probe, true);
			break;
		default:
			finish(probe, false);
			break;
	}
}

static int
compare_offsets(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* When in its period each node is probed, in order; the same in every run. */
static double *
make_offsets(int nodes, double period_us)
{
	double	   *offsets = malloc((size_t) nodes * sizeof(double));

	if (offsets == NULL)
	{
		perror("loop");
		exit(1);
	}
	for (int i = 0; i < nodes; i++)
		offsets[i] = period_us * drand48();
	qsort(offsets, (size_t) nodes, sizeof(double), compare_offsets);
	return offsets;
}

/* Probe every node once a period, for a time. */
static void
run(uint32_t first, uint64_t nodes, double period_us, double seconds)
{
	struct epoll_event events[MAX_EVENTS];
	double	   *offsets = make_offsets((int) nodes, period_us);
	uint64_t	start_us = clock_us();
	uint64_t	end_us = start_us + (uint64_t) (seconds * 1e6);
	uint64_t	now_us = start_us;
	uint64_t	started = 0;

	/* nodes that do not answer are given up some time after the end */
	while (now_us < end_us || (nfree < max_probes && now_us < end_us + 1000000))
	{
		int			timeout_ms = 100;
		int			n;

		for (;;)
		{
			uint64_t	due_us = start_us +
				(uint64_t) ((double) (started / nodes) * period_us + offsets[started % nodes]);

			if (due_us > now_us && due_us < end_us)
				timeout_ms = (int) ((due_us - now_us + 999) / 1000);
			if (due_us > now_us || due_us >= end_us)
				break;
			start(first + (uint32_t) (started++ % nodes));
		}
		n = epoll_wait(epoll_fd, events, MAX_EVENTS, timeout_ms);
		for (int i = 0; i < n; i++)
			advance(events[i].data.ptr);
		now_us = clock_us();
	}
	free(offsets);
}

static void
allocate(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	max_probes = limit.rlim_cur > MAX_PROBES + 16 ? MAX_PROBES : (int) limit.rlim_cur - 16;
	probes = calloc((size_t) max_probes, sizeof(Probe));
	free_places = calloc((size_t) max_probes, sizeof(int));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (probes == NULL || free_places == NULL || epoll_fd < 0)
	{
		perror("loop");
		exit(1);
	}
	while (nfree < max_probes)
	{
		free_places[nfree] = max_probes - 1 - nfree;
		nfree++;
	}
}

int
main(int argc, char **argv)
{
	struct in_addr first = {htonl(0x7f010001)};
	int			nodes = 1000;
	double		rate = 1000;
	double		seconds = 5;
	double		cpu;
	int			opt;

	while ((opt = getopt(argc, argv, "p:a:n:r:s:")) != -1)
		if (opt == 'p')
			snprintf(port_text, sizeof(port_text), "%s", optarg);
		else if (opt == 'a' && inet_pton(AF_INET, optarg, &first) == 1)
			continue;
		else if (opt == 'n')
			nodes = atoi(optarg);
		else if (opt == 'r')
			rate = atof(optarg);
		else if (opt == 's')
			seconds = atof(optarg);
		else
			nodes = 0;
	if (port_text[0] == '\0' || nodes <= 0 || rate <= 0)
	{
		fprintf(stderr, "usage: loop -p port [-a first address] [-n nodes] [-r probes per s] [-s seconds]\n");
		return 1;
	}
	allocate();

	/* what the first logins load and learn is no cost of a probe */
	run(ntohl(first.s_addr), (uint64_t) nodes, 1e6 * nodes / rate, 0.5);
	done = failed = skipped = 0;

	cpu = cpu_us();
	run(ntohl(first.s_addr), (uint64_t) nodes, 1e6 * nodes / rate, seconds);
	cpu = cpu_us() - cpu;
	printf("probes %ld\nfailed %ld\nskipped %ld\n", done, failed, skipped);
	printf("cpu_us_per_probe %.2f\n", done > 0 ? cpu / (double) done : 0);
	return failed > 0;
}

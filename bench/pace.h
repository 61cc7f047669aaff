/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  What the programs of the benchmark have in common: when to probe whom.
 *
 * Consecutive addresses are probed, each once a period at a random moment of
 * it.  Starts are rounded up to the next millisecond and made in one go.  The
 * moments are random because those of independent nodes are, and because
 * chance brings more of them into one wake-up than an even rate would.
 *
 * The program brings start(), which begins a probe of a node, and advance(),
 * which serves one of epoll's events; it counts in done, failed and skipped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

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

#define MAX_EVENTS	256

static uint32_t first_addr = 0x7f010001;
static int	nnodes = 1000;
static double rate = 1000;
static double seconds = 5;
static int	port;
static const char *mode;
static int	epoll_fd;

static long done;
static long failed;
static long skipped;			/* not made, for too many were under way */
static int	busy;				/* under way */

static void start(int node);
static void advance(const struct epoll_event *event);

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t
clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static int
compare_offsets(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* When in its period each node is probed, in order. */
static double *
make_offsets(double period_us)
{
	double	   *offsets = malloc((size_t) nnodes * sizeof(double));

	if (offsets == NULL)
		die("malloc");
	for (int i = 0; i < nnodes; i++)
		offsets[i] = period_us * drand48();
	qsort(offsets, (size_t) nnodes, sizeof(double), compare_offsets);
	return offsets;
}

/* Wait for events, and serve them. */
static void
pace_wait(int timeout_ms)
{
	struct epoll_event events[MAX_EVENTS];
	int			n = epoll_wait(epoll_fd, events, MAX_EVENTS, timeout_ms);

	for (int i = 0; i < n; i++)
		advance(&events[i]);
}

/* Probe every node once a period, for a time. */
static void
pace_run(double for_seconds)
{
	double		period_us = 1e6 * nnodes / rate;
	double	   *offsets = make_offsets(period_us);
	uint64_t	start_us = clock_us(CLOCK_MONOTONIC);
	uint64_t	end_us = start_us + (uint64_t) (for_seconds * 1e6);
	uint64_t	now_us = start_us;
	uint64_t	started = 0;

	/* nodes that do not answer are given up some time after the end */
	while (now_us < end_us || (busy > 0 && now_us < end_us + 1000000))
	{
		int			timeout_ms = 100;

		for (;;)
		{
			uint64_t	turn = started / (uint64_t) nnodes;
			int			node = (int) (started % (uint64_t) nnodes);
			uint64_t	due_us = start_us +
				(uint64_t) ((double) turn * period_us + offsets[node]);

			if (due_us > now_us && due_us < end_us)
				timeout_ms = (int) ((due_us - now_us + 999) / 1000);
			if (due_us > now_us || due_us >= end_us)
				break;
			start(node);
			started++;
		}
		pace_wait(timeout_ms);
		now_us = clock_us(CLOCK_MONOTONIC);
	}
	free(offsets);
}

/* As many descriptors as there may be; returns how many. */
static int
raise_descriptor_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > 1000000 ? 1000000 : (int) limit.rlim_cur;
}

static void
pace_options(int argc, char **argv, const char *usage)
{
	int			opt;

	while ((opt = getopt(argc, argv, "p:a:m:n:r:s:")) != -1)
	{
		struct in_addr in;

		if (opt == 'p')
			port = atoi(optarg);
		else if (opt == 'a' && inet_pton(AF_INET, optarg, &in) == 1)
			first_addr = ntohl(in.s_addr);
		else if (opt == 'm')
			mode = optarg;
		else if (opt == 'n')
			nnodes = atoi(optarg);
		else if (opt == 'r')
			rate = atof(optarg);
		else if (opt == 's')
			seconds = atof(optarg);
		else
			nnodes = 0;
	}
	if (port <= 0 || nnodes <= 0 || rate <= 0)
	{
		fprintf(stderr, "usage: %s\n", usage);
		exit(1);
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll_create1");
}

/* Measure and tell, as lines "key value". */
static int
pace_measure(void)
{
	uint64_t	cpu_us;

	/* what the first ones load and learn is no cost of a probe */
	pace_run(0.5);
	done = failed = skipped = 0;

	cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	pace_run(seconds);
	cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us;
	printf("probes %ld\nfailed %ld\nskipped %ld\n", done, failed, skipped);
	printf("cpu_us_per_probe %.2f\n", done > 0 ? (double) cpu_us / (double) done : 0);
	return failed > 0;
}

#endif							/* BENCH_PACE_H */

/*-------------------------------------------------------------------------
 *
 * commands.h
 *	  What the fleet is told on its standard input.
 *
 *		become 127.1.2.3 silent		a node changes, open connections included
 *		become 127.1.2.3 default	back to what its second octet says
 *		mortal 127.1.2.3			the node listens on a port of its own kind
 *									too, which is answered: "port N"; there
 *									"become 127.1.2.3 dead" has it refuse
 *		sessions 127.1.2.3 close	whom the node has let in is put out: close,
 *									reset, fatal (57P01); or hang: left there
 *									but not answered; or notice: told something
 *		promote 127.1.2.3			a standby becomes primary, which its sessions
 *									are told before the next ReadyForQuery
 *		count 127.1.2.3				of a node, since the program started: "count",
 *									its connections, "syncs", bare ones, "queries";
 *									"open", its connections now
 *		mark						a measurement window begins
 *		report						what was seen since: lines "key value"
 *		open						connections that are open now
 *		octet silent				which second octet means that behaviour
 *		quit						as does end of file
 *
 * Every answer ends with a line "ok" or "error ...".
 *
 *-------------------------------------------------------------------------
 */
#ifndef FLEET_COMMANDS_H
#define FLEET_COMMANDS_H

#include <time.h>

#include "listen.h"

/* counters of the window, reset by "mark" */
static uint64_t mark_us;
static uint64_t mark_cpu_us;
static uint64_t accepted[NUM_BEHAVIOURS];
static uint64_t starved;		/* connections for want of a descriptor */
static int	peak_open;
static uint64_t accept_us;		/* when the last connection came */
static uint64_t pause_us;		/* the longest time without any */

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

/* The behaviour of that name; -1 if there is none. */
static int
kind_named(const char *name)
{
	for (int kind = 0; kind < NUM_BEHAVIOURS; kind++)
		if (strcmp(behaviours[kind].name, name) == 0)
			return kind;
	return -1;
}

/* How a node behaves at the moment. */
static int
kind_of(const Node *node, uint32_t addr)
{
	int			kind = (addr >> 16) & 255;

	if (node->override >= 0)
		return node->override;
	return kind == 0 || kind >= DEAF ? HEALTHY : kind;
}

/* Let a node change its ways, its open connections included. */
static bool
become(uint32_t addr, const char *name)
{
	int			kind = kind_named(name);
	Node	   *node = node_of(addr);
	Mortal	   *mortal = mortal_of(addr);

	if (kind < 0)
		return false;
	deaf_end(addr);
	if (kind == DEAF && !deaf_begin(addr))
		return false;
	node->override = kind == 0 ? -1 : (int16_t) kind;
	kind = kind_of(node, addr);
	if (mortal)
		mortal_set(mortal, kind == DEAD);
	for (Conn *c = conns; c <= conns + top_fd; c++)
	{
		if (!c->open || c->addr != addr)
			continue;
		unpark(c);
		c->out_len = 0;
		c->hung = false;
		c->behaviour = &behaviours[kind];
		if (c->behaviour->begin && !(c->logged_in && c->behaviour->spares))
			c->behaviour->begin(c);
	}
	return true;
}

/* Something happens to all whom a node has let in. */
static bool
tell_sessions(uint32_t addr, const char *what)
{
	static const char *const fates[] = {"close", "reset", "fatal", "hang", "notice"};
	static void (*const acts[]) (Conn *c) = {do_close, do_reset, do_terminate, do_hang, do_notice};

	for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++)
	{
		if (strcmp(what, fates[i]) != 0)
			continue;
		for (Conn *c = conns; c <= conns + top_fd; c++)
			if (c->open && c->addr == addr && c->logged_in)
				acts[i] (c);
		return true;
	}
	return false;
}

static bool
promote(uint32_t addr)
{
	node_of(addr)->override = HEALTHY;
	for (Conn *c = conns; c <= conns + top_fd; c++)
		if (c->open && c->addr == addr)
		{
			c->behaviour = &behaviours[HEALTHY];
			c->promoted = c->logged_in;
		}
	return true;
}

static bool
count(uint32_t addr)
{
	const Node *node = node_of(addr);

	printf("count %u\nsyncs %u\nqueries %u\nopen %d\n",
		   node->probes, node->syncs, node->queries, node->open);
	return true;
}

static void
mark(void)
{
	mark_us = now_us;
	mark_cpu_us = cpu_us();
	memset(accepted, 0, sizeof(accepted));
	memset(ended, 0, sizeof(ended));
	starved = logins = syncs = queries = 0;
	peak_open = nopen;
	accept_us = pause_us = 0;
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
	printf("logins %llu\n", (unsigned long long) logins);
	printf("syncs %llu\nqueries %llu\n", (unsigned long long) syncs,
		   (unsigned long long) queries);
	for (int i = 0; i < NUM_ENDS; i++)
		printf("ended_%s %llu\n", end_names[i], (unsigned long long) ended[i]);
	printf("open %d\npeak_open %d\n", nopen, peak_open);
	printf("pause_ms %.3f\n", (double) pause_us / 1000.0);
	printf("starved %llu\n", (unsigned long long) starved);
	stats_print(now_us);
}

/* What is to be done with one node. */
static bool
node_command(const char *verb, uint32_t addr, const char *what, int words)
{
	if (strcmp(verb, "become") == 0 && words == 3)
		return become(addr, what);
	if (strcmp(verb, "sessions") == 0 && words == 3)
		return tell_sessions(addr, what);
	if (strcmp(verb, "promote") == 0 && words == 2)
		return promote(addr);
	if (strcmp(verb, "count") == 0 && words == 2)
		return count(addr);
	if (strcmp(verb, "mortal") == 0 && words == 2 && mortal_make(addr))
	{
		printf("port %u\n", mortal_port);
		return true;
	}
	return false;
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
	bool		done = true;

	now_us = clock_us();
	if (strcmp(verb, "quit") == 0)
		return false;
	else if (strcmp(verb, "mark") == 0 && words == 1)
		mark();
	else if (strcmp(verb, "report") == 0 && words == 1)
		report();
	else if (strcmp(verb, "open") == 0 && words == 1)
		printf("open %d\n", nopen);
	else if (strcmp(verb, "octet") == 0 && words == 2 && kind_named(address) > 0)
		printf("octet %d\n", kind_named(address));
	else
		done = addressed && node_command(verb, ntohl(in.s_addr), name, words);

	if (done)
		printf("ok\n");
	else
		printf("error cannot do: %s\n", line);
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

#endif							/* FLEET_COMMANDS_H */

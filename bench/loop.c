/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  The bare libpq connect loop: what a probe through libpq costs at least.
 *
 *	  loop -p port [-m login | query] [-a first address] [-n nodes]
 *		   [-r probes per s] [-s seconds]
 *
 * Logs in to each node when pace.h says so, has it answer a query if the mode
 * is that, and logs out at once: PQconnectStartParams, PQconnectPoll driven by
 * one epoll instance, PQsendQuery, PQfinish.  It does nothing else: no timers,
 * no timeouts, no verdicts.  The options spare libpq what a probe does not need
 * (TLS, GSS, password file, keepalives).
 *
 * Prints lines "key value": probes that went well, that failed, that were not
 * made because too many were under way, and the CPU time of this process per
 * probe.
 *
 *-------------------------------------------------------------------------
 */
#include "libpq-fe.h"

#include "pace.h"

/* More at once mean that the machine cannot keep up: nodes are passed over. */
#define MAX_PROBES	2000

typedef struct Probe
{
	PGconn	   *conn;			/* NULL: this place is free */
	int			fd;				/* as registered with epoll */
	uint32_t	events;
	bool		asked;			/* the query is under way */
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

static bool with_query;
static Probe *probes;
static int *free_places;
static int	nfree;

static void
finish(Probe *probe, bool ok)
{
	PQfinish(probe->conn);
	probe->conn = NULL;
	free_places[nfree++] = (int) (probe - probes);
	busy--;
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
start(int node)
{
	Probe	   *probe;
	struct in_addr in = {htonl(first_addr + (uint32_t) node)};

	if (nfree == 0)
	{
		skipped++;
		return;
	}
	probe = &probes[free_places[--nfree]];
	busy++;
	inet_ntop(AF_INET, &in, address_text, sizeof(address_text));
	probe->conn = PQconnectStartParams(keywords, values, 0);
	probe->fd = -1;
	probe->events = 0;
	probe->asked = false;
	if (probe->conn == NULL || PQstatus(probe->conn) == CONNECTION_BAD)
		finish(probe, false);
	else
		await(probe, EPOLLOUT);
}

static void
ask(Probe *probe)
{
	probe->asked = true;
	if (PQsetnonblocking(probe->conn, 1) != 0 ||
		!PQsendQuery(probe->conn, "SELECT true"))
		finish(probe, false);
	else
		await(probe, EPOLLIN);
}

/* Read the answer to the query, if all of it has come. */
static void
hear(Probe *probe)
{
	PGresult   *result;
	bool		ok = false;

	if (!PQconsumeInput(probe->conn))
	{
		finish(probe, false);
		return;
	}
	while (!PQisBusy(probe->conn))
	{
		result = PQgetResult(probe->conn);
		if (result == NULL)
		{
			finish(probe, ok);
			return;
		}
		ok = PQresultStatus(result) == PGRES_TUPLES_OK &&
			PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
		PQclear(result);
	}
}

static void
advance(const struct epoll_event *event)
{
	Probe	   *probe = event->data.ptr;

	if (probe->asked)
	{
		hear(probe);
		return;
	}
	switch (PQconnectPoll(probe->conn))
	{
		case PGRES_POLLING_READING:
			await(probe, EPOLLIN);
			break;
		case PGRES_POLLING_WRITING:
			await(probe, EPOLLOUT);
			break;
		case PGRES_POLLING_OK:
			if (with_query)
				ask(probe);
			else
				finish(probe, true);
			break;
		default:
			finish(probe, false);
			break;
	}
}

int
main(int argc, char **argv)
{
	int			max_probes = raise_descriptor_limit() - 16;

	pace_options(argc, argv, "loop -p port [-m login | query] [-a first address]"
				 " [-n nodes] [-r probes per s] [-s seconds]");
	snprintf(port_text, sizeof(port_text), "%d", port);
	with_query = mode && strcmp(mode, "query") == 0;
	if (max_probes > MAX_PROBES)
		max_probes = MAX_PROBES;
	probes = calloc((size_t) max_probes, sizeof(Probe));
	free_places = calloc((size_t) max_probes, sizeof(int));
	if (probes == NULL || free_places == NULL)
		die("calloc");
	while (nfree < max_probes)
	{
		free_places[nfree] = max_probes - 1 - nfree;
		nfree++;
	}
	return pace_measure();
}

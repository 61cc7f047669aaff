/*-------------------------------------------------------------------------
 *
 * dns.c
 *	  Lookups of names in the hosts file and the DNS, many at once: the one
 *	  client of c-ares.
 *
 * 1. A lookup asks for IPv4 and IPv6 at once.  c-ares sees to the hosts file, to
 *	  search domains, CNAMEs, truncated answers (by TCP), several servers, and
 *	  drops what is no answer to its question.
 *
 * 2. Where one kind of address is denied and the other meets trouble, c-ares
 *	  reports either, as they come.  A denial is evidence about a node, so it is
 *	  believed only if each kind alone is denied; see the cases in on_answer().
 *
 * 3. Its sockets are watched by iomux, under numbers from first_owner on.  They
 *	  come and go; a place in the table is theirs while c-ares wants to hear of
 *	  them, and it says when it does not, at the latest when it closes them.
 *
 * 4. Time-outs are c-ares' own: OCT_TIMEOUT_MS, doubled for the next round, and
 *	  noticed by oct_dns_tick(), which has to be called often while queries are
 *	  under way.
 *
 * What environment variables say (LOCALDOMAIN, RES_OPTIONS, HOSTALIASES,
 * CARES_HOSTS) does not count.
 *
 * Known weaknesses: the hosts file is read anew for each lookup, by blocking
 * calls; it is local and short, and the results are cached (namecache.h).
 * resolv.conf is read when the process starts and when settings are reloaded, so
 * a change of it takes a reload.  nsswitch.conf does not count: it is always the
 * hosts file, then the DNS.  IPv6 addresses that need a scope cannot come from
 * here.  How hard an answer is to forge is up to c-ares: where it cannot be told
 * to change sockets now and then (before 1.20), 16 bits of a busy resolver's
 * question have to be guessed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "utils/memutils.h"

#include "dns.h"
#include "iomux.h"

/* the first round of a query; the second one takes twice as long */
#define OCT_TIMEOUT_MS		1000
#define OCT_ROUNDS			2

/* a socket is used for so many questions, where c-ares lets us say so */
#define OCT_SOCKET_QUERIES	128

/* addresses of an answer beyond this are ignored, unseen by namecache */
#define OCT_MAX_ANSWER		256

/* setting: as ares_set_servers_ports_csv takes it; empty: what resolv.conf says */
char	   *oct_dns_servers;

typedef struct OctDnsSocket
{
	ares_socket_t fd;
	int			events;			/* 0: a free place */
} OctDnsSocket;

static ares_channel channel = NULL;
static OctDnsSocket sockets[OCT_DNS_MAX_SOCKETS];
static int	first_owner;

/* c-ares tells what it wants to hear of a socket, nothing when it is closed. */
static void
on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	OctDnsSocket *place = NULL;
	int			events = (readable ? OCT_IO_READ : 0) |
		(writable ? OCT_IO_WRITE : 0);

	for (int i = 0; i < OCT_DNS_MAX_SOCKETS; i++)
	{
		if (sockets[i].events != 0 && sockets[i].fd == fd)
		{
			place = &sockets[i];
			break;
		}
		if (sockets[i].events == 0 && place == NULL)
			place = &sockets[i];
	}
	if (place == NULL)
		return;					/* not heard of, so its queries time out */
	place->fd = fd;
	place->events = events;
	if (events != 0 &&
		!oct_iomux_watch(fd, events, first_owner + (int) (place - sockets)))
		place->events = 0;		/* the same */
}

/*
 * Has a channel ask other servers than those of resolv.conf, if the setting names
 * any; an ARES_ status.  Older versions of c-ares take no spaces between them.
 */
static int
set_servers(ares_channel new_channel)
{
	char	   *servers = MemoryContextAllocZero(TopMemoryContext,
												 strlen(oct_dns_servers) + 1);
	char	   *to = servers;
	int			status = ARES_SUCCESS;

	for (const char *from = oct_dns_servers; *from != '\0'; from++)
	{
		if (*from != ' ')
			*to++ = *from;
	}
	if (servers[0] != '\0')
		status = ares_set_servers_ports_csv(new_channel, servers);
	pfree(servers);
	return status;
}

/* A channel for the present settings; an ARES_ status. */
static int
open_channel(ares_channel *new_channel)
{
	char		lookups[] = "fb";	/* the hosts file, then the DNS */
	struct ares_options options = {0};
	int			mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		ARES_OPT_LOOKUPS | ARES_OPT_NOROTATE | ARES_OPT_SOCK_STATE_CB;
	int			status;

	options.flags = ARES_FLAG_NOALIASES;
	options.timeout = OCT_TIMEOUT_MS;
	options.tries = OCT_ROUNDS;
	options.lookups = lookups;
	options.sock_state_cb = on_socket_state;
#ifdef ARES_OPT_UDP_MAX_QUERIES
	options.udp_max_queries = OCT_SOCKET_QUERIES;
	mask |= ARES_OPT_UDP_MAX_QUERIES;
#endif
#ifdef ARES_OPT_QUERY_CACHE
	options.qcache_max_ttl = 0; /* we have our own, with other rules */
	mask |= ARES_OPT_QUERY_CACHE;
#endif

	status = ares_init_options(new_channel, &options, mask);
	if (status == ARES_SUCCESS)
	{
		status = set_servers(*new_channel);
		if (status != ARES_SUCCESS)
		{
			ares_destroy(*new_channel);
			ereport(LOG,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for parameter \"%s\": \"%s\"",
							"octopus.dns_servers", oct_dns_servers)));
		}
	}
	return status;
}

/*
 * Once a process.  Raises an error if c-ares cannot be set up; servers that
 * make no sense are passed over for those of resolv.conf.
 */
void
oct_dns_init(int owner)
{
	static const char *const variables[] = {
		"LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES", "CARES_HOSTS",
	};
	char	   *servers = oct_dns_servers;
	char		none[] = "";
	int			status = ares_library_init(ARES_LIB_INIT_ALL);

	for (int i = 0; i < lengthof(variables); i++)
		unsetenv(variables[i]);
	first_owner = owner;
	if (status == ARES_SUCCESS)
		status = open_channel(&channel);
	if (status != ARES_SUCCESS && status != ARES_ENOMEM)
	{
		oct_dns_servers = none;
		status = open_channel(&channel);
		oct_dns_servers = servers;
	}
	if (status != ARES_SUCCESS)
		elog(ERROR, "could not initialize c-ares: %s", ares_strerror(status));
}

/*
 * Settings or resolv.conf may have changed.  If they can be used they are, and
 * queries under way are cancelled; else all stays as it was.
 */
void
oct_dns_reload(void)
{
	ares_channel old_channel = channel;
	ares_channel new_channel;

	if (open_channel(&new_channel) != ARES_SUCCESS)
		return;
	channel = new_channel;
	ares_destroy(old_channel);
}

/* Writes the addresses of an answer; the shortest time to live is all of theirs. */
static int
take_addresses(const struct ares_addrinfo *info, OctIp *at, int64 *ttl_ms)
{
	int			n = 0;

	*ttl_ms = PG_INT64_MAX;
	for (struct ares_addrinfo_node *node = info->nodes;
		 node != NULL && n < OCT_MAX_ANSWER; node = node->ai_next)
	{
		OctIp	   *ip = &at[n];

		memset(ip, 0, sizeof(OctIp));
		if (node->ai_family == AF_INET)
		{
			ip->version = 4;
			memcpy(ip->bytes,
				   &((struct sockaddr_in *) node->ai_addr)->sin_addr, 4);
		}
		else if (node->ai_family == AF_INET6)
		{
			ip->version = 6;
			memcpy(ip->bytes,
				   &((struct sockaddr_in6 *) node->ai_addr)->sin6_addr, 16);
		}
		else
			continue;
		*ttl_ms = Min(*ttl_ms, (int64) Max(node->ai_ttl, 0) * 1000);
		n++;
	}
	return n;
}

static OctNameFailure
failure_of(int status)
{
	switch (status)
	{
		case ARES_SUCCESS:
			return OCT_NAME_OK;
		case ARES_ENOTFOUND:
		case ARES_ENODATA:
		case ARES_EBADNAME:
			return OCT_NAME_ABSENT;
		default:
			return OCT_NAME_TROUBLE;
	}
}

static void ask(OctDnsQuery *query, int family);

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	OctDnsQuery *query = (OctDnsQuery *) arg;
	OctIp		at[OCT_MAX_ANSWER];
	OctDnsAnswer answer = {.at = at};

	if (status == ARES_SUCCESS)
	{
		answer.n = take_addresses(info, at, &answer.ttl_ms);
		ares_freeaddrinfo(info);
		if (answer.n == 0)
			status = ARES_ENODATA;
		if (query->starting)
			answer.ttl_ms = -1; /* from the hosts file: nobody was asked */
	}

	/* see step 2; that there is no such name says nobody of IPv4 alone */
	if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
	{
		if (query->family == AF_UNSPEC)
		{
			ask(query, AF_INET);
			return;
		}
		if (query->family == AF_INET && status == ARES_ENODATA)
		{
			ask(query, AF_INET6);
			return;
		}
	}

	answer.cancelled = status == ARES_EDESTRUCTION;
	answer.failure = failure_of(status);
	answer.words = ares_strerror(status);
	query->done(query, &answer);
}

static void
ask(OctDnsQuery *query, int family)
{
	struct ares_addrinfo_hints hints = {0};

	/* sorting would connect sockets, to sort what namecache sorts its own way */
	hints.ai_flags = ARES_AI_NOSORT;
	hints.ai_family = family;
	hints.ai_socktype = SOCK_STREAM;
	query->family = family;
	ares_getaddrinfo(channel, query->name, NULL, &hints, on_answer, query);
}

/*
 * Begins a query, whose callback may come at once, but must leave it where it
 * is.  Does not throw.
 */
void
oct_dns_ask(OctDnsQuery *query)
{
	query->starting = true;
	ask(query, AF_UNSPEC);
	query->starting = false;
}

/* The socket with this number, counted from first_owner, is ready. */
void
oct_dns_advance(int which)
{
	OctDnsSocket *place = &sockets[which];

	ares_process_fd(channel,
					place->events & OCT_IO_READ ? place->fd : ARES_SOCKET_BAD,
					place->events & OCT_IO_WRITE ? place->fd : ARES_SOCKET_BAD);
}

/* Times out what is due. */
void
oct_dns_tick(void)
{
	ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/*-------------------------------------------------------------------------
 *
 * resolver.c
 *	  From names to addresses, through c-ares.
 *
 * Names are looked up in the hosts file only; c-ares is told so, and then
 * answers at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "resolver.h"

/* The state of a lookup. */
typedef struct OctLookup
{
	bool		done;
	int			status;			/* ARES_... */
	OctAddresses *addresses;
} OctLookup;

static ares_channel channel;

/* Once a process.  Raises an error if c-ares cannot be set up. */
void
oct_resolver_init(void)
{
	char		lookups[] = "f";	/* the hosts file */
	struct ares_options options = {.lookups = lookups};
	int			status = ares_library_init(ARES_LIB_INIT_ALL);

	if (status == ARES_SUCCESS)
		status = ares_init_options(&channel, &options, ARES_OPT_LOOKUPS);
	if (status != ARES_SUCCESS)
		elog(ERROR, "could not initialize c-ares: %s", ares_strerror(status));
}

/* Is it the text of an address?  As libpq will ask. */
static bool
is_numeric(const char *name)
{
	struct addrinfo hints = {0};
	struct addrinfo *found;

	hints.ai_flags = AI_NUMERICHOST;
	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return false;
	freeaddrinfo(found);
	return true;
}

static void
lookup_callback(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	OctLookup  *lookup = (OctLookup *) arg;
	OctAddresses *addresses = lookup->addresses;

	lookup->done = true;
	lookup->status = status;
	if (status != ARES_SUCCESS)
		return;

	addresses->n = 0;
	for (struct ares_addrinfo_node *node = info->nodes;
		 node != NULL && addresses->n < OCT_MAX_ADDRESSES; node = node->ai_next)
	{
		const void *addr = node->ai_family == AF_INET ?
			(const void *) &((struct sockaddr_in *) node->ai_addr)->sin_addr :
			(const void *) &((struct sockaddr_in6 *) node->ai_addr)->sin6_addr;

		if (inet_ntop(node->ai_family, addr, addresses->text[addresses->n],
					  OCT_RESOLVED_SIZE) != NULL)
			addresses->n++;
	}
	ares_freeaddrinfo(info);
	if (addresses->n == 0)
		lookup->status = ARES_ENODATA;
}

static void
fail(OctOutcome *failure, OctReason reason, const char *message)
{
	memset(failure, 0, sizeof(OctOutcome));
	failure->reason = reason;
	failure->phase = OCT_PHASE_DNS;
	strlcpy(failure->message, message, OCT_MESSAGE_SIZE);
}

/*
 * Finds the addresses of a host, at least one, as libpq takes them in
 * hostaddr.  Returns false and the outcome of the try if there are none.  Does
 * not throw.
 */
bool
oct_resolver_lookup(const char *name, OctAddresses *addresses,
					OctOutcome *failure)
{
	struct ares_addrinfo_hints hints = {0};
	OctLookup	lookup = {.addresses = addresses};

	if (is_numeric(name))
	{
		addresses->n = 1;
		strlcpy(addresses->text[0], name, OCT_RESOLVED_SIZE);
		return true;
	}

	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	ares_getaddrinfo(channel, name, NULL, &hints, lookup_callback, &lookup);
	if (!lookup.done)
		ares_cancel(channel);	/* calls back */

	switch (lookup.status)
	{
		case ARES_SUCCESS:
			return true;
		case ARES_ENOMEM:
		case ARES_EFILE:
		case ARES_ECANCELLED:
			fail(failure, OCT_REASON_VOIDED, ares_strerror(lookup.status));
			return false;
		default:
			fail(failure, OCT_REASON_NAME_RESOLUTION,
				 "it is not in the hosts file, and the DNS is not asked yet");
			return false;
	}
}

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
oct_resolver_init(int first_owner)
{
	char		lookups[] = "f";	/* the hosts file */
	struct ares_options options = {.lookups = lookups};
	int			status = ares_library_init(ARES_LIB_INIT_ALL);

	if (status == ARES_SUCCESS)
		status = ares_init_options(&channel, &options, ARES_OPT_LOOKUPS);
	if (status != ARES_SUCCESS)
		elog(ERROR, "could not initialize c-ares: %s", ares_strerror(status));
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
		addresses->at[addresses->n].len = node->ai_addrlen;
		memcpy(&addresses->at[addresses->n].sa, node->ai_addr, node->ai_addrlen);
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


OctResolution
oct_resolver_ask(const char *name, OctTime now, OctWaiter *waiter,
				 OctAddresses *addresses, OctOutcome *failure)
{
	struct ares_addrinfo_hints hints = {0};
	OctLookup	lookup = {.addresses = addresses};

	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	ares_getaddrinfo(channel, name, NULL, &hints, lookup_callback, &lookup);
	if (!lookup.done)
		ares_cancel(channel);	/* calls back */

	switch (lookup.status)
	{
		case ARES_SUCCESS:
			return OCT_RESOLVED;
		case ARES_ENOMEM:
		case ARES_EFILE:
		case ARES_ECANCELLED:
			fail(failure, OCT_REASON_VOIDED, ares_strerror(lookup.status));
			return OCT_UNRESOLVED;
		default:
			fail(failure, OCT_REASON_NAME_RESOLUTION,
				 "it is not in the hosts file, and the DNS is not asked yet");
			return OCT_UNRESOLVED;
	}
}

void oct_resolver_reload(void) {}
void oct_resolver_forget(OctWaiter *waiter) {}
void oct_resolver_confirm(const char *name, const OctAddress *address, OctTime now) {}
void oct_resolver_doubt(const char *name, OctTime now) {}
OctTime oct_resolver_next(void) {return OCT_TIME_NEVER;}
void oct_resolver_on_timer(OctTime now) {}
void oct_resolver_advance(int which) {}

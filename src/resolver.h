/*-------------------------------------------------------------------------
 *
 * resolver.h
 *	  From names to addresses, without ever waiting.
 *
 * Who needs a name's addresses asks for them, with a waiter:
 *
 *		switch (oct_resolver_ask(name, now, &waiter, &addresses, &failure))
 *		OCT_RESOLVED	here they are, one at least
 *		OCT_RESOLVING	waiter.done will be called; then ask again, and do so at
 *						once if you want to be sure of an answer, since by then
 *						there is one
 *		OCT_UNRESOLVED	there are none, and "failure" is the outcome of the try
 *
 * The waiter is in the caller's memory, all zero at first but for "done", and has
 * to stay there while it waits; oct_resolver_forget ends that, and may be called
 * at any time.  waiter.done is called from oct_resolver_advance and
 * oct_resolver_on_timer only, and may ask and forget as it likes.
 *
 * Who has used the addresses says how it went, by oct_resolver_confirm or
 * oct_resolver_doubt.
 *
 * The owner of the loop tells it of its sockets, which iomux knows as first_owner
 * + 0 .. OCT_DNS_MAX_SOCKETS - 1, by their index; and calls oct_resolver_on_timer
 * at oct_resolver_next(), after the sockets that are ready were served.
 *
 * Numeric addresses and directories of sockets are no names: see address.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include "address.h"
#include "lookups.h"

/* In the order in which to try them; without port. */
typedef struct OctAddresses
{
	int			n;
	int			nformer;		/* so many at the end are not in the DNS' present
								 * answer, but a server answered there, and they
								 * were within dns_stale_ttl */
	OctAddress	at[OCT_MAX_ADDRESSES + 1];
} OctAddresses;

typedef enum OctResolution
{
	OCT_RESOLVED,
	OCT_RESOLVING,
	OCT_UNRESOLVED
} OctResolution;

typedef struct OctWaiter OctWaiter;

struct OctWaiter
{
	void		(*done) (OctWaiter *waiter);

	/* of resolver.c */
	bool		waiting;
	dlist_node	node;
};

/* settings */
extern int	oct_dns_max_ttl_ms;
extern int	oct_dns_stale_ttl_ms;

extern void oct_resolver_init(int first_owner);
extern void oct_resolver_reload(void);

extern OctResolution oct_resolver_ask(const char *name, OctTime now,
									  OctWaiter *waiter,
									  OctAddresses *addresses,
									  OctOutcome *failure);
extern void oct_resolver_forget(OctWaiter *waiter);
extern void oct_resolver_confirm(const char *name, const OctAddress *address,
								 OctTime now);
extern void oct_resolver_doubt(const char *name, OctTime now);

extern OctTime oct_resolver_next(void);
extern void oct_resolver_on_timer(OctTime now);
extern void oct_resolver_advance(int which);
extern int	oct_resolver_pending(void);

#endif							/* RESOLVER_H */

/*-------------------------------------------------------------------------
 *
 * resolver.h
 *	  From names to addresses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include "octypes.h"

#include "lib/ilist.h"

#include "address.h"

/* more addresses of a name are ignored */
#define OCT_MAX_ADDRESSES	8

typedef struct OctAddresses
{
	int			n;
	int			nformer;
	OctAddress	at[OCT_MAX_ADDRESSES + 1];
} OctAddresses;

typedef enum OctResolution
{
	OCT_RESOLVED,
	OCT_RESOLVING,
	OCT_UNRESOLVED
} OctResolution;

typedef struct OctWaiter
{
	dlist_node	node;
	bool		waiting;
	void		(*done) (struct OctWaiter *waiter);
} OctWaiter;

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

#endif							/* RESOLVER_H */

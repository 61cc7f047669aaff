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

/* more addresses of a name are ignored */
#define OCT_MAX_ADDRESSES	8

/* an address as text, or what passes for one: as long as a name */
#define OCT_RESOLVED_SIZE	OCT_NAME_SIZE

typedef struct OctAddresses
{
	int			n;
	char		text[OCT_MAX_ADDRESSES][OCT_RESOLVED_SIZE];
} OctAddresses;

extern void oct_resolver_init(void);
extern bool oct_resolver_lookup(const char *name, OctAddresses *addresses,
								OctOutcome *failure);

#endif							/* RESOLVER_H */

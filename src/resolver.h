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

/* a list of so many addresses as text, comma-separated; more are ignored */
#define OCT_MAX_ADDRESSES		8
#define OCT_ADDRESSES_SIZE		(OCT_MAX_ADDRESSES * 46)

extern void oct_resolver_init(void);
extern bool oct_resolver_lookup(const char *name, char *addresses,
								OctOutcome *failure);

#endif							/* RESOLVER_H */

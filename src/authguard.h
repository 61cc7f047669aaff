/*-------------------------------------------------------------------------
 *
 * authguard.h
 *	  What a server asks of who logs in, looked at before libpq reads it.
 *
 * libpq hashes a password as often as a server says (SCRAM), which may be for
 * twenty minutes, and does nothing else meanwhile.  The guard is shown all that
 * libpq is about to read, in pieces of any size, from the start-up packet on; it
 * takes messages apart just as libpq does, and refuses those that libpq might take
 * apart in another way, and such as come in an order that no server has.
 *
 * Pure: no sockets, no clock, no memory of its own; nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHGUARD_H
#define AUTHGUARD_H

#include "octypes.h"

/* what a server may ask for: 24 times what it does by default, 0.1 s of our time */
#define OCT_AUTH_MAX_ROUNDS		100000

typedef enum OctAuthVerdict
{
	OCT_AUTH_PASS,
	OCT_AUTH_TOO_DEAR,			/* to be obeyed */
	OCT_AUTH_DISORDER			/* not as any server says it */
} OctAuthVerdict;

/* One connection's; to begin with all is zero. */
typedef struct OctAuthGuard
{
	uint32		at;				/* bytes of this message so far */
	uint32		length;			/* of the message but for its type */
	uint32		code;			/* what is asked for */
	uint32		rounds;			/* of a challenge */
	char		type;
	char		last;			/* the byte before */
	uint8		part;			/* of a challenge */
	uint8		sasl;			/* how many of its requests there were */
	bool		gss;			/* has that been asked for? */
	bool		done;			/* is there nothing to be guarded any more? */
} OctAuthGuard;

extern OctAuthVerdict oct_authguard_feed(OctAuthGuard *guard, const char *bytes,
										 size_t size);

#endif							/* AUTHGUARD_H */

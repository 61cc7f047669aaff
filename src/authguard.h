/*-------------------------------------------------------------------------
 *
 * authguard.h
 *	  What a server asks of who logs in, looked at before libpq reads it.
 *
 * libpq hashes a password as often as a server says (SCRAM), which may be for
 * twenty minutes, and does nothing else meanwhile.  The guard is shown what has
 * come, from the last byte that libpq has read, and tells whether libpq may go on.
 *
 * More may come between that look and libpq's, unseen.  It does no harm: a
 * challenge that libpq obeys has to repeat a number that it has thrown just before,
 * so it is the first thing to be seen after that; and once something else has been
 * asked for, the guard lets no challenge through.
 *
 * Pure: no sockets, no clock, no memory of its own; nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHGUARD_H
#define AUTHGUARD_H

#include "octypes.h"

/* what a server may ask for: 20 times what it does by default, 0.1 s of our time */
#define OCT_AUTH_MAX_ROUNDS		100000

/* no message of a login is longer */
#define OCT_AUTH_MAX_SIZE		4096

typedef enum OctAuthVerdict
{
	OCT_AUTH_PASS,
	OCT_AUTH_WAIT,				/* until more has come */
	OCT_AUTH_TOO_DEAR,			/* the challenge, to be obeyed */
	OCT_AUTH_DISORDER			/* no server would say that */
} OctAuthVerdict;

/* What has been asked for so far on this connection. */
typedef enum OctAuthStage
{
	OCT_AUTH_NOTHING,
	OCT_AUTH_SASL,				/* a challenge comes next */
	OCT_AUTH_ALL				/* nothing that costs much comes any more */
} OctAuthStage;

extern OctAuthVerdict oct_authguard_look(OctAuthStage *stage, const char *bytes,
										 size_t size, size_t *need);

#endif							/* AUTHGUARD_H */

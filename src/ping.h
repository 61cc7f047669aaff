/*-------------------------------------------------------------------------
 *
 * ping.h
 *	  Probes that need no login: plain sockets and the start-up conversation.
 *
 * The interface is that of pqprobe.h, but that a ping keeps to its socket and
 * has it watched once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PING_H
#define PING_H

#include "octypes.h"

#include "login.h"
#include "wire.h"

typedef struct OctPing
{
	pgsocket	sock;			/* PGINVALID_SOCKET: none */
	int			owner;
	bool		connected;		/* and the first message is sent */
	bool		edge;			/* told once of what can be read */
	bool		drained;		/* nothing is left to be read */
	bool		only_connect;	/* tcp */
	const OctLogin *login;
	OctWire		wire;
} OctPing;

extern bool oct_ping_start(OctPing *ping, const OctTarget *target, bool *eager,
						   int owner, OctOutcome *outcome);
extern bool oct_ping_advance(OctPing *ping, OctOutcome *outcome);
extern bool oct_ping_hold(OctPing *ping);
extern bool oct_ping_sync(OctPing *ping, OctOutcome *outcome);
extern OctPhase oct_ping_phase(const OctPing *ping);
extern void oct_ping_close(OctPing *ping);

#endif							/* PING_H */

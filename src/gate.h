/*-------------------------------------------------------------------------
 *
 * gate.h
 *	  A login through libpq, step by step, that no server can prolong.
 *
 *-------------------------------------------------------------------------
 */
#ifndef GATE_H
#define GATE_H

#include "octypes.h"

#include "authguard.h"

struct pg_conn;

/* To begin with all is zero. */
typedef struct OctGate
{
	OctAuthGuard guard;
	bool		reads;			/* will libpq read next? */
	bool		greeted;		/* has the server said whether it encrypts? */
} OctGate;

extern bool oct_gate_poll(OctGate *gate, struct pg_conn *conn, OctPhase phase,
						  int *status, OctOutcome *outcome);

#endif							/* GATE_H */

/*-------------------------------------------------------------------------
 *
 * gate.h
 *	  Steps of libpq that no server can prolong.
 *
 *-------------------------------------------------------------------------
 */
#ifndef GATE_H
#define GATE_H

#include "octypes.h"

#include "authguard.h"

struct pg_conn;

/* One connection's; to begin with all is zero but what the owner says. */
typedef struct OctGate
{
	bool		has_password;	/* that could be hashed; said by the owner */
	OctAuthGuard guard;
	bool		reads;			/* will libpq read next? */
	bool		greeted;		/* has the server said whether it encrypts? */
	int			socket;			/* in a step */
	int			records;		/* of TLS that came in the step */
	int			messages;		/* of TLS itself that have come at all */
} OctGate;

extern void oct_gate_begin_step(OctGate *gate, struct pg_conn *conn);
extern bool oct_gate_end_step(OctGate *gate, struct pg_conn *conn, bool goes_on,
							  OctPhase phase, OctOutcome *outcome);
extern bool oct_gate_poll(OctGate *gate, struct pg_conn *conn, OctPhase phase,
						  int *status, OctOutcome *outcome);

#endif							/* GATE_H */

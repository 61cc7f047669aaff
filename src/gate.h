/*-------------------------------------------------------------------------
 *
 * gate.h
 *	  May libpq read what a server has sent while it lets us in?
 *
 *-------------------------------------------------------------------------
 */
#ifndef GATE_H
#define GATE_H

#include "octypes.h"

#include "authguard.h"

struct pg_conn;

typedef struct OctGate
{
	OctAuthStage stage;
	bool		holds_back;		/* does the kernel wait for more to come? */
} OctGate;

typedef enum OctGateState
{
	OCT_GATE_OPEN,
	OCT_GATE_WAIT,				/* there is not enough to be read */
	OCT_GATE_SHUT				/* the login is at its end */
} OctGateState;

extern OctGateState oct_gate_look(OctGate *gate, struct pg_conn *conn,
								  OctPhase phase, OctOutcome *outcome);

#endif							/* GATE_H */

/*-------------------------------------------------------------------------
 *
 * pqprobe.h
 *	  Probes through libpq, without ever waiting for it.
 *
 * A probe is started, then advanced whenever its socket is ready for what it
 * waits for, until it has an outcome; then, or at any time before, it is
 * closed.  A session that has logged in can be held instead, and asked for a
 * sign of life now and then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PQPROBE_H
#define PQPROBE_H

#include "octypes.h"

#include "gate.h"
#include "login.h"

struct pg_conn;

/* conn is NULL if there is none under way. */
typedef struct OctPqProbe
{
	struct pg_conn *conn;
	OctPhase	phase;			/* how far it has come */
	int			advances;		/* since the server answered */
	int			events;			/* that its socket is watched for */
	int			owner;
	int			timeout_ms;
	bool		one_socket;		/* does it keep to its socket? */
	bool		must_use_password;
	OctGate		gate;			/* what libpq reads passes it until then */
	bool		logged_in;
	bool		well;			/* has it ended well, all that was sent being read? */
	bool		held;			/* and does it go on as a session? */
	bool		syncing;		/* is a held session to give a sign of life? */
	bool		truth;			/* has the query returned true? */
	int			rows;			/* that it has returned */
	const OctLogin *login;
	bool		asks;			/* a query, or else to log in is enough */
} OctPqProbe;

extern void oct_pqprobe_init(void);
extern bool oct_pqprobe_start(OctPqProbe *probe, const OctTarget *target,
							  int owner, OctOutcome *outcome);
extern bool oct_pqprobe_advance(OctPqProbe *probe, OctOutcome *outcome);
extern bool oct_pqprobe_hold(OctPqProbe *probe);
extern bool oct_pqprobe_sync(OctPqProbe *probe, OctOutcome *outcome);
extern void oct_pqprobe_close(OctPqProbe *probe);

#endif							/* PQPROBE_H */

/*-------------------------------------------------------------------------
 *
 * pqprobe.h
 *	  Trying a node through libpq, without ever waiting for it.
 *
 * A try is started, then advanced whenever its socket is ready for what it
 * waits for, until it has an outcome; then, or at any time before, it is
 * closed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PQPROBE_H
#define PQPROBE_H

#include "octypes.h"

#include "pqlogin.h"

struct pg_conn;

/* One try; conn is NULL if there is none under way. */
typedef struct OctPqProbe
{
	struct pg_conn *conn;
	OctPhase	phase;			/* how far it has come */
	int			advances;		/* since the server answered */
	bool		must_use_password;
} OctPqProbe;

extern void oct_pqprobe_init(void);
extern bool oct_pqprobe_start(OctPqProbe *probe, const OctTarget *target,
							  OctOutcome *outcome);
extern bool oct_pqprobe_advance(OctPqProbe *probe, int *events,
								OctOutcome *outcome);
extern pgsocket oct_pqprobe_socket(const OctPqProbe *probe);
extern void oct_pqprobe_close(OctPqProbe *probe);

#endif							/* PQPROBE_H */

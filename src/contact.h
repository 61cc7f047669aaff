/*-------------------------------------------------------------------------
 *
 * contact.h
 *	  One contact with a server: a probe at one address, which may go on as a
 *	  held session.
 *
 * Whether it goes through plain sockets (ping.h) or libpq (pqprobe.h) nobody
 * else knows.  A contact lives from its start, if that succeeds, until it is
 * closed; in between it is advanced whenever its socket is ready, and ends
 * where that returns false, with the outcome.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CONTACT_H
#define CONTACT_H

#include "octypes.h"

#include "login.h"

typedef struct OctContact OctContact;

extern void oct_contact_init(void);
extern OctContact *oct_contact_start(const OctTarget *target, bool *eager,
									 int owner, OctOutcome *outcome);
extern bool oct_contact_advance(OctContact *contact, OctOutcome *outcome);
extern bool oct_contact_hold(OctContact *contact);
extern bool oct_contact_sync(OctContact *contact, OctOutcome *outcome);
extern OctPhase oct_contact_phase(const OctContact *contact);
extern void oct_contact_close(OctContact *contact);

#endif							/* CONTACT_H */

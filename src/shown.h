/*-------------------------------------------------------------------------
 *
 * shown.h
 *	  Things as datums, for those who read them in SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SHOWN_H
#define SHOWN_H

#include "octypes.h"

extern Datum oct_shown_reason(OctReason reason);
extern Datum oct_shown_phase(OctPhase phase);
extern Datum oct_shown_state(OctState state);
extern Datum oct_shown_role(OctRole role);
extern text *oct_shown_message(const char *bytes);
extern text *oct_shown_version(int32 version);
extern Datum oct_shown_address(const OctNodeAddress *address);
extern bool oct_shown_secrets(Oid userid);

#endif							/* SHOWN_H */

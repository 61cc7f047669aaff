/*-------------------------------------------------------------------------
 *
 * cause.h
 *	  What the errors of the system and of libpq mean.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CAUSE_H
#define CAUSE_H

#include "octypes.h"

extern OctReason oct_cause_of_errno(int errnum);
extern void oct_cause_correct_phase(OctOutcome *outcome);
extern bool oct_cause_is_lack_of_memory(const char *string);
extern void oct_cause_of_libpq(const char *string, OctOutcome *outcome);
extern void oct_cause_set_message(OctOutcome *outcome, const char *string);
extern void oct_cause_set(OctOutcome *outcome, OctReason reason, OctPhase phase,
						  const char *message);

#endif							/* CAUSE_H */

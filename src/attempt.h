/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  One try at a node: its addresses in turn, until one shows life.
 *
 * A leg is the try at one address.  An attempt is begun, which tells how many
 * legs it has at most, and then advanced whenever its socket is ready.  Every
 * call that returns false has ended the running leg with an outcome; the owner
 * then asks for the next one, until oct_attempt_next_leg says that there is
 * none and leaves the outcome of the whole.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "pqprobe.h"
#include "resolver.h"

/* What is known of a name's addresses while they are tried. */
typedef struct OctLegs
{
	OctAddresses addresses;
	int			current;
	bool		failed;			/* has a leg shown the node dead? */
	OctOutcome	failure;		/* the last one that did */
} OctLegs;

/* All zero when nothing is under way. */
typedef struct OctAttempt
{
	OctPqProbe	probe;
	int			events;			/* that its socket is watched for */
	bool		one_socket;		/* does it keep to its socket? */
	OctLegs    *legs;			/* palloc'd; NULL: the name is the address */
} OctAttempt;

extern int	oct_attempt_begin(OctAttempt *attempt, const OctNodeSpec *spec,
							  OctOutcome *outcome);
extern bool oct_attempt_start_leg(OctAttempt *attempt, const OctNodeSpec *spec,
								  const OctPairs *policy,
								  const char *application_name, int owner,
								  OctOutcome *outcome);
extern bool oct_attempt_advance(OctAttempt *attempt, int owner,
								OctOutcome *outcome);
extern bool oct_attempt_next_leg(OctAttempt *attempt, const OctNodeSpec *spec,
								 OctOutcome *outcome);
extern void oct_attempt_end(OctAttempt *attempt);

#endif							/* ATTEMPT_H */

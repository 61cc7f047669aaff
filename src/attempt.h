/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  One try at a node: its addresses in turn, until one shows life.
 *
 * A leg is the contact with one address.  An attempt is begun, which tells how
 * many legs it has at most, or that its name is being looked up; the owner then
 * starts the first leg and advances it whenever its socket is ready.  Every call
 * that returns false has ended the running leg with an outcome; the owner then
 * asks for the next one, until oct_attempt_next_leg says that there is none and
 * leaves the outcome of the whole.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "contact.h"
#include "policy.h"
#include "resolver.h"

/* What is known of a name's addresses while they are tried. */
typedef struct OctLegs
{
	OctAddresses addresses;
	int			current;
	bool		failed;			/* has a leg shown the node dead? */
	int			failed_leg;		/* the last one that did */
	OctOutcome	failure;		/* what it came to */
} OctLegs;

/* All zero when nothing is under way, but for what is said to outlive a try. */
typedef struct OctAttempt
{
	OctContact *contact;		/* the running leg's */
	OctLegs    *legs;			/* palloc'd; NULL: there is one address only */
	OctWaiter	waiter;			/* while the name is looked up */
	bool		eager;			/* see oct_ping_start; outlives a try */
	OctAddress	address;		/* of a name that is one; outlives a try */
} OctAttempt;

extern void oct_attempt_init(OctAttempt *attempt, const OctNodeSpec *spec);
extern OctResolution oct_attempt_begin(OctAttempt *attempt,
									   const OctNodeSpec *spec, OctTime now,
									   int *nlegs, OctOutcome *outcome);
extern bool oct_attempt_start_leg(OctAttempt *attempt, const OctNodeSpec *spec,
								  OctTarget *target, int owner,
								  OctOutcome *outcome);
extern bool oct_attempt_next_leg(OctAttempt *attempt,
								 const OctNodeSpec *spec,
								 OctEvidence evidence, OctTime now,
								 OctOutcome *outcome);
extern void oct_attempt_get_address(const OctAttempt *attempt,
									OctNodeAddress *address);
extern OctPhase oct_attempt_phase(const OctAttempt *attempt);
extern OctContact *oct_attempt_take_contact(OctAttempt *attempt);
extern void oct_attempt_end(OctAttempt *attempt);

#endif							/* ATTEMPT_H */

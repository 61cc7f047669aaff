/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  Judging: from the outcome of a try to a verdict about the node, and from
 *	  the verdict to the time of the next try.
 *
 * Pure: no sockets, no clock, no memory of its own; nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef POLICY_H
#define POLICY_H

#include "octypes.h"

/* What an outcome says about the node. */
typedef enum OctEvidence
{
	OCT_EVIDENCE_NONE,			/* nothing: the trouble was ours */
	OCT_EVIDENCE_DEAD,
	OCT_EVIDENCE_ALIVE
} OctEvidence;

/* A verdict in the making. */
typedef struct OctVerdict
{
	OctHealth	health;
	uint32		failures;		/* in a row, 0 after a success */
	uint32		successes;		/* in a row, 0 after a failure */
} OctVerdict;

/* No verdict is too old before this, unless a setting says so. */
#define OCT_MIN_MAX_AGE_MS	1000

/* After trouble of ours, the next try comes no sooner than this. */
#define OCT_VOID_DELAY_MS	100

extern OctEvidence oct_policy_evidence(OctReason reason);
extern OctEvidence oct_policy_evidence_of(OctReason reason,
										  OctCheckType check_type);
extern const char *oct_policy_reason_code(OctReason reason);
extern const char *oct_policy_phase_name(OctPhase phase);
extern const char *oct_policy_reason_sentence(OctReason reason);
extern OctReason oct_policy_reason_of_error(const char *sqlstate,
											const char *message);

extern bool oct_policy_judge(OctVerdict *verdict, OctEvidence evidence,
							 const OctPolicy *policy);
extern bool oct_policy_in_doubt(const OctVerdict *verdict);
extern OctState oct_policy_state(const OctVerdict *verdict, OctReason reason);
extern const char *oct_policy_state_name(OctState state);
extern int64 oct_policy_max_age_us(const OctPolicy *policy);
extern OctAnswer oct_policy_read_only(OctAnswer standby, OctAnswer by_default);

#endif							/* POLICY_H */

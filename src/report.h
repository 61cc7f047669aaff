/*-------------------------------------------------------------------------
 *
 * report.h
 *	  Making known what the prober found: in shared memory and in the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REPORT_H
#define REPORT_H

#include "policy.h"

typedef enum OctLogChecks
{
	OCT_LOG_CHECKS_OFF,
	OCT_LOG_CHECKS_FAILURES,
	OCT_LOG_CHECKS_ALL
} OctLogChecks;

/* Settings, given their names in settings.c. */
extern bool oct_log_status_changes;
extern int	oct_log_checks;

/* What a try has come to. */
typedef struct OctFinding
{
	int32		slot;
	uint32		generation;
	const OctPolicy *policy;	/* that it followed */
	bool		retry;			/* did it repeat a failed one? */
	const OctVerdict *verdict;	/* by now */
	const OctOutcome *outcome;
	OctEvidence evidence;
	const OctNodeAddress *address;	/* that was tried; NULL: as before */
	int64		check_time_us;
	OctTime		streak;			/* start of the first of the tries that agree */
	OctTime		now;
} OctFinding;

extern void oct_report_finding(const OctFinding *finding);
extern void oct_report_unknown(int32 slot, uint32 generation, bool enabled,
							   OctTime now);
extern void oct_report_policy(int32 slot, uint32 generation,
							  const OctPolicy *policy, OctTime now);
extern void oct_report_loss(int32 slot);
extern void oct_report_reset(int32 slot, OctTime now);
extern void oct_report_change(const OctNodeSpec *spec,
							  const OctVerdict *verdict,
							  const OctOutcome *outcome);
extern void oct_report_role(const OctNodeSpec *spec, OctRole role);
extern void oct_report_check(const OctNodeSpec *spec, const OctOutcome *outcome,
							 OctEvidence evidence, int64 check_time_us);
extern void oct_report_trouble(const OctNodeSpec *spec,
							   const OctOutcome *outcome, OctTime now);

#endif							/* REPORT_H */

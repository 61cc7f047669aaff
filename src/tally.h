/*-------------------------------------------------------------------------
 *
 * tally.h
 *	  What a node has been through: counts and times, since they were reset.
 *
 * Pure: no clock, no memory of its own; nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TALLY_H
#define TALLY_H

#include "octypes.h"

/* Outcomes kept in the order in which they came. */
#define OCT_RECENT_CHECKS	32

/* In OctTally.recent: no outcome yet; evidence of death.  Else a bucket + 1. */
#define OCT_RECENT_NONE		0
#define OCT_RECENT_FAILURE	PG_UINT8_MAX

typedef struct OctTally
{
	int64		successes;
	int64		failures;
	int64		voids;			/* neither: trouble of ours */
	int64		timeouts;		/* among the failures */
	int64		retries;		/* tries after a failed one, before a verdict */
	int64		transitions;	/* between healthy and unhealthy */
	int64		dns_failures;	/* names that could not be looked up */
	int64		losses;			/* sessions lost, be it a held one */

	/* how long the successes took */
	int64		total_us;
	int64		last_us;
	int64		min_us;
	int64		max_us;
	double		mean_us;
	double		sum_of_squares; /* of differences from the mean, in us */

	/* for how long the health was what, up to "accounted" */
	int64		healthy_us;
	int64		unhealthy_us;
	int64		unknown_us;
	OctTime		accounted;

	/* the last outcomes; the newest is at (nrecent - 1) % OCT_RECENT_CHECKS */
	uint32		nrecent;
	uint8		recent[OCT_RECENT_CHECKS];
} OctTally;

extern void oct_tally_success(OctTally *tally, int64 check_time_us);
extern void oct_tally_failure(OctTally *tally, OctReason reason);
extern void oct_tally_void(OctTally *tally, OctReason reason);
extern void oct_tally_account(OctTally *tally, OctHealth health,
							  OctTime fresh_until, OctTime now);
extern double oct_tally_variance(const OctTally *tally);

#endif							/* TALLY_H */

/*-------------------------------------------------------------------------
 *
 * tally.c
 *	  What a node has been through: counts and times, since they were reset.
 *
 * How long tries take is told of those that succeed, since the time of the
 * others is that of our patience.  Mean and variance are by Welford's method, as
 * in pg_stat_statements.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "latency.h"
#include "tally.h"

StaticAssertDecl(OCT_LATENCY_BUCKETS < OCT_RECENT_FAILURE,
				 "OctTally.recent cannot tell all buckets");

static void
note_recent(OctTally *tally, uint8 what)
{
	tally->recent[tally->nrecent++ % OCT_RECENT_CHECKS] = what;
}

void
oct_tally_success(OctTally *tally, int64 check_time_us)
{
	double		difference = check_time_us - tally->mean_us;

	if (tally->successes == 0 || check_time_us < tally->min_us)
		tally->min_us = check_time_us;
	tally->max_us = Max(tally->max_us, check_time_us);
	tally->successes++;
	tally->last_us = check_time_us;
	tally->total_us += check_time_us;
	tally->mean_us += difference / tally->successes;
	tally->sum_of_squares += difference * (check_time_us - tally->mean_us);
	note_recent(tally, oct_latency_bucket(check_time_us) + 1);
}

static void
note_reason(OctTally *tally, OctReason reason)
{
	if (reason == OCT_REASON_NAME_RESOLUTION || reason == OCT_REASON_RESOLVER_TROUBLE)
		tally->dns_failures++;
	else if (reason == OCT_REASON_CONNECTION_LOST)
		tally->losses++;
}

void
oct_tally_failure(OctTally *tally, OctReason reason)
{
	tally->failures++;
	if (reason == OCT_REASON_TIMEOUT)
		tally->timeouts++;
	note_reason(tally, reason);
	note_recent(tally, OCT_RECENT_FAILURE);
}

/* A try was no evidence. */
void
oct_tally_void(OctTally *tally, OctReason reason)
{
	tally->voids++;
	note_reason(tally, reason);
}

/*
 * The health has been as given, but unknown from "fresh_until" on, since it was
 * accounted for last.
 */
void
oct_tally_account(OctTally *tally, OctHealth health, OctTime fresh_until,
				  OctTime now)
{
	OctTime		from = tally->accounted;
	OctTime		until = oct_time_before(fresh_until, now) ? fresh_until : now;

	if (!oct_time_before(from, now))
		return;
	if (oct_time_before(until, from) || health == OCT_UNKNOWN)
		until = from;
	if (health == OCT_HEALTHY)
		tally->healthy_us += oct_time_diff_us(until, from);
	else
		tally->unhealthy_us += oct_time_diff_us(until, from);
	tally->unknown_us += oct_time_diff_us(now, until);
	tally->accounted = now;
}

/* Of the times that successes took, in square microseconds. */
double
oct_tally_variance(const OctTally *tally)
{
	return tally->successes == 0 ? 0 : tally->sum_of_squares / tally->successes;
}

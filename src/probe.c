/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  The life of one node's probing as a state machine; see probe.h.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "probe.h"

/*
 * A new probe with the verdict known so far, whose first try is at "due".
 *
 * Nodes that came together would be probed together for ever, so the second
 * regular try comes after the share "phase" (in 65536ths) of a period, and
 * only from then on they are a whole period apart.
 */
void
oct_probe_init(OctProbe *probe, OctVerdict verdict, OctTime due, uint16 phase)
{
	probe->state = OCT_PROBE_WAITING;
	probe->due = due;
	probe->started = due;
	probe->limit = due;
	probe->deadline = due;
	probe->lag_us = 0;
	probe->phase = phase;
	probe->settled = false;
	probe->verdict = verdict;
}

/* This node's share of a period, at least a millisecond. */
static int64
phase_us(const OctProbe *probe, const OctPolicy *policy)
{
	int64		period_us = policy->period_ms * OCT_US_PER_MS;

	return Max(period_us * probe->phase / 65536, OCT_US_PER_MS);
}

/*
 * The regular try after the one that was due at probe->due, and later than
 * "now": what was missed is skipped, not made up for in a burst.
 */
static OctTime
next_period(OctProbe *probe, const OctPolicy *policy, OctTime now)
{
	int64		period_us = policy->period_ms * OCT_US_PER_MS;
	OctTime		due;
	int64		late_us;

	if (!probe->settled)
	{
		probe->settled = true;
		due = oct_time_add_us(probe->due, phase_us(probe, policy));
	}
	else
		due = oct_time_add_us(probe->due, period_us);

	late_us = oct_time_diff_us(now, due);
	if (late_us >= 0)
		due = oct_time_add_us(due, (late_us / period_us + 1) * period_us);
	return due;
}

/* When the timer has to fire; a queued probe needs none. */
OctTime
oct_probe_wake(const OctProbe *probe)
{
	switch (probe->state)
	{
		case OCT_PROBE_WAITING:
			return probe->due;
		case OCT_PROBE_RUNNING:
			return probe->deadline;
		case OCT_PROBE_QUEUED:
			break;
	}
	return OCT_TIME_NEVER;
}

/* The timer fired; lag_us is the owner's lag up to "now". */
OctProbeAction
oct_probe_on_timer(OctProbe *probe, OctTime now, int64 lag_us)
{
	if (oct_time_before(now, oct_probe_wake(probe)))
		return OCT_PROBE_WAIT;

	if (probe->state == OCT_PROBE_WAITING)
	{
		probe->state = OCT_PROBE_QUEUED;
		return OCT_PROBE_START;
	}

	if (lag_us > probe->lag_us)
	{
		probe->deadline = oct_time_add_us(probe->deadline,
										  lag_us - probe->lag_us);
		probe->lag_us = lag_us;
		if (oct_time_before(now, probe->deadline))
			return OCT_PROBE_WAIT;
	}
	return OCT_PROBE_EXPIRE;
}

/* A try starts; lag_us is the owner's lag up to "now". */
void
oct_probe_on_start(OctProbe *probe, const OctPolicy *policy, OctTime now,
				   int64 lag_us)
{
	probe->state = OCT_PROBE_RUNNING;
	probe->started = now;
	probe->limit = oct_time_add_ms(now, policy->timeout_ms);
	probe->deadline = probe->limit;
	probe->lag_us = lag_us;
}

/*
 * Is an outcome that arrived at "now" no evidence, because the try outlived
 * its limit by nothing but our own lag?
 *
 * An expired try is none of that: its deadline was moved by the lag already.
 */
bool
oct_probe_is_void(const OctProbe *probe, OctReason reason, OctTime now)
{
	return reason != OCT_REASON_TIMEOUT &&
		oct_policy_evidence(reason) == OCT_EVIDENCE_DEAD &&
		!oct_time_before(now, probe->limit);
}

/*
 * The try ended at "now": judge, and settle when the next one is due.
 *
 * Returns whether the health changed.
 */
bool
oct_probe_on_outcome(OctProbe *probe, const OctPolicy *policy,
					 OctEvidence evidence, OctTime now)
{
	bool		changed = oct_policy_judge(&probe->verdict, evidence, policy);

	probe->state = OCT_PROBE_WAITING;
	if (evidence == OCT_EVIDENCE_NONE)
		probe->due = oct_time_add_ms(now, Max(policy->retry_delay_ms,
											  OCT_VOID_DELAY_MS));
	else if (oct_policy_in_doubt(&probe->verdict))
		probe->due = oct_time_add_ms(now, policy->retry_delay_ms);
	else
		probe->due = next_period(probe, policy, now);
	return changed;
}

/*
 * The policy changed at "now".  It counts at once: a running try gets the new
 * timeout, a waiting one comes within the new period.
 */
void
oct_probe_on_policy(OctProbe *probe, const OctPolicy *policy, OctTime now)
{
	if (probe->state == OCT_PROBE_RUNNING)
	{
		int64		moved_us = oct_time_diff_us(probe->deadline, probe->limit);

		probe->limit = oct_time_add_ms(probe->started, policy->timeout_ms);
		probe->deadline = oct_time_add_us(probe->limit, moved_us);
	}
	else if (probe->state == OCT_PROBE_WAITING && probe->settled)
	{
		int64		delay_us = oct_policy_in_doubt(&probe->verdict) ?
			policy->retry_delay_ms * OCT_US_PER_MS :
			phase_us(probe, policy);

		probe->due = oct_time_add_us(now, delay_us);
	}
}

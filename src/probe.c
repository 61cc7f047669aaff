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
	probe->lag = (OctLag) {0};
	probe->phase = phase;
	probe->dice = phase;
	probe->settled = false;
	probe->verdict = verdict;
}

/*
 * From one regular try to the next.  A node that is unhealthy without doubt may
 * have a period of its own.
 */
static int64
period_us_of(const OctProbe *probe, const OctPolicy *policy)
{
	bool		down = probe->verdict.health == OCT_UNHEALTHY &&
		probe->verdict.successes == 0 && policy->down_period_ms > 0;

	return (down ? policy->down_period_ms : policy->period_ms) * OCT_US_PER_MS;
}

/* This node's share of a period, at least a millisecond. */
static int64
phase_us(const OctProbe *probe, const OctPolicy *policy)
{
	return Max(period_us_of(probe, policy) * probe->phase / 65536, OCT_US_PER_MS);
}

/*
 * A random time, evenly distributed over the policy's share of a period to both
 * sides, so that probes of many nodes, and of many monitors, do not fall into
 * step.  The generator is the linear congruential one of Numerical Recipes,
 * whose upper bits are good enough for that.
 */
static int64
roll_jitter_us(OctProbe *probe, const OctPolicy *policy, int64 period_us)
{
	int64		most_us = period_us * policy->jitter_percent / 100;

	if (most_us == 0)
		return 0;
	probe->dice = probe->dice * 1664525 + 1013904223;
	return most_us * ((int64) (probe->dice >> 16) - 32768) / 32768;
}

/*
 * The regular try after the one that was due at probe->due, and later than
 * "now": what was missed is skipped, not made up for in a burst.
 */
static OctTime
next_period(OctProbe *probe, const OctPolicy *policy, OctTime now)
{
	int64		period_us = period_us_of(probe, policy);
	OctTime		due;
	int64		late_us;

	if (!probe->settled)
	{
		probe->settled = true;
		due = oct_time_add_us(probe->due, phase_us(probe, policy));
	}
	else
		due = oct_time_add_us(probe->due, period_us +
							  roll_jitter_us(probe, policy, period_us));

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

/* The deadline that the lag up to now leaves the running leg. */
static OctTime
moved_deadline(const OctProbe *probe, const OctPolicy *policy, OctLag lag)
{
	int64		stall_us = lag.stall_us - probe->lag.stall_us;
	int64		work_us = lag.work_us - probe->lag.work_us;

	return oct_time_add_us(probe->limit, stall_us +
						   Min(work_us, policy->timeout_ms * OCT_US_PER_MS));
}

/* The timer fired; "lag" is the owner's up to "now". */
OctProbeAction
oct_probe_on_timer(OctProbe *probe, const OctPolicy *policy, OctTime now,
				   OctLag lag)
{
	if (oct_time_before(now, oct_probe_wake(probe)))
		return OCT_PROBE_WAIT;

	if (probe->state == OCT_PROBE_WAITING)
	{
		probe->state = OCT_PROBE_QUEUED;
		return OCT_PROBE_START;
	}

	probe->deadline = moved_deadline(probe, policy, lag);
	return oct_time_before(now, probe->deadline) ?
		OCT_PROBE_WAIT : OCT_PROBE_EXPIRE;
}

/* A try starts, as yet with one leg; "lag" is the owner's. */
void
oct_probe_on_start(OctProbe *probe, const OctPolicy *policy, OctTime now,
				   OctLag lag)
{
	probe->state = OCT_PROBE_RUNNING;
	probe->started = now;
	probe->lag = lag;
	oct_probe_on_leg(probe, policy, 0, 1, now);
}

/*
 * A leg, counted from 0, of the running try starts.  It gets what the legs
 * before it have left, and its own share at least.
 */
void
oct_probe_on_leg(OctProbe *probe, const OctPolicy *policy, int leg, int nlegs,
				 OctTime now)
{
	int64		timeout_us = policy->timeout_ms * OCT_US_PER_MS;
	OctTime		own = oct_time_add_us(now, timeout_us / nlegs);

	probe->leg = leg;
	probe->nlegs = nlegs;
	probe->limit = oct_time_add_us(probe->started,
								   timeout_us * (leg + 1) / nlegs);
	if (oct_time_before(probe->limit, own))
		probe->limit = own;
	probe->deadline = probe->limit;
}

/* A running try is to start once more, as soon as it gets a place. */
void
oct_probe_on_requeue(OctProbe *probe, OctTime now)
{
	probe->state = OCT_PROBE_QUEUED;
	probe->due = now;
}

/* A waiting probe is to come at "due" at the latest. */
void
oct_probe_hasten(OctProbe *probe, OctTime due)
{
	if (oct_time_before(due, probe->due))
		probe->due = due;
}

/*
 * Is an outcome no evidence, because of a long stall of the owner before it?
 *
 * An expired try is none of that: its deadline was moved by the stall already,
 * unless a leg before this one was lost meanwhile.
 */
bool
oct_probe_is_void(const OctProbe *probe, const OctPolicy *policy,
				  OctReason reason, OctLag lag)
{
	return (reason != OCT_REASON_TIMEOUT || probe->leg > 0) &&
		oct_policy_evidence_of(reason, policy->check_type) == OCT_EVIDENCE_DEAD &&
		lag.stall_us - probe->lag.stall_us >=
		Min(OCT_VOID_STALL_US, policy->timeout_ms * OCT_US_PER_MS);
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
		probe->due = oct_time_add_ms(now, Max(Min(policy->retry_delay_ms,
												  policy->period_ms),
											  OCT_VOID_DELAY_MS));
	else if (oct_policy_in_doubt(&probe->verdict))
		probe->due = oct_time_add_ms(now, policy->retry_delay_ms);
	else
		probe->due = next_period(probe, policy, now);
	return changed;
}

/*
 * The policy changed at "now".  It counts at once: a running try gets the new
 * timeout, a waiting one comes within the new delay.
 */
void
oct_probe_on_policy(OctProbe *probe, const OctPolicy *policy, OctTime now)
{
	if (probe->state == OCT_PROBE_RUNNING)
	{
		int64		share = policy->timeout_ms * OCT_US_PER_MS / probe->nlegs;

		probe->limit = oct_time_add_us(probe->started, share * (probe->leg + 1));
		probe->deadline = probe->limit;
	}
	else if (probe->state == OCT_PROBE_WAITING)
	{
		OctTime		due = oct_time_add_us(now,
										  oct_policy_in_doubt(&probe->verdict) ?
										  policy->retry_delay_ms * OCT_US_PER_MS :
										  phase_us(probe, policy));

		oct_probe_hasten(probe, due);
	}
}

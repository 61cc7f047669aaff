/*-------------------------------------------------------------------------
 *
 * probe_life.h
 *	  What the tests of probe.c share.  Times are in milliseconds here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PROBE_LIFE_H
#define PROBE_LIFE_H

#include "octypes.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe.h"

#define US(ms)	((ms) * OCT_US_PER_MS)

/* a place in the middle of the period */
#define MIDDLE	0x8000

static const OctPolicy usual = {
	.period_ms = 10000,
	.timeout_ms = 2000,
	.max_retries = 2,
	.retry_delay_ms = 1000,
};

static inline OctTime
ms(int64 n)
{
	return (OctTime) {n * OCT_US_PER_MS};
}

static inline void
assert_wakes(const OctProbe *probe, int64 expected_ms)
{
	assert_true(oct_probe_wake(probe).us == ms(expected_ms).us);
}

static inline OctProbe
new_probe(OctHealth health, int64 due_ms, uint16 phase)
{
	OctProbe	probe;
	OctVerdict	verdict = {.health = health};

	oct_probe_init(&probe, verdict, ms(due_ms), phase);
	return probe;
}

static const OctLag none = {0, 0};

/* The owner's lag. */
static inline OctLag
stalled(int64 stall_ms)
{
	return (OctLag) {.stall_us = US(stall_ms)};
}

static inline OctLag
worked(int64 work_ms)
{
	return (OctLag) {.work_us = US(work_ms)};
}

/* What a timer under the usual policy says. */
static inline OctProbeAction
fire(OctProbe *probe, int64 now_ms, OctLag lag)
{
	return oct_probe_on_timer(probe, &usual, ms(now_ms), lag);
}

/* Lets the timer fire and the try start, both at once. */
static inline void
start(OctProbe *probe, const OctPolicy *policy, int64 now_ms)
{
	assert_int_equal(oct_probe_on_timer(probe, policy, ms(now_ms), none),
					 OCT_PROBE_START);
	oct_probe_on_start(probe, policy, ms(now_ms), none);
}

/* A whole try, which takes 1 ms. */
static inline bool
try(OctProbe *probe, const OctPolicy *policy, OctEvidence evidence, int64 now_ms)
{
	start(probe, policy, now_ms);
	return oct_probe_on_outcome(probe, policy, evidence, ms(now_ms + 1));
}

/* Of a healthy node that was tried at 0 and at 5000, due again at 15000. */
static inline OctProbe
settled_probe(const OctPolicy *policy)
{
	OctProbe	probe = new_probe(OCT_UNKNOWN, 0, MIDDLE);

	try(&probe, policy, OCT_EVIDENCE_ALIVE, 0);
	try(&probe, policy, OCT_EVIDENCE_ALIVE, policy->period_ms / 2);
	assert_true(probe.settled);
	assert_wakes(&probe, policy->period_ms * INT64CONST(3) / 2);
	return probe;
}

#endif							/* PROBE_LIFE_H */

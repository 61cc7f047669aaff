/*-------------------------------------------------------------------------
 *
 * gauges.h
 *	  What the prober tells of itself: numbers in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef GAUGES_H
#define GAUGES_H

#include "octypes.h"

typedef enum OctGauge
{
	OCT_GAUGE_PID,				/* 0: there is no prober */
	OCT_GAUGE_BACKEND_START,	/* TimestampTz */
	OCT_GAUGE_LAST_TICK,		/* OctTime of its last look at its sockets */
	OCT_GAUGE_MAX_LATENESS,		/* us that a try began after it was due */
	OCT_GAUGE_IN_FLIGHT,		/* tries */
	OCT_GAUGE_HELD,				/* sessions */
	OCT_GAUGE_DNS_PENDING,		/* lookups */
	OCT_GAUGE_CHECKS,			/* tries that came to an outcome */
	OCT_GAUGE_EVENTS_DROPPED,	/* overwritten in the ring, hence unread */
	OCT_GAUGE_SUSPENDED,		/* bool: the setting says that nobody is probed */
	OCT_GAUGE_STATS_RESET,		/* TimestampTz */
	OCT_GAUGE_COUNT
} OctGauge;

extern void oct_gauges_request(void);
extern void oct_gauges_startup(void);
extern void oct_gauges_attach_prober(void);

extern int64 oct_gauge_get(OctGauge gauge);
extern void oct_gauge_set(OctGauge gauge, int64 value);
extern void oct_gauge_add(OctGauge gauge, int64 increment);
extern void oct_gauge_raise(OctGauge gauge, int64 value);

#endif							/* GAUGES_H */

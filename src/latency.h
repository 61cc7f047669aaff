/*-------------------------------------------------------------------------
 *
 * latency.h
 *	  How long things take: a histogram of fixed size.
 *
 * Pure: no clock, no memory of its own; nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LATENCY_H
#define LATENCY_H

#include "octypes.h"

/*
 * Up to 64 us buckets are 8 us wide.  From there on there are 8 to each doubling,
 * up to 2^26 us (67 s); the last one has no upper bound.
 */
#define OCT_LATENCY_BUCKETS	169

typedef struct OctLatency
{
	uint32		counts[OCT_LATENCY_BUCKETS];
} OctLatency;

extern int	oct_latency_bucket(int64 us);
extern int64 oct_latency_lower_us(int bucket);
extern int64 oct_latency_upper_us(int bucket);
extern void oct_latency_record(OctLatency *latency, int64 us);
extern void oct_latency_merge(OctLatency *latency, const OctLatency *other);
extern int64 oct_latency_total(const OctLatency *latency);
extern double oct_latency_quantile_us(const OctLatency *latency, double share);

#endif							/* LATENCY_H */

/*-------------------------------------------------------------------------
 *
 * latency.c
 *	  How long things take: a histogram of fixed size.
 *
 * The buckets are log-linear, as in HdrHistogram: a doubling is cut into eight
 * parts of the same width.  So a bucket is no wider than an eighth of what is in
 * it, and what is told of a time by the middle of its bucket is wrong by a
 * sixteenth (6.25 %) at most; below 64 us by 4 us at most.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "latency.h"

#define LINEAR_BITS		3		/* buckets to a doubling: 2^3 */
#define LINEAR			(1 << LINEAR_BITS)
#define UNIT_BITS		3		/* the narrowest buckets: 2^3 us */
#define LAST			(OCT_LATENCY_BUCKETS - 1)

/* The bucket that a time, in microseconds, falls into. */
int
oct_latency_bucket(int64 us)
{
	int64		units = Max(us, 0) >> UNIT_BITS;
	int			shift = 0;

	if (us >= oct_latency_lower_us(LAST))
		return LAST;
	/* halve until it is one of the eight parts of a doubling */
	while (units >= 2 * LINEAR)
	{
		units >>= 1;
		shift++;
	}
	return shift * LINEAR + (int) units;
}

/* The shortest time that falls into a bucket. */
int64
oct_latency_lower_us(int bucket)
{
	int			shift = Max(bucket / LINEAR - 1, 0);
	int64		units = bucket - shift * LINEAR;

	return units << (shift + UNIT_BITS);
}

/* The shortest time that is too long for a bucket. */
int64
oct_latency_upper_us(int bucket)
{
	return bucket >= LAST ? PG_INT64_MAX : oct_latency_lower_us(bucket + 1);
}

void
oct_latency_record(OctLatency *latency, int64 us)
{
	latency->counts[oct_latency_bucket(us)]++;
}

/* Adds what the other one has. */
void
oct_latency_merge(OctLatency *latency, const OctLatency *other)
{
	for (int i = 0; i < OCT_LATENCY_BUCKETS; i++)
		latency->counts[i] += other->counts[i];
}

/* How many times were recorded. */
int64
oct_latency_total(const OctLatency *latency)
{
	int64		total = 0;

	for (int i = 0; i < OCT_LATENCY_BUCKETS; i++)
		total += latency->counts[i];
	return total;
}

/*
 * The time that "share" (more than 0, 1 at most) of all do not exceed: that of
 * the nearest rank, as exact as said above.  Without any, 0.
 */
double
oct_latency_quantile_us(const OctLatency *latency, double share)
{
	double		rank = share * oct_latency_total(latency);
	int64		so_far = 0;

	for (int i = 0; i < OCT_LATENCY_BUCKETS; i++)
	{
		so_far += latency->counts[i];
		if (latency->counts[i] == 0 || so_far < rank)
			continue;
		if (i == LAST)
			return oct_latency_lower_us(i);
		return (oct_latency_lower_us(i) + oct_latency_upper_us(i)) / 2.0;
	}
	return 0;
}

/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  The one place where clocks that do not jump are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "clock.h"

/*
 * Now, unmoved by changes of the wall clock.  Comparable between processes of
 * one machine until it reboots.  Does not throw.
 */
OctTime
oct_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (OctTime) {(int64) ts.tv_sec * 1000000 + ts.tv_nsec / 1000};
}

/* The CPU time that this process has used, in microseconds.  Does not throw. */
int64
oct_cpu_time_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

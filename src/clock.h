/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The one place where clocks that do not jump are read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLOCK_H
#define CLOCK_H

#include "octypes.h"

extern OctTime oct_now(void);
extern int64 oct_cpu_time_us(void);

#endif							/* CLOCK_H */

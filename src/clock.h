/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The one place where the monotonic clock is read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLOCK_H
#define CLOCK_H

#include "octypes.h"

extern OctTime oct_now(void);

#endif							/* CLOCK_H */

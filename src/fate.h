/*-------------------------------------------------------------------------
 *
 * fate.h
 *	  How a transaction has ended, by the commit log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FATE_H
#define FATE_H

#include "access/transam.h"
#include "port/atomics.h"

typedef enum OctFate
{
	OCT_FATE_COMMITTED = 1,
	OCT_FATE_ABORTED,
	OCT_FATE_UNKNOWN
} OctFate;

extern OctFate oct_fate_judge(pg_atomic_uint64 *judgement, uint64 serial,
							  FullTransactionId fxid, bool only_first);

#endif							/* FATE_H */

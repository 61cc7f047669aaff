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

typedef enum OctFate
{
	OCT_FATE_COMMITTED,
	OCT_FATE_ABORTED,
	OCT_FATE_UNKNOWN
} OctFate;

extern OctFate oct_fate_ask(FullTransactionId fxid);

#endif							/* FATE_H */

/*-------------------------------------------------------------------------
 *
 * fate.c
 *	  How a transaction has ended, by the commit log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/lwlock.h"

#include "compat.h"
#include "fate.h"

/*
 * Asks the commit log; a transaction id that it does not reach, or that was
 * never handed out, has no fate.  The source of the test is core's
 * TransactionIdInRecentPast.
 */
OctFate
oct_fate_ask(FullTransactionId fxid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	TransactionId xid = XidFromFullTransactionId(fxid);
	uint32		epoch = EpochFromFullTransactionId(next);
	TransactionId oldest;
	OctFate		fate = OCT_FATE_UNKNOWN;

	if (!TransactionIdIsNormal(xid) || !FullTransactionIdPrecedes(fxid, next))
		return OCT_FATE_UNKNOWN;

	LWLockAcquire(XactTruncationLock, LW_SHARED);
	oldest = oct_oldest_clog_xid();
	if (oldest > XidFromFullTransactionId(next))
		epoch--;
	if (!FullTransactionIdPrecedes(fxid,
								   FullTransactionIdFromEpochAndXid(epoch, oldest)))
		fate = TransactionIdDidCommit(xid) ? OCT_FATE_COMMITTED :
			OCT_FATE_ABORTED;
	LWLockRelease(XactTruncationLock);
	return fate;
}

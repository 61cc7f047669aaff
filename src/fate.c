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
static OctFate
ask(FullTransactionId fxid)
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

/*
 * The fate of a transaction, told once and for all by the first who asks: what
 * is a future transaction id now may be handed out later.  "judgement", in
 * shared memory, keeps the fate together with a serial number, so that the
 * judgement of something else is not taken for it.  Who does not hold the lock
 * of the registry file may make the first judgement only: what he asks about
 * may be running already when another was made.
 */
OctFate
oct_fate_judge(pg_atomic_uint64 *judgement, uint64 serial,
			   FullTransactionId fxid, bool only_first)
{
	uint64		said = pg_atomic_read_u64(judgement);

	while (said == 0 || (said & ~UINT64CONST(3)) != serial << 2)
	{
		uint64		mine;

		if (said != 0 && only_first)
			break;
		mine = serial << 2 | ask(fxid);
		if (pg_atomic_compare_exchange_u64(judgement, &said, mine))
			said = mine;
	}
	return (OctFate) (said & 3);
}

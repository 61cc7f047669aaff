/*-------------------------------------------------------------------------
 *
 * reglock.c
 *	  The lock of the registry file: one image is made at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"

#include "compat.h"
#include "reglock.h"

/* how long DROP DATABASE waits for the lock */
#define OCT_LOCK_TRIES		50
#define OCT_LOCK_DELAY_US	100000L

/* the fourth field of the file's advisory lock tag; see regxact.c */
#define OCT_LOCK_FILE		0x0C71

static void
set_file_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, InvalidOid, 0, 0, OCT_LOCK_FILE);
}

/*
 * Takes the lock of the registry file, to the end of the transaction.  A
 * transaction that has to commit whatever happens does not wait for ever, cannot
 * be cancelled while it does, and raises no error; it may come away without the
 * lock.
 */
bool
oct_reglock_acquire(bool patiently)
{
	LOCKTAG		tag;

	set_file_tag(&tag);
	if (patiently)
	{
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
		return true;
	}
	for (int tries = OCT_LOCK_TRIES; tries > 0; tries--)
	{
		if (oct_try_lock(&tag, ExclusiveLock))
			return true;
		pg_usleep(OCT_LOCK_DELAY_US);
	}
	return false;
}

/* The same if nobody else has it; for who waits for nobody. */
bool
oct_reglock_try(void)
{
	LOCKTAG		tag;

	set_file_tag(&tag);
	return oct_try_lock(&tag, ExclusiveLock);
}

void
oct_reglock_release(void)
{
	LOCKTAG		tag;

	set_file_tag(&tag);
	LockRelease(&tag, ExclusiveLock, false);
}

/*-------------------------------------------------------------------------
 *
 * hoard.c
 *	  A session that has as many files open as core allows it.
 *
 * To be named in shared_preload_libraries behind octopus_fdw, whose callback
 * comes after ours then.  While the setting hoard.descriptors is on, a
 * transaction that commits opens files until core refuses to open another one;
 * they are closed when it has ended.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>

#include "access/xact.h"
#include "fmgr.h"
#include "storage/fd.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static bool hoarding = false;

static void
hoard(XactEvent event, void *arg)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile int n = 0;

	if (event != XACT_EVENT_PRE_COMMIT || !hoarding)
		return;
	PG_TRY();
	{
		while (OpenTransientFile("/dev/null", O_RDONLY) >= 0)
			n++;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cxt);
		FlushErrorState();
	}
	PG_END_TRY();
	elog(LOG, "hoard: %d files are open", n);
}

void
_PG_init(void)
{
	DefineCustomBoolVariable("hoard.descriptors", "Hoards files.", NULL,
							 &hoarding, false, PGC_SUSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(hoard, NULL);
}

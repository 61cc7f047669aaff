/*-------------------------------------------------------------------------
 *
 * octopus_fdw.c
 *	  Where the server takes hold of us: the library's start, and the handler
 *	  of the foreign-data wrapper.
 *
 * Without shared_preload_libraries the library can be loaded, so that the
 * extension can be created and dumped, but nothing of it works.  The same
 * holds during pg_upgrade, which must not be disturbed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"

#include "binding.h"
#include "ddl.h"
#include "events.h"
#include "gauges.h"
#include "importschema.h"
#include "modify.h"
#include "prober.h"
#include "registry.h"
#include "regxact.h"
#include "scan.h"
#include "settings.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(octopus_fdw_handler);
PG_FUNCTION_INFO_V1(octopus_registry_reset);

extern PGDLLEXPORT void _PG_init(void);

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	oct_registry_request();
	oct_gauges_request();
	oct_events_request();
}

static void
shmem_startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	oct_registry_startup();
	oct_gauges_startup();
	oct_events_startup();
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	oct_settings_define();
	oct_regxact_init();
	oct_ddl_init();
	oct_prober_register();

	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

Datum
octopus_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	oct_scan_set_callbacks(routine);
	oct_modify_set_callbacks(routine);
	oct_importschema_set_callbacks(routine);
	PG_RETURN_POINTER(routine);
}

/* octopus.registry_reset(): see oct_registry_reset */
Datum
octopus_registry_reset(PG_FUNCTION_ARGS)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to reset the registry of octopus_fdw")));
	oct_binding_require_preload();
	oct_registry_reset();
	PG_RETURN_VOID();
}

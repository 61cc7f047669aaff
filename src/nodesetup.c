/*-------------------------------------------------------------------------
 *
 * nodesetup.c
 *	  The table of nodes in shared memory: its size, and its beginning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "storage/shmem.h"

#include "nodetab_internal.h"

/* settings */
int			oct_max_nodes = 4096;
int			oct_max_groups = 64;

/* how much room there is: the settings, or what was registered before if more */
static int	room_nodes;
static int	room_groups;

/* see nodetab_internal.h */
OctSharedTable *oct_table = NULL;
OctSharedGroup *oct_groups;
OctSharedSlot *oct_slots;
int32	   *oct_buckets;
int32	   *oct_journal;
LWLock	   *oct_table_lock;

static uint32
bucket_count(void)
{
	uint32		n = 16;

	while (n < (uint32) room_nodes * 2)
		n *= 2;
	return n;
}

static Size
table_size(void)
{
	Size		size = CACHELINEALIGN(sizeof(OctSharedTable));

	size = add_size(size, CACHELINEALIGN(mul_size(sizeof(OctSharedGroup), room_groups)));
	size = add_size(size, MAXALIGN(mul_size(sizeof(OctSharedSlot), room_nodes)));
	size = add_size(size, MAXALIGN(mul_size(sizeof(int32), bucket_count())));
	size = add_size(size, MAXALIGN(mul_size(sizeof(int32), room_nodes)));
	return size;
}

/*
 * For shmem_request_hook.  What was registered before finds room, whatever the
 * settings say by now.
 */
void
oct_nodetab_request(int min_nodes, int min_groups)
{
	room_nodes = Max(oct_max_nodes, min_nodes);
	room_groups = Max(oct_max_groups, min_groups);
	RequestAddinShmemSpace(table_size());
	RequestNamedLWLockTranche("octopus_fdw", 1);
}

static void
init_table(void)
{
	oct_table->nslots = room_nodes;
	oct_table->ngroups = room_groups;
	oct_table->bucket_mask = bucket_count() - 1;
	oct_table->free_slots = room_nodes;
	oct_table->first_free = 0;
	oct_table->free_groups = room_groups;
	oct_table->reserved_slots = 0;
	oct_table->reserved_groups = 0;
	oct_table->last_generation = 0;
	oct_table->loaded = 0;
	oct_table->last_version = 0;
	pg_atomic_init_u64(&oct_table->nchanges, 0);
	pg_atomic_init_u32(&oct_table->nunbound, 0);
	pg_atomic_init_u32(&oct_table->prober, OCT_NO_PROC);
	pg_atomic_init_u64(&oct_table->seen, 0);
	pg_atomic_init_u32(&oct_table->monitor_resets_asked, 0);
	pg_atomic_init_u32(&oct_table->monitor_resets_done, 0);

	memset(oct_groups, 0, sizeof(OctSharedGroup) * room_groups);
	for (int i = 0; i < room_nodes; i++)
	{
		memset(&oct_slots[i], 0, sizeof(OctSharedSlot));
		oct_slots[i].next_in_group = i + 1 < room_nodes ? i + 1 : OCT_NO_SLOT;
		pg_atomic_init_u32(&oct_slots[i].flips, 0);
		pg_atomic_init_u64(&oct_slots[i].schedule, 0);
		pg_atomic_init_u64(&oct_slots[i].status.answer, 0);
		pg_atomic_init_u32(&oct_slots[i].status.resets_done, 0);
	}
	for (uint32 i = 0; i <= oct_table->bucket_mask; i++)
		oct_buckets[i] = OCT_NO_SLOT;
}

/* For shmem_startup_hook: finds the table, or makes it empty. */
void
oct_nodetab_startup(void)
{
	char	   *at;
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	at = ShmemInitStruct("octopus_fdw nodes", table_size(), &found);
	oct_table = (OctSharedTable *) at;
	at += CACHELINEALIGN(sizeof(OctSharedTable));
	oct_groups = (OctSharedGroup *) at;
	at += CACHELINEALIGN(sizeof(OctSharedGroup) * room_groups);
	oct_slots = (OctSharedSlot *) at;
	at += MAXALIGN(sizeof(OctSharedSlot) * room_nodes);
	oct_buckets = (int32 *) at;
	at += MAXALIGN(sizeof(int32) * bucket_count());
	oct_journal = (int32 *) at;
	oct_table_lock = &GetNamedLWLockTranche("octopus_fdw")->lock;

	if (!found)
		init_table();
	LWLockRelease(AddinShmemInitLock);
}

/* What is in the table by now was registered before the server started. */
void
oct_nodetab_loaded(void)
{
	oct_table->loaded = oct_table->last_generation;
}

/* Was a node registered since the server started? */
bool
oct_nodetab_is_new(uint32 generation)
{
	return generation > oct_table->loaded;
}

/* Is there a table, that is, was the library preloaded? */
bool
oct_nodetab_is_up(void)
{
	return oct_table != NULL;
}

int
oct_nodetab_nslots(void)
{
	return oct_table->nslots;
}

int
oct_nodetab_ngroups(void)
{
	return oct_table->ngroups;
}

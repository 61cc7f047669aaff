/*-------------------------------------------------------------------------
 *
 * nodestatus.c
 *	  The status of each slot: one writer, many readers, no lock.
 *
 * There are two copies and a counter of flips.  The prober alone writes, always
 * the copy that is not shown, and then flips; a reader takes the copy that the
 * counter names and repeats only if a flip passed meanwhile.  So a prober
 * stopped in the middle of writing delays nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodetab_internal.h"

/*
 * The health that readers may see of a slot whose spec is of the given
 * generation.
 */
OctHealth
oct_nodestatus_health(int32 slot, uint32 generation)
{
	OctSharedStatus *status = &oct_slots[slot].status;
	uint32		flips;
	uint32		measured;
	OctHealth	health;

	do
	{
		flips = pg_atomic_read_u32(&status->flips);
		pg_read_barrier();
		measured = status->copy[flips & 1].generation;
		health = status->copy[flips & 1].health;
		pg_read_barrier();
	} while (pg_atomic_read_u32(&status->flips) != flips);

	return measured == generation ? health : OCT_UNKNOWN;
}

/* The status as published last.  For its writer, the prober, only. */
void
oct_nodetab_get_status(int32 slot, OctNodeStatus *status)
{
	OctSharedStatus *shared = &oct_slots[slot].status;

	*status = shared->copy[pg_atomic_read_u32(&shared->flips) & 1];
}

/*
 * Shows a new status of a slot.  For the prober only.  Takes no lock, does not
 * throw.
 */
void
oct_nodetab_publish(int32 slot, const OctNodeStatus *status)
{
	OctSharedStatus *shared = &oct_slots[slot].status;
	uint32		flips = pg_atomic_read_u32(&shared->flips);

	shared->copy[(flips + 1) & 1] = *status;
	pg_write_barrier();
	pg_atomic_write_u32(&shared->flips, flips + 1);

	/* the next call must not be seen to write before this flip is */
	pg_write_barrier();
}

/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  What sessions want of the prober: a check now, counts from zero.
 *
 * A request is a number in the node's slot, written by the session with the
 * table's lock held, as a spec is, and told the prober by the journal.  The prober
 * compares it with the one that it has served last, acts, and writes that number
 * elsewhere, with the verdict if it is a check; so each byte has one writer.  A
 * number stands for all requests up to it: who asks while a check is under way
 * shares it.
 *
 * Numbers go on when a slot gets another node, so that a late answer is not taken
 * for an early one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "nodetab_internal.h"
#include "requests.h"

/* the verdict in the lower bits of the prober's answer, as an unsigned number */
#define OCT_ANSWER_BITS		2


/* ---------- sessions ---------- */

/*
 * Asks for a check of the ticket's node, and fills in the rest of the ticket.
 * Returns false if there is no such node.
 */
bool
oct_request_check(OctTicket *ticket)
{
	int32		slot;

	LWLockAcquire(oct_table_lock, LW_EXCLUSIVE);
	slot = oct_nodetab_find_slot(oct_nodetab_find_group(ticket->group), &ticket->node);
	if (slot != OCT_NO_SLOT)
	{
		ticket->generation = oct_slots[slot].generation;
		ticket->number = ++oct_slots[slot].checks_asked;
		oct_nodetab_note_change(slot);
	}
	LWLockRelease(oct_table_lock);
	oct_nodetab_wake_prober();
	return slot != OCT_NO_SLOT;
}

/* What has become of it; the verdict if it is served. */
OctTicketState
oct_request_look(const OctTicket *ticket, OctHealth *health)
{
	OctTicketState state = OCT_TICKET_GONE;
	int32		slot;

	LWLockAcquire(oct_table_lock, LW_SHARED);
	slot = oct_nodetab_find_slot(oct_nodetab_find_group(ticket->group), &ticket->node);
	if (slot != OCT_NO_SLOT && oct_slots[slot].generation == ticket->generation)
	{
		uint64		answer = pg_atomic_read_u64(&oct_slots[slot].status.answer);
		uint32		served = (uint32) (answer >> OCT_ANSWER_BITS);

		state = (int32) (served - ticket->number) >= 0 ? OCT_TICKET_SERVED :
			OCT_TICKET_WAITING;
		*health = (OctHealth) ((int) (answer & ((1 << OCT_ANSWER_BITS) - 1)) - 1);
	}
	LWLockRelease(oct_table_lock);
	return state;
}

/*
 * Asks that counts begin anew, for all nodes of the group, or of its database, or
 * only those with that key.  Returns how many they are, and when they are served:
 * see oct_request_is_seen.
 */
int
oct_request_reset(OctGroupKey key, bool all_groups, const OctNodeSpec *node,
				  uint64 *position)
{
	int			n = 0;

	LWLockAcquire(oct_table_lock, LW_EXCLUSIVE);
	for (int32 g = 0; g < oct_table->ngroups; g++)
	{
		OctSharedGroup *group = &oct_groups[g];
		int32		slot;

		if (group->nnodes == 0 ||
			(all_groups ? group->group.key.dboid != key.dboid :
			 !oct_same_group(group->group.key, key)))
			continue;
		slot = node != NULL ? oct_nodetab_find_slot(g, node) : group->first;
		for (; slot != OCT_NO_SLOT; slot = node != NULL ? OCT_NO_SLOT : oct_slots[slot].next_in_group)
		{
			oct_slots[slot].resets_asked++;
			oct_nodetab_note_change(slot);
			n++;
		}
	}
	*position = pg_atomic_read_u64(&oct_table->nchanges);
	LWLockRelease(oct_table_lock);
	oct_nodetab_wake_prober();
	return n;
}

/* The same for the counts of the prober itself. */
void
oct_request_monitor_reset(void)
{
	pg_atomic_fetch_add_u32(&oct_table->monitor_resets_asked, 1);
	oct_nodetab_wake_prober();
}

/*
 * Has the prober seen, and done, all that was asked up to there, and for its own
 * counts at any time?
 */
bool
oct_request_is_seen(uint64 position)
{
	return pg_atomic_read_u64(&oct_table->seen) >= position &&
		pg_atomic_read_u32(&oct_table->monitor_resets_done) ==
		pg_atomic_read_u32(&oct_table->monitor_resets_asked);
}


/* ---------- the prober ---------- */

/* All checks asked for up to that number have come to this. */
void
oct_request_serve_check(int32 slot, uint32 number, OctHealth health)
{
	pg_atomic_write_u64(&oct_slots[slot].status.answer,
						(uint64) number << OCT_ANSWER_BITS | (uint64) (health + 1));
}

/* The number served last. */
uint32
oct_request_served_check(int32 slot)
{
	return (uint32) (pg_atomic_read_u64(&oct_slots[slot].status.answer) >> OCT_ANSWER_BITS);
}

/* Is the reset of that number to be done?  Then it is the caller who does it. */
bool
oct_request_take_reset(int32 slot, uint32 number)
{
	pg_atomic_uint32 *done = &oct_slots[slot].status.resets_done;

	if (pg_atomic_read_u32(done) == number)
		return false;
	pg_atomic_write_u32(done, number);
	return true;
}

/* Everything up to where the prober has come is done. */
void
oct_request_note_seen(const OctChangeCursor *cursor)
{
	pg_atomic_write_u64(&oct_table->seen, cursor->seen);
}

/* Has it been asked for, and not been done by this prober or one before? */
bool
oct_request_wants_monitor_reset(uint32 *number)
{
	*number = pg_atomic_read_u32(&oct_table->monitor_resets_asked);
	return *number != pg_atomic_read_u32(&oct_table->monitor_resets_done);
}

/* That one is done. */
void
oct_request_note_monitor_reset(uint32 number)
{
	pg_write_barrier();
	pg_atomic_write_u32(&oct_table->monitor_resets_done, number);
}

/*-------------------------------------------------------------------------
 *
 * requests.h
 *	  What sessions want of the prober: a check now, counts from zero.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include "nodetab.h"

/* A check that was asked for. */
typedef struct OctTicket
{
	OctGroupKey group;
	OctNodeSpec node;			/* its key */
	uint32		generation;		/* of its registration */
	uint32		number;			/* of the request */
} OctTicket;

typedef enum OctTicketState
{
	OCT_TICKET_WAITING,
	OCT_TICKET_SERVED,
	OCT_TICKET_GONE				/* the node has been removed */
} OctTicketState;

/* sessions */
extern bool oct_request_check(OctTicket *ticket);
extern OctTicketState oct_request_look(const OctTicket *ticket, OctHealth *health);
extern int	oct_request_reset(OctGroupKey group, bool all_groups,
							  const OctNodeSpec *node, uint64 *position);
extern void oct_request_monitor_reset(void);
extern bool oct_request_is_seen(uint64 position);

/* the prober */
extern void oct_request_serve_check(int32 slot, uint32 number, OctHealth health);
extern uint32 oct_request_served_check(int32 slot);
extern bool oct_request_take_reset(int32 slot, uint32 number);
extern void oct_request_note_seen(const OctChangeCursor *cursor);
extern bool oct_request_wants_monitor_reset(uint32 *number);
extern void oct_request_note_monitor_reset(uint32 number);

#endif							/* REQUESTS_H */

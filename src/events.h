/*-------------------------------------------------------------------------
 *
 * events.h
 *	  What has happened to nodes: a ring of events, and waiting for the next one.
 *
 * The prober writes, whoever likes reads.  An event has a number, its id; they
 * have no gaps and never go back.  The ring holds the newest ones.
 *
 * To wait for something that the prober makes known:
 *
 *	  oct_events_prepare_to_sleep();
 *	  for (;;)
 *	  {
 *		  look whether it has come;
 *		  oct_events_sleep(...);
 *	  }
 *	  oct_events_cancel_sleep();
 *
 * What comes after the preparation ends the sleep that follows, so nothing is
 * missed between a look and a sleep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "octypes.h"

#include "datatype/timestamp.h"

/* Setting, given its name in settings.c; it needs a restart.  0: no ring. */
extern int	oct_max_events;

typedef enum OctEventType
{
	OCT_EVENT_REGISTERED,
	OCT_EVENT_REMOVED,
	OCT_EVENT_HEALTH,
	OCT_EVENT_ROLE,
	OCT_EVENT_RESTART,
	OCT_EVENT_POLICY,
	OCT_EVENT_MONITOR,
	OCT_EVENT_TYPES
} OctEventType;

/* a health that there is none of; others are those of OctHealth */
#define OCT_NO_HEALTH		2

/* Members that say nothing are 0, or what the comment says. */
typedef struct OctEvent
{
	int64		id;
	TimestampTz time;
	OctGroupKey group;			/* of no database: the event is about all */
	uint8		type;			/* OctEventType */
	int8		old_health;		/* OctHealth, or OCT_NO_HEALTH */
	int8		new_health;
	uint8		old_role;		/* OctRole */
	uint8		new_role;
	bool		has_reason;
	uint8		reason;			/* OctReason */
	int64		detection_us;	/* from the first try that said so; -1: none did */
	int32		port;			/* 0: the event is about no single node */
	char		sqlstate[OCT_SQLSTATE_SIZE];
	char		server_name[NAMEDATALEN];
	char		node_name[OCT_NAME_SIZE];
	char		message[OCT_MESSAGE_SIZE];	/* as it came */
} OctEvent;

extern const char *oct_event_type_name(OctEventType type);

/* set-up */
extern void oct_events_request(void);
extern void oct_events_startup(void);

/* the prober */
extern void oct_events_init(OctEvent *event, OctEventType type);
extern void oct_events_write(OctEvent *event);
extern void oct_events_stir(void);
extern void oct_events_announce(void);

/* readers */
extern int64 oct_events_next_id(void);
extern int64 oct_events_oldest_id(void);
extern bool oct_events_read(int64 id, OctEvent *event);

/* who has ended what others may wait for, of which the prober learns nothing */
extern void oct_events_wake(void);

/* who waits */
extern void oct_events_prepare_to_sleep(void);
extern bool oct_events_sleep(OctTime until);
extern void oct_events_cancel_sleep(void);

#endif							/* EVENTS_H */

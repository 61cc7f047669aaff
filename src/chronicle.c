/*-------------------------------------------------------------------------
 *
 * chronicle.c
 *	  What the prober notices, as events.
 *
 * Who waits is woken by events, so whatever he may wait for is told here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "chronicle.h"
#include "events.h"

static void
begin(OctEvent *event, OctEventType type, const OctHome *home,
	  const OctNodeSpec *spec)
{
	oct_events_init(event, type);
	event->group = home->group;
	event->port = spec->port;
	strlcpy(event->server_name, home->server_name, NAMEDATALEN);
	strlcpy(event->node_name, spec->name, OCT_NAME_SIZE);
}

static void
say_why(OctEvent *event, const OctOutcome *outcome)
{
	event->has_reason = true;
	event->reason = outcome->reason;
	strlcpy(event->sqlstate, outcome->sqlstate, OCT_SQLSTATE_SIZE);
	strlcpy(event->message, outcome->message, OCT_MESSAGE_SIZE);
}

void
oct_chronicle_registered(const OctHome *home, const OctNodeSpec *spec)
{
	OctEvent	event;

	begin(&event, OCT_EVENT_REGISTERED, home, spec);
	event.new_health = OCT_UNKNOWN;
	oct_events_write(&event);
}

void
oct_chronicle_removed(const OctHome *home, const OctNodeSpec *spec,
					  OctHealth old_health)
{
	OctEvent	event;

	begin(&event, OCT_EVENT_REMOVED, home, spec);
	event.old_health = old_health;
	oct_events_write(&event);
}

/*
 * The verdict about a node has changed: by tries that took detection_us from the
 * first that said so, or without any, which is -1.
 */
void
oct_chronicle_health(const OctHome *home, const OctNodeSpec *spec,
					 OctHealth old_health, OctHealth new_health,
					 const OctOutcome *outcome, int64 detection_us)
{
	OctEvent	event;

	begin(&event, OCT_EVENT_HEALTH, home, spec);
	event.old_health = old_health;
	event.new_health = new_health;
	event.detection_us = detection_us;
	say_why(&event, outcome);
	oct_events_write(&event);
}

/* A server has told its role, for the first time or another one. */
void
oct_chronicle_role(const OctHome *home, const OctNodeSpec *spec,
				   OctRole old_role, OctRole new_role)
{
	OctEvent	event;

	begin(&event, OCT_EVENT_ROLE, home, spec);
	event.old_role = old_role;
	event.new_role = new_role;
	oct_events_write(&event);
}

/* A server accepts connections that has been seen not to, and said so. */
void
oct_chronicle_restart(const OctHome *home, const OctNodeSpec *spec,
					  OctReason seen)
{
	OctEvent	event;

	begin(&event, OCT_EVENT_RESTART, home, spec);
	event.has_reason = true;
	event.reason = seen;
	oct_events_write(&event);
}

/* A node has other options than before. */
void
oct_chronicle_node_policy(const OctHome *home, const OctNodeSpec *spec)
{
	OctEvent	event;

	begin(&event, OCT_EVENT_POLICY, home, spec);
	oct_events_write(&event);
}

/* A group has another policy or name than before. */
void
oct_chronicle_group_policy(const OctGroup *group)
{
	OctEvent	event;

	oct_events_init(&event, OCT_EVENT_POLICY);
	event.group = group->key;
	strlcpy(event.server_name, group->server_name, NAMEDATALEN);
	oct_events_write(&event);
}

/* Settings that nodes and groups leave things to have changed. */
void
oct_chronicle_settings(void)
{
	OctEvent	event;

	oct_events_init(&event, OCT_EVENT_POLICY);
	oct_events_write(&event);
}

/* A prober has started. */
void
oct_chronicle_start(void)
{
	OctEvent	event;

	oct_events_init(&event, OCT_EVENT_MONITOR);
	oct_events_write(&event);
}

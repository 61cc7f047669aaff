/*-------------------------------------------------------------------------
 *
 * nodetab.h
 *	  The table of nodes in shared memory.
 *
 * Three parties meet here:
 *
 * - writers, that is, committing backends: reserve room while an error is
 *	 still possible, then apply a list of changes, which cannot fail;
 * - the prober: learns what changed, publishes the status of each node;
 * - readers: copy what they want out.  Nobody holds anything of the table when
 *	 a call returns.
 *
 * See nodetab.c for the locking rules.
 *
 *-------------------------------------------------------------------------
 */
#ifndef NODETAB_H
#define NODETAB_H

#include "octypes.h"

#include "datatype/timestamp.h"

#include "latency.h"
#include "rowset.h"
#include "tally.h"

/* Settings, given their names in settings.c; both need a restart. */
extern PGDLLIMPORT int oct_max_nodes;
extern PGDLLIMPORT int oct_max_groups;

/* The setting status_max_age, in ms: 0 is what the prober says, -1 never. */
extern int	oct_status_max_age_ms;

/*
 * What the prober knows of a node.  generation says which registration it was
 * measured for.
 *
 * Readers copy as much of it as they need, from its beginning (OctStatusDepth),
 * and of the message what is in use; so members stand by how often they are
 * asked for.
 */
typedef struct OctNodeStatus
{
	uint32		generation;		/* 0: of none yet */
	OctHealth	health;
	OctTime		judged;			/* when there was evidence last */
	int64		max_age_us;		/* how long after that the health holds */

	/* from here on: OCT_STATUS_DETAIL */
	uint32		failures;		/* consecutive */
	uint32		successes;		/* consecutive */
	bool		has_outcome;	/* is there a last try, for the next members? */
	uint8		reason;			/* OctReason */
	uint8		phase;			/* OctPhase */
	char		sqlstate[OCT_SQLSTATE_SIZE];
	int64		check_time_us;	/* how long it took */
	TimestampTz last_check_time;	/* when it ended; 0 if there was none */
	TimestampTz last_success_time;	/* 0 if there was none */
	TimestampTz last_failure_time;	/* 0 if there was none */
	TimestampTz status_change_time; /* of the last change of health, 0 none */
	uint8		role;			/* OctRole, as the server told last */
	uint8		read_only;		/* OctAnswer, the same */
	uint8		encrypted;		/* OctAnswer, the same */
	OctNodeAddress address;		/* that was tried last */
	int32		server_version; /* as the server told last, 0 never */

	/* from here on: OCT_STATUS_TALLY */
	TimestampTz stats_reset;	/* since when the tally counts */
	OctTime		streak;			/* start of the first of the tries that agree */
	bool		latency_void;	/* the histogram is not to be looked at */
	OctTally	tally;

	char		message[OCT_MESSAGE_SIZE];	/* of the last try, as it came */
} OctNodeStatus;

/*
 * How much of a status is wanted, in bytes.  With OCT_STATUS_HEALTH a set
 * (statusset.h) has neither states nor schedules.
 */
typedef enum OctStatusDepth
{
	OCT_STATUS_HEALTH = offsetof(OctNodeStatus, failures),
	OCT_STATUS_DETAIL = offsetof(OctNodeStatus, stats_reset),
	OCT_STATUS_TALLY = offsetof(OctNodeStatus, message)
} OctStatusDepth;

/* When the next try of a node is. */
typedef struct OctSchedule
{
	bool		running;		/* right now */
	OctTime		due;			/* OCT_TIME_NEVER: nobody knows */
} OctSchedule;

/* A status as a reader has it, its health and state as they may be shown. */
typedef struct OctStatusCopy
{
	OctState	state;			/* of OCT_STATUS_DETAIL only */
	OctSchedule schedule;
	OctNodeStatus status;		/* as far as it was wanted */
} OctStatusCopy;

/* One node as readers see it. */
typedef struct OctNodeView
{
	uint32		rowid;			/* its slot, or as oct_regview_read_row has it */
	OctHealth	health;
	OctNodeSpec spec;
} OctNodeView;

/* What is to change in a group: first what goes, then what comes. */
typedef struct OctChange
{
	OctGroupKey key;
	const OctGroup *group;		/* what it is from now on; NULL: as it was */
	OctNodeSpec *removals;
	int			nremovals;
	OctNodeSpec *updates;		/* nodes that stay, with other options */
	int			nupdates;
	OctNodeSpec *additions;
	int			nadditions;
} OctChange;

/* Who is told of all groups and nodes; false ends the walk. */
typedef struct OctVisitor
{
	bool		(*group) (void *arg, const OctGroup *group);
	bool		(*node) (void *arg, int32 slot, const OctNodeSpec *spec);
	void	   *arg;
} OctVisitor;

/* Whether room for changes could be reserved. */
typedef enum OctRoom
{
	OCT_ROOM_RESERVED,
	OCT_ROOM_NODES_FULL,
	OCT_ROOM_GROUPS_FULL
} OctRoom;

/* What became of one slot, told to the prober. */
typedef struct OctSlotChange
{
	int32		slot;
	uint32		generation;		/* 0: there is nothing to probe */
	int32		group;			/* its place in OctGroupCopies */
	uint32		checks_asked;	/* see requests.c */
	uint32		resets_asked;
	OctNodeSpec spec;
} OctSlotChange;

/* The prober's copies of groups, which slot changes refer to. */
typedef struct OctGroupCopies
{
	uint32	   *versions;		/* 0: none was copied yet */
	OctGroup   *groups;
} OctGroupCopies;

/* Where the prober stands in the sequence of changes. */
typedef struct OctChangeCursor
{
	uint64		seen;			/* changes seen so far */
	int32		next_slot;		/* of a full pass under way, or -1 */
} OctChangeCursor;

/* set-up */
extern void oct_nodetab_request(int min_nodes, int min_groups);
extern void oct_nodetab_startup(void);
extern bool oct_nodetab_is_up(void);
extern void oct_nodetab_loaded(void);
extern int	oct_nodetab_nslots(void);
extern int	oct_nodetab_ngroups(void);

/* readers */
extern int	oct_nodetab_count(OctGroupKey group);
extern int	oct_nodetab_room(void);
extern bool oct_nodetab_lookup(OctGroupKey group, const OctNodeSpec *spec,
							   OctNodeView *view);
extern bool oct_nodetab_read_slot(OctGroupKey group, int32 slot,
								  OctNodeView *view);
extern OctRowSet *oct_nodetab_read_group(OctGroupKey group, int parts);
extern OctGroupKey *oct_nodetab_read_groups(int *ngroups);
extern bool oct_nodetab_get_group(OctGroupKey key, OctGroup *group);
extern bool oct_nodetab_has_unbound(void);
extern bool oct_nodetab_walk(const OctVisitor *visitor);
extern void oct_nodetab_totals(int *ngroups, int *nnodes);

/* writers */
extern void oct_nodetab_report_full(OctRoom room, int elevel);
extern OctRoom oct_nodetab_reserve(const OctChange *changes, int nchanges);
extern void oct_nodetab_apply(const OctChange *changes, int nchanges);
extern void oct_nodetab_release(void);
extern bool oct_nodetab_load_node(const OctGroup *group,
								  const OctNodeSpec *spec);

/* the prober */
extern void oct_nodetab_attach_prober(void);
extern bool oct_nodetab_is_new(uint32 generation);
extern void oct_nodetab_rewind(OctChangeCursor *cursor);
extern bool oct_nodetab_has_changes(const OctChangeCursor *cursor);
extern int	oct_nodetab_next_changes(OctChangeCursor *cursor,
									 OctSlotChange *changes, int max_changes,
									 OctGroupCopies *copies);
extern const OctNodeStatus *oct_nodetab_shown_status(int32 slot);
extern OctNodeStatus *oct_nodetab_edit_status(int32 slot);
extern void oct_nodetab_show_status(int32 slot);
extern void oct_nodetab_record_latency(int32 slot, int64 check_time_us);
extern void oct_nodetab_clear_latency(int32 slot);
extern OctTime oct_nodetab_fresh_until(const OctNodeStatus *status);
extern void oct_nodetab_schedule(int32 slot, OctTime due);
extern void oct_nodetab_schedule_running(int32 slot);

#endif							/* NODETAB_H */

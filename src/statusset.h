/*-------------------------------------------------------------------------
 *
 * statusset.h
 *	  Statuses of nodes, as they travel from the table to a scan.
 *
 * A set is read at one go; each of its rows is the status of one node at one
 * instant, as far as the reader wanted it.  Only registrations that are
 * committed are there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef STATUSSET_H
#define STATUSSET_H

#include "nodetab.h"

/* Of which nodes, and how much. */
typedef struct OctStatusQuery
{
	OctGroupKey group;
	bool		all_groups;		/* of the group's database, not only that one */
	const OctNodeSpec *node;	/* only the one with this key; NULL: all */
	OctStatusDepth depth;
	bool		without_names;	/* they are empty */
	bool		with_messages;	/* OCT_STATUS_DETAIL at least */
	bool		with_latency;	/* OCT_STATUS_TALLY only */
} OctStatusQuery;

/* The histogram, the name (a text) and the message stand behind it. */
typedef struct OctStatusRow
{
	uint32		size;			/* to the next row */
	uint32		name_offset;
	uint32		message_offset; /* 0: there is none, or it was not wanted */
	uint32		latency_offset; /* 0: it was not wanted */
	int32		server;			/* its name's place in the set */
	int32		port;
	uint32		generation;		/* of the registration */
	OctStatusCopy copy;			/* as far as was wanted */
} OctStatusRow;

typedef struct OctStatusSet
{
	OctTime		now;			/* when it was read */
	TimestampTz wall_clock;		/* the same */
	NameData   *servers;		/* names of groups */
	int			nservers;
	char	   *rows;
	Size		used;			/* bytes of rows */
	Size		room;			/* bytes that there is memory for */
} OctStatusSet;

extern OctStatusSet *oct_statusset_read(const OctStatusQuery *query);
extern void oct_statusset_free(OctStatusSet *set);
extern int	oct_statusset_count(const OctStatusQuery *query);
extern OctStatusRow *oct_statusset_next(const OctStatusSet *set, Size *position);
extern TimestampTz oct_statusset_date(const OctStatusSet *set, OctTime when);

static inline text *
oct_statusrow_name(OctStatusRow *row)
{
	return (text *) ((char *) row + row->name_offset);
}

/* As the server sent it; NULL if there is none. */
static inline const char *
oct_statusrow_message(OctStatusRow *row)
{
	return row->message_offset == 0 ? NULL : (char *) row + row->message_offset;
}

/* NULL if it was not wanted. */
static inline OctLatency *
oct_statusrow_latency(OctStatusRow *row)
{
	return row->latency_offset == 0 ? NULL :
		(OctLatency *) ((char *) row + row->latency_offset);
}

#endif							/* STATUSSET_H */

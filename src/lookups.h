/*-------------------------------------------------------------------------
 *
 * lookups.h
 *	  Which names are being looked up, and whose turn is next.
 *
 * A lookup lives in its owner's memory, from oct_lookups_queue to its callback.
 * The callback comes exactly once, from oct_lookups_start, _tick, _advance or
 * _reload.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LOOKUPS_H
#define LOOKUPS_H

#include "lib/ilist.h"

#include "dns.h"

typedef enum OctLookupState
{
	OCT_LOOKUP_NONE,
	OCT_LOOKUP_QUEUED,
	OCT_LOOKUP_QUICK,			/* under way */
	OCT_LOOKUP_SLOW				/* under way, for some time already */
} OctLookupState;

typedef struct OctLookup OctLookup;

struct OctLookup
{
	/* the owner's */
	void		(*done) (OctLookup *lookup, const OctDnsAnswer *answer);

	/* of lookups.c, but may be read */
	OctLookupState state;
	bool		urgent;
	dlist_node	node;			/* queued or quick: in that list */
	OctTime		started;		/* quick */
	OctDnsQuery query;
};

extern void oct_lookups_queue(OctLookup *lookup, const char *name, bool urgent);
extern void oct_lookups_start(OctTime now);
extern void oct_lookups_advance(int which);
extern void oct_lookups_reload(void);
extern void oct_lookups_tick(OctTime now);
extern OctTime oct_lookups_next_tick(void);
extern int	oct_lookups_pending(void);

#endif							/* LOOKUPS_H */

/*-------------------------------------------------------------------------
 *
 * pending.h
 *	  The changes that this transaction has made to registrations so far.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PENDING_H
#define PENDING_H

#include "octypes.h"

typedef enum OctPendingKind
{
	OCT_PENDING_ADD,			/* registered */
	OCT_PENDING_UPDATE,			/* changed, but still the same node */
	OCT_PENDING_REMOVE,			/* unregistered */
	OCT_PENDING_DROP			/* the same, because of what it hung on */
} OctPendingKind;

/* A version of a node, made by one command of this transaction. */
typedef struct OctPending
{
	OctGroupKey group;
	OctNodeSpec spec;
	OctPendingKind kind;
	bool		renewed;		/* registered anew by this transaction? */
	CommandId	cid;
	int			nest_level;
	int32		older;			/* the node's version before, or -1 */
} OctPending;

extern int32 oct_pending_count(void);
extern OctPending *oct_pending_get(int32 i);
extern int32 oct_pending_index(const OctPending *version);
extern OctPending *oct_pending_newest(OctGroupKey group,
									  const OctNodeSpec *spec);
extern OctPending *oct_pending_visible(OctGroupKey group,
									   const OctNodeSpec *spec, CommandId cid);
extern int32 oct_pending_growth(void);
extern int	oct_pending_growth_of(const OctPending *version);
extern bool oct_pending_is_present(const OctPending *version);
extern bool oct_pending_drops_only(void);

extern void oct_pending_push(OctGroupKey group, const OctNodeSpec *spec,
							 CommandId cid, OctPendingKind kind);
extern void oct_pending_commit_subxact(int nest_level);
extern void oct_pending_abort_subxact(int nest_level);
extern void oct_pending_forget(void);

#endif							/* PENDING_H */

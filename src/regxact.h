/*-------------------------------------------------------------------------
 *
 * regxact.h
 *	  Registering as part of a transaction.
 *
 * All calls are about the current database; a group is named by its foreign
 * server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGXACT_H
#define REGXACT_H

#include "nodetab.h"

extern void oct_regxact_init(void);

/* changes; the caller holds the writer lock of the group */
extern void oct_regxact_lock_group(Oid serverid);
extern bool oct_regxact_add(Oid serverid, const OctNodeSpec *spec,
							CommandId cid);
extern bool oct_regxact_update(Oid serverid, const OctNodeSpec *spec,
							   CommandId cid);
extern bool oct_regxact_remove(Oid serverid, const OctNodeSpec *spec,
							   CommandId cid);

/* the same lock for a while, without waiting */
extern bool oct_regxact_try_lock_group(OctGroupKey group);
extern void oct_regxact_unlock_group(OctGroupKey group);

/* what follows the drop of other objects */
extern void oct_regxact_drop_group(OctGroupKey group);
extern void oct_regxact_drop_database(Oid dboid, const char *name);

#endif							/* REGXACT_H */

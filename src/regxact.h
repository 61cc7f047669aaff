/*-------------------------------------------------------------------------
 *
 * regxact.h
 *	  Registering as part of a transaction: the changes that it has made so
 *	  far, and the table of nodes as it sees it.
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

/* what follows the drop of other objects */
extern void oct_regxact_drop_server(Oid serverid);
extern void oct_regxact_drop_database(Oid dboid);

/* what a statement sees: the table and own changes of earlier commands */
extern double oct_regxact_count(Oid serverid);
extern OctRowSet *oct_regxact_read_group(Oid serverid, CommandId cid);
extern bool oct_regxact_lookup(Oid serverid, const OctNodeSpec *spec,
							   CommandId cid, OctNodeView *view);
extern bool oct_regxact_read_row(Oid serverid, uint32 rowid, OctNodeView *view);

#endif							/* REGXACT_H */

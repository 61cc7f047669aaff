/*-------------------------------------------------------------------------
 *
 * touched.h
 *	  Groups whose description this transaction may have changed by DDL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TOUCHED_H
#define TOUCHED_H

#include "nodetab.h"

extern void oct_touched_note_server(Oid serverid);
extern void oct_touched_note_mapping(Oid mappingid);
extern void oct_touched_note_database(Oid dboid);
extern void oct_touched_note_undecided(void);
extern bool oct_touched_is_outdated(OctGroup *group, int elevel);
extern void oct_touched_compare(Oid serverid);
extern bool oct_touched_any(void);
extern bool oct_touched_nothing(void);
extern int	oct_touched_collect(OctGroup **groups);
extern void oct_touched_forget(void);

#endif							/* TOUCHED_H */

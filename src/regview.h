/*-------------------------------------------------------------------------
 *
 * regview.h
 *	  The table of nodes as a transaction sees it: what is committed, and its
 *	  own changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGVIEW_H
#define REGVIEW_H

#include "nodetab.h"

extern OctGroupKey oct_regview_group(Oid serverid);
extern double oct_regview_count(OctGroupKey group);
extern OctRowSet *oct_regview_read_group(OctGroupKey group, CommandId cid,
										 int parts);
extern bool oct_regview_lookup(OctGroupKey group, const OctNodeSpec *spec,
							   CommandId cid, OctNodeView *view);
extern bool oct_regview_read_row(OctGroupKey group, uint32 rowid,
								 OctNodeView *view);

#endif							/* REGVIEW_H */

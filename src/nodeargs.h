/*-------------------------------------------------------------------------
 *
 * nodeargs.h
 *	  Arguments of SQL functions that name a node, a server, a time to wait.
 *
 *-------------------------------------------------------------------------
 */
#ifndef NODEARGS_H
#define NODEARGS_H

#include "octypes.h"

#include "fmgr.h"

#include "compat.h"

extern OctGroupKey oct_nodeargs_group(FunctionCallInfo fcinfo, int arg);
extern void oct_nodeargs_check_server(OctGroupKey group, const char *name);
extern bool oct_nodeargs_key(FunctionCallInfo fcinfo, int arg, OctNodeSpec *key);
extern void oct_nodeargs_check_own_changes(OctGroupKey group,
										   const OctNodeSpec *key);
extern void oct_nodeargs_check_own_group(OctGroupKey group, const char *name);
pg_noreturn extern void oct_nodeargs_report_missing(const OctNodeSpec *key);
pg_noreturn extern void oct_nodeargs_report_removed(const OctNodeSpec *key);
extern OctTime oct_nodeargs_deadline(FunctionCallInfo fcinfo, int arg);

#endif							/* NODEARGS_H */

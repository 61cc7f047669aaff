/*-------------------------------------------------------------------------
 *
 * chronicle.h
 *	  What the prober notices, as events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CHRONICLE_H
#define CHRONICLE_H

#include "octypes.h"

/* Where a node is registered. */
typedef struct OctHome
{
	OctGroupKey group;
	char		server_name[NAMEDATALEN];
} OctHome;

extern void oct_chronicle_registered(const OctHome *home, const OctNodeSpec *spec);
extern void oct_chronicle_removed(const OctHome *home, const OctNodeSpec *spec,
								  OctHealth old_health);
extern void oct_chronicle_health(const OctHome *home, const OctNodeSpec *spec,
								 OctHealth old_health, OctHealth new_health,
								 const OctOutcome *outcome, int64 detection_us);
extern void oct_chronicle_role(const OctHome *home, const OctNodeSpec *spec,
							   OctRole old_role, OctRole new_role);
extern void oct_chronicle_restart(const OctHome *home, const OctNodeSpec *spec,
								  OctReason seen);
extern void oct_chronicle_node_policy(const OctHome *home, const OctNodeSpec *spec);
extern void oct_chronicle_group_policy(const OctGroup *group);
extern void oct_chronicle_settings(void);
extern void oct_chronicle_start(void);

#endif							/* CHRONICLE_H */

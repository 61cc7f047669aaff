/*-------------------------------------------------------------------------
 *
 * netchange.h
 *	  What the pending changes of a transaction come to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef NETCHANGE_H
#define NETCHANGE_H

#include "nodetab.h"

extern int	oct_netchange_collect(OctChange **net_changes);

#endif							/* NETCHANGE_H */

/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  What is registered, for good.
 *
 * A transaction's changes pass through here on their way to the table of
 * nodes: prepared while an error is possible, then either committed, which
 * cannot fail, or aborted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "nodetab.h"

extern void oct_registry_prepare(const OctChange *changes, int nchanges);
extern void oct_registry_commit(const OctChange *changes, int nchanges);
extern void oct_registry_abort(void);

extern void oct_registry_report_full(OctRoom room);

#endif							/* REGISTRY_H */

/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  What is registered, for good: the file on disk.
 *
 * A transaction's changes pass through here on their way to the table of
 * nodes: opened and prepared while an error is possible, then either
 * committed, which cannot fail, or aborted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "nodetab.h"

/* set-up */
extern void oct_registry_request(void);
extern void oct_registry_startup(void);
extern void oct_registry_settle(int elevel);
extern void oct_registry_judge(void);

/* writers */
extern void oct_registry_check_writable(void);
extern bool oct_registry_open(int elevel, bool drops_only);
extern bool oct_registry_prepare(const OctChange *changes, int nchanges,
								 int elevel);
extern void oct_registry_commit(const OctChange *changes, int nchanges);
extern void oct_registry_abort(void);
extern void oct_registry_reset(void);

/* what is no transaction's work */
extern bool oct_registry_open_to_amend(void);
extern void oct_registry_amend(const OctChange *changes, int nchanges);
extern void oct_registry_close(void);

#endif							/* REGISTRY_H */

/*-------------------------------------------------------------------------
 *
 * prober.h
 *	  The background worker that probes all registered nodes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PROBER_H
#define PROBER_H

#include "policy.h"

/* Settings, given their names in settings.c. */
extern OctPolicy oct_default_policy;
extern char *oct_application_name;
extern char *oct_health_check_query;
extern int	oct_max_concurrent_checks;

extern void oct_prober_register(void);
extern PGDLLEXPORT void oct_prober_main(Datum arg);

#endif							/* PROBER_H */

/*-------------------------------------------------------------------------
 *
 * grouppolicy.h
 *	  A group's policy as the catalogs have it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef GROUPPOLICY_H
#define GROUPPOLICY_H

#include "optable.h"

extern bool oct_grouppolicy_parse(const OctOption *option, const char *string,
								  int *value);
extern bool oct_grouppolicy_read(OctGroup *group, int elevel);
extern bool oct_grouppolicy_is_ours(Oid serverid);

#endif							/* GROUPPOLICY_H */

/*-------------------------------------------------------------------------
 *
 * trust.h
 *	  The files of certificates that a group names: can they be read at once?
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUST_H
#define TRUST_H

#include "pairs.h"

extern const char *oct_trust_obstacle(const OctPairs *policy);

#endif							/* TRUST_H */

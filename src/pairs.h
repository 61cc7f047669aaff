/*-------------------------------------------------------------------------
 *
 * pairs.h
 *	  Pairs "key=value", packed into a fixed piece of memory.
 *
 * Each is a terminated string; a key has no "=", a value may have any byte but
 * zero.  A key stands there once at most.
 *
 * Pure: nothing throws, nothing allocates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PAIRS_H
#define PAIRS_H

#include "octypes.h"

extern bool oct_pairs_add(OctPairs *pairs, const char *key, const char *value);
extern bool oct_pairs_add_pair(OctPairs *pairs, const char *pair);
extern const char *oct_pairs_next(const OctPairs *pairs, uint32 *position);
extern const char *oct_pairs_get(const OctPairs *pairs, const char *key);
extern bool oct_pairs_equal(const OctPairs *a, const OctPairs *b);
extern const char *oct_pair_value(const char *pair);
extern bool oct_pair_has_key(const char *pair, const char *key);

#endif							/* PAIRS_H */

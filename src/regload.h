/*-------------------------------------------------------------------------
 *
 * regload.h
 *	  From an image of the registry to the table of nodes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGLOAD_H
#define REGLOAD_H

#include "regdisk.h"

extern bool oct_regload_fill(const OctRegImage *image, bool unbound);
extern bool oct_regload_replace(const OctRegImage *image);

#endif							/* REGLOAD_H */

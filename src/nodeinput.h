/*-------------------------------------------------------------------------
 *
 * nodeinput.h
 *	  From a tuple to a node: what users give, checked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef NODEINPUT_H
#define NODEINPUT_H

#include "dataset.h"

#include "utils/rel.h"

extern void oct_nodeinput_read(const OctBinding *binding, Relation rel,
							   TupleTableSlot *slot, OctNodeSpec *spec);

#endif							/* NODEINPUT_H */

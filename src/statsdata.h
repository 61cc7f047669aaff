/*-------------------------------------------------------------------------
 *
 * statsdata.h
 *	  The dataset "node_stats": what each node has been through, in numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef STATSDATA_H
#define STATSDATA_H

#include "dataset.h"

extern const OctDataset oct_statsdata;

#endif							/* STATSDATA_H */

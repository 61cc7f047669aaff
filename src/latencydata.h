/*-------------------------------------------------------------------------
 *
 * latencydata.h
 *	  The dataset "node_latency": how long checks of each node take, as a
 *	  histogram.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LATENCYDATA_H
#define LATENCYDATA_H

#include "dataset.h"

extern const OctDataset oct_latencydata;

#endif							/* LATENCYDATA_H */

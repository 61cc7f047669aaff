/*-------------------------------------------------------------------------
 *
 * eventdata.h
 *	  The dataset "node_events".
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVENTDATA_H
#define EVENTDATA_H

#include "dataset.h"

extern const OctDataset oct_eventdata;

#endif							/* EVENTDATA_H */

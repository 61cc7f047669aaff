/*-------------------------------------------------------------------------
 *
 * statusdata.h
 *	  The dataset "node_status": what is known of each node.
 *
 *-------------------------------------------------------------------------
 */
#ifndef STATUSDATA_H
#define STATUSDATA_H

#include "dataset.h"

extern const OctDataset oct_statusdata;

#endif							/* STATUSDATA_H */

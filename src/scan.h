/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Planning and executing scans of foreign tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SCAN_H
#define SCAN_H

#include "foreign/fdwapi.h"

extern void oct_scan_set_callbacks(FdwRoutine *routine);

#endif							/* SCAN_H */

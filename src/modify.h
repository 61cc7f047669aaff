/*-------------------------------------------------------------------------
 *
 * modify.h
 *	  INSERT, COPY, UPDATE, DELETE and TRUNCATE of foreign tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MODIFY_H
#define MODIFY_H

#include "foreign/fdwapi.h"

extern void oct_modify_set_callbacks(FdwRoutine *routine);

#endif							/* MODIFY_H */

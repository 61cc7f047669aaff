/*-------------------------------------------------------------------------
 *
 * importschema.h
 *	  IMPORT FOREIGN SCHEMA: tables made for the datasets of a server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IMPORTSCHEMA_H
#define IMPORTSCHEMA_H

#include "foreign/fdwapi.h"

extern void oct_importschema_set_callbacks(FdwRoutine *routine);

#endif							/* IMPORTSCHEMA_H */

/*-------------------------------------------------------------------------
 *
 * adopt.h
 *	  Groups brought in accord with the servers that there are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ADOPT_H
#define ADOPT_H

extern void oct_adopt_groups(Oid serverid);
extern void oct_adopt_drop_server(Oid serverid);

#endif							/* ADOPT_H */

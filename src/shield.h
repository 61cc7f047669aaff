/*-------------------------------------------------------------------------
 *
 * shield.h
 *	  What libpq must not find when it looks around.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SHIELD_H
#define SHIELD_H

extern void oct_shield_raise(void);

#endif							/* SHIELD_H */

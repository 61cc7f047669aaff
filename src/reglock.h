/*-------------------------------------------------------------------------
 *
 * reglock.h
 *	  The lock of the registry file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGLOCK_H
#define REGLOCK_H

extern bool oct_reglock_acquire(bool patiently);
extern bool oct_reglock_try(void);
extern void oct_reglock_release(void);

#endif							/* REGLOCK_H */

/*-------------------------------------------------------------------------
 *
 * ddl.h
 *	  Registrations follow the objects that they hang on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DDL_H
#define DDL_H

extern void oct_ddl_init(void);
extern void oct_ddl_clean_up(void);
extern bool oct_ddl_promoted(void);
extern bool oct_ddl_awaits_promotion(void);

#endif							/* DDL_H */

/*-------------------------------------------------------------------------
 *
 * option.h
 *	  Settings.  (The validator of options is called by core only.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef OPTION_H
#define OPTION_H

extern void oct_option_define_settings(void);

#endif							/* OPTION_H */

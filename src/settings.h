/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  Settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SETTINGS_H
#define SETTINGS_H

extern void oct_settings_define(void);

#endif							/* SETTINGS_H */

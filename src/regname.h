/*-------------------------------------------------------------------------
 *
 * regname.h
 *	  The names of registry files in the data directory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGNAME_H
#define REGNAME_H

extern int	oct_regname_open_unused(const char *path);
extern int	oct_regname_create(const char *path, int elevel);
extern bool oct_regname_sync(int elevel);
extern bool oct_regname_give(const char *from, const char *to, int elevel);
extern bool oct_regname_remove(const char *path, int elevel);
extern bool oct_regname_exists(const char *path);
extern bool oct_regname_set_aside(const char *path, const char *bad_name,
								  bool keep, int elevel);

#endif							/* REGNAME_H */

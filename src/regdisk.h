/*-------------------------------------------------------------------------
 *
 * regdisk.h
 *	  Reading and writing whole registry files.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGDISK_H
#define REGDISK_H

#include "nodetab.h"
#include "regfile.h"

/* What a file turned out to be. */
typedef enum OctRegState
{
	OCT_REG_MISSING,
	OCT_REG_GOOD,
	OCT_REG_BAD,
	OCT_REG_UNREADABLE			/* for the moment, as far as can be told */
} OctRegState;

/* A registry file in memory, of malloc. */
typedef struct OctRegImage
{
	OctRegState state;
	OctRegHeader header;		/* if good; if bad what it says but for counts,
								 * as far as it can be read */
	char	   *data;			/* if good */
	size_t		size;
	char		cause[256];		/* if bad or unreadable: why */
} OctRegImage;

extern void oct_regdisk_read(const char *path, OctRegImage *image);
extern void oct_regdisk_free(OctRegImage *image);
extern void oct_regdisk_tell(const OctRegImage *image, const OctRegSink *sink);
extern bool oct_regdisk_write(int fd, const char *path, OctRegHeader *header,
							  const OctChange *changes, int nchanges,
							  bool *holds_password, int elevel);

#endif							/* REGDISK_H */

/*-------------------------------------------------------------------------
 *
 * pqlogin.h
 *	  What a probe tells libpq: where to connect to, as whom, and how.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PQLOGIN_H
#define PQLOGIN_H

#include "octypes.h"

#define OCT_MAX_KEYWORDS	160

/* Where to connect to. */
typedef struct OctTarget
{
	const char *socket_dir;		/* NULL: address counts */
	const char *address;		/* as text */
	const char *name;			/* the node's */
	int32		port;
	const char *application_name;
	const OctPairs *policy;		/* of the group: login and libpq's options */
} OctTarget;

/* The keywords and values of a connection, the last one of a keyword counts. */
typedef struct OctLogin
{
	int			n;
	const char *keywords[OCT_MAX_KEYWORDS + 1];
	const char *values[OCT_MAX_KEYWORDS + 1];
} OctLogin;

extern void oct_pqlogin_init(const char *os_user);
extern void oct_pqlogin_know(const char *keyword);
extern const char *oct_pqlogin_forbid(const OctTarget *target);
extern void oct_pqlogin_compose(OctLogin *login, const OctTarget *target,
								const char *port);

#endif							/* PQLOGIN_H */

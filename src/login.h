/*-------------------------------------------------------------------------
 *
 * login.h
 *	  How a probe introduces itself: as whom, and with what else its group says.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LOGIN_H
#define LOGIN_H

#include "octypes.h"

#include "address.h"

/* a password file, and a home directory, that nobody has */
#define OCT_NOWHERE			"/nonexistent/octopus_fdw"

#define OCT_MAX_KEYWORDS	160
#define OCT_STARTUP_SIZE	512

/* What is the same for all probes of a group; see oct_login_prepare. */
typedef struct OctLogin
{
	const OctPairs *policy;		/* the group's */
	const char *application_name;
	const char *query;			/* to be asked where a check asks one */
	bool		raw_ping;		/* may a ping do without libpq? */
	bool		must_use_password;
	uint32		startup_len;
	char		startup[OCT_STARTUP_SIZE];	/* of a raw ping */
} OctLogin;

/* What is to be probed, and how; all is the caller's. */
typedef struct OctTarget
{
	OctCheckType check_type;	/* not auto */
	int			timeout_ms;
	const char *name;			/* the node's */
	int32		port;
	const char *socket_dir;		/* NULL: address counts */
	OctAddress	address;		/* with the port */
	const OctLogin *login;
} OctTarget;

/* The keywords and values of a connection, the last one of a keyword counts. */
typedef struct OctParameters
{
	int			n;
	const char *keywords[OCT_MAX_KEYWORDS + 1];
	const char *values[OCT_MAX_KEYWORDS + 1];
	char		port[12];
	char		address[OCT_ADDRESS_TEXT_SIZE];
} OctParameters;

/* Does the check log in, or else does any answer do? */
static inline bool
oct_check_logs_in(OctCheckType check_type)
{
	return check_type == OCT_CHECK_CONNECTION || check_type == OCT_CHECK_QUERY;
}

extern void oct_login_init(const char *os_user);
extern void oct_login_know(const char *keyword);
extern void oct_login_prepare(OctLogin *login, const OctPairs *policy,
							  const char *application_name, const char *query);
extern const char *oct_login_forbid(const OctTarget *target);
extern bool oct_login_compose(OctParameters *parameters, const OctTarget *target);

#endif							/* LOGIN_H */

/*-------------------------------------------------------------------------
 *
 * pqlogin.c
 *	  What a probe tells libpq: where to connect to, as whom, and how.
 *
 * It is what the group's policy says (see grouppolicy.c), between what counts
 * if it says nothing and what it has no say in.  Whose identity a probe may use
 * is decided here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pairs.h"
#include "pqlogin.h"

/* a password file that nobody has */
#define OCT_NOWHERE		"/nonexistent/octopus_fdw"

/* the name of the operating system's user */
static char user_name[256];

/* what libpq understands */
static const char *keywords[OCT_MAX_KEYWORDS / 2];
static int	nkeywords = 0;
static bool has_require_auth = false;

/* Once a process. */
void
oct_pqlogin_init(const char *os_user)
{
	strlcpy(user_name, os_user, sizeof(user_name));
}

/* Libpq understands that; application_name comes with the target. */
void
oct_pqlogin_know(const char *keyword)
{
	if (strcmp(keyword, "application_name") == 0 ||
		nkeywords == lengthof(keywords))
		return;
	keywords[nkeywords++] = strdup(keyword);
	if (strcmp(keyword, "require_auth") == 0)
		has_require_auth = true;
}

static void
add_keyword(OctLogin *login, const char *keyword, const char *value)
{
	if (login->n < OCT_MAX_KEYWORDS)
	{
		login->keywords[login->n] = keyword;
		login->values[login->n++] = value;
		login->keywords[login->n] = NULL;
		login->values[login->n] = NULL;
	}
}

/* Does the group have a say in encryption, if only by having credentials? */
static bool
may_encrypt(const OctPairs *policy)
{
	uint32		position = 0;
	const char *pair;

	while ((pair = oct_pairs_next(policy, &position)) != NULL)
	{
		if (strncmp(pair, "ssl", 3) == 0 ||
			oct_pair_has_key(pair, OCT_PAIR_MAPPING))
			return true;
	}
	return false;
}

/* Hands the group's options on to libpq, but for those that are ours. */
static void
add_options(OctLogin *login, const OctPairs *policy)
{
	uint32		position = 0;
	const char *pair;

	while ((pair = oct_pairs_next(policy, &position)) != NULL)
	{
		size_t		len = strcspn(pair, "=");

		for (int i = 0; i < nkeywords; i++)
		{
			if (strlen(keywords[i]) == len && strncmp(keywords[i], pair, len) == 0)
				add_keyword(login, keywords[i], pair + len + 1);
		}
	}
}

/*
 * Says why a probe must not log in with what its group has; NULL if it may.
 *
 * A server's owner who is not superuser must not get at what only the operating
 * system's user of this server may: without a password of his own his probes
 * have no credentials, and where a socket would tell who we are they must not
 * ask for the role of that name.
 */
const char *
oct_pqlogin_forbid(const OctTarget *target)
{
	const OctPairs *policy = target->policy;
	const char *user = oct_pairs_get(policy, "user");
	const char *password = oct_pairs_get(policy, "password");

	if (oct_pairs_get(policy, OCT_PAIR_OWNER) == NULL ||
		oct_pairs_get(policy, OCT_PAIR_MAPPING) == NULL)
		return NULL;
	if (password == NULL || password[0] == '\0')
		return "a password is required, as the owner of the foreign server is not superuser";
	if (target->socket_dir != NULL && user != NULL && strcmp(user, user_name) == 0)
		return "the owner of the foreign server may not log in as the server's own user through a socket";
	return NULL;
}

/*
 * What libpq is to be given for a target.  The texts are the caller's.
 */
void
oct_pqlogin_compose(OctLogin *login, const OctTarget *target, const char *port)
{
	const OctPairs *policy = target->policy;
	const char *owner = oct_pairs_get(policy, OCT_PAIR_OWNER);
	bool		has_mapping = oct_pairs_get(policy, OCT_PAIR_MAPPING) != NULL;

	login->n = 0;
	add_keyword(login, "dbname", "postgres");
	add_keyword(login, "gssencmode", "disable");
	add_keyword(login, "keepalives", "0");
	if (!may_encrypt(policy))
		add_keyword(login, "sslmode", "disable");
	if (has_require_auth && oct_pairs_get(policy, "password") != NULL)
		add_keyword(login, "require_auth", "scram-sha-256");

	/* without credentials of his own an owner's options are not ours to obey */
	if (owner == NULL || has_mapping)
		add_options(login, policy);
	if (oct_pairs_get(policy, "user") == NULL)
		add_keyword(login, "user", owner != NULL ? owner : user_name);

	/* the numeric address counts; the name is for certificates only */
	if (target->socket_dir != NULL)
		add_keyword(login, "host", target->socket_dir);
	else
		add_keyword(login, "hostaddr", target->address);
	if (target->socket_dir == NULL && may_encrypt(policy) &&
		strchr(target->name, ',') == NULL)	/* libpq would take it for two */
		add_keyword(login, "host", target->name);
	add_keyword(login, "port", port);
	add_keyword(login, "application_name", target->application_name);
	add_keyword(login, "passfile", OCT_NOWHERE);
}

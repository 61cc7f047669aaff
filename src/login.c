/*-------------------------------------------------------------------------
 *
 * login.c
 *	  How a probe introduces itself: as whom, and with what else its group says.
 *
 * It is what the group's policy says (see grouppolicy.c), between what counts
 * if it says nothing and what it has no say in.  Whose identity a probe may use
 * is decided here.
 *
 * A ping shows no credentials, and asks for the role of the owner of the
 * foreign server where he is not superuser.  It goes without libpq unless the
 * group wants something that only libpq can do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "login.h"
#include "optable.h"
#include "pairs.h"
#include "wire.h"

#define OCT_DBNAME		"postgres"

/* the name of the operating system's user */
static char user_name[256];

/* what libpq understands */
static const char *keywords[OCT_MAX_KEYWORDS / 2];
static int	nkeywords = 0;
static bool has_require_auth = false;

/* Once a process. */
void
oct_login_init(const char *os_user)
{
	strlcpy(user_name, os_user, sizeof(user_name));
}

/* Libpq understands that; application_name comes with the target. */
void
oct_login_know(const char *keyword)
{
	if (strcmp(keyword, "application_name") == 0 ||
		nkeywords == lengthof(keywords))
		return;
	keywords[nkeywords++] = strdup(keyword);
	if (strcmp(keyword, "require_auth") == 0)
		has_require_auth = true;
}

static bool
has_mapping(const OctPairs *policy)
{
	return oct_pairs_get(policy, OCT_PAIR_MAPPING) != NULL;
}

/*
 * Is a pair of the policy to be obeyed?  Of an owner who is not superuser, and
 * gives no credentials of his own, only what he says of encryption is: it is not
 * for him to say what else to do in the name of this server.
 */
static bool
obeys(const OctPairs *policy, const char *pair)
{
	return oct_pairs_get(policy, OCT_PAIR_OWNER) == NULL || has_mapping(policy) ||
		strncmp(pair, "ssl", 3) == 0;
}

static const char *
user_of(const OctPairs *policy, bool logs_in)
{
	const char *owner = oct_pairs_get(policy, OCT_PAIR_OWNER);
	const char *user = oct_pairs_get(policy, "user");

	/* libpq would take the operating system's */
	if (user != NULL && user[0] == '\0')
		user = NULL;
	if (owner != NULL && (user == NULL || !logs_in))
		return owner;
	return user != NULL ? user : user_name;
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

/* The libpq option that a pair is, or NULL if it is one of ours. */
static const char *
libpq_keyword(const char *pair)
{
	for (int i = 0; i < nkeywords; i++)
	{
		if (oct_pair_has_key(pair, keywords[i]))
			return keywords[i];
	}
	return NULL;
}

/* Is there an option that only libpq can obey? */
static bool
needs_libpq(const OctPairs *policy)
{
	static const char *const harmless[] = {"user", "password", "dbname"};
	uint32		position = 0;
	const char *pair;

	while ((pair = oct_pairs_next(policy, &position)) != NULL)
	{
		bool		is_harmless = libpq_keyword(pair) == NULL ||
			strcmp(pair, "sslmode=disable") == 0 ||
			strcmp(pair, "gssencmode=disable") == 0;

		for (int i = 0; i < lengthof(harmless); i++)
			is_harmless |= oct_pair_has_key(pair, harmless[i]);
		if (!is_harmless && obeys(policy, pair))
			return true;
	}
	return false;
}

/*
 * Works out what is the same for all probes of a group.  The policy and the
 * texts, which count where the policy has none, must outlive the result.
 */
void
oct_login_prepare(OctLogin *login, const OctPairs *policy,
				  const char *application_name, const char *query)
{
	const char *own_name = oct_pairs_get(policy, "application_name");
	const char *own_query = oct_pairs_get(policy, "health_check_query");
	const char *dbname = oct_pairs_get(policy, "dbname");

	login->policy = policy;
	login->application_name = own_name != NULL ? own_name : application_name;
	login->query = own_query != NULL ? own_query : query;
	login->must_use_password =
		oct_pairs_get(policy, OCT_PAIR_OWNER) != NULL && has_mapping(policy);
	login->startup_len =
		oct_wire_startup(login->startup, OCT_STARTUP_SIZE,
						 user_of(policy, false),
						 dbname != NULL && obeys(policy, "dbname") ?
						 dbname : OCT_DBNAME,
						 login->application_name);
	login->raw_ping = login->startup_len > 0 && !needs_libpq(policy);
}

/*
 * Says why a probe must not log in with what its group has; NULL if it may.
 *
 * A server's owner who is not superuser must not get at what only the operating
 * system's user of this server may: to log in he needs a password of his own,
 * and where a socket would tell who we are his probes must not ask for the role
 * of that name.
 */
const char *
oct_login_forbid(const OctTarget *target)
{
	const OctPairs *policy = target->login->policy;
	const char *password = oct_pairs_get(policy, "password");
	bool		logs_in = oct_check_logs_in(target->check_type);

	if (oct_pairs_get(policy, OCT_PAIR_OWNER) == NULL ||
		target->check_type == OCT_CHECK_TCP)
		return NULL;
	if (logs_in && (!has_mapping(policy) || password == NULL || password[0] == '\0'))
		return "a password is required, as the owner of the foreign server is not superuser";
	if (target->socket_dir != NULL &&
		strcmp(user_of(policy, logs_in), user_name) == 0)
		return "the owner of the foreign server may not log in as the server's own user through a socket";
	return NULL;
}

static void
add_keyword(OctParameters *parameters, const char *keyword, const char *value)
{
	if (parameters->n < OCT_MAX_KEYWORDS)
	{
		parameters->keywords[parameters->n] = keyword;
		parameters->values[parameters->n++] = value;
		parameters->keywords[parameters->n] = NULL;
		parameters->values[parameters->n] = NULL;
	}
}

/* Hands the group's options on to libpq; a ping shows no password. */
static void
add_options(OctParameters *parameters, const OctPairs *policy, bool logs_in)
{
	uint32		position = 0;
	const char *pair;

	while ((pair = oct_pairs_next(policy, &position)) != NULL)
	{
		const char *keyword = libpq_keyword(pair);

		if (keyword != NULL && obeys(policy, pair) &&
			(logs_in || strcmp(keyword, "password") != 0))
			add_keyword(parameters, keyword, oct_pair_value(pair));
	}
}

/*
 * What libpq is to be given for a target.  The texts are the caller's.  Returns
 * false if the address has no text.
 */
bool
oct_login_compose(OctParameters *parameters, const OctTarget *target)
{
	const OctPairs *policy = target->login->policy;
	bool		logs_in = oct_check_logs_in(target->check_type);

	/* cppcheck-suppress ctuuninitvar ; they are what is filled in here */
	snprintf(parameters->port, sizeof(parameters->port), "%d", target->port);
	parameters->n = 0;
	add_keyword(parameters, "dbname", OCT_DBNAME);
	add_keyword(parameters, "gssencmode", "disable");
	add_keyword(parameters, "keepalives", "0");
	if (!may_encrypt(policy))
		add_keyword(parameters, "sslmode", "disable");
	if (has_require_auth && logs_in && oct_pairs_get(policy, "password") != NULL)
		add_keyword(parameters, "require_auth", "scram-sha-256");
	add_options(parameters, policy, logs_in);
	add_keyword(parameters, "user", user_of(policy, logs_in));

	/* the numeric address counts; the name is for certificates only */
	if (target->socket_dir != NULL)
		add_keyword(parameters, "host", target->socket_dir);
	else
	{
		if (!oct_address_format(&target->address, parameters->address))
			return false;
		add_keyword(parameters, "hostaddr", parameters->address);
		if (may_encrypt(policy) &&
			strchr(target->name, ',') == NULL)	/* libpq would take it for two */
			add_keyword(parameters, "host", target->name);
	}
	add_keyword(parameters, "port", parameters->port);
	add_keyword(parameters, "application_name", target->login->application_name);
	add_keyword(parameters, "passfile", OCT_NOWHERE);
	return true;
}

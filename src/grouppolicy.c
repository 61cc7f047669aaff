/*-------------------------------------------------------------------------
 *
 * grouppolicy.c
 *	  A group's policy as the catalogs have it: the options of the foreign
 *	  server, and of the user mapping of its owner or else of PUBLIC.
 *
 * It becomes pairs, the options under their own names; what beside them decides
 * whose identity a probe may use has a name with a dot (see pairs.h for the
 * form, octypes.h for the names).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_user_mapping.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "grouppolicy.h"

#define OCT_PASSWORD_REQUIRED	"password_required"

/* Reads the value of an option as users write it: '500ms', 'on'. */
bool
oct_grouppolicy_parse(const OctOption *option, const char *text, int *value)
{
	bool		flag;

	switch (option->kind)
	{
		case OCT_OPTION_BOOL:
			if (!parse_bool(text, &flag))
				return false;
			*value = flag;
			return true;
		case OCT_OPTION_CHECK_TYPE:
			return oct_optable_parse(option, text, value);
		case OCT_OPTION_MS:
		case OCT_OPTION_NUMBER:
			break;
	}
	return parse_int(text, value, option->kind == OCT_OPTION_MS ? GUC_UNIT_MS : 0,
					 NULL) &&
		oct_optable_is_valid(option, *value);
}

/* Raises an error if the policy becomes too long; it tells no value. */
static void
add_pair(OctGroup *group, const char *key, const char *value)
{
	if (!oct_pairs_add(&group->policy, key, value))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("options of foreign server \"%s\" and its user mapping are too long",
						group->server_name),
				 errdetail("Together they may have %d bytes at most.",
						   OCT_POLICY_SIZE)));
}

static void
add_options(OctGroup *group, List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);
		const OctOption *option = oct_optable_find(def->defname);
		char		text[OCT_OPTION_TEXT_SIZE];
		int			value;

		if (strcmp(def->defname, OCT_PASSWORD_REQUIRED) == 0)
			continue;
		if (option == NULL)
			add_pair(group, def->defname, defGetString(def));
		else if (oct_grouppolicy_parse(option, defGetString(def), &value))
		{
			oct_optable_format(option, value, text);
			add_pair(group, def->defname, text);
		}
	}
}

/* The options of a user mapping, *found says whether there is one. */
static List *
mapping_options(Oid userid, Oid serverid, bool *found)
{
	HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER,
										ObjectIdGetDatum(userid),
										ObjectIdGetDatum(serverid));
	List	   *options = NIL;
	Datum		datum;
	bool		isnull;

	*found = HeapTupleIsValid(tuple);
	if (!*found)
		return NIL;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple,
							Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		options = untransformRelOptions(datum);
	ReleaseSysCache(tuple);
	return options;
}

/* Must a probe use a password of the mapping, and has it used one? */
static bool
must_use_password(Oid owner, List *options)
{
	ListCell   *lc;

	if (superuser_arg(owner))
		return false;
	foreach(lc, options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		if (strcmp(def->defname, OCT_PASSWORD_REQUIRED) == 0)
			return defGetBoolean(def);
	}
	return true;
}

/*
 * Fills in what the catalogs say of a group of this database by its key; false
 * if there is no such server.  Raises an error if the policy is too long.
 */
bool
oct_grouppolicy_read(OctGroup *group)
{
	ForeignServer *server = GetForeignServerExtended(group->key.serverid,
													 FSV_MISSING_OK);
	char	   *dbname = get_database_name(MyDatabaseId);
	List	   *options;
	bool		found;

	if (server == NULL || dbname == NULL)
		return false;
	memset(group->dbname, 0, NAMEDATALEN);
	memset(group->server_name, 0, NAMEDATALEN);
	strlcpy(group->dbname, dbname, NAMEDATALEN);
	strlcpy(group->server_name, server->servername, NAMEDATALEN);

	group->policy.size = 0;
	add_options(group, server->options);
	options = mapping_options(server->owner, server->serverid, &found);
	if (!found)
		options = mapping_options(InvalidOid, server->serverid, &found);
	if (found)
		add_pair(group, OCT_PAIR_MAPPING, "true");
	add_options(group, options);
	if (must_use_password(server->owner, options))
		add_pair(group, OCT_PAIR_OWNER, GetUserNameFromId(server->owner, false));
	return true;
}

/* Is it a server of a wrapper of ours? */
bool
oct_grouppolicy_is_ours(Oid serverid)
{
	ForeignServer *server = GetForeignServerExtended(serverid, FSV_MISSING_OK);
	char	   *handler = NULL;

	if (server != NULL)
		handler = get_func_name(GetForeignDataWrapper(server->fdwid)->fdwhandler);
	return handler != NULL && strcmp(handler, "octopus_fdw_handler") == 0;
}

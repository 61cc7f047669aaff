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
oct_grouppolicy_parse(const OctOption *option, const char *string, int *value)
{
	bool		flag;

	switch (option->kind)
	{
		case OCT_OPTION_BOOL:
			if (!parse_bool(string, &flag))
				return false;
			*value = flag;
			return true;
		case OCT_OPTION_CHECK_TYPE:
			return oct_optable_parse(option, string, value);
		case OCT_OPTION_MS:
		case OCT_OPTION_NUMBER:
			break;
	}
	return parse_int(string, value, option->kind == OCT_OPTION_MS ? GUC_UNIT_MS : 0,
					 NULL) &&
		oct_optable_is_valid(option, *value);
}

/* The option functions return false if the policy becomes too long. */
static bool
add_options(OctGroup *group, List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);
		const OctOption *option = oct_optable_find(def->defname);
		char		string[OCT_OPTION_TEXT_SIZE];
		int			value;

		if (strcmp(def->defname, OCT_PASSWORD_REQUIRED) == 0)
			continue;
		if (option == NULL)
		{
			if (!oct_pairs_add(&group->policy, def->defname, defGetString(def)))
				return false;
		}
		else if (oct_grouppolicy_parse(option, defGetString(def), &value))
		{
			oct_optable_format(option, value, string);
			if (!oct_pairs_add(&group->policy, def->defname, string))
				return false;
		}
	}
	return true;
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

static bool
add_policy(OctGroup *group, const ForeignServer *server)
{
	bool		found;
	List	   *options = mapping_options(server->owner, server->serverid, &found);

	group->policy.size = 0;
	if (!found)
		options = mapping_options(InvalidOid, server->serverid, &found);
	return add_options(group, server->options) &&
		(!found || oct_pairs_add(&group->policy, OCT_PAIR_MAPPING, "true")) &&
		add_options(group, options) &&
		(!must_use_password(server->owner, options) ||
		 oct_pairs_add(&group->policy, OCT_PAIR_OWNER,
					   GetUserNameFromId(server->owner, false)));
}

/*
 * Fills in what the catalogs say of a group of this database by its key; false
 * if there is no such server, or if its policy is too long, which is reported at
 * elevel, without any value.
 */
bool
oct_grouppolicy_read(OctGroup *group, int elevel)
{
	ForeignServer *server = GetForeignServerExtended(group->key.serverid,
													 FSV_MISSING_OK);
	char	   *dbname = get_database_name(MyDatabaseId);

	if (server == NULL || dbname == NULL)
		return false;
	memset(group->dbname, 0, NAMEDATALEN);
	memset(group->server_name, 0, NAMEDATALEN);
	strlcpy(group->dbname, dbname, NAMEDATALEN);
	strlcpy(group->server_name, server->servername, NAMEDATALEN);

	if (add_policy(group, server))
		return true;
	ereport(elevel,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("options of foreign server \"%s\" and its user mapping are too long",
					group->server_name),
			 errdetail("Together they may have %d bytes at most.",
					   OCT_POLICY_SIZE)));
	return false;
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

/*-------------------------------------------------------------------------
 *
 * option.c
 *	  The options of foreign objects: which there are, and who may set them.
 *
 * A server takes the options of the table in optable.c, two that are texts, and
 * what the libpq at hand understands, unless it is secret, for debugging, or
 * something that a probe sets itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq-fe.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "binding.h"
#include "grouppolicy.h"

/* The options that are none of optable.c's nor libpq's, by their catalog. */
static const struct
{
	const char *name;
	Oid			catalog;
	bool		superuser_only;
}			options[] = {
	{"table_name", ForeignTableRelationId, false},
	{"all_servers", ForeignTableRelationId, true},
	{"column_name", AttributeRelationId, false},
	{"application_name", ForeignServerRelationId, false},
	{"health_check_query", ForeignServerRelationId, false},
	{"sslcert", ForeignServerRelationId, true},
	{"sslkey", ForeignServerRelationId, true},
	{"user", UserMappingRelationId, false},
	{"password", UserMappingRelationId, false},
	{"password_required", UserMappingRelationId, false},
	{"sslcert", UserMappingRelationId, true},
	{"sslkey", UserMappingRelationId, true},
	{"sslpassword", UserMappingRelationId, false},
};

/* Options of libpq that a server does not take, and what to do instead. */
static const char use_insert[] =
"Nodes are registered by INSERT into a foreign table of the server.";
static const char use_mapping[] =
"Credentials belong into a user mapping of the server's owner or of PUBLIC.";
static const char use_timeout[] = "Use \"health_check_timeout\".";
static const char set_by_probes[] = "Probes set it themselves.";

static const struct
{
	const char *name;
	const char *hint;
}			refused[] = {
	{"host", use_insert},
	{"hostaddr", use_insert},
	{"port", use_insert},
	{"user", use_mapping},
	{"password", use_mapping},
	{"passfile", use_mapping},
	{"sslpassword", use_mapping},
	{"service", set_by_probes},
	{"connect_timeout", use_timeout},
	{"replication", set_by_probes},
	{"client_encoding", set_by_probes},
	{"fallback_application_name", "Use \"application_name\"."},
	{"target_session_attrs", set_by_probes},
	{"load_balance_hosts", set_by_probes},
	{"sslkeylogfile", set_by_probes},
};

PG_FUNCTION_INFO_V1(octopus_fdw_validator);

/* Why a server does not take an option of libpq; NULL if it does. */
static const char *
refusal(const PQconninfoOption *option)
{
	for (int i = 0; i < lengthof(refused); i++)
	{
		if (strcmp(refused[i].name, option->keyword) == 0)
			return refused[i].hint;
	}
	if (strncmp(option->keyword, "oauth_", 6) == 0 ||
		strchr(option->dispchar, 'D') != NULL ||
		strchr(option->dispchar, '*') != NULL)
		return set_by_probes;
	return NULL;
}

/* The option that a mistyped name is closest to. */
typedef struct OctClosest
{
	const char *wanted;
	const char *name;
	int			distance;
} OctClosest;

static void
consider(OctClosest *closest, const char *name)
{
	int			len = strlen(closest->wanted);
	int			distance;

	if (len > NAMEDATALEN)
		return;
	distance = varstr_levenshtein(closest->wanted, len, name, strlen(name),
								  1, 1, 1, true);
	if (distance < closest->distance && distance <= len / 2)
	{
		closest->name = name;
		closest->distance = distance;
	}
}

static const PQconninfoOption *
find_libpq_option(const PQconninfoOption *all, const char *name)
{
	for (; all->keyword != NULL; all++)
	{
		if (strcmp(all->keyword, name) == 0)
			return all;
	}
	return NULL;
}

/* Core's wording; raises the error. */
static void
report_invalid_option(const char *name, Oid catalog,
					  const PQconninfoOption *libpq)
{
	OctClosest	closest = {name, NULL, PG_INT32_MAX};
	StringInfoData valid;
	const OctOption *option;

	initStringInfo(&valid);
	for (int i = 0; i < lengthof(options); i++)
	{
		if (options[i].catalog == catalog)
		{
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "",
							 options[i].name);
			consider(&closest, options[i].name);
		}
	}
	if (catalog == ForeignServerRelationId)
	{
		for (int i = 0; (option = oct_optable_get(i)) != NULL; i++)
			consider(&closest, option->name);
		for (; libpq->keyword != NULL; libpq++)
		{
			if (refusal(libpq) == NULL)
				consider(&closest, libpq->keyword);
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 closest.name != NULL ?
			 errhint("Perhaps you meant the option \"%s\".", closest.name) :
			 valid.len == 0 ?
			 errhint("There are no valid options in this context.") :
			 catalog == ForeignServerRelationId ? 0 :	/* too many */
			 errhint("Valid options in this context are: %s", valid.data)));
}

static void
report_invalid_value(const char *name, const char *value, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
			 hint != NULL ? errhint("%s", hint) : 0));
}

static void
check_policy_value(const OctOption *option, const char *value)
{
	int			number;

	if (oct_grouppolicy_parse(option, value, &number))
		return;
	switch (option->kind)
	{
		case OCT_OPTION_BOOL:
			report_invalid_value(option->name, value, "Give a Boolean value.");
			break;
		case OCT_OPTION_CHECK_TYPE:
			report_invalid_value(option->name, value,
								 "Available values: auto, tcp, ping, connection, query.");
			break;
		case OCT_OPTION_MS:
		case OCT_OPTION_NUMBER:
			report_invalid_value(option->name, value,
								 psprintf("The valid range is %d .. %d%s.",
										  option->min, option->max,
										  option->kind == OCT_OPTION_MS ?
										  " ms, and valid units are \"us\", \"ms\", \"s\", \"min\", \"h\" and \"d\"" : ""));
			break;
	}
}

/* Checks an option of our own; false if there is none of that name. */
static bool
check_own_option(const DefElem *def, Oid catalog)
{
	const char *name = def->defname;
	const char *value = defGetString((DefElem *) def);
	int			i = 0;

	while (i < lengthof(options) &&
		   (options[i].catalog != catalog || strcmp(options[i].name, name) != 0))
		i++;
	if (i == lengthof(options))
		return false;

	if (strcmp(name, "table_name") == 0 && oct_binding_find_dataset(value) == NULL)
		report_invalid_value(name, value,
							 psprintf("Valid values are: %s", oct_binding_dataset_names()));
	if (strcmp(name, "health_check_query") == 0 && value[0] == '\0')
		report_invalid_value(name, value, "Give a query that returns one Boolean.");
	if (strcmp(name, "all_servers") == 0)
		(void) defGetBoolean((DefElem *) def);
	if ((options[i].superuser_only ||
		 (strcmp(name, "password_required") == 0 &&
		  !defGetBoolean((DefElem *) def))) && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errhint("Only a superuser may set it%s.",
						 options[i].superuser_only ? "" : " to false")));
	return true;
}

static void
check_server_option(const DefElem *def, const PQconninfoOption *libpq)
{
	const OctOption *option = oct_optable_find(def->defname);
	const PQconninfoOption *other;

	if (option != NULL)
	{
		check_policy_value(option, defGetString((DefElem *) def));
		return;
	}
	if (check_own_option(def, ForeignServerRelationId))
		return;
	other = find_libpq_option(libpq, def->defname);
	if (other == NULL)
		report_invalid_option(def->defname, ForeignServerRelationId, libpq);
	if (refusal(other) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", def->defname),
				 errhint("%s", refusal(other))));
}

/* Options of libpq that it takes for numbers when it has connected. */
static bool
is_libpq_number(const char *name)
{
	return strncmp(name, "keepalives", strlen("keepalives")) == 0 ||
		strcmp(name, "tcp_user_timeout") == 0;
}

/*
 * What libpq objects to at once, in palloc'd memory.  It looks at the options
 * first and then for the address, which is none, so nothing is connected and no
 * name is looked up; with a password it does not look for one.
 */
static char *
libpq_objection(const char **keywords, const char **values, int n)
{
	static const char *const first[][2] = {
		{"hostaddr", "-"}, {"user", "-"}, {"password", "-"}
	};
	PGconn	   *conn;
	char	   *message;

	for (int i = 0; i < lengthof(first); i++)
	{
		keywords[n + i] = first[i][0];
		values[n + i] = first[i][1];
	}
	keywords[n + lengthof(first)] = values[n + lengthof(first)] = NULL;
	conn = PQconnectStartParams(keywords, values, 0);
	message = pstrdup(conn != NULL ? PQerrorMessage(conn) : "out of memory\n");
	PQfinish(conn);
	return pchomp(message);
}

/*
 * Checks the values of the options that are libpq's, together: some go with
 * certain others only.  If the server's environment has something to object to
 * already, libpq cannot be asked.
 */
static void
check_libpq_values(List *given, const PQconninfoOption *libpq)
{
	int			room = list_length(given) + 4;
	const char **keywords = palloc(sizeof(char *) * room);
	const char **values = palloc(sizeof(char *) * room);
	int			n = 0;
	ListCell   *lc;
	char	   *said;

	foreach(lc, given)
	{
		DefElem    *def = (DefElem *) lfirst(lc);
		int			number;

		if (oct_optable_find(def->defname) != NULL ||
			find_libpq_option(libpq, def->defname) == NULL)
			continue;
		if (is_libpq_number(def->defname) &&
			!parse_int(defGetString(def), &number, 0, NULL))
			report_invalid_value(def->defname, defGetString(def), "Give an integer.");
		keywords[n] = def->defname;
		values[n++] = defGetString(def);
	}
	if (n == 0)
		return;
	said = libpq_objection(keywords, values, n);
	if (strcmp(said, libpq_objection(keywords, values, 0)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid connection option"),
			 errdetail("libpq says: %s.", said)));
}

/* Checks the options given in CREATE and ALTER of our foreign objects. */
Datum
octopus_fdw_validator(PG_FUNCTION_ARGS)
{
	static PQconninfoOption *libpq = NULL;	/* for the life of the process */
	List	   *given = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	Size		size = 0;
	ListCell   *lc;

	if (libpq == NULL && (libpq = PQconndefaults()) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	foreach(lc, given)
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		size += strlen(def->defname) + strlen(defGetString(def)) + 2;
		if (catalog == ForeignServerRelationId)
			check_server_option(def, libpq);
		else if (!check_own_option(def, catalog))
			report_invalid_option(def->defname, catalog, libpq);
	}
	if (catalog == ForeignServerRelationId && given != NIL)
		check_libpq_values(given, libpq);
	if (size > OCT_POLICY_SIZE &&
		(catalog == ForeignServerRelationId || catalog == UserMappingRelationId))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("options are too long"),
				 errdetail("The options of a foreign server and its user mapping may have %d bytes at most.",
						   OCT_POLICY_SIZE)));
	PG_RETURN_VOID();
}

/*-------------------------------------------------------------------------
 *
 * option.c
 *	  Settings, and the options of foreign objects.
 *
 * A setting's variable belongs to the module that obeys it; here it gets its
 * name, range and description.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_table.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "dataset.h"
#include "nodetab.h"
#include "option.h"
#include "prober.h"
#include "report.h"

/* The options that there are, by the catalog of the object they belong to. */
static const struct
{
	const char *name;
	Oid			catalog;
}			valid_options[] = {
	{"table_name", ForeignTableRelationId},
	{"column_name", AttributeRelationId},
};

/* Settings of pg_octopus, the predecessor, that have an heir here. */
static const char *const inherited_settings[] = {
	"health_check_period",
	"health_check_timeout",
	"health_check_max_retries",
	"health_check_retry_delay",
};

PG_FUNCTION_INFO_V1(octopus_fdw_validator);

static bool
is_valid_option(const char *name, Oid catalog)
{
	for (int i = 0; i < lengthof(valid_options); i++)
	{
		if (valid_options[i].catalog == catalog &&
			strcmp(valid_options[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
report_invalid_option(const char *name, Oid catalog)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < lengthof(valid_options); i++)
	{
		if (valid_options[i].catalog == catalog)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "",
							 valid_options[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid.len > 0 ?
			 errhint("Valid options in this context are: %s", valid.data) :
			 errhint("There are no valid options in this context.")));
}

/* Checks the options given in CREATE and ALTER of our foreign objects. */
Datum
octopus_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		if (!is_valid_option(def->defname, catalog))
			report_invalid_option(def->defname, catalog);
		if (strcmp(def->defname, "table_name") == 0 &&
			!oct_dataset_exists(defGetString(def)))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for option \"%s\": \"%s\"",
							def->defname, defGetString(def)),
					 errhint("Valid values are: %s", oct_dataset_names())));
	}
	PG_RETURN_VOID();
}

/* What pg_octopus understood is ignored here, which must not go unnoticed. */
static void
warn_of_old_settings(void)
{
	for (int i = 0; i < lengthof(inherited_settings); i++)
	{
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "pg_octopus.%s", inherited_settings[i]);
		if (GetConfigOption(name, true, false) != NULL)
			ereport(WARNING,
					(errmsg("setting \"%s\" is ignored", name),
					 errhint("Use \"octopus.%s\" instead.", inherited_settings[i])));
	}
}

static void
define_policy_settings(void)
{
	DefineCustomIntVariable("octopus.health_check_period",
							"Sets the time between checks of a node.",
							NULL,
							&oct_default_policy.period_ms,
							10000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("octopus.health_check_timeout",
							"Sets the longest time that one try of a check may take.",
							NULL,
							&oct_default_policy.timeout_ms,
							2000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("octopus.health_check_max_retries",
							"Sets how often a failed try is repeated before the node counts as unhealthy.",
							NULL,
							&oct_default_policy.max_retries,
							2, 0, 100,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("octopus.health_check_retry_delay",
							"Sets the time between a failed try and its repetition.",
							NULL,
							&oct_default_policy.retry_delay_ms,
							1000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

static void
define_table_settings(void)
{
	DefineCustomIntVariable("octopus.max_nodes",
							"Sets the maximum number of registered nodes.",
							NULL,
							&oct_max_nodes,
							4096, 1, 100000,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("octopus.max_groups",
							"Sets the maximum number of foreign servers that have registered nodes.",
							NULL,
							&oct_max_groups,
							64, 1, 10000,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
}

static void
define_prober_settings(void)
{
	DefineCustomBoolVariable("octopus.log_status_changes",
							 "Logs each change of a node's health.",
							 NULL,
							 &oct_log_status_changes,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("octopus.application_name",
							   "Sets the application name that checks show on the nodes.",
							   NULL,
							   &oct_application_name,
							   "octopus_fdw",
							   PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
}

/* In _PG_init, while the library is being preloaded. */
void
oct_option_define_settings(void)
{
	define_policy_settings();
	define_table_settings();
	define_prober_settings();
	MarkGUCPrefixReserved("octopus");
	warn_of_old_settings();
}

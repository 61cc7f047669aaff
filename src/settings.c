/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Settings.
 *
 * A setting's variable belongs to the module that obeys it; here it gets its
 * name, range and description.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "events.h"
#include "nodetab.h"
#include "prober.h"
#include "report.h"
#include "resolver.h"
#include "settings.h"

/* Settings of pg_octopus, the predecessor, that have an heir here. */
static const char *const inherited_settings[] = {
	"health_check_period",
	"health_check_timeout",
	"health_check_max_retries",
	"health_check_retry_delay",
};

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

static const struct config_enum_entry check_types[] = {
	{"auto", OCT_CHECK_AUTO, false},
	{"tcp", OCT_CHECK_TCP, false},
	{"ping", OCT_CHECK_PING, false},
	{"connection", OCT_CHECK_CONNECTION, false},
	{"query", OCT_CHECK_QUERY, false},
	{NULL, 0, false}
};

static const struct config_enum_entry log_checks[] = {
	{"off", OCT_LOG_CHECKS_OFF, false},
	{"failures", OCT_LOG_CHECKS_FAILURES, false},
	{"all", OCT_LOG_CHECKS_ALL, false},
	{NULL, 0, false}
};

static bool enable_health_checks = true;
static bool keep_connections = false;

static void
assign_enable(bool newval, void *extra)
{
	oct_default_policy.enabled = newval;
}

static void
assign_keep(bool newval, void *extra)
{
	oct_default_policy.keep_connections = newval;
}

/* A time of -1 is a word of its own; else it is a millisecond at least. */
static bool
check_down_period(int *newval, void **extra, GucSource source)
{
	if (*newval != 0)
		return true;
	GUC_check_errdetail("It is 1 ms at least, or -1 for the same as \"octopus.health_check_period\".");
	return false;
}

static bool
check_query(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] != '\0' && strlen(*newval) < OCT_POLICY_SIZE)
		return true;
	GUC_check_errdetail("It has 1 to %d bytes.", OCT_POLICY_SIZE - 1);
	return false;
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

	DefineCustomIntVariable("octopus.healthy_threshold",
							"Sets how many tries in a row have to succeed until an unhealthy node is healthy.",
							NULL,
							&oct_default_policy.healthy_threshold,
							1, 1, 100,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("octopus.health_check_down_period",
							"Sets the time between checks of an unhealthy node.",
							"-1 means the same as for other nodes.",
							&oct_default_policy.down_period_ms,
							-1, -1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS,
							check_down_period, NULL, NULL);

	DefineCustomIntVariable("octopus.health_check_jitter",
							"Sets by how many percent of a period a check may come sooner or later, at random.",
							NULL,
							&oct_default_policy.jitter_percent,
							10, 0, 50,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
}

/* What a check asks, and whether there are any. */
static void
define_question_settings(void)
{
	DefineCustomBoolVariable("octopus.enable_health_checks",
							 "Checks nodes.",
							 NULL,
							 &enable_health_checks,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, assign_enable, NULL);

	DefineCustomEnumVariable("octopus.health_check_type",
							 "Sets what a check asks.",
							 NULL,
							 &oct_default_policy.check_type,
							 OCT_CHECK_AUTO, check_types,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("octopus.health_check_query",
							   "Sets the query, of one Boolean, that checks of type \"query\" ask.",
							   NULL,
							   &oct_health_check_query,
							   "SELECT true",
							   PGC_SIGHUP, 0,
							   check_query, NULL, NULL);

	DefineCustomBoolVariable("octopus.keep_connections",
							 "Holds a session with each node between its checks.",
							 NULL,
							 &keep_connections,
							 false,
							 PGC_SIGHUP, 0,
							 NULL, assign_keep, NULL);
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

	DefineCustomEnumVariable("octopus.log_checks",
							 "Logs each check, or each that fails.",
							 NULL,
							 &oct_log_checks,
							 OCT_LOG_CHECKS_OFF, log_checks,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("octopus.max_events",
							"Number of events that are kept for octopus.node_events.",
							"Zero keeps none.",
							&oct_max_events,
							8192, 0, 1048576,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("octopus.status_max_age",
							"Sets how old a verdict may become before the health of its node is unknown.",
							"0 means three times as long as it takes, at worst, to come to the next one; -1 means for ever.",
							&oct_status_max_age_ms,
							0, -1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("octopus.max_concurrent_checks",
							"Sets the maximum number of checks that are under way at a time.",
							"0 means as many as the limit of descriptors allows.",
							&oct_max_concurrent_checks,
							0, 0, 65535,
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

static void
define_dns_settings(void)
{
	const int	day_ms = 24 * 60 * 60 * 1000;

	DefineCustomIntVariable("octopus.dns_max_ttl",
							"Sets the longest time that an answer of the DNS is used without asking again.",
							NULL,
							&oct_dns_max_ttl_ms,
							15 * 1000, 0, day_ms,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("octopus.dns_stale_ttl",
							"Sets how long the last known addresses of a name are used while the DNS does not give them.",
							NULL,
							&oct_dns_stale_ttl_ms,
							60 * 60 * 1000, 0, day_ms,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomStringVariable("octopus.dns_servers",
							   "Sets the DNS servers to ask, as a list of addresses with or without port.",
							   "If empty, those of resolv.conf are asked.",
							   &oct_dns_servers,
							   "",
							   PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
}

/* In _PG_init, while the library is being preloaded. */
void
oct_settings_define(void)
{
	define_policy_settings();
	define_question_settings();
	define_table_settings();
	define_prober_settings();
	define_dns_settings();
	MarkGUCPrefixReserved("octopus");
	warn_of_old_settings();
}

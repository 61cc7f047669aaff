/*-------------------------------------------------------------------------
 *
 * targets.c
 *	  SQL functions that tell where to connect to.
 *
 * What is wanted of a node is said in the words of libpq's target_session_attrs.
 * A node whose role nobody has told is neither primary nor standby.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "nodeargs.h"
#include "statusset.h"

PG_FUNCTION_INFO_V1(octopus_healthy_nodes);
PG_FUNCTION_INFO_V1(octopus_conninfo);

typedef enum OctWanted
{
	OCT_WANTED_ANY,
	OCT_WANTED_READ_WRITE,
	OCT_WANTED_READ_ONLY,
	OCT_WANTED_PRIMARY,
	OCT_WANTED_STANDBY,
	OCT_WANTED_PREFER_STANDBY,
	OCT_WANTED_COUNT
} OctWanted;

static const char *const wanted_names[] = {
	[OCT_WANTED_ANY] = "any",
	[OCT_WANTED_READ_WRITE] = "read-write",
	[OCT_WANTED_READ_ONLY] = "read-only",
	[OCT_WANTED_PRIMARY] = "primary",
	[OCT_WANTED_STANDBY] = "standby",
	[OCT_WANTED_PREFER_STANDBY] = "prefer-standby",
};

static OctWanted
read_wanted(FunctionCallInfo fcinfo, int arg)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	int			i = 0;

	while (i < OCT_WANTED_COUNT && strcmp(wanted_names[i], name) != 0)
		i++;
	if (i == OCT_WANTED_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid target_session_attrs value: \"%s\"", name),
				 errhint("Available values: any, read-write, read-only, primary, standby, prefer-standby.")));
	return (OctWanted) i;
}

static OctStatusSet *
read_nodes(FunctionCallInfo fcinfo, int arg)
{
	OctStatusQuery query = {
		.group = oct_nodeargs_group(fcinfo, arg),
		.depth = OCT_STATUS_DETAIL,
	};

	return oct_statusset_read(&query);
}

/* Is the node what is wanted, as far as it has told? */
static bool
is_wanted(const OctNodeStatus *status, OctWanted wanted)
{
	switch (wanted)
	{
		case OCT_WANTED_ANY:
		case OCT_WANTED_PREFER_STANDBY:
			return true;
		case OCT_WANTED_READ_WRITE:
			return status->read_only == OCT_ANSWER_NO;
		case OCT_WANTED_READ_ONLY:
			return status->read_only == OCT_ANSWER_YES;
		case OCT_WANTED_PRIMARY:
			return status->role == OCT_ROLE_PRIMARY;
		case OCT_WANTED_STANDBY:
			return status->role == OCT_ROLE_STANDBY;
		case OCT_WANTED_COUNT:
			break;
	}
	return false;
}

/*
 * How soon the node is to be tried, 0 first: what is wanted before what is not,
 * and of those the healthy before the unknown before the unhealthy.
 */
#define OCT_RANKS	12

static int
rank_of(const OctNodeStatus *status, OctWanted wanted)
{
	int			rank = 1 - (int) status->health;

	if (wanted == OCT_WANTED_PREFER_STANDBY)
		return rank * 2 + (status->role != OCT_ROLE_STANDBY);
	return is_wanted(status, wanted) ? rank * 2 : rank * 2 + OCT_RANKS / 2;
}

/* "host:port", an IPv6 address in brackets. */
static text *
host_and_port(OctStatusRow *row)
{
	char	   *name = text_to_cstring(oct_statusrow_name(row));
	bool		brackets = name[0] != '/' && strchr(name, ':') != NULL;

	return cstring_to_text(psprintf(brackets ? "[%s]:%d" : "%s:%d", name, row->port));
}

/*
 * octopus.healthy_nodes(server_name, target_session_attrs): as "host:port", in the
 * order of their registration, but standbys first if they are preferred
 */
Datum
octopus_healthy_nodes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	OctWanted	wanted = read_wanted(fcinfo, 1);
	OctStatusSet *set = read_nodes(fcinfo, 0);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int rank = 0; rank < 2; rank++)
	{
		Size		position = 0;
		OctStatusRow *row;

		while ((row = oct_statusset_next(set, &position)) != NULL)
		{
			const OctNodeStatus *status = &row->copy.status;
			Datum		value;
			bool		isnull = false;

			if (status->health != OCT_HEALTHY || !is_wanted(status, wanted) ||
				rank_of(status, wanted) != rank)
				continue;
			value = PointerGetDatum(host_and_port(row));
			tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
		}
	}
	return (Datum) 0;
}

/* A value of a connection string, quoted as libpq wants it. */
static void
append_value(StringInfo to, const char *keyword, const char *value)
{
	appendStringInfo(to, "%s%s='", to->len > 0 ? " " : "", keyword);
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(to, '\\');
		appendStringInfoChar(to, *value);
	}
	appendStringInfoChar(to, '\'');
}

/* The lists of a connection string. */
typedef struct OctLists
{
	StringInfoData hosts;
	StringInfoData hostaddrs;
	StringInfoData ports;
	bool		has_hostaddr;
} OctLists;

/* A name with a comma would be two in a list, so it cannot be in one. */
static void
add_node(OctLists *lists, OctGroupKey group, OctStatusRow *row)
{
	const char *comma = lists->ports.len > 0 ? "," : "";
	OctNodeSpec key = {.port = row->port};
	OctNodeView view;

	text_to_cstring_buffer(oct_statusrow_name(row), key.name, OCT_NAME_SIZE);
	if (strchr(key.name, ',') != NULL ||
		!oct_nodetab_lookup(group, &key, &view))
		return;
	appendStringInfo(&lists->hosts, "%s%s", comma, key.name);
	appendStringInfo(&lists->hostaddrs, "%s%s", comma, view.spec.options.hostaddr);
	appendStringInfo(&lists->ports, "%s%d", comma, key.port);
	lists->has_hostaddr |= view.spec.options.hostaddr[0] != '\0';
}

/*
 * octopus.conninfo(server_name, target_session_attrs): a connection string with
 * all nodes, those first that will do; NULL if there are none
 */
Datum
octopus_conninfo(PG_FUNCTION_ARGS)
{
	OctWanted	wanted = read_wanted(fcinfo, 1);
	OctGroupKey group = oct_nodeargs_group(fcinfo, 0);
	OctStatusSet *set = read_nodes(fcinfo, 0);
	StringInfoData conninfo;
	OctLists	lists = {.has_hostaddr = false};

	initStringInfo(&lists.hosts);
	initStringInfo(&lists.hostaddrs);
	initStringInfo(&lists.ports);
	for (int rank = 0; rank < OCT_RANKS; rank++)
	{
		Size		position = 0;
		OctStatusRow *row;

		while ((row = oct_statusset_next(set, &position)) != NULL)
		{
			if (rank_of(&row->copy.status, wanted) == rank)
				add_node(&lists, group, row);
		}
	}
	if (lists.ports.len == 0)
		PG_RETURN_NULL();

	initStringInfo(&conninfo);
	append_value(&conninfo, "host", lists.hosts.data);
	if (lists.has_hostaddr)
		append_value(&conninfo, "hostaddr", lists.hostaddrs.data);
	append_value(&conninfo, "port", lists.ports.data);
	append_value(&conninfo, "target_session_attrs", wanted_names[wanted]);
	PG_RETURN_TEXT_P(cstring_to_text(conninfo.data));
}

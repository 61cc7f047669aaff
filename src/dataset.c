/*-------------------------------------------------------------------------
 *
 * dataset.c
 *	  What a foreign table shows, and how its columns are bound to that.
 *
 * Columns are matched by name (or by their option column_name), never by
 * position, so a table may have any of them in any order.  Binding is done at
 * each use and not at CREATE FOREIGN TABLE, which tells an FDW nothing of the
 * columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "adopt.h"
#include "dataset.h"

#define OCT_DATASET_NODES	"nodes"

static const struct
{
	const char *name;
	Oid			typid;
	const char *type_name;
}			columns[] = {
	[OCT_COLUMN_NODE_NAME] = {"node_name", TEXTOID, "text"},
	[OCT_COLUMN_NODE_PORT] = {"node_port", INT4OID, "integer"},
	[OCT_COLUMN_HEALTH_STATUS] = {"health_status", INT4OID, "integer"},
	[OCT_COLUMN_ENABLED] = {"enabled", BOOLOID, "boolean"},
	[OCT_COLUMN_HOSTADDR] = {"hostaddr", TEXTOID, "text"},
	[OCT_COLUMN_PERIOD] = {"health_check_period", INT4OID, "integer"},
	[OCT_COLUMN_TIMEOUT] = {"health_check_timeout", INT4OID, "integer"},
	[OCT_COLUMN_MAX_RETRIES] = {"health_check_max_retries", INT4OID, "integer"},
	[OCT_COLUMN_RETRY_DELAY] = {"health_check_retry_delay", INT4OID, "integer"},
	[OCT_COLUMN_HEALTHY_THRESHOLD] = {"healthy_threshold", INT4OID, "integer"},
	[OCT_COLUMN_CHECK_TYPE] = {"health_check_type", TEXTOID, "text"},
	[OCT_COLUMN_REGISTERED_BY] = {"registered_by", NAMEOID, "name"},
	[OCT_COLUMN_REGISTERED_AT] = {"registered_at", TIMESTAMPTZOID, "timestamp with time zone"},
};

StaticAssertDecl(lengthof(columns) == OCT_COLUMN_COUNT,
				 "every OctColumn needs its row");

bool
oct_dataset_exists(const char *name)
{
	return strcmp(name, OCT_DATASET_NODES) == 0;
}

/* For hints. */
const char *
oct_dataset_names(void)
{
	return OCT_DATASET_NODES;
}

static const char *
get_option(List *options, const char *name, const char *otherwise)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return otherwise;
}

static void
report_unknown_column(const char *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < OCT_COLUMN_COUNT; i++)
		appendStringInfo(&known, "%s%s %s", i > 0 ? ", " : "",
						 columns[i].name, columns[i].type_name);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
			 errmsg("column \"%s\" does not exist in dataset \"%s\"",
					name, OCT_DATASET_NODES),
			 errhint("The columns of the dataset are: %s.", known.data)));
}

static OctColumn
bind_column(Relation rel, Form_pg_attribute att)
{
	const char *name = get_option(GetForeignColumnOptions(RelationGetRelid(rel),
														  att->attnum),
								  "column_name", NameStr(att->attname));
	int			i = 0;

	while (i < OCT_COLUMN_COUNT && strcmp(columns[i].name, name) != 0)
		i++;
	if (i == OCT_COLUMN_COUNT)
		report_unknown_column(name);
	if (att->atttypid != columns[i].typid)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" of foreign table \"%s\" has type %s, but dataset \"%s\" has type %s there",
						NameStr(att->attname), RelationGetRelationName(rel),
						format_type_be(att->atttypid), OCT_DATASET_NODES,
						columns[i].type_name)));
	return (OctColumn) i;
}

/* Raises an error if the library was not preloaded. */
void
oct_dataset_require_preload(void)
{
	if (!oct_nodetab_is_up())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("octopus_fdw must be loaded via \"shared_preload_libraries\""),
				 errhint("Add \"octopus_fdw\" to \"shared_preload_libraries\" in postgresql.conf and restart the server.")));
}

/*
 * Binds a foreign table, in palloc'd memory.  Every use of a table comes
 * through here, so this is where a library that was not preloaded is noticed,
 * and groups are brought in accord with the catalogs.
 */
OctBinding *
oct_dataset_bind(Relation rel)
{
	ForeignTable *table = GetForeignTable(RelationGetRelid(rel));
	const char *dataset = get_option(table->options, "table_name",
									 RelationGetRelationName(rel));
	TupleDesc	desc = RelationGetDescr(rel);
	OctBinding *binding = palloc0(sizeof(OctBinding));

	oct_dataset_require_preload();
	oct_adopt_groups(table->serverid);
	if (!oct_dataset_exists(dataset))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("dataset \"%s\" of foreign table \"%s\" does not exist",
						dataset, RelationGetRelationName(rel)),
				 errhint("Set the option \"table_name\" of the foreign table to one of: %s.",
						 oct_dataset_names())));

	binding->serverid = table->serverid;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		OctColumn	column;

		if (att->attisdropped)
			continue;
		column = bind_column(rel, att);
		if (binding->attnos[column] != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" of dataset \"%s\" appears more than once in foreign table \"%s\"",
							columns[column].name, OCT_DATASET_NODES,
							RelationGetRelationName(rel))));
		binding->attnos[column] = att->attnum;
		binding->with_options |= column > OCT_COLUMN_HEALTH_STATUS;
	}
	return binding;
}

/* The same for a table that is locked already. */
OctBinding *
oct_dataset_bind_oid(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	OctBinding *binding = oct_dataset_bind(rel);

	table_close(rel, NoLock);
	return binding;
}

/* The option that a column shows; NULL if it shows something else. */
const OctOption *
oct_dataset_option(OctColumn column)
{
	return oct_optable_find(columns[column].name);
}

/* A node's own option as a datum; NULL is what it leaves to its group. */
static Datum
option_datum(OctColumn column, const OctNodeOptions *options, bool *isnull)
{
	const OctOption *option = oct_dataset_option(column);
	int			value = oct_optable_value(&options->policy, option);

	*isnull = value == OCT_INHERIT;
	if (*isnull)
		return (Datum) 0;
	switch (option->kind)
	{
		case OCT_OPTION_BOOL:
			return BoolGetDatum(value != 0);
		case OCT_OPTION_CHECK_TYPE:
			return CStringGetTextDatum(oct_optable_check_type_name(value));
		case OCT_OPTION_MS:
		case OCT_OPTION_NUMBER:
			break;
	}
	return Int32GetDatum(value);
}

/*
 * Makes a row the content of a slot of the bound table, whose options count
 * only if it shows any.  The name, a text, and the options are not copied; some
 * others are, in the current memory context.
 */
void
oct_dataset_store_row(const OctBinding *binding, Datum name, int32 port,
					  OctHealth health, const OctNodeOptions *options,
					  TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);

	for (int i = 0; i < OCT_COLUMN_COUNT; i++)
	{
		int			att = binding->attnos[i] - 1;

		if (att < 0)
			continue;
		slot->tts_isnull[att] = false;
		switch ((OctColumn) i)
		{
			case OCT_COLUMN_NODE_NAME:
				slot->tts_values[att] = name;
				break;
			case OCT_COLUMN_NODE_PORT:
				slot->tts_values[att] = Int32GetDatum(port);
				break;
			case OCT_COLUMN_HEALTH_STATUS:
				slot->tts_values[att] = Int32GetDatum((int32) health);
				break;
			case OCT_COLUMN_HOSTADDR:
				if (options->hostaddr[0] == '\0')
					slot->tts_isnull[att] = true;
				else
					slot->tts_values[att] = CStringGetTextDatum(options->hostaddr);
				break;
			case OCT_COLUMN_REGISTERED_BY:
				slot->tts_values[att] = CStringGetDatum(options->registered_by);
				break;
			case OCT_COLUMN_REGISTERED_AT:
				slot->tts_values[att] = TimestampTzGetDatum(options->registered_at);
				break;
			case OCT_COLUMN_ENABLED:
			case OCT_COLUMN_PERIOD:
			case OCT_COLUMN_TIMEOUT:
			case OCT_COLUMN_MAX_RETRIES:
			case OCT_COLUMN_RETRY_DELAY:
			case OCT_COLUMN_HEALTHY_THRESHOLD:
			case OCT_COLUMN_CHECK_TYPE:
				slot->tts_values[att] = option_datum((OctColumn) i, options,
													 &slot->tts_isnull[att]);
				break;
			case OCT_COLUMN_COUNT:
				break;
		}
	}
	ExecStoreVirtualTuple(slot);
}

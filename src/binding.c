/*-------------------------------------------------------------------------
 *
 * binding.c
 *	  Which dataset a foreign table shows, and how its columns are bound to
 *	  those of the dataset.
 *
 * Columns are matched by name (or by their option column_name), never by
 * position, so a table may have any of them in any order.  Binding is done by
 * each plan and each change, and not at CREATE FOREIGN TABLE, which tells an FDW
 * nothing of the columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"

#include "adopt.h"
#include "binding.h"
#include "eventdata.h"
#include "latencydata.h"
#include "nodesdata.h"
#include "nodetab.h"
#include "statsdata.h"
#include "statusdata.h"

/* All there are. */
static const OctDataset *const datasets[] = {
	&oct_nodesdata,
	&oct_statusdata,
	&oct_statsdata,
	&oct_latencydata,
	&oct_eventdata,
};

/* The dataset of that name, or NULL. */
const OctDataset *
oct_binding_find_dataset(const char *name)
{
	for (int i = 0; i < lengthof(datasets); i++)
	{
		if (strcmp(datasets[i]->name, name) == 0)
			return datasets[i];
	}
	return NULL;
}

/* One of all, counted from 0; NULL behind the last one. */
const OctDataset *
oct_binding_dataset(int i)
{
	return i < lengthof(datasets) ? datasets[i] : NULL;
}

/* For hints: their names in palloc'd memory. */
const char *
oct_binding_dataset_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(datasets); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", datasets[i]->name);
	return names.data;
}

static DefElem *
find_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = (DefElem *) lfirst(lc);

		if (strcmp(def->defname, name) == 0)
			return def;
	}
	return NULL;
}

static const char *
get_option(List *options, const char *name, const char *otherwise)
{
	DefElem    *def = find_option(options, name);

	return def != NULL ? defGetString(def) : otherwise;
}

static void
report_unknown_column(const OctDataset *dataset, const char *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < dataset->ncolumns; i++)
		appendStringInfo(&known, "%s%s %s", i > 0 ? ", " : "",
						 dataset->columns[i].name, dataset->columns[i].type_name);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
			 errmsg("column \"%s\" does not exist in dataset \"%s\"",
					name, dataset->name),
			 errhint("The columns of the dataset are: %s.", known.data)));
}

/* The place that a table's column has in the dataset. */
static int
find_column(const OctDataset *dataset, Relation rel, Form_pg_attribute att)
{
	const char *name = get_option(GetForeignColumnOptions(RelationGetRelid(rel),
														  att->attnum),
								  "column_name", NameStr(att->attname));
	int			i = 0;

	while (i < dataset->ncolumns && strcmp(dataset->columns[i].name, name) != 0)
		i++;
	if (i == dataset->ncolumns)
		report_unknown_column(dataset, name);
	if (att->atttypid != dataset->columns[i].typid)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" of foreign table \"%s\" has type %s, but dataset \"%s\" has type %s there",
						NameStr(att->attname), RelationGetRelationName(rel),
						format_type_be(att->atttypid), dataset->name,
						dataset->columns[i].type_name)));
	return i;
}

/* Raises an error if the library was not preloaded. */
void
oct_binding_require_preload(void)
{
	if (!oct_nodetab_is_up())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("octopus_fdw must be loaded via \"shared_preload_libraries\""),
				 errhint("Add \"octopus_fdw\" to \"shared_preload_libraries\" in postgresql.conf and restart the server.")));
}

static void
bind_dataset(OctBinding *binding, Relation rel, ForeignTable *table)
{
	const char *name = get_option(table->options, "table_name",
								  RelationGetRelationName(rel));
	DefElem    *all_servers = find_option(table->options, "all_servers");

	binding->serverid = table->serverid;
	binding->dataset = oct_binding_find_dataset(name);
	if (binding->dataset == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("dataset \"%s\" of foreign table \"%s\" does not exist",
						name, RelationGetRelationName(rel)),
				 errhint("Set the option \"table_name\" of the foreign table to one of: %s.",
						 oct_binding_dataset_names())));
	binding->all_servers = all_servers != NULL && defGetBoolean(all_servers);
	if (binding->all_servers && binding->dataset->writable)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("foreign table \"%s\" cannot have the option \"all_servers\"",
						RelationGetRelationName(rel)),
				 errdetail("Dataset \"%s\" is always that of one foreign server.",
						   name)));
}

/*
 * Binds a foreign table, in palloc'd memory.  Every use of a table comes
 * through here or oct_binding_of_plan, so this is where a library that was not
 * preloaded is noticed, and groups are brought in accord with the catalogs.
 */
OctBinding *
oct_binding_make(Relation rel)
{
	ForeignTable *table = GetForeignTable(RelationGetRelid(rel));
	TupleDesc	desc = RelationGetDescr(rel);
	OctBinding *binding = palloc0(sizeof(OctBinding));

	oct_binding_require_preload();
	oct_adopt_groups(table->serverid);
	bind_dataset(binding, rel, table);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int			column;

		if (att->attisdropped)
			continue;
		column = find_column(binding->dataset, rel, att);
		if (binding->attnos[column] != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" of dataset \"%s\" appears more than once in foreign table \"%s\"",
							binding->dataset->columns[column].name,
							binding->dataset->name,
							RelationGetRelationName(rel))));
		binding->attnos[column] = att->attnum;
		binding->bound[binding->nbound++] = (OctBoundColumn) {column, i};
	}
	return binding;
}

/* The same for a table that is locked already. */
OctBinding *
oct_binding_make_oid(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	OctBinding *binding = oct_binding_make(rel);

	table_close(rel, NoLock);
	return binding;
}

/* What a plan has to know of a binding: a list of these. */
typedef enum OctPlanPart
{
	OCT_PLAN_DATASET,			/* its place among all */
	OCT_PLAN_SERVER,
	OCT_PLAN_ALL_SERVERS,
	OCT_PLAN_COLUMNS,			/* list of places in the dataset, */
	OCT_PLAN_ATTS				/* and as long a one of places in the table */
} OctPlanPart;

/*
 * A binding as a part of a plan, which can be copied.  Of its columns only those
 * with these numbers, a list of integers, are wanted.  A plan is made anew when
 * its tables or their servers change, so what it knows stays true.
 */
List *
oct_binding_to_plan(const OctBinding *binding, const List *attnos)
{
	List	   *columns = NIL;
	List	   *atts = NIL;
	int			dataset = 0;

	while (datasets[dataset] != binding->dataset)
		dataset++;
	for (int i = 0; i < binding->nbound; i++)
	{
		if (!list_member_int(attnos, binding->bound[i].att + 1))
			continue;
		columns = lappend_int(columns, binding->bound[i].column);
		atts = lappend_int(atts, binding->bound[i].att);
	}
	return list_make5(makeInteger(dataset), makeInteger((int) binding->serverid),
					  makeInteger(binding->all_servers), columns, atts);
}

/* The binding again, with what is wanted of it, in palloc'd memory. */
OctBinding *
oct_binding_of_plan(const List *plan)
{
	OctBinding *binding = palloc0(sizeof(OctBinding));
	ListCell   *column;
	ListCell   *att;

	oct_binding_require_preload();
	binding->dataset = datasets[intVal(list_nth(plan, OCT_PLAN_DATASET))];
	binding->serverid = (Oid) intVal(list_nth(plan, OCT_PLAN_SERVER));
	binding->all_servers = intVal(list_nth(plan, OCT_PLAN_ALL_SERVERS)) != 0;
	forboth(column, (List *) list_nth(plan, OCT_PLAN_COLUMNS),
			att, (List *) list_nth(plan, OCT_PLAN_ATTS))
	{
		binding->attnos[lfirst_int(column)] = lfirst_int(att) + 1;
		binding->bound[binding->nbound++] =
			(OctBoundColumn) {lfirst_int(column), lfirst_int(att)};
	}
	oct_adopt_groups(binding->serverid);
	return binding;
}

/* The server whose group it is about; InvalidOid: all of this database. */
Oid
oct_binding_plan_server(const List *plan)
{
	return intVal(list_nth(plan, OCT_PLAN_ALL_SERVERS)) != 0 ? InvalidOid :
		(Oid) intVal(list_nth(plan, OCT_PLAN_SERVER));
}

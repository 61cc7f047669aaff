/*-------------------------------------------------------------------------
 *
 * importschema.c
 *	  IMPORT FOREIGN SCHEMA: tables made for the datasets of a server.
 *
 * The one schema that there is has a table for each dataset, with all of its
 * columns.  Those that are read-only are made only if they are named: nobody
 * wants them by accident in a dump's restore.
 *
 * Core takes no COMMENT from us here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"

#include "binding.h"
#include "importschema.h"

#define OCT_REMOTE_SCHEMA	"octopus"

static bool
is_named(const ImportForeignSchemaStmt *stmt, const char *table)
{
	ListCell   *lc;

	foreach(lc, stmt->table_list)
	{
		if (strcmp(((RangeVar *) lfirst(lc))->relname, table) == 0)
			return true;
	}
	return false;
}

static bool
is_wanted(const ImportForeignSchemaStmt *stmt, const OctDataset *dataset)
{
	switch (stmt->list_type)
	{
		case FDW_IMPORT_SCHEMA_LIMIT_TO:
			return is_named(stmt, dataset->name);
		case FDW_IMPORT_SCHEMA_EXCEPT:
			return dataset->writable && !is_named(stmt, dataset->name);
		case FDW_IMPORT_SCHEMA_ALL:
			break;
	}
	return dataset->writable;
}

/* The command that makes the table of a dataset. */
static char *
table_command(const OctDataset *dataset, const char *server)
{
	StringInfoData command;

	initStringInfo(&command);
	appendStringInfo(&command, "CREATE FOREIGN TABLE %s (",
					 quote_identifier(dataset->name));
	for (int i = 0; i < dataset->ncolumns; i++)
	{
		const OctDatasetColumn *column = &dataset->columns[i];

		appendStringInfo(&command, "%s%s %s%s%s", i > 0 ? ", " : "",
						 quote_identifier(column->name), column->type_name,
						 column->traits != NULL ? " " : "",
						 column->traits != NULL ? column->traits : "");
	}
	appendStringInfo(&command, ") SERVER %s OPTIONS (table_name %s)",
					 quote_identifier(server), quote_literal_cstr(dataset->name));
	return command.data;
}

static List *
octopusImportForeignSchema(ImportForeignSchemaStmt *stmt, Oid serverid)
{
	ForeignServer *server = GetForeignServer(serverid);
	List	   *commands = NIL;
	const OctDataset *dataset;

	if (strcmp(stmt->remote_schema, OCT_REMOTE_SCHEMA) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("schema \"%s\" is not present on foreign server \"%s\"",
						stmt->remote_schema, server->servername),
				 errhint("The only schema there is \"%s\".", OCT_REMOTE_SCHEMA)));
	if (stmt->options != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"",
						((DefElem *) linitial(stmt->options))->defname),
				 errhint("There are no valid options in this context.")));

	for (int i = 0; (dataset = oct_binding_dataset(i)) != NULL; i++)
	{
		if (is_wanted(stmt, dataset))
			commands = lappend(commands, table_command(dataset, server->servername));
	}
	return commands;
}

void
oct_importschema_set_callbacks(FdwRoutine *routine)
{
	routine->ImportForeignSchema = octopusImportForeignSchema;
}

/*-------------------------------------------------------------------------
 *
 * touched.c
 *	  Groups whose description this transaction may have changed by DDL.
 *
 * What was touched is only noted.  When the transaction commits, the catalogs
 * say what became of it, and only what differs from the table counts; so
 * savepoints need no care.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/dbcommands.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "grouppolicy.h"
#include "pairs.h"
#include "touched.h"

/* by catalog; all memory is TopTransactionContext's */
static List *servers = NIL;
static List *mappings = NIL;
static List *databases = NIL;

/* A database, and the name that it had before. */
typedef struct OctRenamed
{
	Oid			dboid;
	char		old_name[NAMEDATALEN];
} OctRenamed;

/* those whose old name unbound groups may have */
static List *renamed = NIL;

/* is there something else that the catalogs show only to this transaction? */
static bool undecided = false;

static void
note(List **list, Oid oid)
{
	MemoryContext caller_cxt = MemoryContextSwitchTo(TopTransactionContext);

	*list = list_append_unique_oid(*list, oid);
	MemoryContextSwitchTo(caller_cxt);
}

/* A foreign server was altered, or its mapping was. */
void
oct_touched_note_server(Oid serverid)
{
	if (oct_grouppolicy_is_ours(serverid))
		note(&servers, serverid);
}

/* A user mapping was made or altered; its row may not be visible yet. */
void
oct_touched_note_mapping(Oid mappingid)
{
	note(&mappings, mappingid);
}

/*
 * A server is being dropped or a role was altered: what the catalogs say to this
 * transaction is not what is committed.
 */
void
oct_touched_note_undecided(void)
{
	undecided = true;
}

/*
 * Groups that came from another cluster, and wait for a database by its name, go
 * with it.  The catalogs still show the name that it has had.
 */
static void
note_old_name(Oid dboid)
{
	MemoryContext caller_cxt = MemoryContextSwitchTo(TopTransactionContext);
	char	   *name = get_database_name(dboid);
	OctRenamed *entry;
	ListCell   *lc;

	foreach(lc, renamed)
	{
		if (((OctRenamed *) lfirst(lc))->dboid == dboid)
			name = NULL;		/* a later name is none that anybody waits for */
	}
	if (name != NULL)
	{
		entry = palloc(sizeof(OctRenamed));
		entry->dboid = dboid;
		strlcpy(entry->old_name, name, NAMEDATALEN);
		renamed = lappend(renamed, entry);
	}
	MemoryContextSwitchTo(caller_cxt);
}

/*
 * A database was altered.  One without nodes does not matter: nobody registers
 * any meanwhile, since it can be renamed only while nobody is connected to it.
 */
void
oct_touched_note_database(Oid dboid)
{
	int			nkeys;
	OctGroupKey *keys = oct_nodetab_read_groups(&nkeys);

	if (oct_nodetab_has_unbound())
		note_old_name(dboid);

	for (int i = 0; i < nkeys; i++)
	{
		if (keys[i].dboid == dboid)
			note(&databases, dboid);
	}
	pfree(keys);
}

static bool
same_group(const OctGroup *a, const OctGroup *b)
{
	return strcmp(a->dbname, b->dbname) == 0 &&
		strcmp(a->server_name, b->server_name) == 0 &&
		oct_pairs_equal(&a->policy, &b->policy);
}

/*
 * Is there a group of this database with that key that is not what the catalogs
 * say?  Then fills in what they do.  Something happened while we were not loaded,
 * or to a role, or on the primary.  If it has become too long, which is reported at
 * elevel, the group stays what it is.  Waits for nobody.
 */
bool
oct_touched_is_outdated(OctGroup *group, int elevel)
{
	OctGroup   *shown = palloc(sizeof(OctGroup));
	bool		outdated = oct_nodetab_get_group(group->key, shown) &&
		oct_grouppolicy_read(group, elevel) && !same_group(shown, group);

	pfree(shown);
	return outdated;
}

/* Notes a server whose group is so. */
void
oct_touched_compare(Oid serverid)
{
	OctGroup   *group = palloc(sizeof(OctGroup));

	group->key = (OctGroupKey) {MyDatabaseId, serverid};
	if (oct_touched_is_outdated(group, ERROR))
		note(&servers, serverid);
	pfree(group);
}

/* The servers of mappings; tells who made one that probes will not use. */
static void
resolve_mappings(void)
{
	ListCell   *lc;

	foreach(lc, mappings)
	{
		HeapTuple	tuple = SearchSysCache1(USERMAPPINGOID,
											ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_user_mapping mapping;

		if (!HeapTupleIsValid(tuple))
			continue;
		mapping = (Form_pg_user_mapping) GETSTRUCT(tuple);
		if (oct_grouppolicy_is_ours(mapping->umserver))
		{
			ForeignServer *server = GetForeignServer(mapping->umserver);

			note(&servers, mapping->umserver);
			if (OidIsValid(mapping->umuser) && mapping->umuser != server->owner)
				ereport(NOTICE,
						(errmsg("probes do not use the user mapping for \"%s\"",
								GetUserNameFromId(mapping->umuser, false)),
						 errdetail("Probes of foreign server \"%s\" use the mapping of its owner, or else of PUBLIC.",
								   server->servername)));
		}
		ReleaseSysCache(tuple);
	}
	mappings = NIL;
}

/* Was anything of ours touched?  Mappings are looked up for that. */
bool
oct_touched_any(void)
{
	if (mappings != NIL)
		resolve_mappings();
	return servers != NIL || databases != NIL || renamed != NIL;
}

/* Was nothing touched for sure?  Looks nothing up. */
bool
oct_touched_nothing(void)
{
	return servers == NIL && mappings == NIL && databases == NIL && !undecided;
}

/* The database of a group that may have another name by now, or InvalidOid. */
static Oid
database_of(const OctGroup *group)
{
	ListCell   *lc;

	if (list_member_oid(databases, group->key.dboid))
		return group->key.dboid;
	foreach(lc, renamed)
	{
		OctRenamed *entry = (OctRenamed *) lfirst(lc);

		if (oct_group_is_unbound(group->key) &&
			strcmp(entry->old_name, group->dbname) == 0)
			return entry->dboid;
	}
	return InvalidOid;
}

/* Another name of a database. */
static void
rename_database(OctGroup *group, Oid dboid)
{
	char	   *dbname = get_database_name(dboid);

	if (dbname == NULL)
		return;
	memset(group->dbname, 0, NAMEDATALEN);
	strlcpy(group->dbname, dbname, NAMEDATALEN);
}

/*
 * The groups that are to be described anew, in memory that lives as long as the
 * transaction.  The caller holds the lock of the registry file.
 */
int
oct_touched_collect(OctGroup **groups)
{
	MemoryContext caller_cxt;
	int			nkeys;
	OctGroupKey *keys;
	int			n = 0;

	*groups = NULL;
	if (!oct_touched_any())
		return 0;
	caller_cxt = MemoryContextSwitchTo(TopTransactionContext);
	keys = oct_nodetab_read_groups(&nkeys);
	for (int i = 0; i < nkeys; i++)
	{
		OctGroup   *group;
		OctGroup	shown;
		Oid			dboid = InvalidOid;
		bool		here = keys[i].dboid == MyDatabaseId &&
			list_member_oid(servers, keys[i].serverid);

		if (!oct_nodetab_get_group(keys[i], &shown) ||
			(!here && !OidIsValid(dboid = database_of(&shown))))
			continue;
		if (*groups == NULL)
			*groups = palloc_extended(sizeof(OctGroup) * nkeys, MCXT_ALLOC_HUGE);
		group = &(*groups)[n];
		*group = shown;
		if (here && !oct_grouppolicy_read(group, ERROR))
			continue;
		if (!here)
			rename_database(group, dboid);
		if (!same_group(group, &shown))
			n++;
	}
	MemoryContextSwitchTo(caller_cxt);
	return n;
}

/* The transaction ends; its memory goes by itself.  Does not throw. */
void
oct_touched_forget(void)
{
	servers = NIL;
	mappings = NIL;
	databases = NIL;
	renamed = NIL;
	undecided = false;
}

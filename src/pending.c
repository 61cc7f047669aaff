/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  The changes that this transaction has made to registrations so far.
 *
 * They stand in a list in the order of their making, so those of the current
 * subtransaction are at its end: its commit hands them to the parent, its
 * abort pops them.  Several changes of one node are linked, newest first; a
 * hash table finds the newest by the node's key.
 *
 * A version is named by its index in the list, since the list moves when it
 * grows.  All memory is TopTransactionContext's and goes with it.
 *
 * Known weakness: the changes of one transaction are in memory whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "pending.h"

#define OCT_NO_VERSION		(-1)
#define OCT_INITIAL_SIZE	64

/* Zeroed before it is filled, since it is hashed as memory. */
typedef struct OctPendingKey
{
	OctGroupKey group;
	OctNodeSpec spec;
} OctPendingKey;

typedef struct OctPendingNode
{
	OctPendingKey key;
	int32		newest;			/* its newest version, or OCT_NO_VERSION */
} OctPendingNode;

static OctPending *versions = NULL;
static int32 nversions = 0;
static int32 size = 0;			/* room in versions */
static int32 growth = 0;		/* additions less removals */
static HTAB *pending_nodes = NULL;	/* OctPendingNode by key */

static OctPendingNode *
find_node(OctGroupKey group, const OctNodeSpec *spec, HASHACTION action)
{
	OctPendingKey key;
	OctPendingNode *node;
	bool		found;

	if (pending_nodes == NULL)
		return NULL;

	memset(&key, 0, sizeof(key));
	key.group = group;
	key.spec.port = spec->port;
	strlcpy(key.spec.name, spec->name, OCT_NAME_SIZE);
	node = hash_search(pending_nodes, &key, action, &found);
	if (action == HASH_ENTER && !found)
		node->newest = OCT_NO_VERSION;
	return node;
}

/* How many changes there are; they are numbered from 0. */
int32
oct_pending_count(void)
{
	return nversions;
}

/* The pointer is good until the next change. */
OctPending *
oct_pending_get(int32 i)
{
	return &versions[i];
}

int32
oct_pending_index(const OctPending *version)
{
	return (int32) (version - versions);
}

/* By how many nodes the changes make the table grow (or shrink, below 0). */
int32
oct_pending_growth(void)
{
	return growth;
}

/* By how many nodes a single change does. */
int
oct_pending_growth_of(const OctPending *version)
{
	switch (version->kind)
	{
		case OCT_PENDING_ADD:
			return 1;
		case OCT_PENDING_REMOVE:
		case OCT_PENDING_DROP:
			return -1;
		case OCT_PENDING_UPDATE:
			break;
	}
	return 0;
}

/* Is the node there, in this version? */
bool
oct_pending_is_present(const OctPending *version)
{
	return version->kind == OCT_PENDING_ADD ||
		version->kind == OCT_PENDING_UPDATE;
}

/* Is all that was done to be done with the drop of other objects? */
bool
oct_pending_drops_only(void)
{
	for (int32 i = 0; i < nversions; i++)
	{
		if (versions[i].kind != OCT_PENDING_DROP)
			return false;
	}
	return true;
}

/* The newest version of a node, or NULL if the table's counts. */
OctPending *
oct_pending_newest(OctGroupKey group, const OctNodeSpec *spec)
{
	return oct_pending_visible(group, spec, InvalidCommandId);
}

/*
 * The version of a node that a command sees, the newest made by an earlier
 * one; NULL if the table's counts.
 */
OctPending *
oct_pending_visible(OctGroupKey group, const OctNodeSpec *spec, CommandId cid)
{
	OctPendingNode *node = find_node(group, spec, HASH_FIND);
	int32		i = node == NULL ? OCT_NO_VERSION : node->newest;

	while (i != OCT_NO_VERSION && versions[i].cid >= cid)
		i = versions[i].older;
	return i == OCT_NO_VERSION ? NULL : &versions[i];
}

static void
make_room(void)
{
	if (pending_nodes == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(OctPendingKey);
		ctl.entrysize = sizeof(OctPendingNode);
		ctl.hcxt = TopTransactionContext;
		pending_nodes = hash_create("octopus_fdw pending nodes",
									OCT_INITIAL_SIZE, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (versions == NULL)
	{
		versions = MemoryContextAlloc(TopTransactionContext,
									  sizeof(OctPending) * OCT_INITIAL_SIZE);
		size = OCT_INITIAL_SIZE;
	}
	else if (nversions == size)
	{
		versions = repalloc_huge(versions, sizeof(OctPending) * 2 * (Size) size);
		size *= 2;
	}
}

/* Notes what a command did.  May run out of memory; then nothing is noted. */
void
oct_pending_push(OctGroupKey group, const OctNodeSpec *spec, CommandId cid,
				 OctPendingKind kind)
{
	OctPendingNode *node;
	OctPending *version;

	make_room();
	node = find_node(group, spec, HASH_ENTER);
	version = &versions[nversions];
	version->group = group;
	version->spec = *spec;
	version->kind = kind;
	version->renewed = kind == OCT_PENDING_ADD ||
		(node->newest != OCT_NO_VERSION && versions[node->newest].renewed);
	version->cid = cid;
	version->nest_level = GetCurrentTransactionNestLevel();
	version->older = node->newest;
	node->newest = nversions++;
	growth += oct_pending_growth_of(version);
}

/* Undoes the newest change.  Does not throw. */
static void
pop(void)
{
	OctPending *version = &versions[--nversions];

	find_node(version->group, &version->spec, HASH_FIND)->newest = version->older;
	growth -= oct_pending_growth_of(version);
}

/* The subtransaction of that level committed.  Does not throw. */
void
oct_pending_commit_subxact(int nest_level)
{
	for (int32 i = nversions - 1;
		 i >= 0 && versions[i].nest_level >= nest_level; i--)
		versions[i].nest_level = nest_level - 1;
}

/* The subtransaction of that level aborted.  Does not throw. */
void
oct_pending_abort_subxact(int nest_level)
{
	while (nversions > 0 && versions[nversions - 1].nest_level >= nest_level)
		pop();
}

/* The transaction ends; its memory goes by itself.  Does not throw. */
void
oct_pending_forget(void)
{
	versions = NULL;
	nversions = 0;
	size = 0;
	growth = 0;
	pending_nodes = NULL;
}

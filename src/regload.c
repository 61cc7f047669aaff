/*-------------------------------------------------------------------------
 *
 * regload.c
 *	  From an image of the registry to the table of nodes.
 *
 * Either function returns false if the table had no room for all that the
 * image holds, which must not go unnoticed: the next image would be written
 * without it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "regload.h"

/* A reading of an image into the table. */
typedef struct OctLoad
{
	OctGroup	group;			/* the one being told */
	bool		unbound;		/* are the groups not ours? */
	uint32		ngroups;		/* told so far */
	bool		complete;		/* has all found room? */
	bool	   *seen;			/* by slot: is the node in the image? */
	OctChange  *stale;			/* the nodes that are not */
	int			nstale;
} OctLoad;

static void
begin_group(void *arg, const OctGroup *group)
{
	OctLoad    *load = (OctLoad *) arg;

	load->group = *group;
	load->ngroups++;
	if (load->unbound)
		load->group.key = (OctGroupKey) {InvalidOid, load->ngroups};
}

static void
load_node(void *arg, const OctNodeSpec *spec)
{
	OctLoad    *load = (OctLoad *) arg;

	if (!oct_nodetab_load_node(&load->group, spec))
		load->complete = false;
}

/*
 * Adds to the table what an image says and it lacks; unbound are the groups of
 * another database system.  Does not throw: the postmaster may be who calls.
 */
bool
oct_regload_fill(const OctRegImage *image, bool unbound)
{
	OctLoad		load = {.complete = true,.unbound = unbound};
	OctRegSink	sink = {begin_group, load_node, &load};

	oct_regdisk_tell(image, &sink);
	return load.complete;
}

static void
mark_seen(void *arg, const OctNodeSpec *spec)
{
	OctLoad    *load = (OctLoad *) arg;
	OctNodeView view;

	if (oct_nodetab_lookup(load->group.key, spec, &view))
		load->seen[view.rowid] = true;
}

static bool
visit_group(void *arg, const OctGroup *group)
{
	((OctLoad *) arg)->group = *group;
	return true;
}

static bool
note_stale(void *arg, int32 slot, const OctNodeSpec *spec)
{
	OctLoad    *load = (OctLoad *) arg;

	if (!load->seen[slot])
	{
		OctChange  *change = &load->stale[load->nstale++];

		memset(change, 0, sizeof(OctChange));
		change->key = load->group.key;
		change->removals = palloc(sizeof(OctNodeSpec));
		*change->removals = *spec;
		change->nremovals = 1;
	}
	return true;
}

/*
 * Makes the table what an image says: what is not in it goes, before what is
 * missing comes.  The caller holds the lock of the registry file.
 */
bool
oct_regload_replace(const OctRegImage *image)
{
	OctLoad		load = {.nstale = 0};
	OctRegSink	sink = {begin_group, mark_seen, &load};
	OctVisitor	visitor = {visit_group, note_stale, &load};

	load.seen = palloc0(oct_nodetab_nslots());
	load.stale = palloc_extended(sizeof(OctChange) * oct_nodetab_nslots(),
								 MCXT_ALLOC_HUGE);
	oct_regdisk_tell(image, &sink);
	(void) oct_nodetab_walk(&visitor);
	oct_nodetab_apply(load.stale, load.nstale);
	return oct_regload_fill(image, false);
}

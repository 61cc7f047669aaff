/*-------------------------------------------------------------------------
 *
 * regload.c
 *	  From an image of the registry to the table of nodes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "regload.h"

/* A sink that loads what it is told into the empty table of nodes. */
static void
load_group(void *arg, const OctGroup *group)
{
	*(OctGroup *) arg = *group;
}

static void
load_node(void *arg, const OctNodeSpec *spec)
{
	oct_nodetab_load_node((OctGroup *) arg, spec);
}

/*
 * Fills the table, which is empty, with what an image says.  Does not throw:
 * it is the postmaster who calls.
 */
void
oct_regload_fill(const OctRegImage *image)
{
	OctGroup	group;
	OctRegSink	sink = {load_group, load_node, &group};

	oct_regdisk_tell(image, &sink);
}

/* What has to be known to make the table what an image says. */
typedef struct OctReload
{
	OctGroup	group;			/* the one being told */
	bool	   *seen;			/* by slot: is the node in the image? */
	OctChange  *stale;			/* the nodes that are not */
	int			nstale;
} OctReload;

static void
reload_group(void *arg, const OctGroup *group)
{
	((OctReload *) arg)->group = *group;
}

static void
reload_node(void *arg, const OctNodeSpec *spec)
{
	OctReload  *reload = (OctReload *) arg;
	OctNodeView view;

	if (!oct_nodetab_lookup(reload->group.key, spec, &view))
	{
		oct_nodetab_load_node(&reload->group, spec);
		if (!oct_nodetab_lookup(reload->group.key, spec, &view))
			return;				/* no room; the file keeps it */
	}
	reload->seen[view.rowid] = true;
}

static bool
note_group(void *arg, const OctGroup *group)
{
	((OctReload *) arg)->group = *group;
	return true;
}

static bool
note_stale(void *arg, int32 slot, const OctNodeSpec *spec)
{
	OctReload  *reload = (OctReload *) arg;

	if (!reload->seen[slot])
	{
		OctChange  *change = &reload->stale[reload->nstale++];

		memset(change, 0, sizeof(OctChange));
		change->group = reload->group;
		change->removals = palloc(sizeof(OctNodeSpec));
		*change->removals = *spec;
		change->nremovals = 1;
	}
	return true;
}

/*
 * Makes the table what an image says.  The caller holds the lock of the
 * registry file.
 */
void
oct_regload_replace(const OctRegImage *image)
{
	OctReload	reload = {.nstale = 0};
	OctRegSink	sink = {reload_group, reload_node, &reload};
	OctVisitor	visitor = {note_group, note_stale, &reload};

	reload.seen = palloc0(oct_nodetab_nslots());
	reload.stale = palloc_extended(sizeof(OctChange) * oct_nodetab_nslots(),
								   MCXT_ALLOC_HUGE);
	oct_regdisk_tell(image, &sink);
	(void) oct_nodetab_walk(&visitor);
	oct_nodetab_apply(reload.stale, reload.nstale);
}

/*-------------------------------------------------------------------------
 *
 * registry_internal.h
 *	  The registry's state in shared memory: for registry.c, regsettle.c and
 *	  regturn.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGISTRY_INTERNAL_H
#define REGISTRY_INTERNAL_H

#include "port/atomics.h"

#include "regdisk.h"
#include "reglock.h"
#include "regname.h"
#include "registry.h"

#define OCT_FILE			"octopus_fdw.registry"
#define OCT_FILE_TEMPORARY	OCT_FILE ".tmp"
#define OCT_FILE_UNSETTLED	OCT_FILE ".unsettled"
#define OCT_FILE_BAD		OCT_FILE ".bad"

#define OCT_FOREIGN			"it belongs to another database system"

/*
 * The names of the pending file; see regturn.c.  With more of them the directory is
 * flushed more seldom, and there are more files.
 */
#define OCT_TURNS			8

extern const char *const oct_registry_pending[OCT_TURNS];

/* May the pending file of a turn be written over? */
typedef enum OctSpare
{
	OCT_SPARE_NOT,				/* if there is one at all */
	OCT_SPARE_AFTER_FLUSH,		/* it may be the registry on disk */
	OCT_SPARE
} OctSpare;

/*
 * Written by the postmaster before there is any other process, and then with
 * the lock of the registry file held; left_over may be set without it.
 */
typedef struct OctSharedRegistry
{
	OctRegId	image;			/* the one that counts; 0: there is none */
	uint64		last_serial;	/* given to any image */
	bool		refusing;		/* is nothing to be written? */
	char		cause[MAXPGPATH];	/* why: file and cause */
	bool		copied;			/* did the server begin as a copy of another? */
	volatile bool left_over;	/* is there a pending file to be settled? */
	pg_atomic_uint64 judgements[OCT_TURNS]; /* see fate.h; 0 is none yet */
	int			turn;			/* whose name is next */
	OctSpare	spares[OCT_TURNS];
	bool		holds_password; /* does the registry, or may it? */
} OctSharedRegistry;

extern OctSharedRegistry *oct_registry; /* NULL: there is none */

/* in registry.c */
extern void oct_registry_refuse_writes(const char *path, const char *cause);
extern void oct_registry_accept_image(const OctRegImage *image, bool complete);
extern void oct_registry_forget_files(void);
extern bool oct_registry_has_pending(void);

/* in regturn.c: who calls has the lock of the registry file */
extern int	oct_regturn_open(const char **path, int elevel);
extern bool oct_regturn_give(int elevel);
extern bool oct_regturn_commit(bool keep);
extern bool oct_regturn_abort(void);
extern void oct_regturn_clear(void);

/* in regsettle.c */
extern bool oct_registry_must_settle(void);
extern bool oct_registry_settle_pending(int elevel);

#endif							/* REGISTRY_INTERNAL_H */

/*-------------------------------------------------------------------------
 *
 * registry_internal.h
 *	  The registry's state in shared memory: for registry.c and regsettle.c
 *	  only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGISTRY_INTERNAL_H
#define REGISTRY_INTERNAL_H

#include "port/atomics.h"

#include "regdisk.h"
#include "regname.h"
#include "registry.h"

#define OCT_FILE			"octopus_fdw.registry"
#define OCT_FILE_TEMPORARY	OCT_FILE ".tmp"
#define OCT_FILE_UNSETTLED	OCT_FILE ".unsettled"
#define OCT_FILE_BAD		OCT_FILE ".bad"

#define OCT_FOREIGN			"it belongs to another database system"

/*
 * The pending file has two names, taken in turn, and so has the file that becomes
 * it.  What a transaction does to the names need not be durable before the next
 * one does the same, then: no name changes hands again before a flush of the
 * directory.
 */
#define OCT_TURNS			2

extern const char *const oct_registry_pending[OCT_TURNS];

/*
 * Written by the postmaster before there is any other process, and then with
 * the lock of the registry file held; left_over may be set without it.
 */
typedef struct OctSharedRegistry
{
	uint64		serial;			/* of the image that counts */
	uint64		last_serial;	/* given to any image */
	bool		refusing;		/* is nothing to be written? */
	char		cause[MAXPGPATH];	/* why: file and cause */
	volatile bool left_over;	/* is there a pending file to be settled? */
	pg_atomic_uint64 judgements[OCT_TURNS]; /* see fate.h; 0 is none yet */
	int			turn;			/* which names are next */
	bool		reusable[OCT_TURNS];	/* is there a file to be written over? */
	bool		holds_password; /* does the registry, or may it? */
} OctSharedRegistry;

extern OctSharedRegistry *oct_registry; /* NULL: there is none */

/* in registry.c */
extern void oct_registry_refuse_writes(const char *path, const char *cause);
extern void oct_registry_accept_image(const OctRegImage *image, bool complete);
extern void oct_registry_forget_files(void);
extern bool oct_registry_has_pending(void);

/* in regsettle.c */
extern bool oct_registry_must_settle(void);
extern bool oct_registry_settle_pending(int elevel);

#endif							/* REGISTRY_INTERNAL_H */

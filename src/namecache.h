/*-------------------------------------------------------------------------
 *
 * namecache.h
 *	  What is known of a name: its addresses, how long they are good, and when
 *	  the DNS is to be asked again.
 *
 * Pure: time is passed in, memory is the caller's, nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef NAMECACHE_H
#define NAMECACHE_H

#include "octypes.h"

/* more addresses of a name are ignored */
#define OCT_MAX_ADDRESSES	8

/* An address without port, in network byte order, the rest zero. */
typedef struct OctIp
{
	uint8		version;		/* 4, 6; 0: there is none */
	uint8		bytes[16];
} OctIp;

/* The settings. */
typedef struct OctNameRules
{
	int			max_ttl_ms;		/* the longest that an answer is fresh */
	int			stale_ttl_ms;	/* how long it is better than none */
} OctNameRules;

/* Why a lookup gave no address. */
typedef enum OctNameFailure
{
	OCT_NAME_OK,
	OCT_NAME_TROUBLE,			/* nobody answered, or not to the point */
	OCT_NAME_ABSENT				/* the DNS says that there is none */
} OctNameFailure;

/* Are there addresses to use? */
typedef enum OctNameUse
{
	OCT_NAME_USABLE,
	OCT_NAME_DOUBTFUL,			/* yes, but better wait a moment for the lookup */
	OCT_NAME_UNKNOWN			/* no */
} OctNameUse;

/* All zero, but for "spread", when nothing is known yet. */
typedef struct OctNameEntry
{
	OctTime		given;			/* the DNS last gave at[] */
	OctTime		fresh_until;
	OctTime		asked;			/* the last lookup began */
	OctTime		retry;			/* what failed is not asked again before */
	OctTime		reread;			/* nor what is doubted before */
	OctTime		good_given;		/* the DNS last gave "good", unless in at[] */
	const char *words;			/* of the last failure; static text */
	OctNameFailure failure;		/* of the last lookup */
	uint8		spread;			/* any, but not the same for all names */
	uint8		failures;		/* of lookups, in a row */
	uint8		doubts;			/* in a row, without an effect */
	bool		doubted;		/* no server answered at these addresses */
	bool		looking;		/* a lookup has begun */
	bool		overdue;		/* and takes so long that nobody waits for it */
	uint8		n;
	OctIp		at[OCT_MAX_ADDRESSES];
	OctIp		good;			/* where a server answered last */
} OctNameEntry;

extern bool oct_namecache_wants_lookup(const OctNameEntry *entry,
									   OctNameRules rules, OctTime now);
extern void oct_namecache_on_lookup(OctNameEntry *entry, OctTime now);
extern void oct_namecache_on_answer(OctNameEntry *entry, OctNameRules rules,
									const OctIp *at, int n, int64 ttl_ms,
									OctTime now);
extern void oct_namecache_on_failure(OctNameEntry *entry, OctNameRules rules,
									 OctNameFailure failure, const char *words,
									 OctTime now);
extern void oct_namecache_on_alive(OctNameEntry *entry, OctIp ip);
extern bool oct_namecache_on_doubt(OctNameEntry *entry, OctNameRules rules,
								   OctTime now);
extern void oct_namecache_on_reload(OctNameEntry *entry, OctTime now);

extern OctNameUse oct_namecache_use(const OctNameEntry *entry,
									OctNameRules rules, OctTime now);
extern int	oct_namecache_addresses(const OctNameEntry *entry,
									OctNameRules rules, OctTime now,
									OctIp out[OCT_MAX_ADDRESSES + 1],
									int *nformer);

#endif							/* NAMECACHE_H */

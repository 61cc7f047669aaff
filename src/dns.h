/*-------------------------------------------------------------------------
 *
 * dns.h
 *	  Lookups of names in the hosts file and the DNS, many at once.
 *
 * A query lives in its owner's memory, from oct_dns_ask to its callback, which
 * comes exactly once and may come before oct_dns_ask returns.  What the callback
 * is given is good during the call only, except "words", which is static text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DNS_H
#define DNS_H

#include "namecache.h"

/* the most sockets that there are at once */
#define OCT_DNS_MAX_SOCKETS	64

typedef struct OctDnsAnswer
{
	bool		cancelled;		/* by oct_dns_reload: to be asked again */
	OctNameFailure failure;
	const char *words;			/* of a failure */
	int			n;				/* addresses, if it is none */
	const OctIp *at;
	int64		ttl_ms;			/* negative: no limit */
} OctDnsAnswer;

typedef struct OctDnsQuery OctDnsQuery;

struct OctDnsQuery
{
	/* the owner's */
	const char *name;
	void		(*done) (OctDnsQuery *query, const OctDnsAnswer *answer);

	/* of dns.c */
	int			family;			/* asked for */
	bool		starting;		/* is it still being asked? */
};

/* setting */
extern char *oct_dns_servers;

extern void oct_dns_init(int first_owner);
extern void oct_dns_reload(void);
extern void oct_dns_ask(OctDnsQuery *query);
extern void oct_dns_advance(int which);
extern void oct_dns_tick(void);

#endif							/* DNS_H */

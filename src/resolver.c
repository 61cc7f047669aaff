/*-------------------------------------------------------------------------
 *
 * resolver.c
 *	  From names to addresses, without ever waiting.
 *
 * 1. oct_resolver_ask() finds the name's entry or makes one.  What the entry says
 *	  and when it wants a lookup are the rules of namecache.c.  A name has one
 *	  lookup at a time, whoever waits for it.
 *
 * 2. Lookups wait for their turn and are carried out by lookups.c.  An end of one
 *	  (on_answer) is noted in the entry, and its waiters become ready.  tell_ready()
 *	  calls them when c-ares is not on the stack any more.
 *
 * 3. Who has waited for OCT_PATIENCE_MS for the lookup of a name that does have
 *	  addresses, if doubtful ones, is told to take these (end_patience).
 *
 * An entry is dropped if nobody asked for its name for a day, or if there are too
 * many, when a new one is made: the longest unused go first.  A throw, for want of
 * memory, ends the process, and another prober starts with an empty cache.
 *
 * What resolver trouble means for a node: nothing, as long as its last addresses
 * may be used, and no evidence after that (OCT_REASON_RESOLVER_TROUBLE).  Only a
 * definite answer that there is no address is evidence.
 *
 * Known weakness: names are looked up on use only, so an address may be as much
 * older than its time to live as the node's period is long, up to dns_max_ttl.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "clock.h"
#include "nodetab.h"
#include "resolver.h"

#define OCT_PATIENCE_MS		250
#define OCT_UNUSED_MS		(24 * 60 * 60 * INT64CONST(1000))
#define OCT_LOG_US			(60 * INT64CONST(1000000))

/* settings */
int			oct_dns_max_ttl_ms;
int			oct_dns_stale_ttl_ms;

typedef struct OctName
{
	OctNameEntry entry;
	OctLookup	lookup;
	dlist_head	waiters;
	bool		impatient;		/* do they wait for OCT_PATIENCE_MS only? */
	dlist_node	impatient_node;
	OctTime		impatient_since;
	dlist_node	use_node;
	OctTime		used;
	char		text[FLEXIBLE_ARRAY_MEMBER];
} OctName;

typedef struct OctNameSlot
{
	const char *text;			/* the name's */
	OctName    *name;
	uint32		hash;
	char		status;
} OctNameSlot;

#define SH_PREFIX			names
#define SH_ELEMENT_TYPE		OctNameSlot
#define SH_KEY_TYPE			const char *
#define SH_KEY				text
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key), strlen(key))
#define SH_EQUAL(tb, a, b)	(strcmp(a, b) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a)	(a)->hash
#define SH_SCOPE			static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static MemoryContext context;
static names_hash *names;
static dlist_head by_use = DLIST_STATIC_INIT(by_use);	/* longest unused first */
static dlist_head impatient = DLIST_STATIC_INIT(impatient); /* oldest first */
static dlist_head ready = DLIST_STATIC_INIT(ready); /* waiters to be told */

static OctNameRules
rules(void)
{
	return (OctNameRules) {oct_dns_max_ttl_ms, oct_dns_stale_ttl_ms};
}


/* ---------- waiters ---------- */

/* The waiter is not interested any more.  Does nothing if it does not wait. */
void
oct_resolver_forget(OctWaiter *waiter)
{
	if (waiter->waiting)
		dlist_delete(&waiter->node);
	waiter->waiting = false;
}

static void
make_ready(OctName *name)
{
	while (!dlist_is_empty(&name->waiters))
		dlist_push_tail(&ready, dlist_pop_head_node(&name->waiters));
	if (name->impatient)
		dlist_delete(&name->impatient_node);
	name->impatient = false;
}

static void
tell_ready(void)
{
	while (!dlist_is_empty(&ready))
	{
		OctWaiter  *waiter = dlist_head_element(OctWaiter, node, &ready);

		oct_resolver_forget(waiter);
		waiter->done(waiter);
	}
}

static void
wait_for(OctName *name, OctWaiter *waiter, bool doubtful, OctTime now)
{
	if (waiter != NULL)
	{
		oct_resolver_forget(waiter);
		waiter->waiting = true;
		dlist_push_tail(&name->waiters, &waiter->node);
	}
	if (!doubtful || name->impatient)
		return;
	name->impatient = true;
	name->impatient_since = now;
	dlist_push_tail(&impatient, &name->impatient_node);
}


/* ---------- lookups ---------- */

static void
queue_lookup(OctName *name, OctTime now)
{
	bool		unknown = oct_namecache_use(&name->entry, rules(), now) == OCT_NAME_UNKNOWN;

	oct_namecache_on_lookup(&name->entry, now);
	oct_lookups_queue(&name->lookup, name->text, unknown);
}

/* Nobody else would notice that yesterday's addresses are in use. */
static void
log_failure(OctName *name, OctTime now)
{
	static OctTime logged = {PG_INT64_MIN / 2};

	if (oct_namecache_use(&name->entry, rules(), now) == OCT_NAME_UNKNOWN ||
		oct_time_diff_us(now, logged) < OCT_LOG_US)
		return;
	logged = now;
	ereport(LOG,
			(errmsg("could not look up \"%s\", its last known addresses stay in use",
					name->text),
			 errdetail("%s.", name->entry.words)));
}

static void
on_answer(OctLookup *lookup, const OctDnsAnswer *answer)
{
	OctName    *name = (OctName *) ((char *) lookup - offsetof(OctName, lookup));
	OctTime		now = oct_now();

	if (answer->failure == OCT_NAME_OK)
		oct_namecache_on_answer(&name->entry, rules(), answer->at, answer->n,
								answer->ttl_ms, now);
	else
	{
		oct_namecache_on_failure(&name->entry, rules(), answer->failure,
								 answer->words, now);
		log_failure(name, now);
	}
	make_ready(name);
}

/* Has it come to this so long ago? */
static bool
is_over(OctTime since, int64 ms, OctTime now)
{
	return !oct_time_before(now, oct_time_add_ms(since, ms));
}

static void
end_patience(OctTime now)
{
	while (!dlist_is_empty(&impatient))
	{
		OctName    *name = dlist_head_element(OctName, impatient_node, &impatient);

		if (!is_over(name->impatient_since, OCT_PATIENCE_MS, now))
			break;
		name->entry.overdue = true;
		make_ready(name);
	}
}


/* ---------- names ---------- */

static void
drop_name(OctName *name)
{
	dlist_delete(&name->use_node);
	names_delete(names, name->text);
	pfree(name);
}

/* Drops names that nobody used for long, and the longest unused if too many. */
static void
make_room(OctTime now)
{
	while (!dlist_is_empty(&by_use))
	{
		OctName    *name = dlist_head_element(OctName, use_node, &by_use);

		if (!is_over(name->used, OCT_UNUSED_MS, now) &&
			names->members < 2 * (int64) oct_max_nodes)
			return;
		if (name->lookup.state != OCT_LOOKUP_NONE || !dlist_is_empty(&name->waiters))
			return;				/* soon it will be out of use */
		drop_name(name);
	}
}

static OctName *
make_name(const char *string, OctTime now)
{
	Size		size = strlen(string) + 1;
	OctNameSlot *slot;
	OctName    *name;
	bool		found;

	make_room(now);
	name = MemoryContextAllocZero(context, offsetof(OctName, text) + size);
	memcpy(name->text, string, size);
	name->lookup.done = on_answer;
	dlist_init(&name->waiters);
	dlist_push_tail(&by_use, &name->use_node);
	slot = names_insert(names, name->text, &found);
	Assert(!found);
	slot->name = name;
	name->entry.spread = slot->hash & PG_UINT8_MAX;
	return name;
}

static OctName *
find_name(const char *string)
{
	OctNameSlot *slot = names_lookup(names, string);

	return slot != NULL ? slot->name : NULL;
}

static OctIp
ip_of(const OctAddress *address)
{
	OctIp		ip = {0};

	if (address->sa.sa_family == AF_INET)
	{
		ip.version = 4;
		memcpy(ip.bytes, &address->in.sin_addr, 4);
	}
	else if (address->sa.sa_family == AF_INET6)
	{
		ip.version = 6;
		memcpy(ip.bytes, &address->in6.sin6_addr, 16);
	}
	return ip;
}

static OctAddress
address_of(const OctIp *ip)
{
	OctAddress	address;

	memset(&address, 0, sizeof(address));
	if (ip->version == 4)
	{
		address.len = sizeof(address.in);
		address.in.sin_family = AF_INET;
		memcpy(&address.in.sin_addr, ip->bytes, 4);
	}
	else
	{
		address.len = sizeof(address.in6);
		address.in6.sin6_family = AF_INET6;
		memcpy(&address.in6.sin6_addr, ip->bytes, 16);
	}
	return address;
}

static void
write_addresses(const OctName *name, OctAddresses *addresses, OctTime now)
{
	OctIp		ips[OCT_MAX_ADDRESSES + 1];

	addresses->n = oct_namecache_addresses(&name->entry, rules(), now, ips,
										   &addresses->nformer);
	for (int i = 0; i < addresses->n; i++)
		addresses->at[i] = address_of(&ips[i]);
}

static void
write_failure(const OctName *name, OctOutcome *failure)
{
	memset(failure, 0, sizeof(OctOutcome));
	failure->reason = name->entry.failure == OCT_NAME_ABSENT ?
		OCT_REASON_NAME_RESOLUTION : OCT_REASON_RESOLVER_TROUBLE;
	failure->phase = OCT_PHASE_DNS;
	if (name->entry.words != NULL)
		strlcpy(failure->message, name->entry.words, OCT_MESSAGE_SIZE);
}


/* ---------- interface ---------- */

/* Once a process.  Raises an error if c-ares cannot be set up. */
void
oct_resolver_init(int first_owner)
{
	context = AllocSetContextCreate(TopMemoryContext, "octopus_fdw names",
									ALLOCSET_DEFAULT_SIZES);
	names = names_create(context, 64, NULL);
	oct_dns_init(first_owner);
}

/*
 * Settings may have changed.  Who waits goes on waiting; all names are looked up
 * anew when they are used next.
 */
void
oct_resolver_reload(void)
{
	OctTime		now = oct_now();
	dlist_iter	iter;

	dlist_foreach(iter, &by_use)
		oct_namecache_on_reload(&dlist_container(OctName, use_node, iter.cur)->entry, now);
	oct_lookups_reload();
	oct_lookups_start(now);
}

/*
 * Asks for a name's addresses; see the head of resolver.h.  "waiter" may be NULL
 * for those who come back by themselves.
 */
OctResolution
oct_resolver_ask(const char *string, OctTime now, OctWaiter *waiter,
				 OctAddresses *addresses, OctOutcome *failure)
{
	OctName    *name = find_name(string);
	OctNameUse	use;

	if (name == NULL)
		name = make_name(string, now);
	name->used = now;
	dlist_move_tail(&by_use, &name->use_node);

	if (oct_namecache_wants_lookup(&name->entry, rules(), now))
		queue_lookup(name, now);
	oct_lookups_start(now);

	use = oct_namecache_use(&name->entry, rules(), now);
	if (use == OCT_NAME_DOUBTFUL ||
		(use == OCT_NAME_UNKNOWN && name->lookup.state != OCT_LOOKUP_NONE))
	{
		wait_for(name, waiter, use == OCT_NAME_DOUBTFUL, now);
		return OCT_RESOLVING;
	}
	if (use == OCT_NAME_UNKNOWN)
	{
		write_failure(name, failure);
		return OCT_UNRESOLVED;
	}
	write_addresses(name, addresses, now);
	return OCT_RESOLVED;
}

/* A server answered at one of the name's addresses. */
void
oct_resolver_confirm(const char *string, const OctAddress *address, OctTime now)
{
	OctName    *name = find_name(string);

	if (name != NULL)
		oct_namecache_on_alive(&name->entry, ip_of(address));
}

/* No server answered at any of the name's addresses. */
void
oct_resolver_doubt(const char *string, OctTime now)
{
	OctName    *name = find_name(string);

	if (name == NULL || !oct_namecache_on_doubt(&name->entry, rules(), now))
		return;
	queue_lookup(name, now);
	oct_lookups_start(now);
}

/* When oct_resolver_on_timer is due; OCT_TIME_NEVER if nothing is pending. */
OctTime
oct_resolver_next(void)
{
	return dlist_is_empty(&ready) ? oct_lookups_next_tick() : (OctTime) {0};
}

void
oct_resolver_on_timer(OctTime now)
{
	oct_lookups_tick(now);
	end_patience(now);
	oct_lookups_start(now);
	tell_ready();
}

/* A socket, counted from first_owner, is ready. */
void
oct_resolver_advance(int which)
{
	oct_lookups_advance(which);
	oct_lookups_start(oct_now());
	tell_ready();
}

/* How many names are being looked up or wait for it. */
int
oct_resolver_pending(void)
{
	return oct_lookups_pending();
}

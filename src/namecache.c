/*-------------------------------------------------------------------------
 *
 * namecache.c
 *	  What is known of a name: its addresses, how long they are good, and when
 *	  the DNS is to be asked again.
 *
 * 1. An answer is fresh for its time to live, as far as dns_max_ttl allows, and
 *	  for a second at least.  Then the next use begins a lookup.
 *
 * 2. Until that lookup has succeeded, however often it fails, the addresses stay
 *	  in use, until the DNS has not given them for dns_stale_ttl.  That a name is
 *	  said to be gone makes no difference: resolvers err, and if the name really
 *	  is gone, so is the server in most cases, which is for the probe to find.
 *
 * 3. What failed is asked again after 1 s, 2 s, 4 s, ... up to dns_max_ttl and
 *	  15 s, or up to 2 s for a name without any address.  Each name takes up to a
 *	  quarter longer, by its own measure, so that names which failed together do
 *	  not come back together: what breaks one lookup, like a server that sends
 *	  garbage, breaks those beside it in some versions of c-ares.
 *
 * 4. Of addresses that may have been replaced by now, because they are out of
 *	  date by more than dns_max_ttl or because no server answered there, one would
 *	  rather know what the lookup says: they are doubtful.  That ends as soon as
 *	  the lookup has failed or takes too long (overdue).
 *
 * 5. A doubt begins a lookup at once, but not within 1 s of the one before; if
 *	  the answer is always the same, within 2 s, 4 s, ... as in rule 3.  Otherwise
 *	  every dead server would cost a lookup for each try.
 *
 * 6. The address where a server answered last comes first, then IPv4, then IPv6,
 *	  each in the order of the answer.  One that answers ends a try, so this order
 *	  matters for speed only, and what answered last is the best guess.  IPv4 comes
 *	  before IPv6 because where IPv6 is broken it is silent, which costs time.
 *
 * 7. If the present answer lacks the address where a server answered last, that is
 *	  used too, as the last one, until the DNS has not given it for dns_stale_ttl.
 *
 * Known weakness: an address of another machine that speaks PostgreSQL is as good
 * as the right one (rules 2 and 7), as with every check by name.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "namecache.h"

#define OCT_MIN_TTL_MS			1000

/* intervals of lookups that bring nothing new */
#define OCT_FIRST_INTERVAL_MS	1000
#define OCT_MAX_INTERVAL_MS		15000
#define OCT_EMPTY_INTERVAL_MS	2000

/* of an interval, as many as a name's spread make it longer */
#define OCT_SPREAD_PARTS		1024

static bool
same_ip(const OctIp *a, const OctIp *b)
{
	return memcmp(a, b, sizeof(OctIp)) == 0;
}

static bool
contains(const OctIp *at, int n, const OctIp *ip)
{
	for (int i = 0; i < n; i++)
	{
		if (same_ip(&at[i], ip))
			return true;
	}
	return false;
}

static int
max_ttl_ms(OctNameRules rules)
{
	return Max(rules.max_ttl_ms, OCT_MIN_TTL_MS);
}

/* 1 s, doubled with each time in a row but the first, up to the limit. */
static int
interval_ms(int times, int limit_ms)
{
	return Min(OCT_FIRST_INTERVAL_MS << Min(Max(times - 1, 0), 10), limit_ms);
}

static int
max_interval_ms(OctNameRules rules)
{
	return Min(max_ttl_ms(rules), OCT_MAX_INTERVAL_MS);
}

/* Settings may have become stricter since the answer. */
static OctTime
fresh_until(const OctNameEntry *entry, OctNameRules rules)
{
	OctTime		limit = oct_time_add_ms(entry->given, max_ttl_ms(rules));

	return oct_time_before(limit, entry->fresh_until) ? limit : entry->fresh_until;
}

/* Has the DNS given an address lately enough, given that it did at "given"? */
static bool
is_tolerable(OctTime given, OctNameRules rules, OctTime now)
{
	return oct_time_before(now, oct_time_add_ms(given, rules.stale_ttl_ms));
}

static bool
has_addresses(const OctNameEntry *entry, OctNameRules rules, OctTime now)
{
	return entry->n > 0 &&
		(oct_time_before(now, fresh_until(entry, rules)) ||
		 is_tolerable(entry->given, rules, now));
}

/* Is a lookup to begin? */
bool
oct_namecache_wants_lookup(const OctNameEntry *entry, OctNameRules rules,
						   OctTime now)
{
	if (entry->looking || oct_time_before(now, entry->retry))
		return false;
	return entry->n == 0 ||
		!oct_time_before(now, fresh_until(entry, rules)) ||
		(entry->doubted && !oct_time_before(now, entry->reread));
}

/* A lookup begins. */
void
oct_namecache_on_lookup(OctNameEntry *entry, OctTime now)
{
	entry->asked = now;
	entry->looking = true;
	entry->overdue = false;
}

/* Writes addresses in the order of rule 6; returns how many found a place. */
static int
put_in_order(OctIp *out, const OctIp *at, int n, const OctIp *good)
{
	int			nout = 0;

	if (good->version != 0 && contains(at, n, good))
		out[nout++] = *good;
	for (int version = 4; version <= 6; version += 2)
	{
		for (int i = 0; i < n && nout < OCT_MAX_ADDRESSES; i++)
		{
			if (at[i].version == version && !contains(out, nout, &at[i]))
				out[nout++] = at[i];
		}
	}
	return nout;
}

/* Are they the addresses that the entry has, in whatever order? */
static bool
same_addresses(const OctNameEntry *entry, const OctIp *at, int n)
{
	if (n != entry->n)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (!contains(entry->at, entry->n, &at[i]))
			return false;
	}
	return true;
}

/* The lookup gave addresses, one at least; a negative ttl_ms means no limit. */
void
oct_namecache_on_answer(OctNameEntry *entry, OctNameRules rules,
						const OctIp *at, int n, int64 ttl_ms, OctTime now)
{
	OctIp		ordered[OCT_MAX_ADDRESSES];
	int			nordered = put_in_order(ordered, at, n, &entry->good);

	if (ttl_ms < 0)
		ttl_ms = max_ttl_ms(rules);
	if (contains(entry->at, entry->n, &entry->good))
		entry->good_given = entry->given;
	if (!same_addresses(entry, ordered, nordered))
		entry->doubts = 0;

	memcpy(entry->at, ordered, nordered * sizeof(OctIp));
	entry->n = nordered;
	entry->given = now;
	entry->fresh_until = oct_time_add_ms(now, Max(Min(ttl_ms, max_ttl_ms(rules)),
												  OCT_MIN_TTL_MS));
	entry->retry = (OctTime) {0};
	entry->failure = OCT_NAME_OK;
	entry->failures = 0;
	entry->doubted = false;
	entry->looking = false;
	entry->overdue = false;
}

/* The lookup gave no address; "words" is static text. */
void
oct_namecache_on_failure(OctNameEntry *entry, OctNameRules rules,
						 OctNameFailure failure, const char *words,
						 OctTime now)
{
	int			limit_ms = has_addresses(entry, rules, now) ?
		max_interval_ms(rules) : OCT_EMPTY_INTERVAL_MS;
	int			ms;

	if (entry->failures < PG_UINT8_MAX)
		entry->failures++;
	entry->failure = failure;
	entry->words = words;
	ms = interval_ms(entry->failures, limit_ms);
	entry->retry = oct_time_add_ms(now, ms + ms * entry->spread / OCT_SPREAD_PARTS);
	entry->looking = false;
	entry->overdue = false;
}

/* A server answered there. */
void
oct_namecache_on_alive(OctNameEntry *entry, OctIp ip)
{
	if (!contains(entry->at, entry->n, &ip))
		return;					/* the good one already, or replaced meanwhile */
	entry->good = ip;
	entry->doubted = false;
	entry->doubts = 0;
}

/* No server answered at any address.  Returns whether a lookup is to begin. */
bool
oct_namecache_on_doubt(OctNameEntry *entry, OctNameRules rules, OctTime now)
{
	if (entry->n == 0 || entry->looking)
		return false;
	if (!entry->doubted && entry->doubts < PG_UINT8_MAX)
		entry->doubts++;
	entry->doubted = true;
	entry->reread = oct_time_add_ms(entry->asked,
									interval_ms(entry->doubts,
												max_interval_ms(rules)));
	return oct_namecache_wants_lookup(entry, rules, now);
}

/* Whom to ask may be another now: what is known is out of date. */
void
oct_namecache_on_reload(OctNameEntry *entry, OctTime now)
{
	if (oct_time_before(now, entry->fresh_until))
		entry->fresh_until = now;
	entry->retry = (OctTime) {0};
	entry->failures = 0;
}

OctNameUse
oct_namecache_use(const OctNameEntry *entry, OctNameRules rules, OctTime now)
{
	OctTime		old = oct_time_add_ms(fresh_until(entry, rules), max_ttl_ms(rules));

	if (!has_addresses(entry, rules, now))
		return OCT_NAME_UNKNOWN;
	if (!entry->looking || entry->overdue || entry->failures > 0)
		return OCT_NAME_USABLE;
	return entry->doubted || !oct_time_before(now, old) ?
		OCT_NAME_DOUBTFUL : OCT_NAME_USABLE;
}

/*
 * Writes the addresses to use, in the order in which to try them, and how many
 * of them, at the end, are not in the present answer.  Returns how many there
 * are, which may be none.
 */
int
oct_namecache_addresses(const OctNameEntry *entry, OctNameRules rules,
						OctTime now, OctIp out[OCT_MAX_ADDRESSES + 1],
						int *nformer)
{
	int			n;

	*nformer = 0;
	if (!has_addresses(entry, rules, now))
		return 0;
	n = put_in_order(out, entry->at, entry->n, &entry->good);
	if (entry->good.version != 0 && !contains(out, n, &entry->good) &&
		is_tolerable(entry->good_given, rules, now))
	{
		out[n++] = entry->good;
		*nformer = 1;
	}
	return n;
}

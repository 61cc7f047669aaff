/*-------------------------------------------------------------------------
 *
 * lookups.c
 *	  Which names are being looked up, and whose turn is next.
 *
 * 1. A lookup waits in one of two queues, first come, first served: the urgent,
 *	  without which nothing can be probed, before the others, except for every
 *	  fourth place, so that neither is ever kept waiting by the other.
 *
 * 2. oct_lookups_start() begins as many as there are places.  Those that take
 *	  longer than OCT_SLOW_MS no longer count: they wait for somebody who is
 *	  silent, and the others need not wait with them.  There is a second, wider
 *	  limit for all.  So a silent server costs others next to nothing, and 10,000
 *	  names at once make no burst that a server or a socket's buffer would drop.
 *
 * 3. oct_lookups_tick() looks after times, every OCT_TICK_MS while anything is
 *	  under way.  With nothing under way there is no timer.
 *
 * At the worst, when nobody answers any more, 512 lookups begin in a second.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lookups.h"

#define OCT_TICK_MS			50
#define OCT_SLOW_MS			250

/* under way: those that are not slow, all */
#define OCT_MAX_QUICK		128
#define OCT_MAX_RUNNING		2048

/* what is not urgent gets every such place in any case */
#define OCT_OTHERS_TURN		4

static dlist_head urgent_queue = DLIST_STATIC_INIT(urgent_queue);
static dlist_head other_queue = DLIST_STATIC_INIT(other_queue);
static dlist_head quick = DLIST_STATIC_INIT(quick); /* oldest first */
static int	nqueued = 0;
static int	nquick = 0;
static int	nrunning = 0;		/* quick and slow */
static int	turn = 0;
static OctTime ticked = {0};

static void
push(OctLookup *lookup)
{
	lookup->state = OCT_LOOKUP_QUEUED;
	dlist_push_tail(lookup->urgent ? &urgent_queue : &other_queue, &lookup->node);
	nqueued++;
}

/* Whose turn is it?  NULL if nobody waits. */
static OctLookup *
pop(void)
{
	dlist_head *first = &urgent_queue;
	dlist_head *second = &other_queue;

	if (nqueued == 0)
		return NULL;
	if (++turn % OCT_OTHERS_TURN == 0)
	{
		first = &other_queue;
		second = &urgent_queue;
	}
	nqueued--;
	return dlist_container(OctLookup, node,
						   dlist_pop_head_node(dlist_is_empty(first) ? second : first));
}

static void
on_answer(OctDnsQuery *query, const OctDnsAnswer *answer)
{
	OctLookup  *lookup = (OctLookup *) ((char *) query - offsetof(OctLookup, query));

	if (lookup->state == OCT_LOOKUP_QUICK)
	{
		dlist_delete(&lookup->node);
		nquick--;
	}
	nrunning--;
	if (answer->cancelled)
	{
		push(lookup);
		return;
	}
	lookup->state = OCT_LOOKUP_NONE;
	lookup->done(lookup, answer);
}

/* A name, which has to stay where it is, is to be looked up. */
void
oct_lookups_queue(OctLookup *lookup, const char *name, bool urgent)
{
	lookup->query.name = name;
	lookup->query.done = on_answer;
	lookup->urgent = urgent;
	push(lookup);
}

/* Begins lookups as far as there is a place. */
void
oct_lookups_start(OctTime now)
{
	while (nquick < OCT_MAX_QUICK && nrunning < OCT_MAX_RUNNING)
	{
		OctLookup  *lookup = pop();

		if (lookup == NULL)
			return;
		if (nrunning++ == 0)
			ticked = now;
		nquick++;
		lookup->state = OCT_LOOKUP_QUICK;
		lookup->started = now;
		dlist_push_tail(&quick, &lookup->node);
		oct_dns_ask(&lookup->query);
	}
}

/* A socket is ready. */
void
oct_lookups_advance(int which)
{
	oct_dns_advance(which);
}

/* Settings may have changed: what is under way begins anew. */
void
oct_lookups_reload(void)
{
	oct_dns_reload();
}

/* Does what is due by time, if it is time for a tick. */
void
oct_lookups_tick(OctTime now)
{
	if (oct_time_before(now, oct_lookups_next_tick()))
		return;
	ticked = now;
	oct_dns_tick();

	while (!dlist_is_empty(&quick))
	{
		OctLookup  *lookup = dlist_head_element(OctLookup, node, &quick);

		if (oct_time_before(now, oct_time_add_ms(lookup->started, OCT_SLOW_MS)))
			break;
		dlist_delete(&lookup->node);
		nquick--;
		lookup->state = OCT_LOOKUP_SLOW;
	}
}

/* When it is; OCT_TIME_NEVER if nothing is under way. */
OctTime
oct_lookups_next_tick(void)
{
	return nrunning > 0 ? oct_time_add_ms(ticked, OCT_TICK_MS) : OCT_TIME_NEVER;
}

/* How many names are being looked up or wait for it. */
int
oct_lookups_pending(void)
{
	return nrunning + nqueued;
}

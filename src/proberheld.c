/*-------------------------------------------------------------------------
 *
 * proberheld.c
 *	  Sessions that are held with nodes between their checks.
 *
 * Where keep_connections says so, the session of a check that succeeded stays
 * open, for two things: the end of it is news of the server's end, which comes
 * at once; and a Sync on it is a check that costs next to nothing.
 *
 * It never convicts by itself, since a session that somebody terminated looks
 * the same: where it ends or stays silent, a fresh probe starts at once and
 * decides.  And it never acquits for long, since sessions can outlive a
 * postmaster that takes nobody any more: every fourth check is a fresh one, and
 * so are all as long as there is doubt.
 *
 * A server may end every session as soon as it has begun, by a limit of its own
 * or out of malice.  So the fresh probe comes at once only if the session had
 * lived for a while, or if it is the first one that had not; for others in a row
 * it waits longer each time, up to the regular one.
 *
 * Held sessions have at most half of the sockets there are, so that there are
 * always some for probes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "prober_internal.h"

/* so many checks on a held session, then a fresh one */
#define OCT_HELD_CHECKS		3

/* a session that has lived so long, or has given a sign of life, lived for a while */
#define OCT_BRIEF_US		INT64CONST(1000000)

/* the wait after the second brief session in a row; it doubles with each one */
#define OCT_DOUBT_US		INT64CONST(10000)
#define OCT_MAX_DOUBLINGS	30

static int	nheld = 0;
static int	max_held = 0;

/* How many sockets there are for everything. */
void
oct_prober_limit_held(int max_sockets)
{
	max_held = max_sockets / 2;
}

int
oct_prober_nheld(void)
{
	return nheld;
}

/*
 * Holds the session of a contact that has ended well, instead of the one held so
 * far, if it has one and is to be held; else closes it.  A server that is full
 * has none, but is alive, and so is the session held so far.
 */
void
oct_prober_hold(OctNode *node, OctContact *contact)
{
	if (!node->policy.keep_connections ||
		(node->held == NULL && nheld >= max_held) ||
		!oct_contact_hold(contact))
	{
		oct_contact_close(contact);
		return;
	}
	oct_prober_let_go(node);
	node->held = contact;
	node->held_checks = 0;
	node->side ^= 1;			/* its socket keeps the owner that it has */
	nheld++;
}

/* Closes the session that is held, if there is one. */
void
oct_prober_let_go(OctNode *node)
{
	if (node->held == NULL)
		return;
	oct_contact_close(node->held);
	node->held = NULL;
	nheld--;
}

/* Is a sign of life of the held session all that the next check needs? */
bool
oct_prober_may_sync(const OctNode *node)
{
	return node->held != NULL && node->held_checks < OCT_HELD_CHECKS &&
		!node->wanted &&
		node->probe.verdict.health == OCT_HEALTHY &&
		node->probe.verdict.failures == 0;
}

/*
 * A session is lost that is held: how long may the fresh try wait?  The last
 * sign of life was given by the last try.
 */
int64
oct_prober_doubt_us(OctNode *node, OctTime now)
{
	int			before = node->brief;

	if (node->held_checks > 0 ||
		oct_time_diff_us(now, node->probe.started) >= OCT_BRIEF_US)
		before = 0;
	node->brief = Min(before + 1, OCT_MAX_DOUBLINGS);
	return before == 0 ? 0 : OCT_DOUBT_US << (before - 1);
}

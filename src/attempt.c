/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  One try at a node: its addresses in turn, until one shows life.
 *
 * Life at any address is the node's life.  If none shows life, one that is
 * dead outweighs trouble of ours at another (an address family that this
 * machine does not have, say).
 *
 * The resolver learns from it: an address that shows life is worth keeping, and
 * a name whose addresses do not is to be looked up anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "attempt.h"

/* Where the node is, unless it has to be looked up. */
static const char *
fixed_place(const OctNodeSpec *spec)
{
	return spec->options.hostaddr[0] != '\0' ? spec->options.hostaddr : spec->name;
}

static bool
is_socket(const OctNodeSpec *spec)
{
	return spec->options.hostaddr[0] == '\0' && spec->name[0] == '/';
}

/* Once for each node, and again when its spec changes. */
void
oct_attempt_init(OctAttempt *attempt, const OctNodeSpec *spec)
{
	attempt->eager = true;
	if (is_socket(spec) || !oct_address_parse(&attempt->address, fixed_place(spec)))
		attempt->address.len = 0;
}

/*
 * Begins an attempt.  If its addresses are known it has *nlegs legs.  If they
 * are being looked up, attempt->waiter will be told, and the attempt is to be
 * begun anew.  If they cannot be known the outcome says why.
 */
OctResolution
oct_attempt_begin(OctAttempt *attempt, const OctNodeSpec *spec, OctTime now,
				  int *nlegs, OctOutcome *outcome)
{
	OctAddresses addresses;
	OctResolution resolution;

	*nlegs = 1;
	attempt->legs = NULL;
	if (is_socket(spec) || attempt->address.len > 0)
		return OCT_RESOLVED;
	resolution = oct_resolver_ask(spec->name, now, &attempt->waiter, &addresses,
								  outcome);
	if (resolution == OCT_RESOLVED)
	{
		attempt->legs = MemoryContextAllocZero(TopMemoryContext, sizeof(OctLegs));
		attempt->legs->addresses = addresses;
		*nlegs = addresses.n;
	}
	return resolution;
}

/* Starts the current leg; "target" has all but the place already. */
bool
oct_attempt_start_leg(OctAttempt *attempt, const OctNodeSpec *spec,
					  OctTarget *target, int owner, OctOutcome *outcome)
{
	OctLegs    *legs = attempt->legs;

	target->socket_dir = is_socket(spec) ? spec->name : NULL;
	if (target->socket_dir == NULL)
	{
		target->address = legs != NULL ?
			legs->addresses.at[legs->current] : attempt->address;
		oct_address_set_port(&target->address, spec->port);
	}
	attempt->contact = oct_contact_start(target, &attempt->eager, owner, outcome);
	return attempt->contact != NULL;
}

/*
 * The running leg has come to an outcome, or is given up with one, which is the
 * evidence given.  Returns true if there is another leg, which is to be started;
 * else makes the outcome that of the whole attempt, and leaves the contact of
 * the last leg to be taken or to be closed with the attempt.
 */
bool
oct_attempt_next_leg(OctAttempt *attempt, const OctNodeSpec *spec,
					 OctEvidence evidence, OctTime now, OctOutcome *outcome)
{
	OctLegs    *legs = attempt->legs;

	if (legs == NULL)
		return false;
	if (evidence == OCT_EVIDENCE_ALIVE)
	{
		oct_resolver_confirm(spec->name, &legs->addresses.at[legs->current], now);
		return false;
	}

	if (attempt->contact != NULL)
		oct_contact_close(oct_attempt_take_contact(attempt));
	if (evidence == OCT_EVIDENCE_DEAD)
	{
		legs->failed = true;
		legs->failed_leg = legs->current;
		legs->failure = *outcome;
	}
	if (++legs->current < legs->addresses.n)
		return true;
	if (legs->failed)
		*outcome = legs->failure;
	oct_resolver_doubt(spec->name, now);
	return false;
}

/*
 * Where the attempt has led: to the address of the running leg, or the one that
 * the outcome of the whole is from; to none if that is unknown, or a socket.
 */
void
oct_attempt_get_address(const OctAttempt *attempt, OctNodeAddress *address)
{
	const OctLegs *legs = attempt->legs;
	int			leg;

	if (legs == NULL)
	{
		oct_address_store(&attempt->address, address);
		return;
	}
	leg = legs->current < legs->addresses.n ? legs->current :
		legs->failed ? legs->failed_leg : legs->addresses.n - 1;
	oct_address_store(&legs->addresses.at[leg], address);
}

/* How far it has come. */
OctPhase
oct_attempt_phase(const OctAttempt *attempt)
{
	return attempt->contact != NULL ? oct_contact_phase(attempt->contact) :
		OCT_PHASE_DNS;
}

/* The contact of the last leg, which the caller has to close. */
OctContact *
oct_attempt_take_contact(OctAttempt *attempt)
{
	OctContact *contact = attempt->contact;

	attempt->contact = NULL;
	return contact;
}

/* Ends an attempt, whatever became of it. */
void
oct_attempt_end(OctAttempt *attempt)
{
	if (attempt->contact != NULL)
		oct_contact_close(oct_attempt_take_contact(attempt));
	oct_resolver_forget(&attempt->waiter);
	if (attempt->legs != NULL)
		pfree(attempt->legs);
	attempt->legs = NULL;
}

/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  One try at a node: its addresses in turn, until one shows life.
 *
 * Life at any address is the node's life.  If none shows life, one that is
 * dead outweighs trouble of ours at another (an address family that this
 * machine does not have, say).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "attempt.h"
#include "clock.h"
#include "iomux.h"
#include "policy.h"

/*
 * Begins an attempt and returns how many legs it has; 0, with its outcome, if
 * the name has no address.
 */
int
oct_attempt_begin(OctAttempt *attempt, const OctNodeSpec *spec,
				  OctOutcome *outcome)
{
	OctAddresses addresses;
	OctAddress	address;

	attempt->legs = NULL;
	if (spec->name[0] == '/' || spec->options.hostaddr[0] != '\0')
		return 1;
	if (oct_address_parse(&address, spec->name))
		return 1;
	switch (oct_resolver_ask(spec->name, oct_now(), NULL, &addresses, outcome))
	{
		case OCT_RESOLVED:
			attempt->legs = MemoryContextAllocZero(TopMemoryContext, sizeof(OctLegs));
			attempt->legs->addresses = addresses;
			return addresses.n;
		case OCT_RESOLVING:
			memset(outcome, 0, sizeof(OctOutcome));
			outcome->reason = OCT_REASON_RESOLVER_TROUBLE;
			outcome->phase = OCT_PHASE_DNS;
			strlcpy(outcome->message, "the DNS has not answered yet", OCT_MESSAGE_SIZE);
			return 0;
		case OCT_UNRESOLVED:
			break;
	}
	return 0;
}

/*
 * Watches the socket of the running leg, unless it is watched for that already.
 * Where encryption is tried libpq may change its socket, maybe for one of the
 * same number, so it is always watched anew.
 */
static bool
watch(OctAttempt *attempt, int events, int owner, OctOutcome *outcome)
{
	if ((events == attempt->events && attempt->one_socket) ||
		oct_iomux_watch(oct_pqprobe_socket(&attempt->probe), events, owner))
	{
		attempt->events = events;
		return true;
	}
	memset(outcome, 0, sizeof(OctOutcome));
	outcome->reason = OCT_REASON_VOIDED;
	outcome->phase = attempt->probe.phase;
	strlcpy(outcome->message, strerror(errno), OCT_MESSAGE_SIZE);
	return false;
}

/* Starts the current leg.  Its socket will be told as "owner". */
bool
oct_attempt_start_leg(OctAttempt *attempt, const OctNodeSpec *spec,
					  const OctPairs *policy,
					  const char *application_name, int owner,
					  OctOutcome *outcome)
{
	OctLegs    *legs = attempt->legs;
	char		text[OCT_ADDRESS_TEXT_SIZE];
	OctTarget	target = {
		.port = spec->port,
		.name = spec->name,
		.application_name = application_name,
		.policy = policy,
	};

	if (spec->options.hostaddr[0] != '\0')
		target.address = spec->options.hostaddr;
	else if (spec->name[0] == '/')
		target.socket_dir = spec->name;
	else
		target.address = legs == NULL ? spec->name :
			oct_address_format(&legs->addresses.at[legs->current], text) ? text :
			NULL;

	attempt->events = 0;
	attempt->one_socket = policy->size == 0;
	return oct_pqprobe_start(&attempt->probe, &target, outcome) &&
		watch(attempt, OCT_IO_WRITE, owner, outcome);
}

/* The socket of the running leg is ready. */
bool
oct_attempt_advance(OctAttempt *attempt, int owner, OctOutcome *outcome)
{
	int			events;

	return oct_pqprobe_advance(&attempt->probe, &events, outcome) &&
		watch(attempt, events, owner, outcome);
}

/*
 * The running leg has come to an outcome, or is given up with one.  Returns
 * true if there is another leg, which is to be started; else makes the outcome
 * that of the whole attempt.
 */
bool
oct_attempt_next_leg(OctAttempt *attempt, const OctNodeSpec *spec,
					 OctOutcome *outcome)
{
	OctEvidence evidence = oct_policy_evidence(outcome->reason);
	OctLegs    *legs = attempt->legs;

	oct_pqprobe_close(&attempt->probe);
	if (legs == NULL)
		return false;
	if (evidence == OCT_EVIDENCE_ALIVE)
	{
		oct_resolver_confirm(spec->name, &legs->addresses.at[legs->current],
							 oct_now());
		return false;
	}

	if (evidence == OCT_EVIDENCE_DEAD)
	{
		legs->failed = true;
		legs->failure = *outcome;
	}
	if (++legs->current < legs->addresses.n)
		return true;
	if (legs->failed)
		*outcome = legs->failure;
	oct_resolver_doubt(spec->name, oct_now());
	return false;
}

/* Ends an attempt, whatever became of it. */
void
oct_attempt_end(OctAttempt *attempt)
{
	oct_pqprobe_close(&attempt->probe);
	if (attempt->legs != NULL)
		pfree(attempt->legs);
	attempt->legs = NULL;
}

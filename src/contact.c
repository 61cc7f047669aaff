/*-------------------------------------------------------------------------
 *
 * contact.c
 *	  One contact with a server: a probe at one address, which may go on as a
 *	  held session.
 *
 * Plain sockets serve where no login is needed and the group asks for nothing
 * that only libpq can do; they cost half as much.
 *
 * Contacts come and go thousands of times a second, so they have a slab of
 * their own, and one that is never used keeps it from giving its block back
 * whenever there is none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "cause.h"
#include "contact.h"
#include "ping.h"
#include "pqprobe.h"
#include "trust.h"

struct OctContact
{
	bool		raw;			/* which of the two it is */
	union
	{
		OctPing		ping;
		OctPqProbe	pq;
	};
};

static MemoryContext contacts;

/* Once a process. */
void
oct_contact_init(void)
{
	contacts = SlabContextCreate(TopMemoryContext, "octopus_fdw contacts",
								 SLAB_DEFAULT_BLOCK_SIZE, sizeof(OctContact));
	(void) MemoryContextAlloc(contacts, sizeof(OctContact));
}

/* Does it go without libpq? */
static bool
goes_raw(const OctTarget *target)
{
	return target->check_type == OCT_CHECK_TCP ||
		(target->check_type == OCT_CHECK_PING && target->login->raw_ping);
}

/* Is a probe kept from being made at all?  Then with its outcome. */
static bool
is_hindered(const OctTarget *target, OctOutcome *outcome)
{
	const char *why_not;

	/* libpq would take it for two hosts and look the second one up */
	if (target->socket_dir != NULL && strchr(target->socket_dir, ',') != NULL)
		oct_cause_set(outcome, OCT_REASON_NAME_RESOLUTION, OCT_PHASE_DNS,
					  "a socket directory cannot contain a comma");
	else if ((why_not = oct_login_forbid(target)) != NULL)
		oct_cause_set(outcome, OCT_REASON_FORBIDDEN, OCT_PHASE_AUTH, why_not);
	else if (!goes_raw(target) &&
			 (why_not = oct_trust_obstacle(target->login->policy)) != NULL)
		oct_cause_set(outcome, OCT_REASON_TLS_ERROR, OCT_PHASE_TLS, why_not);
	else
		return false;
	return true;
}

/*
 * Starts a contact, whose socket will be told as "owner"; for *eager see
 * oct_ping_start.  Returns NULL if it ended at once, with its outcome.  Raises
 * an error if there is no memory.
 */
OctContact *
oct_contact_start(const OctTarget *target, bool *eager, int owner,
				  OctOutcome *outcome)
{
	OctContact *contact;

	if (is_hindered(target, outcome))
		return NULL;

	contact = MemoryContextAlloc(contacts, sizeof(OctContact));
	contact->raw = goes_raw(target);
	if (contact->raw ?
		oct_ping_start(&contact->ping, target, eager, owner, outcome) :
		oct_pqprobe_start(&contact->pq, target, owner, outcome))
		return contact;
	oct_contact_close(contact);
	return NULL;
}

/* The socket is ready, as it may be or not; false with the outcome at the end. */
bool
oct_contact_advance(OctContact *contact, OctOutcome *outcome)
{
	return contact->raw ? oct_ping_advance(&contact->ping, outcome) :
		oct_pqprobe_advance(&contact->pq, outcome);
}

/*
 * Begins to hold the session of a contact that has ended well, before its first
 * Sync and after each.  Returns false if there is no session to be held.
 */
bool
oct_contact_hold(OctContact *contact)
{
	return contact->raw ? oct_ping_hold(&contact->ping) :
		oct_pqprobe_hold(&contact->pq);
}

/* Asks a held session for a sign of life; false with the outcome if it is lost. */
bool
oct_contact_sync(OctContact *contact, OctOutcome *outcome)
{
	return contact->raw ? oct_ping_sync(&contact->ping, outcome) :
		oct_pqprobe_sync(&contact->pq, outcome);
}

/* How far it has come. */
OctPhase
oct_contact_phase(const OctContact *contact)
{
	return contact->raw ? oct_ping_phase(&contact->ping) : contact->pq.phase;
}

/* Ends a contact, whatever became of it. */
void
oct_contact_close(OctContact *contact)
{
	if (contact->raw)
		oct_ping_close(&contact->ping);
	else
		oct_pqprobe_close(&contact->pq);
	pfree(contact);
}

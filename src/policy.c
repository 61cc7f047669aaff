/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  Judging: the table of outcomes, rise and fall of a verdict.
 *
 * The question asked is the one of PQping: does a PostgreSQL server answer,
 * and would it take work?  So a refused login is life, whatever the cause of
 * the refusal, while a server that is starting up, shutting down or in
 * recovery without hot standby answers, but takes nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "policy.h"

typedef struct OctReasonInfo
{
	OctEvidence evidence;
	const char *code;			/* for programs */
	const char *sentence;		/* for people, without the full stop */
} OctReasonInfo;

static const OctReasonInfo oct_policy_reasons[] = {
	[OCT_REASON_OK] =
	{OCT_EVIDENCE_ALIVE, "ok", "The server answered"},
	[OCT_REASON_CONNECTION_REFUSED] =
	{OCT_EVIDENCE_DEAD, "connection_refused", "Nothing accepts connections there"},
	[OCT_REASON_CONNECTION_RESET] =
	{OCT_EVIDENCE_DEAD, "connection_reset", "The connection was closed before the server answered"},
	[OCT_REASON_HOST_UNREACHABLE] =
	{OCT_EVIDENCE_DEAD, "host_unreachable", "The address could not be reached"},
	[OCT_REASON_TIMEOUT] =
	{OCT_EVIDENCE_DEAD, "timeout", "The server did not answer in time"},
	[OCT_REASON_NAME_RESOLUTION] =
	{OCT_EVIDENCE_DEAD, "name_resolution", "The name has no known address"},
	[OCT_REASON_RESOLVER_TROUBLE] =
	{OCT_EVIDENCE_NONE, "name_resolution", "The name could not be looked up"},
	[OCT_REASON_TLS_ERROR] =
	{OCT_EVIDENCE_DEAD, "tls_error", "No encrypted connection could be made"},
	[OCT_REASON_AUTH_FAILED] =
	{OCT_EVIDENCE_ALIVE, "auth_failed", "The server answered, but refused the login"},
	[OCT_REASON_PASSWORD_NEEDED] =
	{OCT_EVIDENCE_ALIVE, "auth_failed", "The server asks for a password, and there is none"},
	[OCT_REASON_FORBIDDEN] =
	{OCT_EVIDENCE_DEAD, "auth_failed", "The probe has no right to log in"},
	[OCT_REASON_STARTING_UP] =
	{OCT_EVIDENCE_DEAD, "starting_up", "The server is starting up"},
	[OCT_REASON_IN_RECOVERY] =
	{OCT_EVIDENCE_DEAD, "in_recovery", "The server is in recovery and takes no connections"},
	[OCT_REASON_NOT_ACCEPTING] =
	{OCT_EVIDENCE_DEAD, "not_accepting", "The server does not take connections now"},
	[OCT_REASON_SHUTTING_DOWN] =
	{OCT_EVIDENCE_DEAD, "shutting_down", "The server is shutting down"},
	[OCT_REASON_TOO_MANY_CONNECTIONS] =
	{OCT_EVIDENCE_ALIVE, "too_many_connections", "The server answered, but has no connection left"},
	[OCT_REASON_PROTOCOL_ERROR] =
	{OCT_EVIDENCE_DEAD, "protocol_error", "What answered does not speak the protocol of PostgreSQL"},
	[OCT_REASON_QUERY_FAILED] =
	{OCT_EVIDENCE_DEAD, "query_failed", "The query of the check failed"},
	[OCT_REASON_QUERY_FALSE] =
	{OCT_EVIDENCE_DEAD, "query_false", "The query of the check did not return true"},
	[OCT_REASON_CONNECTION_LOST] =
	{OCT_EVIDENCE_DEAD, "connection_lost", "The session was lost"},
	[OCT_REASON_VOIDED] =
	{OCT_EVIDENCE_NONE, "voided", "The probe could not be carried out here"},
	[OCT_REASON_DISABLED] =
	{OCT_EVIDENCE_NONE, "disabled", "Checks are switched off"},
};

StaticAssertDecl(lengthof(oct_policy_reasons) == OCT_REASON_COUNT,
				 "every OctReason needs its row");

static const char *const oct_policy_states[] = {
	[OCT_STATE_INITIALIZING] = "initializing",
	[OCT_STATE_HEALTHY] = "healthy",
	[OCT_STATE_DEGRADED] = "degraded",
	[OCT_STATE_FAILING] = "failing",
	[OCT_STATE_UNHEALTHY] = "unhealthy",
	[OCT_STATE_RECOVERING] = "recovering",
	[OCT_STATE_DISABLED] = "disabled",
	[OCT_STATE_STALE] = "stale",
};

StaticAssertDecl(lengthof(oct_policy_states) == OCT_STATE_COUNT,
				 "every OctState needs its name");

static const char *const oct_policy_phases[] = {
	[OCT_PHASE_DNS] = "dns",
	[OCT_PHASE_CONNECT] = "connect",
	[OCT_PHASE_TLS] = "tls",
	[OCT_PHASE_STARTUP] = "startup",
	[OCT_PHASE_AUTH] = "auth",
	[OCT_PHASE_QUERY] = "query",
};

OctEvidence
oct_policy_evidence(OctReason reason)
{
	return oct_policy_reasons[reason].evidence;
}

/*
 * The same for what a check asks: where the login has to succeed, a refused one
 * is a failure.
 */
OctEvidence
oct_policy_evidence_of(OctReason reason, OctCheckType check_type)
{
	bool		login = check_type == OCT_CHECK_CONNECTION ||
		check_type == OCT_CHECK_QUERY;

	if (login && reason != OCT_REASON_OK &&
		oct_policy_evidence(reason) == OCT_EVIDENCE_ALIVE)
		return OCT_EVIDENCE_DEAD;
	return oct_policy_evidence(reason);
}

/* Static text. */
const char *
oct_policy_reason_code(OctReason reason)
{
	return oct_policy_reasons[reason].code;
}

/* Static text. */
const char *
oct_policy_phase_name(OctPhase phase)
{
	return oct_policy_phases[phase];
}

/* Static text: a sentence without its full stop. */
const char *
oct_policy_reason_sentence(OctReason reason)
{
	return oct_policy_reasons[reason].sentence;
}

/*
 * What an ErrorResponse at login means.
 *
 * 57P03 stands for several states that only the text tells apart (see
 * ProcessStartupPacket and canAcceptConnections in core); a translated text
 * leaves us with "not accepting", which is judged alike.
 */
OctReason
oct_policy_reason_of_error(const char *sqlstate, const char *message)
{
	static const struct
	{
		const char *text;
		OctReason	reason;
	}			states[] = {
		{"starting up", OCT_REASON_STARTING_UP},
		{"shutting down", OCT_REASON_SHUTTING_DOWN},
		{"in recovery", OCT_REASON_IN_RECOVERY},
		{"not accepting connections", OCT_REASON_IN_RECOVERY},
		{"not yet accepting connections", OCT_REASON_STARTING_UP},
	};

	if (strcmp(sqlstate, "53300") == 0)
		return OCT_REASON_TOO_MANY_CONNECTIONS;
	if (strcmp(sqlstate, "57P01") == 0 || strcmp(sqlstate, "57P02") == 0)
		return OCT_REASON_SHUTTING_DOWN;
	if (strcmp(sqlstate, "57P03") != 0)
		return OCT_REASON_AUTH_FAILED;

	for (int i = 0; i < lengthof(states); i++)
	{
		if (strstr(message, states[i].text) != NULL)
			return states[i].reason;
	}
	return OCT_REASON_NOT_ACCEPTING;
}

/*
 * Rise and fall: one success makes a node healthy of which nothing was known,
 * healthy_threshold of them in a row one that was unhealthy; 1 + max_retries
 * failures in a row make it unhealthy, and what is no evidence changes nothing.
 *
 * Returns whether the health changed.
 */
bool
oct_policy_judge(OctVerdict *verdict, OctEvidence evidence,
				 const OctPolicy *policy)
{
	OctHealth	before = verdict->health;

	switch (evidence)
	{
		case OCT_EVIDENCE_NONE:
			break;

		case OCT_EVIDENCE_ALIVE:
			verdict->failures = 0;
			if (verdict->successes < PG_UINT32_MAX)
				verdict->successes++;
			if (verdict->health != OCT_UNHEALTHY ||
				verdict->successes >= (uint32) policy->healthy_threshold)
				verdict->health = OCT_HEALTHY;
			break;

		case OCT_EVIDENCE_DEAD:
			verdict->successes = 0;
			if (verdict->failures < PG_UINT32_MAX)
				verdict->failures++;
			if (verdict->failures > (uint32) policy->max_retries)
				verdict->health = OCT_UNHEALTHY;
			break;
	}

	return verdict->health != before;
}

/* Has a try failed, without the verdict having followed yet? */
bool
oct_policy_in_doubt(const OctVerdict *verdict)
{
	return verdict->failures > 0 && verdict->health != OCT_UNHEALTHY;
}

/* What to call a verdict, given the reason of the last try. */
OctState
oct_policy_state(const OctVerdict *verdict, OctReason reason)
{
	if (reason == OCT_REASON_DISABLED)
		return OCT_STATE_DISABLED;
	switch (verdict->health)
	{
		case OCT_UNKNOWN:
			break;
		case OCT_UNHEALTHY:
			return verdict->successes > 0 ?
				OCT_STATE_RECOVERING : OCT_STATE_UNHEALTHY;
		case OCT_HEALTHY:
			return verdict->failures > 0 ? OCT_STATE_FAILING :
				reason != OCT_REASON_OK ? OCT_STATE_DEGRADED : OCT_STATE_HEALTHY;
	}
	return OCT_STATE_INITIALIZING;
}

/* Static text. */
const char *
oct_policy_state_name(OctState state)
{
	return oct_policy_states[state];
}

/*
 * How old a verdict may become: three times as long as it takes, at worst, to
 * come to the next one.
 */
int64
oct_policy_max_age_us(const OctPolicy *policy)
{
	int64		period_ms = Max(policy->period_ms, policy->down_period_ms);
	int64		probe_ms = (int64) (1 + policy->max_retries) * policy->timeout_ms +
		(int64) policy->max_retries * policy->retry_delay_ms;

	return Max(3 * (period_ms + probe_ms), OCT_MIN_MAX_AGE_MS) * OCT_US_PER_MS;
}

/*
 * Is a server read-only, by what it says of being a standby and of its
 * default_transaction_read_only?
 */
OctAnswer
oct_policy_read_only(OctAnswer standby, OctAnswer by_default)
{
	return Max(standby, by_default);
}

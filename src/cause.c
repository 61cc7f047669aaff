/*-------------------------------------------------------------------------
 *
 * cause.c
 *	  What the errors of the system and of libpq mean.
 *
 * libpq tells the cause of a failure as text only.  The prober has set its
 * messages to the C locale, so that the text can be recognized: an error of
 * the system is worded as strerror words it, and one that the server sent bears
 * its SQLSTATE where PQERRORS_VERBOSE puts it.
 *
 * Does not throw.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cause.h"
#include "policy.h"

/* What an error of the system means while we connect. */
static const struct
{
	int			errnum;
	OctReason	reason;
}			system_errors[] = {
	/* for a Unix-domain socket: no such socket; its backlog is full */
	{ENOENT, OCT_REASON_CONNECTION_REFUSED},
	{ENOTCONN, OCT_REASON_CONNECTION_REFUSED},
	{EAGAIN, OCT_REASON_CONNECTION_REFUSED},
	{ECONNREFUSED, OCT_REASON_CONNECTION_REFUSED},
	{ECONNRESET, OCT_REASON_CONNECTION_RESET},
	{EPIPE, OCT_REASON_CONNECTION_RESET},
	{ETIMEDOUT, OCT_REASON_TIMEOUT},
	/* trouble of ours */
	{EMFILE, OCT_REASON_VOIDED},
	{ENFILE, OCT_REASON_VOIDED},
	{ENOBUFS, OCT_REASON_VOIDED},
	{ENOMEM, OCT_REASON_VOIDED},
	{ENOSPC, OCT_REASON_VOIDED},	/* of epoll */
	{EADDRNOTAVAIL, OCT_REASON_VOIDED},
};

/* What libpq, or a server that could not even send a message, says. */
static const struct
{
	const char *text;
	OctReason	reason;
}			session_errors[] = {
	{"could not fork", OCT_REASON_TOO_MANY_CONNECTIONS},
	{"SSL", OCT_REASON_TLS_ERROR},
	{"certificate", OCT_REASON_TLS_ERROR},
	{"private key file", OCT_REASON_TLS_ERROR},
	{"server closed the connection", OCT_REASON_CONNECTION_RESET},
	{"could not receive data from server", OCT_REASON_CONNECTION_RESET},
	{"could not send", OCT_REASON_CONNECTION_RESET},
	{"expected authentication request", OCT_REASON_PROTOCOL_ERROR},
	{"host name must be specified", OCT_REASON_AUTH_FAILED},	/* for GSSAPI */
	{"GSSAPI", OCT_REASON_AUTH_FAILED},
	{"SSPI", OCT_REASON_AUTH_FAILED},
	{"invalid", OCT_REASON_PROTOCOL_ERROR},
	{"protocol", OCT_REASON_PROTOCOL_ERROR},
	{"authentication", OCT_REASON_AUTH_FAILED},
	{"out of memory", OCT_REASON_VOIDED},
};

/* What an error of the system means while we connect or talk. */
OctReason
oct_cause_of_errno(int errnum)
{
	for (int i = 0; i < lengthof(system_errors); i++)
	{
		if (system_errors[i].errnum == errnum)
			return system_errors[i].reason;
	}
	return OCT_REASON_HOST_UNREACHABLE;
}

/* What a text of libpq's own means, the first line of which counts. */
static OctReason
reason_of_text(const char *text, OctPhase phase)
{
	if (phase == OCT_PHASE_CONNECT)
	{
		size_t		len = strcspn(text, "\n");

		/* it is the system's error, or ends with it */
		for (int i = 0; i < lengthof(system_errors); i++)
		{
			const char *error = strerror(system_errors[i].errnum);
			size_t		error_len = strlen(error);

			if (len >= error_len &&
				strncmp(text + len - error_len, error, error_len) == 0)
				return system_errors[i].reason;
		}
	}
	for (int i = 0; i < lengthof(session_errors); i++)
	{
		if (strstr(text, session_errors[i].text) != NULL)
			return session_errors[i].reason;
	}
	return phase == OCT_PHASE_CONNECT ? OCT_REASON_HOST_UNREACHABLE :
		OCT_REASON_PROTOCOL_ERROR;
}

/*
 * Finds the SQLSTATE in a verbose error text, that is, behind the severity:
 * "FATAL:  57P03: the database system is starting up".  Returns the position
 * behind it, or NULL.
 */
static const char *
find_sqlstate(const char *text, char *sqlstate)
{
	for (const char *p = strstr(text, ":  "); p != NULL; p = strstr(p + 1, ":  "))
	{
		if (strspn(p + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
			p[8] == ':' && p[9] == ' ')
		{
			memcpy(sqlstate, p + 3, 5);
			sqlstate[5] = '\0';
			return p + 10;
		}
	}
	return NULL;
}

/* What libpq puts before the cause is skipped: "connection to ... failed: ". */
static const char *
skip_context(const char *text)
{
	const char *failed = strstr(text, " failed: ");

	if (strncmp(text, "connection to server ", 21) == 0 && failed != NULL)
		return failed + 9;
	return text;
}

/* Keeps the first line of a text. */
void
oct_cause_set_message(OctOutcome *outcome, const char *text)
{
	size_t		len = strcspn(text, "\r\n");

	strlcpy(outcome->message, text, Min(len + 1, OCT_MESSAGE_SIZE));
}

/* An outcome that is all ours. */
void
oct_cause_set(OctOutcome *outcome, OctReason reason, OctPhase phase,
			  const char *message)
{
	memset(outcome, 0, sizeof(OctOutcome));
	outcome->reason = reason;
	outcome->phase = phase;
	oct_cause_set_message(outcome, message);
}

/*
 * The outcome may tell more of how far it had come than was noted on the way: to
 * reset a connection the peer must have accepted it, and a server that says no
 * has read what we want.
 */
void
oct_cause_correct_phase(OctOutcome *outcome)
{
	if (outcome->phase == OCT_PHASE_CONNECT &&
		outcome->reason == OCT_REASON_CONNECTION_RESET)
		outcome->phase = OCT_PHASE_STARTUP;
	else if (outcome->phase == OCT_PHASE_STARTUP &&
			 (outcome->sqlstate[0] != '\0' ||
			  outcome->reason == OCT_REASON_TOO_MANY_CONNECTIONS))
		outcome->phase = OCT_PHASE_AUTH;
}

/*
 * Finds out what libpq's error message tells of a login that failed; the phase
 * of the outcome is known.
 */
void
oct_cause_of_libpq(const char *text, OctOutcome *outcome)
{
	const char *cause = skip_context(text);
	const char *said = find_sqlstate(cause, outcome->sqlstate);

	/* libpq 16 and later have no words for socket() failing: trouble of ours */
	if (cause[0] == '\0' && outcome->phase == OCT_PHASE_CONNECT)
	{
		outcome->reason = OCT_REASON_VOIDED;
		oct_cause_set_message(outcome, "could not create socket");
		return;
	}

	if (said != NULL)
		outcome->reason = oct_policy_reason_of_error(outcome->sqlstate, said);
	else
		outcome->reason = reason_of_text(cause, outcome->phase);
	oct_cause_correct_phase(outcome);
	oct_cause_set_message(outcome, said != NULL ? said : cause);
}

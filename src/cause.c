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
	{ENETDOWN, OCT_REASON_VOIDED},	/* the network that is down is this machine's */
};

/*
 * What libpq says; the first that fits counts.  The names of ours and of
 * certificates are in its words, so what is life must not come before what the
 * words of TLS come to.
 */
static const struct
{
	const char *text;
	OctReason	reason;
}			session_errors[] = {
	{"SSL", OCT_REASON_TLS_ERROR},
	{"certificate", OCT_REASON_TLS_ERROR},
	{"private key file", OCT_REASON_TLS_ERROR},
	{"weak sslmode", OCT_REASON_TLS_ERROR},
	{"invalid ssl", OCT_REASON_TLS_ERROR},	/* of the values of options */
	{"invalid gssencmode", OCT_REASON_TLS_ERROR},
	{"GSSAPI encryption", OCT_REASON_TLS_ERROR},
	{"GSSAPI negotiation", OCT_REASON_TLS_ERROR},
	{"GSSAPI support", OCT_REASON_TLS_ERROR},	/* that is not compiled in */
	/* of whom to trust and how; no server has said anything yet */
	{"requirepeer", OCT_REASON_FORBIDDEN},
	{"require_auth", OCT_REASON_FORBIDDEN},
	{"invalid channel_binding", OCT_REASON_FORBIDDEN},
	{"channel binding", OCT_REASON_AUTH_FAILED},
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
};

/* How libpq's words begin when it has got no memory. */
static const char *const lacks_of_memory[] = {
	"out of memory", "cannot allocate memory for"
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

/* Has the peer closed a connection that was encrypted already? */
static bool
is_end_of_tls(const char *string, OctPhase phase)
{
	return phase > OCT_PHASE_TLS &&
		(strncmp(string, "SSL connection has been closed", 30) == 0 ||
		 strncmp(string, "SSL SYSCALL error: EOF", 22) == 0 ||
		 strncmp(string, "SSL error: unexpected eof", 25) == 0);
}

/*
 * Does a text of libpq's say that this process has run short of memory?  A server
 * that has says so with a severity in front, or a SQLSTATE.
 */
bool
oct_cause_is_lack_of_memory(const char *string)
{
	for (int i = 0; i < lengthof(lacks_of_memory); i++)
	{
		if (strncmp(string, lacks_of_memory[i], strlen(lacks_of_memory[i])) == 0)
			return true;
	}
	return false;
}

/* What a text of libpq's own means, the first line of which counts. */
static OctReason
reason_of_text(const char *string, OctPhase phase)
{
	/* a server that could not even send a proper message */
	if (strncmp(string, "could not fork", 14) == 0)
		return OCT_REASON_TOO_MANY_CONNECTIONS;
	if (oct_cause_is_lack_of_memory(string))
		return OCT_REASON_VOIDED;
	if (is_end_of_tls(string, phase))
		return OCT_REASON_CONNECTION_RESET;
	if (phase == OCT_PHASE_TLS && strstr(string, "GSSAPI") != NULL)
		return OCT_REASON_TLS_ERROR;
	if (phase == OCT_PHASE_CONNECT)
	{
		size_t		len = strcspn(string, "\n");

		/* it is the system's error, or ends with it */
		for (int i = 0; i < lengthof(system_errors); i++)
		{
			const char *error = strerror(system_errors[i].errnum);
			size_t		error_len = strlen(error);

			if (len >= error_len &&
				strncmp(string + len - error_len, error, error_len) == 0)
				return system_errors[i].reason;
		}
	}
	for (int i = 0; i < lengthof(session_errors); i++)
	{
		if (strstr(string, session_errors[i].text) != NULL)
			return session_errors[i].reason;
	}
	return phase == OCT_PHASE_CONNECT ? OCT_REASON_HOST_UNREACHABLE :
		OCT_REASON_PROTOCOL_ERROR;
}

/* What libpq puts before the cause is skipped: "connection to ... failed: ". */
static const char *
skip_context(const char *string)
{
	const char *failed = strstr(string, " failed: ");

	if (strncmp(string, "connection to server ", 21) == 0 && failed != NULL)
		return failed + 9;
	return string;
}

/*
 * Finds the SQLSTATE in a verbose error text, that is, behind the severity,
 * whatever that is called where the server is: "FATAL:  57P03: the database
 * system is starting up".  Each try of libpq has a line.  Names stand in quotes
 * and may be anything, those in certificates even several lines; so a try that
 * ended with TLS has nothing to tell, and what went before it has the first line.
 * Returns the position behind it, or NULL.
 */
static const char *
find_sqlstate(const char *string, OctPhase phase, char *sqlstate)
{
	for (const char *line = string; line != NULL; line = strchr(line, '\n'))
	{
		const char *p;

		line += strspn(line, "\n");
		p = skip_context(line);
		p += strcspn(p, ":\"\n");
		if (strncmp(p, ":  ", 3) == 0 &&
			strspn(p + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
			p[8] == ':' && p[9] == ' ')
		{
			memcpy(sqlstate, p + 3, 5);
			sqlstate[5] = '\0';
			return p + 10;
		}
		if (phase == OCT_PHASE_TLS)
			break;
	}
	return NULL;
}

/* Keeps the first line of a text. */
void
oct_cause_set_message(OctOutcome *outcome, const char *string)
{
	size_t		len = strcspn(string, "\r\n");

	strlcpy(outcome->message, string, Min(len + 1, OCT_MESSAGE_SIZE));
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
 * reset a connection the peer must have accepted it, a server that says no has
 * read what we want, and one that refuses our certificate tells so only when we
 * believe to be through.
 */
void
oct_cause_correct_phase(OctOutcome *outcome)
{
	if (outcome->phase == OCT_PHASE_CONNECT &&
		outcome->reason == OCT_REASON_CONNECTION_RESET)
		outcome->phase = OCT_PHASE_STARTUP;
	else if (outcome->reason == OCT_REASON_TLS_ERROR)
		outcome->phase = OCT_PHASE_TLS;
	else if (outcome->reason == OCT_REASON_FORBIDDEN)
		outcome->phase = OCT_PHASE_AUTH;
	else if (outcome->phase == OCT_PHASE_STARTUP &&
			 (outcome->sqlstate[0] != '\0' ||
			  outcome->reason == OCT_REASON_AUTH_FAILED ||
			  outcome->reason == OCT_REASON_TOO_MANY_CONNECTIONS))
		outcome->phase = OCT_PHASE_AUTH;
}

/*
 * Finds out what libpq's error message tells of a login that failed; the phase
 * of the outcome is known.
 */
void
oct_cause_of_libpq(const char *string, OctOutcome *outcome)
{
	const char *cause = skip_context(string);
	const char *said = find_sqlstate(cause, outcome->phase, outcome->sqlstate);

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

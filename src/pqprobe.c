/*-------------------------------------------------------------------------
 *
 * pqprobe.c
 *	  Trying a node through libpq, without ever waiting for it.
 *
 * The question is whether a server answers, so the try ends with the login,
 * or with what the server says instead of it.  It logs in as the operating
 * system's user of this server, without a password and without encryption,
 * unless its group says otherwise.
 *
 * libpq takes defaults from the environment and from files in the home
 * directory.  A monitor's probes must depend on none of these, and no secret
 * may leak from them, so the process is cut off from all of them when it
 * starts.  Nothing is ever pasted into a connection string.
 *
 * libpq tells the cause of a failure as text only.  The process has set its
 * messages to the C locale, so that the text can be recognized: an error that
 * the server sent bears its SQLSTATE where PQERRORS_VERBOSE puts it, and an
 * error of the system is worded as strerror words it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libpq-fe.h"

#include "iomux.h"
#include "pairs.h"
#include "policy.h"
#include "pqlogin.h"
#include "pqprobe.h"

/* a home directory and a password file that nobody has */
#define OCT_NOWHERE		"/nonexistent/octopus_fdw"

/* the most that is read from a peer to spare it a connection reset */
#define OCT_DRAIN_BYTES	65536

/*
 * After so many advances in which a login did not end, the peer's window is
 * made small, and after so many the try ends: a server needs one or two, a
 * hostile one would go on for ever.
 */
#define OCT_SMALL_WINDOW_AT	16
#define OCT_SMALL_WINDOW	16384
#define OCT_MAX_ADVANCES	2048

/* What an error of the system means while we connect. */
static const struct
{
	int			errnum;
	OctReason	reason;
}			connect_errors[] = {
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
	{EADDRNOTAVAIL, OCT_REASON_VOIDED},
};

/* What libpq, or a server that could not even send a message, says. */
static const struct
{
	const char *text;
	OctReason	reason;
}			session_errors[] = {
	{"could not fork", OCT_REASON_TOO_MANY_CONNECTIONS},
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

/* What libpq looks up in the environment beside PQconndefaults' variables. */
static const char *const other_variables[] = {
	"PGSERVICEFILE", "PGSYSCONFDIR", "PGTZ", "PGDATESTYLE", "PGGEQO",
};



/* Cuts libpq off from environment and home directory. */
static void
shield_environment(void)
{
	PQconninfoOption *options = PQconndefaults();

	if (options == NULL)
		elog(ERROR, "out of memory");
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
	{
		oct_pqlogin_know(option->keyword);
		if (option->envvar != NULL)
			unsetenv(option->envvar);
	}
	PQconninfoFree(options);
	for (int i = 0; i < lengthof(other_variables); i++)
		unsetenv(other_variables[i]);
	setenv("HOME", OCT_NOWHERE, 1);

	/* a server may ask for Kerberos, which could take its time to look around */
	setenv("KRB5_CONFIG", OCT_NOWHERE, 1);
	setenv("KRB5CCNAME", OCT_NOWHERE, 1);
}

/* Once a process.  Raises an error if the user has no name. */
void
oct_pqprobe_init(void)
{
	struct passwd *pw = getpwuid(geteuid());

	if (pw == NULL)
		elog(ERROR, "could not look up effective user ID %ld: %m",
			 (long) geteuid());
	oct_pqlogin_init(pw->pw_name);
	shield_environment();
}


/* ---------- what a failure means ---------- */

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

static OctReason
reason_of_text(const char *cause, OctPhase phase)
{
	if (phase == OCT_PHASE_CONNECT)
	{
		size_t		len = strcspn(cause, "\n");

		/* the cause is the system's error, or ends with it */
		for (int i = 0; i < lengthof(connect_errors); i++)
		{
			const char *error = strerror(connect_errors[i].errnum);
			size_t		error_len = strlen(error);

			if (len >= error_len &&
				strncmp(cause + len - error_len, error, error_len) == 0)
				return connect_errors[i].reason;
		}
	}
	for (int i = 0; i < lengthof(session_errors); i++)
	{
		if (strstr(cause, session_errors[i].text) != NULL)
			return session_errors[i].reason;
	}
	return phase == OCT_PHASE_CONNECT ? OCT_REASON_HOST_UNREACHABLE :
		OCT_REASON_PROTOCOL_ERROR;
}

/* Keeps the first line of a text. */
static void
set_message(OctOutcome *outcome, const char *text)
{
	size_t		len = strcspn(text, "\r\n");

	strlcpy(outcome->message, text, Min(len + 1, OCT_MESSAGE_SIZE));
}

static void
classify_failure(const OctPqProbe *probe, OctOutcome *outcome)
{
	const char *text = skip_context(PQerrorMessage(probe->conn));
	const char *said;

	if (PQconnectionNeedsPassword(probe->conn))
	{
		outcome->reason = OCT_REASON_PASSWORD_NEEDED;
		return;
	}

	/* libpq 16 and later have no words for socket() failing: trouble of ours */
	if (text[0] == '\0' && probe->phase == OCT_PHASE_CONNECT)
	{
		outcome->reason = OCT_REASON_VOIDED;
		strlcpy(outcome->message, "could not create socket", OCT_MESSAGE_SIZE);
		return;
	}

	said = find_sqlstate(text, outcome->sqlstate);
	if (said != NULL)
		outcome->reason = oct_policy_reason_of_error(outcome->sqlstate, said);
	else
		outcome->reason = reason_of_text(text, probe->phase);
	set_message(outcome, said != NULL ? said : text);
}

static void
describe_login(const OctPqProbe *probe, OctOutcome *outcome)
{
	const char *standby = PQparameterStatus(probe->conn, "in_hot_standby");

	outcome->reason = OCT_REASON_OK;
	if (probe->must_use_password && !PQconnectionUsedPassword(probe->conn))
	{
		outcome->reason = OCT_REASON_AUTH_FAILED;
		strlcpy(outcome->message, "the server did not ask for the password",
				OCT_MESSAGE_SIZE);
	}
	outcome->server_version = PQserverVersion(probe->conn);
	if (standby != NULL)
		outcome->role = strcmp(standby, "on") == 0 ? OCT_ROLE_STANDBY :
			OCT_ROLE_PRIMARY;
}


/* ---------- the course of a try ---------- */

static void
ignore_notice(void *arg, const char *message)
{
}

static void
note_phase(OctPqProbe *probe)
{
	switch (PQstatus(probe->conn))
	{
		case CONNECTION_STARTED:
			probe->phase = OCT_PHASE_CONNECT;
			break;
		case CONNECTION_MADE:
		case CONNECTION_AWAITING_RESPONSE:
			probe->phase = OCT_PHASE_STARTUP;
			break;
		case CONNECTION_BAD:
			break;
		default:
			probe->phase = OCT_PHASE_AUTH;
			break;
	}
}

static struct pg_conn *
connect_to(const OctTarget *target)
{
	OctLogin	login;
	char		port[12];

	snprintf(port, sizeof(port), "%d", target->port);
	oct_pqlogin_compose(&login, target, port);
	return PQconnectStartParams(login.keywords, login.values, 0);
}

/*
 * Starts a try.  Returns false if it ended at once, with its outcome; it still
 * has to be closed.  Else the socket is to be watched for writing.  Does not
 * throw.
 */
bool
oct_pqprobe_start(OctPqProbe *probe, const OctTarget *target,
				  OctOutcome *outcome)
{
	const char *forbidden;

	memset(outcome, 0, sizeof(OctOutcome));
	probe->phase = OCT_PHASE_CONNECT;
	probe->advances = 0;

	/* libpq would take it for two hosts and look the second one up */
	if (target->socket_dir != NULL && strchr(target->socket_dir, ',') != NULL)
	{
		outcome->reason = OCT_REASON_NAME_RESOLUTION;
		outcome->phase = OCT_PHASE_DNS;
		strlcpy(outcome->message,
				"a socket directory cannot contain a comma",
				OCT_MESSAGE_SIZE);
		return false;
	}

	forbidden = oct_pqlogin_forbid(target);
	if (forbidden != NULL)
	{
		outcome->reason = OCT_REASON_AUTH_FAILED;
		outcome->phase = OCT_PHASE_AUTH;
		strlcpy(outcome->message, forbidden, OCT_MESSAGE_SIZE);
		return false;
	}

	probe->must_use_password =
		oct_pairs_get(target->policy, OCT_PAIR_OWNER) != NULL &&
		oct_pairs_get(target->policy, OCT_PAIR_MAPPING) != NULL;
	probe->conn = connect_to(target);
	if (probe->conn == NULL)
	{
		outcome->reason = OCT_REASON_VOIDED;
		outcome->phase = OCT_PHASE_CONNECT;
		strlcpy(outcome->message, strerror(ENOMEM), OCT_MESSAGE_SIZE);
		return false;
	}
	PQsetErrorVerbosity(probe->conn, PQERRORS_VERBOSE);
	PQsetNoticeProcessor(probe->conn, ignore_notice, NULL);

	outcome->phase = probe->phase;
	if (PQstatus(probe->conn) == CONNECTION_BAD)
	{
		classify_failure(probe, outcome);
		return false;
	}
	return true;
}

/*
 * Keeps a server that does not come to an end from taking our time and memory.
 * Returns false if it has had enough of both.
 */
static bool
restrain(OctPqProbe *probe)
{
	int			window = OCT_SMALL_WINDOW;

	if (probe->phase == OCT_PHASE_CONNECT)
		return true;
	if (++probe->advances == OCT_SMALL_WINDOW_AT)
		(void) setsockopt(PQsocket(probe->conn), SOL_SOCKET, SO_RCVBUF,
						  &window, sizeof(window));
	return probe->advances < OCT_MAX_ADVANCES;
}

/*
 * Goes on with a try whose socket is ready.  Returns true if it has to wait,
 * with the events to watch its socket for; or false if it ended, with its
 * outcome.  Does not throw.
 */
bool
oct_pqprobe_advance(OctPqProbe *probe, int *events, OctOutcome *outcome)
{
	PostgresPollingStatusType status = PQconnectPoll(probe->conn);
	bool		unfinished = status == PGRES_POLLING_READING ||
		status == PGRES_POLLING_WRITING;

	note_phase(probe);
	if (unfinished && restrain(probe))
	{
		*events = status == PGRES_POLLING_READING ? OCT_IO_READ : OCT_IO_WRITE;
		return true;
	}

	memset(outcome, 0, sizeof(OctOutcome));
	outcome->phase = probe->phase;
	if (unfinished)
	{
		outcome->reason = OCT_REASON_PROTOCOL_ERROR;
		strlcpy(outcome->message, "the login does not end", OCT_MESSAGE_SIZE);
	}
	else if (status == PGRES_POLLING_OK)
		describe_login(probe, outcome);
	else
		classify_failure(probe, outcome);
	return false;
}

pgsocket
oct_pqprobe_socket(const OctPqProbe *probe)
{
	return PQsocket(probe->conn);
}

/*
 * Ends a try, whatever became of it.  What the peer has sent is read first: a
 * socket closed with unread bytes is reset, and the peer logs that.
 */
void
oct_pqprobe_close(OctPqProbe *probe)
{
	if (probe->conn == NULL)
		return;

	if (PQstatus(probe->conn) != CONNECTION_OK &&
		PQsocket(probe->conn) != PGINVALID_SOCKET)
	{
		char		buf[4096];
		int			rounds = OCT_DRAIN_BYTES / sizeof(buf);

		while (rounds-- > 0 &&
			   recv(PQsocket(probe->conn), buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
	}
	PQfinish(probe->conn);
	probe->conn = NULL;
}

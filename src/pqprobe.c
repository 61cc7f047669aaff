/*-------------------------------------------------------------------------
 *
 * pqprobe.c
 *	  Probes through libpq, without ever waiting for it.
 *
 * 1. The login, driven by PQconnectPoll (oct_pqprobe_start, advance_login).
 *	  Where any answer is life, it ends with what the server says instead of
 *	  asking for more.
 *
 * 2. The query, if the check asks one (begin_query, advance_query).  The server
 *	  is told to give it up when we do, so that no session of ours outlives its
 *	  probe by much.
 *
 * 3. A session may be held (oct_pqprobe_hold): in pipeline mode, where a lone
 *	  Sync is a sign of life that costs the server next to nothing.
 *
 * libpq is cut off from the environment (see shield.c) and from what a server had
 * better not ask for (gate.c), and nothing is ever pasted into a connection string.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "catalog/pg_type_d.h"
#include "libpq-fe.h"

#include "cause.h"
#include "iomux.h"
#include "pairs.h"
#include "policy.h"
#include "pqprobe.h"
#include "shield.h"

/* the most that is read from a peer to spare it a connection reset */
#define OCT_DRAIN_BYTES	65536

/*
 * After so many advances without an end, the peer's window is made small, and
 * after so many the probe ends: a server needs one or two, a hostile one would
 * go on for ever.
 */
#define OCT_SMALL_WINDOW_AT	16
#define OCT_SMALL_WINDOW	16384
#define OCT_MAX_ADVANCES	2048

/* In its whole life a held session is read from so often, which is plenty. */
#define OCT_HELD_ADVANCES	256

/* room for a query, and for what goes before it */
#define OCT_QUERY_SIZE		(OCT_POLICY_SIZE + 64)

/* Once a process.  Raises an error if the user has no name. */
void
oct_pqprobe_init(void)
{
	struct passwd *pw = getpwuid(geteuid());

	if (pw == NULL)
		elog(ERROR, "could not look up effective user ID %ld: %m",
			 (long) geteuid());
	oct_login_init(pw->pw_name);
	oct_shield_raise();
}


/* ---------- what came of it ---------- */

static void
classify_failure(const OctPqProbe *probe, OctOutcome *outcome)
{
	oct_cause_set(outcome, OCT_REASON_VOIDED, probe->phase, "");
	if (PQconnectionNeedsPassword(probe->conn))
	{
		outcome->reason = OCT_REASON_PASSWORD_NEEDED;
		outcome->phase = OCT_PHASE_AUTH;
	}
	else
		oct_cause_of_libpq(PQerrorMessage(probe->conn), outcome);
}

static OctAnswer
answer(const OctPqProbe *probe, const char *parameter)
{
	const char *value = PQparameterStatus(probe->conn, parameter);

	return value == NULL ? OCT_ANSWER_NONE :
		strcmp(value, "on") == 0 ? OCT_ANSWER_YES : OCT_ANSWER_NO;
}

/* What the server tells of itself with the login, and whenever it changes. */
static void
describe_server(const OctPqProbe *probe, OctOutcome *outcome)
{
	OctAnswer	standby = answer(probe, "in_hot_standby");

	outcome->server_version = PQserverVersion(probe->conn);
	outcome->encrypted = PQsslInUse(probe->conn) ? OCT_ANSWER_YES : OCT_ANSWER_NO;
	outcome->read_only =
		oct_policy_read_only(standby, answer(probe, "default_transaction_read_only"));
	if (standby != OCT_ANSWER_NONE)
		outcome->role = standby == OCT_ANSWER_YES ? OCT_ROLE_STANDBY :
			OCT_ROLE_PRIMARY;
}

/* Ends a probe with success. */
static bool
succeed(OctPqProbe *probe, OctOutcome *outcome)
{
	probe->well = true;
	oct_cause_set(outcome, OCT_REASON_OK, probe->phase, "");
	describe_server(probe, outcome);
	return false;
}

static bool
fail(const OctPqProbe *probe, OctReason reason, const char *message,
	 OctOutcome *outcome)
{
	oct_cause_set(outcome, reason, probe->phase, message);
	return false;
}

/* Ends a probe for a reason of libpq's own, unless what it lacks is memory. */
static bool
fail_by_libpq(const OctPqProbe *probe, OctReason reason, const char *message,
			  OctOutcome *outcome)
{
	return fail(probe, oct_cause_is_lack_of_memory(message) ? OCT_REASON_VOIDED : reason,
				message, outcome);
}

/* The session that had logged in is gone. */
static bool
fail_session(const OctPqProbe *probe, OctOutcome *outcome)
{
	return fail_by_libpq(probe, OCT_REASON_CONNECTION_LOST,
						 PQerrorMessage(probe->conn), outcome);
}


/* ---------- waiting ---------- */

/*
 * Watches the socket, unless it is watched for that already.  Where encryption
 * is tried libpq may change its socket, maybe for one of the same number, so
 * until it has logged in it is watched anew.
 */
static bool
watch(OctPqProbe *probe, int events, OctOutcome *outcome)
{
	if ((events == probe->events && (probe->one_socket || probe->logged_in)) ||
		oct_iomux_watch(PQsocket(probe->conn), events, probe->owner))
	{
		probe->events = events;
		return true;
	}
	return fail(probe, OCT_REASON_VOIDED, strerror(errno), outcome);
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
	return probe->advances < (probe->held ? OCT_HELD_ADVANCES : OCT_MAX_ADVANCES);
}

/* Sends what is left to be sent, and waits for an answer. */
static bool
watch_for_answer(OctPqProbe *probe, OctOutcome *outcome)
{
	int			unsent = PQflush(probe->conn);

	if (unsent < 0)
		return fail_session(probe, outcome);
	if (!restrain(probe))
		return fail(probe, OCT_REASON_PROTOCOL_ERROR, "the answer does not end",
					outcome);
	return watch(probe, OCT_IO_READ | (unsent > 0 ? OCT_IO_WRITE : 0), outcome);
}


/* ---------- the query ---------- */

static bool
begin_query(OctPqProbe *probe, OctOutcome *outcome)
{
	char		query[OCT_QUERY_SIZE];

	probe->phase = OCT_PHASE_QUERY;
	probe->truth = false;
	if (snprintf(query, sizeof(query), "SET statement_timeout = %d; %s",
				 probe->timeout_ms, probe->login->query) >= sizeof(query))
		return fail(probe, OCT_REASON_QUERY_FAILED, "the query is too long", outcome);
	if (!PQsendQuery(probe->conn, query) ||
		!PQsetSingleRowMode(probe->conn))
		return fail_session(probe, outcome);
	probe->rows = 0;
	return watch_for_answer(probe, outcome);
}

static bool
fail_query(const OctPqProbe *probe, const PGresult *result, OctOutcome *outcome)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (sqlstate == NULL)		/* libpq's own */
		return fail_by_libpq(probe, PQstatus(probe->conn) == CONNECTION_BAD ?
							 OCT_REASON_CONNECTION_LOST : OCT_REASON_PROTOCOL_ERROR,
							 PQresultErrorMessage(result), outcome);
	fail(probe, OCT_REASON_QUERY_FAILED, message != NULL ? message : "", outcome);
	strlcpy(outcome->sqlstate, sqlstate, OCT_SQLSTATE_SIZE);
	if (strncmp(sqlstate, "57P", 3) == 0)
		outcome->reason = oct_policy_reason_of_error(sqlstate, outcome->message);
	return false;
}

/* Takes a part of the answer.  Returns false if it ends the probe. */
static bool
take_result(OctPqProbe *probe, const PGresult *result, OctOutcome *outcome)
{
	static const char no_boolean[] = "the query does not return one Boolean";

	switch (PQresultStatus(result))
	{
		case PGRES_COMMAND_OK:
			return true;
		case PGRES_TUPLES_OK:
		case PGRES_SINGLE_TUPLE:
			break;
		case PGRES_FATAL_ERROR:
			return fail_query(probe, result, outcome);
		default:
			return fail(probe, OCT_REASON_QUERY_FAILED, no_boolean, outcome);
	}
	if (PQntuples(result) == 0)
		return true;
	if (++probe->rows > 1 || PQnfields(result) != 1 || PQftype(result, 0) != BOOLOID)
		return fail(probe, OCT_REASON_QUERY_FAILED, no_boolean, outcome);
	probe->truth = !PQgetisnull(result, 0, 0) &&
		strcmp(PQgetvalue(result, 0, 0), "t") == 0;
	return true;
}

static bool
advance_query(OctPqProbe *probe, OctOutcome *outcome)
{
	bool		alive = PQconsumeInput(probe->conn);

	while (!PQisBusy(probe->conn))
	{
		PGresult   *result = PQgetResult(probe->conn);
		bool		go_on;

		if (result == NULL && probe->rows == 0)
			return fail(probe, OCT_REASON_QUERY_FAILED, "the query returns no row",
						outcome);
		if (result == NULL && !probe->truth)
			return fail(probe, OCT_REASON_QUERY_FALSE, "", outcome);
		if (result == NULL)
			return succeed(probe, outcome);
		go_on = take_result(probe, result, outcome);
		PQclear(result);
		if (!go_on)
			return false;
	}
	return alive ? watch_for_answer(probe, outcome) : fail_session(probe, outcome);
}


/* ---------- the login ---------- */

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
		case CONNECTION_SSL_STARTUP:
		case CONNECTION_GSS_STARTUP:
			probe->phase = OCT_PHASE_TLS;
			break;
		case CONNECTION_MADE:
		case CONNECTION_AWAITING_RESPONSE:
			/* the server may have asked for the password by now */
			probe->phase = PQconnectionUsedPassword(probe->conn) ?
				OCT_PHASE_AUTH : OCT_PHASE_STARTUP;
			break;
		case CONNECTION_BAD:
			break;
		default:
			probe->phase = OCT_PHASE_AUTH;
			break;
	}
}

/*
 * Starts a probe, whose socket will be told as "owner".  Returns false if it
 * ended at once, with its outcome; it still has to be closed.  Does not throw.
 */
bool
oct_pqprobe_start(OctPqProbe *probe, const OctTarget *target, int owner,
				  OctOutcome *outcome)
{
	bool		logs_in = oct_check_logs_in(target->check_type);
	OctParameters parameters;

	memset(probe, 0, sizeof(OctPqProbe));
	probe->phase = OCT_PHASE_CONNECT;
	probe->owner = owner;
	probe->timeout_ms = target->timeout_ms;
	probe->login = target->login;
	probe->one_socket = target->login->policy->size == 0;
	probe->must_use_password = logs_in && target->login->must_use_password;
	probe->asks = target->check_type == OCT_CHECK_QUERY;
	probe->gate.has_password = oct_pairs_get(target->login->policy, "password") != NULL;

	if (oct_login_compose(&parameters, target))
		probe->conn = PQconnectStartParams(parameters.keywords, parameters.values, 0);
	if (probe->conn == NULL)
		return fail(probe, OCT_REASON_VOIDED, strerror(ENOMEM), outcome);
	PQsetErrorVerbosity(probe->conn, PQERRORS_VERBOSE);
	PQsetNoticeProcessor(probe->conn, ignore_notice, NULL);

	/*
	 * libpq waits for what it cannot send, unless told so.  A server may see to
	 * it that nothing can be sent: by a new handshake of TLS 1.2 that it leaves
	 * unfinished.
	 */
	if (PQstatus(probe->conn) == CONNECTION_BAD ||
		PQsetnonblocking(probe->conn, 1) != 0)
	{
		classify_failure(probe, outcome);
		return false;
	}
	return watch(probe, OCT_IO_WRITE, outcome);
}

/* The server has let us in. */
static bool
enter(OctPqProbe *probe, OctOutcome *outcome)
{
	probe->logged_in = true;
	probe->events = 0;			/* libpq changes its socket no more */
	if (probe->must_use_password && !PQconnectionUsedPassword(probe->conn))
		return fail(probe, OCT_REASON_AUTH_FAILED,
					"the server did not ask for the password", outcome);
	return probe->asks ? begin_query(probe, outcome) : succeed(probe, outcome);
}

static bool
advance_login(OctPqProbe *probe, OctOutcome *outcome)
{
	int			status;			/* PostgresPollingStatusType */

	if (!oct_gate_poll(&probe->gate, probe->conn, probe->phase, &status, outcome))
		return false;
	note_phase(probe);
	switch (status)
	{
		case PGRES_POLLING_OK:
			return enter(probe, outcome);
		case PGRES_POLLING_READING:
		case PGRES_POLLING_WRITING:
			if (!restrain(probe))
				return fail(probe, OCT_REASON_PROTOCOL_ERROR,
							"the login does not end", outcome);
			return watch(probe, status == PGRES_POLLING_READING ?
						 OCT_IO_READ : OCT_IO_WRITE, outcome);
		default:
			classify_failure(probe, outcome);
			return false;
	}
}


/* ---------- a held session ---------- */

/*
 * Begins to hold the session that a probe has left, before its first Sync and
 * after each.  It may be advanced at any time, and has ended if that says so.
 * Returns false if there is none to be held.
 */
bool
oct_pqprobe_hold(OctPqProbe *probe)
{
	OctOutcome	ignored;

	probe->syncing = false;
	if (!probe->held)
		probe->advances = 0;
	probe->held = true;
	return probe->logged_in && PQstatus(probe->conn) == CONNECTION_OK &&
		PQenterPipelineMode(probe->conn) &&
		watch(probe, OCT_IO_READ, &ignored);
}

/*
 * Asks for a sign of life on a held session; it is advanced like a new probe.
 * Returns false if the session is lost, with the outcome.
 */
bool
oct_pqprobe_sync(OctPqProbe *probe, OctOutcome *outcome)
{
	probe->phase = OCT_PHASE_QUERY;
	probe->syncing = true;
	return PQpipelineSync(probe->conn) ? watch_for_answer(probe, outcome) :
		fail_session(probe, outcome);
}

/*
 * Until it has the answer to a Sync libpq is busy.  The answer is one result;
 * any other is an error, which a server that is well does not give.
 */
static bool
advance_held(OctPqProbe *probe, OctOutcome *outcome)
{
	bool		alive = PQconsumeInput(probe->conn);
	PGnotify   *notification;
	PGresult   *result;
	bool		answered;

	/* nobody has asked for them, and libpq would keep them */
	while ((notification = PQnotifies(probe->conn)) != NULL)
		PQfreemem(notification);

	if (probe->syncing && !PQisBusy(probe->conn))
	{
		result = PQgetResult(probe->conn);
		answered = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
		PQclear(result);
		return answered ? succeed(probe, outcome) : fail_session(probe, outcome);
	}
	return alive ? watch_for_answer(probe, outcome) : fail_session(probe, outcome);
}


/* ---------- the course of a probe ---------- */

/*
 * Goes on with a probe whose socket is ready, as it may be or not.  Returns true
 * if it has to wait, or false if it ended, with its outcome.  Does not throw.
 */
bool
oct_pqprobe_advance(OctPqProbe *probe, OctOutcome *outcome)
{
	bool		goes_on;

	oct_gate_begin_step(&probe->gate, probe->conn);
	goes_on = !probe->logged_in ? advance_login(probe, outcome) :
		probe->held ? advance_held(probe, outcome) : advance_query(probe, outcome);
	return oct_gate_end_step(&probe->gate, probe->conn, goes_on, probe->phase, outcome);
}

/*
 * Ends a probe, whatever became of it.  What the peer has sent is read first: a
 * socket closed with unread bytes is reset, and the peer logs that.
 */
void
oct_pqprobe_close(OctPqProbe *probe)
{
	if (probe->conn == NULL)
		return;

	if (!probe->well && PQsocket(probe->conn) != PGINVALID_SOCKET)
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

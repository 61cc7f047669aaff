/*-------------------------------------------------------------------------
 *
 * ping.c
 *	  Probes that need no login: plain sockets and the start-up conversation.
 *
 * What a probe costs is system calls, so there are as few of them as can be:
 *
 * 1. The socket comes with all its flags, and connects.
 *
 * 2. Where that worked the last time, as it does for servers on this machine,
 *	  the first message is sent right away, without waiting for the connection.
 *	  Then the socket is watched for an answer; else for the connection first,
 *	  which with epoll's edges takes no second call.
 *
 * 3. What comes is read into one buffer that all pings share, and understood
 *	  piece by piece (wire.c).  A server that asks for credentials is left as
 *	  soon as it has asked; one that lets us in, when it is ready for queries,
 *	  which tells version and role, with a Terminate.  Both are silent in its
 *	  log.  Everything that was sent is read before the socket is closed, which
 *	  would be a reset otherwise.
 *
 * Nothing waits, nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cause.h"
#include "iomux.h"
#include "ping.h"

#define OCT_READ_SIZE		8192

/* the most that is read from a peer to spare it a connection reset */
#define OCT_DRAIN_BYTES		65536

static char buffer[OCT_READ_SIZE];

/* Ends a ping with an error of the system. */
static bool
fail(const OctPing *ping, int errnum, OctOutcome *outcome)
{
	oct_cause_set(outcome, oct_cause_of_errno(errnum), oct_ping_phase(ping),
				  strerror(errnum));
	oct_cause_correct_phase(outcome);
	return false;
}

/* Creates the socket and has it connect; returns 0 or an errno. */
static int
open_socket(OctPing *ping, const OctTarget *target)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct sockaddr *addr = &target->address.sa;
	socklen_t	len = target->address.len;

	if (target->socket_dir != NULL)
	{
		if (snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.%d",
					 target->socket_dir, target->port) >= sizeof(un.sun_path))
			return ENAMETOOLONG;
		addr = (const struct sockaddr *) &un;
		len = sizeof(un);
	}
	ping->sock = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ping->sock == PGINVALID_SOCKET)
		return errno == EAFNOSUPPORT ? EADDRNOTAVAIL : errno;
	if (connect(ping->sock, addr, len) != 0 && errno != EINPROGRESS)
		return errno;
	return 0;
}

/*
 * Sends the first message, which succeeds only on a connection; for tcp it is
 * an empty one.  Returns 0, EAGAIN as long as there is no connection, or an
 * errno.
 */
static int
send_first(OctPing *ping)
{
	const char *message = ping->only_connect ? "" : ping->login->startup;
	ssize_t		len = ping->only_connect ? 0 : ping->login->startup_len;
	ssize_t		sent = send(ping->sock, message, len, MSG_NOSIGNAL);

	if (sent < 0)
		return errno;
	if (sent < len)
		return ENOBUFS;			/* a new socket has room for that */
	ping->connected = true;
	return 0;
}

/*
 * A tcp probe has got what it wanted, be it that the peer has thought better of
 * it already: to reset a connection it must have accepted it, and whether we saw
 * the one or the other first is a matter of microseconds.
 */
static bool
is_accepted(const OctPing *ping, int error)
{
	return ping->only_connect &&
		(error == 0 || error == ECONNRESET || error == EPIPE);
}

static bool
accept_connection(OctOutcome *outcome)
{
	oct_cause_set(outcome, OCT_REASON_OK, OCT_PHASE_CONNECT, "");
	return false;
}

/*
 * Starts a ping.  *eager says whether to send without waiting for the
 * connection, and is cleared if that did not work.  Returns false if it ended
 * at once, with its outcome; it still has to be closed.
 */
bool
oct_ping_start(OctPing *ping, const OctTarget *target, bool *eager, int owner,
			   OctOutcome *outcome)
{
	int			error;

	ping->sock = PGINVALID_SOCKET;
	ping->owner = owner;
	ping->connected = false;
	ping->drained = false;
	ping->only_connect = target->check_type == OCT_CHECK_TCP;
	ping->login = target->login;
	oct_wire_init(&ping->wire);

	error = open_socket(ping, target);
	if (error == 0 && *eager)
	{
		error = send_first(ping);
		if (is_accepted(ping, error))
			return accept_connection(outcome);
		if (error == EAGAIN)
		{
			*eager = false;
			error = 0;
		}
	}
	if (error != 0)
		return fail(ping, error, outcome);

	ping->edge = !ping->connected;
	if (!oct_iomux_add(ping->sock, ping->connected, owner))
		return fail(ping, errno, outcome);
	return true;
}

/* Reads what there is.  Returns true if more has to come. */
static bool
receive(OctPing *ping, OctOutcome *outcome)
{
	ssize_t		n;

	do
	{
		n = recv(ping->sock, buffer, OCT_READ_SIZE, 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return true;
		if (n < 0)
		{
			int			errnum = errno;

			/* it may have told why before it went */
			oct_wire_eof(&ping->wire);
			oct_wire_outcome(&ping->wire, outcome);
			return outcome->reason != OCT_REASON_CONNECTION_RESET ? false :
				fail(ping, errnum, outcome);
		}
		if (n == 0)
			oct_wire_eof(&ping->wire);
		if (n == 0 || oct_wire_feed(&ping->wire, buffer, n))
		{
			oct_wire_outcome(&ping->wire, outcome);
			ping->drained = n < OCT_READ_SIZE &&
				outcome->reason != OCT_REASON_PROTOCOL_ERROR;
			return false;
		}
	} while (ping->edge || n == OCT_READ_SIZE);
	return true;
}

/*
 * Goes on with a ping whose socket is ready, as it may be or not.  Returns true
 * if it has to wait, or false if it ended, with its outcome.
 */
bool
oct_ping_advance(OctPing *ping, OctOutcome *outcome)
{
	if (!ping->connected)
	{
		int			error = send_first(ping);

		if (error == EAGAIN)
			return true;
		if (is_accepted(ping, error))
			return accept_connection(outcome);
		if (error != 0)
			return fail(ping, error, outcome);
	}
	return receive(ping, outcome);
}

/*
 * Begins to hold the session that a ping has left, before its first Sync and
 * after each.  It may be advanced at any time, and has ended if that says so.
 * Returns false if there is none to be held.
 */
bool
oct_ping_hold(OctPing *ping)
{
	if (ping->only_connect || !oct_wire_logged_in(&ping->wire))
		return false;

	/* its end may have come together with the answer, and is not told twice */
	if (ping->edge && !oct_iomux_watch(ping->sock, OCT_IO_READ, ping->owner))
		return false;
	ping->edge = false;
	oct_wire_expect_sync(&ping->wire);
	ping->drained = false;
	return true;
}

/*
 * Asks for a sign of life on a held session; it is advanced like a new ping.
 * Returns false if the session is lost, with the outcome.
 */
bool
oct_ping_sync(OctPing *ping, OctOutcome *outcome)
{
	if (send(ping->sock, OCT_WIRE_SYNC, OCT_WIRE_SYNC_SIZE, MSG_NOSIGNAL) ==
		OCT_WIRE_SYNC_SIZE)
		return true;
	return fail(ping, errno, outcome);
}

/* How far it has come. */
OctPhase
oct_ping_phase(const OctPing *ping)
{
	return ping->connected ? oct_wire_phase(&ping->wire) : OCT_PHASE_CONNECT;
}

/* Ends a ping, whatever became of it. */
void
oct_ping_close(OctPing *ping)
{
	if (ping->sock == PGINVALID_SOCKET)
		return;
	if (!ping->only_connect && oct_wire_logged_in(&ping->wire))
		(void) send(ping->sock, OCT_WIRE_TERMINATE, OCT_WIRE_TERMINATE_SIZE,
					MSG_NOSIGNAL | MSG_MORE);
	else if (ping->connected && !ping->only_connect && !ping->drained)
	{
		int			rounds = OCT_DRAIN_BYTES / OCT_READ_SIZE;

		while (rounds-- > 0 && recv(ping->sock, buffer, OCT_READ_SIZE, 0) > 0)
			;
	}
	close(ping->sock);
	ping->sock = PGINVALID_SOCKET;
}

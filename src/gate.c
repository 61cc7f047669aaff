/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  Steps of libpq that no server can prolong.
 *
 * Where there is a password, authguard.c is shown what libpq reads next of a login:
 *
 * Without encryption we read, and libpq reads that, and nothing that comes
 * meanwhile, from a socket that stands in for its own for one step.  What it says
 * there is sent on.
 *
 * Under TLS it is a record at a time, which libpq gets from the library of TLS as a
 * whole, after we have looked at it.  (When it fails to send, libpq reads on, so it
 * must have nothing to send before the challenge has come; see authguard.c.)  An error
 * is told there once only, to who looks first, so it is told on from here in libpq's
 * words.
 *
 * TLS takes messages of its own without a word as long as there are any, and answers
 * some; an answer for which there is no room any more has libpq try again and again
 * within one step.  So they are counted, and a connection is cut on which more have
 * come than the buffer of any socket has room to answer, or more records in a step.
 *
 * Known weakness: under GSSAPI encryption nobody can look.  Whoever is there has the
 * key of the host's name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef USE_OPENSSL
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

#include "libpq-fe.h"

#include "cause.h"
#include "gate.h"

/* what is read at a time without encryption; libpq has room for twice that */
#define OCT_PIECE_SIZE	4096

/* the most that a record of TLS holds */
#define OCT_RECORD_SIZE	16384

/* so many messages of TLS itself are no handshake; an answer to one takes 26 bytes */
#define OCT_MAX_TLS_MESSAGES	100

/* so many records in one step are no answer to anything that we ask */
#define OCT_MAX_TLS_RECORDS		1000

/* what libpq may have said of earlier tries, and what is added to it */
#define OCT_WORDS_SIZE	2048

/* what ends a step, if not libpq */
typedef enum OctLook
{
	OCT_LOOK_OPEN,
	OCT_LOOK_NOTHING,			/* there is nothing to be read yet */
	OCT_LOOK_SHUT				/* the login is at its end, with its outcome */
} OctLook;

static OctLook
shut(OctOutcome *outcome, OctReason reason, OctPhase phase, const char *message)
{
	oct_cause_set(outcome, reason, phase, message);
	return OCT_LOOK_SHUT;
}

/* The same in words of libpq. */
static OctLook
shut_by_libpq(OctOutcome *outcome, OctPhase phase, const char *words)
{
	oct_cause_set(outcome, OCT_REASON_VOIDED, phase, "");
	oct_cause_of_libpq(words, outcome);
	return OCT_LOOK_SHUT;
}

static OctLook
judge(OctGate *gate, const char *bytes, ssize_t n, OctPhase phase, OctOutcome *outcome)
{
	switch (oct_authguard_feed(&gate->guard, bytes, n))
	{
		case OCT_AUTH_PASS:
			break;
		case OCT_AUTH_TOO_DEAR:
			return shut(outcome, OCT_REASON_AUTH_FAILED, phase,
						"the server wants the password hashed more than 100000 times");
		case OCT_AUTH_DISORDER:
			return shut(outcome, OCT_REASON_PROTOCOL_ERROR, phase,
						"the server asks for a login as no server does");
	}
	return OCT_LOOK_OPEN;
}


/* ---------- under TLS ---------- */

#ifdef USE_OPENSSL

/* OpenSSL tells of a message, of the head of a record, and of the kind of what is in it. */
static void
count_message(int sent, int version, int content_type, const void *message,
			  size_t size, SSL *ssl, void *arg)
{
	OctGate    *gate = (OctGate *) arg;
	struct linger none = {.l_onoff = 1,.l_linger = 0};
	bool		has_enough = false;

	if (sent)
		return;
	switch (content_type)
	{
		case SSL3_RT_HEADER:
			has_enough = ++gate->records == OCT_MAX_TLS_RECORDS;
			break;
		case SSL3_RT_HANDSHAKE:
		case SSL3_RT_CHANGE_CIPHER_SPEC:
		case SSL3_RT_ALERT:
			has_enough = ++gate->messages == OCT_MAX_TLS_MESSAGES;
			break;
		default:
			break;
	}
	if (!has_enough)
		return;

	/* the end for OpenSSL, and with the close a reset for who is still sending */
	(void) setsockopt(gate->socket, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	(void) shutdown(gate->socket, SHUT_RDWR);
}

static OctLook
look_into_record(OctGate *gate, PGconn *conn, SSL *ssl, OctPhase phase,
				 OctOutcome *outcome)
{
	char		record[OCT_RECORD_SIZE];
	char		words[OCT_WORDS_SIZE];
	const char *reason;
	OctLook		look;
	int			n;

	ERR_clear_error();
	errno = 0;
	n = SSL_peek(ssl, record, sizeof(record));
	switch (SSL_get_error(ssl, n))
	{
		case SSL_ERROR_NONE:
			break;
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			return OCT_LOOK_NOTHING;
		case SSL_ERROR_ZERO_RETURN:
			return OCT_LOOK_OPEN;	/* libpq learns it as we do */
		case SSL_ERROR_SYSCALL:
			snprintf(words, sizeof(words), "%sSSL SYSCALL error: %s", PQerrorMessage(conn),
					 errno == 0 ? "EOF detected" : strerror(errno));
			return shut_by_libpq(outcome, phase, words);
		default:
			reason = ERR_reason_error_string(ERR_get_error());
			snprintf(words, sizeof(words), "%sSSL error: %s", PQerrorMessage(conn),
					 reason != NULL ? reason : "no SSL error reported");
			return shut_by_libpq(outcome, phase, words);
	}

	look = judge(gate, record, n, phase, outcome);

	/* libpq has room for that much in any case, and so takes the record as a whole */
	if (look == OCT_LOOK_OPEN && n > OCT_PIECE_SIZE && !gate->guard.done)
		return shut(outcome, OCT_REASON_PROTOCOL_ERROR, phase, "the login does not end");
	return look;
}

#endif


/* ---------- without encryption ---------- */

/* Do two descriptors stand for the same socket? */
static bool
is_same(int a, int b)
{
	struct stat st_a;
	struct stat st_b;

	return a >= 0 && fstat(a, &st_a) == 0 && fstat(b, &st_b) == 0 &&
		st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

/*
 * Has libpq make a step in which it reads these bytes, or the end if there are none,
 * and sends on what it says; that nobody listens any more is for the next step to
 * find out.  Returns false with errno set if the step cannot be made.
 */
static bool
poll_fed(PGconn *conn, const char *bytes, size_t n, int *status)
{
	int			sock = PQsocket(conn);
	int			real = fcntl(sock, F_DUPFD_CLOEXEC, 0);
	int			ends[2] = {-1, -1}; /* libpq's and ours */
	char		said[OCT_PIECE_SIZE];
	ssize_t		nsaid;
	bool		done = false;
	int			save_errno;

	if (real >= 0 &&
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0 &&
		(n == 0 ? shutdown(ends[1], SHUT_WR) == 0 : send(ends[1], bytes, n, 0) == (ssize_t) n) &&
		dup3(ends[0], sock, O_CLOEXEC) >= 0)
	{
		*status = PQconnectPoll(conn);
		while ((nsaid = recv(ends[1], said, sizeof(said), 0)) > 0)
			(void) send(real, said, nsaid, MSG_NOSIGNAL | MSG_DONTWAIT);
		done = true;

		/* it may have closed it, and have another one by now */
		if (is_same(sock, ends[0]))
			(void) dup3(real, sock, O_CLOEXEC);
	}
	save_errno = errno;
	if (real >= 0)
		close(real);
	if (ends[0] >= 0)
	{
		close(ends[0]);
		close(ends[1]);
	}
	errno = save_errno;
	return done;
}

/* A step in which libpq reads what has come, "most" bytes of it. */
static OctLook
poll_plain(OctGate *gate, PGconn *conn, size_t most, OctPhase phase,
		   int *status, OctOutcome *outcome)
{
	char		bytes[OCT_PIECE_SIZE];
	ssize_t		n = recv(PQsocket(conn), bytes, most, MSG_DONTWAIT);
	OctLook		look = OCT_LOOK_OPEN;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return OCT_LOOK_NOTHING;
	n = Max(n, 0);				/* an error is the end: libpq has words for that */

	/* the answer to a wish for encryption is no message, unless it is an error */
	if (n > 0 && (most > 1 || bytes[0] == 'E'))
		look = judge(gate, bytes, n, phase, outcome);
	if (look == OCT_LOOK_OPEN && !poll_fed(conn, bytes, n, status))
		return shut(outcome, OCT_REASON_VOIDED, phase, strerror(errno));
	return look;
}


/* ---------- steps ---------- */

/* To be called before libpq gets to read. */
void
oct_gate_begin_step(OctGate *gate, PGconn *conn)
{
#ifdef USE_OPENSSL
	SSL		   *ssl = (SSL *) PQsslStruct(conn, "OpenSSL");

	gate->socket = PQsocket(conn);
	gate->records = 0;
	if (ssl != NULL)
	{
		SSL_set_msg_callback(ssl, count_message);
		SSL_set_msg_callback_arg(ssl, gate);
	}
#endif
}

/*
 * To be called after that, with whether it goes on and the outcome if it does not;
 * returns whether it goes on.
 */
bool
oct_gate_end_step(OctGate *gate, PGconn *conn, bool goes_on, OctPhase phase,
				  OctOutcome *outcome)
{
#ifdef USE_OPENSSL
	SSL		   *ssl = (SSL *) PQsslStruct(conn, "OpenSSL");

	/* what libpq does outside of steps it does not read for */
	if (ssl != NULL)
		SSL_set_msg_callback(ssl, NULL);
#endif
	if (gate->messages < OCT_MAX_TLS_MESSAGES && gate->records < OCT_MAX_TLS_RECORDS)
		return goes_on;
	oct_cause_set(outcome, OCT_REASON_TLS_ERROR, phase, "the encryption does not come to its end");
	return false;
}

/* A step in which libpq reads. */
static OctLook
poll_reading(OctGate *gate, PGconn *conn, OctPhase phase,
			 int *status, OctOutcome *outcome)
{
	void	   *ssl = PQsslStruct(conn, "OpenSSL");
	OctLook		look = OCT_LOOK_OPEN;

	switch (PQstatus(conn))
	{
		case CONNECTION_SSL_STARTUP:
		case CONNECTION_GSS_STARTUP:
			/* first the answer, and nothing behind it, then a handshake */
			if (ssl == NULL && !gate->greeted)
			{
				look = poll_plain(gate, conn, 1, phase, status, outcome);
				gate->greeted = look == OCT_LOOK_OPEN &&
					PQstatus(conn) == CONNECTION_GSS_STARTUP;
				return look;
			}
			break;
		case CONNECTION_AWAITING_RESPONSE:
			if (!gate->has_password || PQgssEncInUse(conn) ||
				(gate->guard.done && ssl != NULL))
				break;
			if (ssl == NULL)
				return poll_plain(gate, conn, OCT_PIECE_SIZE, phase, status, outcome);
#ifdef USE_OPENSSL
			look = look_into_record(gate, conn, ssl, phase, outcome);
#endif
			break;
		default:
			break;
	}
	if (look == OCT_LOOK_OPEN)
		*status = PQconnectPoll(conn);
	return look;
}

/*
 * A step of a login that has come to that phase, with the status that PQconnectPoll
 * gives.  Returns false if the login has ended otherwise, with its outcome.  Does not
 * throw.
 */
bool
oct_gate_poll(OctGate *gate, PGconn *conn, OctPhase phase,
			  int *status, OctOutcome *outcome)
{
	OctLook		look = OCT_LOOK_OPEN;

	/* libpq begins anew where it may try without encryption, or with it */
	if (PQstatus(conn) == CONNECTION_STARTED || PQstatus(conn) == CONNECTION_MADE)
		*gate = (OctGate) {.has_password = gate->has_password};

	*status = PGRES_POLLING_READING;
	if (gate->reads)
		look = poll_reading(gate, conn, phase, status, outcome);
	else
		*status = PQconnectPoll(conn);
	gate->reads = *status == PGRES_POLLING_READING;
	return look != OCT_LOOK_SHUT;
}

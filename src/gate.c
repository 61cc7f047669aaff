/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  May libpq read what a server has sent while it lets us in?
 *
 * What authguard.c judges is taken from the socket, or from under the encryption,
 * without being taken away.  An error of TLS is told once only, to who looks first,
 * so it is told on from here in libpq's words.
 *
 * Known weakness: under GSSAPI encryption nobody can look.  Whoever is there has a
 * ticket for the host's name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>
#ifdef USE_OPENSSL
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

#include "libpq-fe.h"

#include "cause.h"
#include "gate.h"

#define OCT_WORDS_SIZE	256

#ifdef USE_OPENSSL

/* The same as "peek", and in "words" what has ended the encryption. */
static ssize_t
peek_encrypted(SSL *ssl, char *buf, size_t size, char words[OCT_WORDS_SIZE])
{
	unsigned long code;
	const char *reason;
	int			n;

	ERR_clear_error();
	errno = 0;
	n = SSL_peek(ssl, buf, (int) size);
	switch (SSL_get_error(ssl, n))
	{
		case SSL_ERROR_NONE:
			return n;
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			errno = EAGAIN;
			return -1;
		case SSL_ERROR_ZERO_RETURN:
			return 0;			/* libpq learns it as we do */
		case SSL_ERROR_SYSCALL:
			snprintf(words, OCT_WORDS_SIZE, "SSL SYSCALL error: %s",
					 errno == 0 ? "EOF detected" : strerror(errno));
			return -1;
		default:
			code = ERR_get_error();
			reason = ERR_reason_error_string(code);
			snprintf(words, OCT_WORDS_SIZE, "SSL error: %s",
					 reason != NULL ? reason : "no SSL error reported");
			return -1;
	}
}

#endif

/* Reads ahead like recv, of which it has the results. */
static ssize_t
peek(PGconn *conn, char *buf, size_t size, char words[OCT_WORDS_SIZE])
{
	words[0] = '\0';
#ifdef USE_OPENSSL
	if (PQsslStruct(conn, "OpenSSL") != NULL)
		return peek_encrypted(PQsslStruct(conn, "OpenSSL"), buf, size, words);
#endif
	return recv(PQsocket(conn), buf, size, MSG_PEEK | MSG_DONTWAIT);
}

/* Has the socket be ready for reading only when so much is there. */
static void
hold_back(OctGate *gate, PGconn *conn, int size)
{
	if (gate->holds_back || size > 1)
		(void) setsockopt(PQsocket(conn), SOL_SOCKET, SO_RCVLOWAT, &size, sizeof(size));
	gate->holds_back = size > 1;
}

static OctGateState
shut(OctReason reason, OctPhase phase, const char *message, OctOutcome *outcome)
{
	oct_cause_set(outcome, reason, phase, message);
	return OCT_GATE_SHUT;
}

/*
 * To be asked before each step of a login, which has come to that phase; the outcome
 * counts if the gate is shut.  Does not throw.
 */
OctGateState
oct_gate_look(OctGate *gate, PGconn *conn, OctPhase phase, OctOutcome *outcome)
{
	char		bytes[OCT_AUTH_MAX_SIZE * 2];
	char		words[OCT_WORDS_SIZE];
	ssize_t		n;
	size_t		need = 1;
	OctAuthVerdict verdict = OCT_AUTH_PASS;

	/* libpq begins anew where it may try without encryption, or with it */
	if (PQstatus(conn) != CONNECTION_AWAITING_RESPONSE)
	{
		gate->stage = OCT_AUTH_NOTHING;
		return OCT_GATE_OPEN;
	}
	if (PQgssEncInUse(conn))
		return OCT_GATE_OPEN;

	n = peek(conn, bytes, sizeof(bytes), words);
	if (words[0] != '\0')
	{
		(void) shut(OCT_REASON_VOIDED, phase, "", outcome);
		oct_cause_of_libpq(words, outcome);
		return OCT_GATE_SHUT;
	}
	if (n > 0)
		verdict = oct_authguard_look(&gate->stage, bytes, n, &need);
	else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		verdict = OCT_AUTH_WAIT;
	hold_back(gate, conn, verdict == OCT_AUTH_WAIT ? (int) need : 1);

	switch (verdict)
	{
		case OCT_AUTH_PASS:
			break;
		case OCT_AUTH_WAIT:
			return OCT_GATE_WAIT;
		case OCT_AUTH_TOO_DEAR:
			return shut(OCT_REASON_AUTH_FAILED, phase,
						"the server wants the password hashed more than 100000 times", outcome);
		case OCT_AUTH_DISORDER:
			return shut(OCT_REASON_PROTOCOL_ERROR, phase,
						"the server asks for what no server does", outcome);
	}
	return OCT_GATE_OPEN;
}

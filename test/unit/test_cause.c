/*-------------------------------------------------------------------------
 *
 * test_cause.c
 *	  What libpq says of TLS and of logins, in the words of 15 to 18.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cause.h"

#define SERVER	"connection to server at \"db.test\" (127.0.0.1), port 5432 failed: "

void
ExceptionalCondition(const char *condition,
#if PG_VERSION_NUM < 160000
					 const char *type,
#endif
					 const char *file, int line)
{
	fail_msg("%s:%d: %s", file, line, condition);
	abort();
}

/* What a text comes to if it is said in that phase. */
static void
comes_to(const char *text, OctPhase at, OctReason reason, OctPhase phase)
{
	OctOutcome	outcome;

	oct_cause_set(&outcome, OCT_REASON_VOIDED, at, "");
	oct_cause_of_libpq(text, &outcome);
	if (outcome.reason != reason || outcome.phase != phase)
		fail_msg("\"%s\": reason %d, phase %d", text, outcome.reason, outcome.phase);
}

static void
said_of_tls(void **state)
{
	static const char *const texts[] = {
		/* the negotiation */
		"server does not support SSL, but SSL was required\n",
		"server sent an error response during SSL exchange\n",
		"received invalid response to SSL negotiation: H\n",
		"received unencrypted data after SSL response\n",
		"direct SSL connection was established without ALPN protocol negotiation extension\n",
		"SSL connection was established with unexpected ALPN protocol\n",
		"could not send SSL negotiation packet: Bad file descriptor\n",

		/* the handshake */
		"SSL error: certificate verify failed\n",
		"SSL error: wrong version number\n",
		"SSL error: tlsv1 alert protocol version\n",
		"SSL error: unexpected eof while reading\n",
		"SSL SYSCALL error: EOF detected\n",
		"SSL SYSCALL error: Success\n",
		"unrecognized SSL error code: 7\n",
		"could not establish SSL connection: no SSL error reported\n",
		"could not create SSL context: library has no ciphers\n",
		"could not set SSL Server Name Indication (SNI): x\n",
		"could not set SSL ALPN extension: x\n",

		/* the server's certificate */
		"server certificate for \"a\" does not match host name \"b\"\n",
		"server certificate for \"a\" (and 2 other names) does not match host name \"b\"\n",
		"could not get server's host name from server certificate\n",
		"SSL certificate's name contains embedded null\n",
		"certificate contains IP address with invalid length 3\n",
		"certificate could not be obtained: x\n",
		"host name must be specified for a verified SSL connection\n",
		"server certificate for \"could not fork\" does not match host name \"b\"\n",
		"server certificate for \"x:  28000: y\" does not match host name \"b\"\n",
		"server certificate for \"FATAL:  57P03: y\" does not match host name \"b\"\n",
		"server certificate for \"x\nFATAL:  28000: y\" does not match host name \"b\"\n",
		"server certificate for \"x\"\n" SERVER "FATAL:  28000: y\" does not match host name \"b\"\n",
		"server certificate for \"the authentication\" does not match host name \"b\"\n",

		/* files */
		"root certificate file \"/a\" does not exist\nEither provide the file, use the system's trusted roots with sslrootcert=system, or change sslmode to disable server certificate verification.\n",
		"could not get home directory to locate root certificate file\n",
		"could not read root certificate file \"/a\": no certificate or crl found\n",
		"could not load system root certificate paths: x\n",
		"could not open certificate file \"/a\": Permission denied\n",
		"could not read certificate file \"/a\": no start line\n",
		"certificate present, but not private key file \"/a\"\n",
		"private key file \"/a\" has group or world access; file must have permissions u=rw (0600) or less\n",
		"private key file \"/a\" is not a regular file\n",
		"could not load private key file \"/a\": bad decrypt\n",
		"could not stat private key file \"/a\": No such file or directory\n",
		"certificate does not match private key file \"/a\": key values mismatch\n",

		/* Kerberos instead */
		"GSSAPI encryption required but was impossible (possibly no credential cache, no server support, or using a local socket)\n",
		"GSSAPI encryption required but it is not supported over a local socket\n",
		"GSSAPI encryption required but no credential cache\n",
		"could not initiate GSSAPI security context: x\n",
		"server doesn't support GSSAPI encryption, but it was required\n",
		"received invalid response to GSSAPI negotiation: H\n",
		"received unencrypted data after GSSAPI encryption response\n",
	};

	for (int i = 0; i < lengthof(texts); i++)
	{
		char		text[512];

		snprintf(text, sizeof(text), SERVER "%s", texts[i]);
		comes_to(text, OCT_PHASE_TLS, OCT_REASON_TLS_ERROR, OCT_PHASE_TLS);
	}
}

/* libpq does not even begin, and says it without context. */
static void
said_of_options(void **state)
{
	static const char *const texts[] = {
		"invalid sslmode value: \"sometimes\"\n",
		"invalid sslnegotiation value: \"x\"\n",
		"invalid sslcertmode value: \"x\"\n",
		"invalid ssl_min_protocol_version value: \"x\"\n",
		"invalid SSL protocol version range\n",
		"invalid gssencmode value: \"x\"\n",
		"sslmode value \"require\" invalid when SSL support is not compiled in\n",
		"gssencmode value \"require\" invalid when GSSAPI support is not compiled in\n",
		"sslcertmode value \"require\" is not supported (check OpenSSL version)\n",
		"weak sslmode \"prefer\" may not be used with sslrootcert=system (use \"verify-full\")\n",
		"weak sslmode \"prefer\" may not be used with sslnegotiation=direct (use \"require\", \"verify-ca\", or \"verify-full\")\n",
	};

	for (int i = 0; i < lengthof(texts); i++)
		comes_to(texts[i], OCT_PHASE_CONNECT, OCT_REASON_TLS_ERROR, OCT_PHASE_TLS);
}

/* Nobody has answered, so it must not pass for life. */
static void
said_of_whom_to_trust(void **state)
{
	static const char *const texts[] = {
		"invalid require_auth value: \"authentication\"\n",
		"require_auth method \"password\" is specified more than once\n",
		"negative require_auth method \"!password\" cannot be mixed with non-negative methods\n",
		"require_auth method \"password\" cannot be mixed with negative methods\n",
		"invalid channel_binding value: \"authentication\"\n",
		"connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: requirepeer specifies \"authentication\", but actual peer user name is \"a\"\n",
		"connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: requirepeer specifies \"GSSAPI\", but actual peer user name is \"a\"\n",
		"connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: requirepeer parameter is not supported on this platform\n",
	};

	for (int i = 0; i < lengthof(texts); i++)
		comes_to(texts[i], OCT_PHASE_CONNECT, OCT_REASON_FORBIDDEN, OCT_PHASE_AUTH);
}

/* With TLS 1.3 a server refuses a certificate only after the handshake. */
static void
said_after_the_handshake(void **state)
{
	comes_to(SERVER "SSL error: tlsv1 alert unknown ca\n",
			 OCT_PHASE_STARTUP, OCT_REASON_TLS_ERROR, OCT_PHASE_TLS);
	comes_to(SERVER "SSL error: tlsv13 alert certificate required\n",
			 OCT_PHASE_STARTUP, OCT_REASON_TLS_ERROR, OCT_PHASE_TLS);
	comes_to(SERVER "server did not request an SSL certificate\n",
			 OCT_PHASE_STARTUP, OCT_REASON_TLS_ERROR, OCT_PHASE_TLS);
	comes_to(SERVER "server accepted connection without a valid SSL certificate\n",
			 OCT_PHASE_STARTUP, OCT_REASON_TLS_ERROR, OCT_PHASE_TLS);
	comes_to(SERVER "channel binding required, but SSL not in use\n",
			 OCT_PHASE_STARTUP, OCT_REASON_TLS_ERROR, OCT_PHASE_TLS);

	comes_to(SERVER "SSL SYSCALL error: EOF detected\n",
			 OCT_PHASE_STARTUP, OCT_REASON_CONNECTION_RESET, OCT_PHASE_STARTUP);
	comes_to(SERVER "SSL error: unexpected eof while reading\n",
			 OCT_PHASE_AUTH, OCT_REASON_CONNECTION_RESET, OCT_PHASE_AUTH);
	comes_to(SERVER "SSL connection has been closed unexpectedly\n",
			 OCT_PHASE_AUTH, OCT_REASON_CONNECTION_RESET, OCT_PHASE_AUTH);
}

static void
said_of_logins(void **state)
{
	static const char *const texts[] = {
		"FATAL:  28000: no pg_hba.conf entry for host \"127.0.0.1\", user \"a\", database \"b\", SSL off\nLOCATION:  ClientAuthentication, auth.c:543\n",
		"FATAL:  28000: connection requires a valid client certificate\n",
		"FATAL:  28P01: password authentication failed for user \"SSL\"\n",
		"SCHWERWIEGEND:  28P01: Passwort\n",
		"\321\204\320\260\321\202:  28P01: x\n",	/* not ASCII */
		"authentication method requirement \"scram-sha-256\" failed: server requested a cleartext password\n",
		"authentication method requirement \"scram-sha-256\" failed: server did not complete authentication\n",
		"authentication method 7 not supported\n",
		"channel binding required, but server authenticated client without channel binding\n",
		"channel binding required but not supported by server's authentication request\n",
		"channel binding is required, but server did not offer an authentication method that supports channel binding\n",
		"none of the server's SASL authentication mechanisms are supported\n",
		"GSSAPI continuation error: x\n",
	};

	for (int i = 0; i < lengthof(texts); i++)
	{
		char		text[512];

		snprintf(text, sizeof(text), SERVER "%s", texts[i]);
		comes_to(text, OCT_PHASE_STARTUP, OCT_REASON_AUTH_FAILED, OCT_PHASE_AUTH);
	}
}

/* Where libpq tries twice, what a server says counts, whichever it is. */
static void
said_by_servers(void **state)
{
	comes_to(SERVER "FATAL:  57P03: the database system is starting up\n",
			 OCT_PHASE_STARTUP, OCT_REASON_STARTING_UP, OCT_PHASE_AUTH);
	comes_to(SERVER "SSL error: wrong version number\n"
			 SERVER "FATAL:  57P03: the database system is starting up\n",
			 OCT_PHASE_STARTUP, OCT_REASON_STARTING_UP, OCT_PHASE_AUTH);
	comes_to("connection to server on socket \"/tmp/x:  28000: y\" failed: FATAL:  53300: sorry\n",
			 OCT_PHASE_STARTUP, OCT_REASON_TOO_MANY_CONNECTIONS, OCT_PHASE_AUTH);
	comes_to(SERVER "could not fork new process for connection: Cannot allocate memory\n",
			 OCT_PHASE_STARTUP, OCT_REASON_TOO_MANY_CONNECTIONS, OCT_PHASE_AUTH);
	comes_to(SERVER "FATAL:  57P03: the database system is starting up\n"
			 SERVER "SSL error: certificate verify failed\n",
			 OCT_PHASE_TLS, OCT_REASON_STARTING_UP, OCT_PHASE_TLS);
	comes_to(SERVER "FATAL:  no SQLSTATE: x\n",
			 OCT_PHASE_STARTUP, OCT_REASON_PROTOCOL_ERROR, OCT_PHASE_STARTUP);
}

/* Errors of the system: whose trouble are they? */
static void
system_errors_tell_whose_trouble_it_is(void **state)
{
	static const struct
	{
		int			errnum;
		OctReason	reason;
	}			cases[] = {
		{ECONNREFUSED, OCT_REASON_CONNECTION_REFUSED},
		{ENOENT, OCT_REASON_CONNECTION_REFUSED},
		{ECONNRESET, OCT_REASON_CONNECTION_RESET},
		{ETIMEDOUT, OCT_REASON_TIMEOUT},
		{EHOSTUNREACH, OCT_REASON_HOST_UNREACHABLE},
		{ENETUNREACH, OCT_REASON_HOST_UNREACHABLE},
		{ENETDOWN, OCT_REASON_VOIDED},
		{EADDRNOTAVAIL, OCT_REASON_VOIDED},
		{EMFILE, OCT_REASON_VOIDED},
		{ENOMEM, OCT_REASON_VOIDED},
	};

	for (int i = 0; i < lengthof(cases); i++)
		assert_int_equal(oct_cause_of_errno(cases[i].errnum), cases[i].reason);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(said_of_tls),
		cmocka_unit_test(said_of_options),
		cmocka_unit_test(said_of_whom_to_trust),
		cmocka_unit_test(said_after_the_handshake),
		cmocka_unit_test(said_of_logins),
		cmocka_unit_test(said_by_servers),
		cmocka_unit_test(system_errors_tell_whose_trouble_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*-------------------------------------------------------------------------
 *
 * shield.c
 *	  What libpq must not find when it looks around.
 *
 * libpq takes defaults from the environment and from files in the home
 * directory, and OpenSSL asks whoever sits at standard input for the password
 * of a locked key.  A monitor's probes must depend on none of these, no secret
 * may leak from them, and nobody may be waited for, so the process is cut off
 * from all of them when it starts.
 *
 * What OPENSSL_CONF names is not among them: it is the machine's rules of
 * encryption, which the postmaster has read for all its processes before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "libpq-fe.h"

#include "login.h"
#include "shield.h"

/*
 * What libpq looks up in the environment beside PQconndefaults' variables, and
 * what OpenSSL takes for the authorities of the system.
 */
static const char *const other_variables[] = {
	"PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIRESSL", "PGTZ", "PGDATESTYLE",
	"PGGEQO", "SSL_CERT_FILE", "SSL_CERT_DIR",
};

/*
 * Kerberos' rules, by which it would ask the DNS, and wait, for the name of a server
 * before it looks for a ticket.
 */
static const char kerberos_rules[] =
"[libdefaults]\n"
"dns_canonicalize_hostname = false\n"
"rdns = false\n"
"qualify_shortname = \"\"\n"
"dns_lookup_realm = false\n"
"dns_lookup_kdc = false\n";

/*
 * Makes a file of them that is as long there as this process, and tells its path;
 * false if that cannot be.
 */
static bool
write_kerberos_rules(char *path, size_t size)
{
#ifdef MFD_CLOEXEC
	int			fd = memfd_create("octopus_fdw kerberos rules", MFD_CLOEXEC);

	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd >= 0 &&
		write(fd, kerberos_rules, strlen(kerberos_rules)) == (ssize_t) strlen(kerberos_rules);
#else
	return false;
#endif
}

/* Once a process; says besides what libpq understands.  May raise an error. */
void
oct_shield_raise(void)
{
	PQconninfoOption *options = PQconndefaults();
	char		path[MAXPGPATH];

	if (options == NULL)
		elog(ERROR, "out of memory");
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
	{
		oct_login_know(option->keyword);
		if (option->envvar != NULL)
			unsetenv(option->envvar);
	}
	PQconninfoFree(options);
	for (int i = 0; i < lengthof(other_variables); i++)
		unsetenv(other_variables[i]);
	setenv("HOME", OCT_NOWHERE, 1);

	/*
	 * A server may ask for Kerberos, which could take its time to look around,
	 * and get a ticket in the name of this server.
	 */
	setenv("KRB5_CONFIG", write_kerberos_rules(path, sizeof(path)) ? path : OCT_NOWHERE, 1);
	setenv("KRB5CCNAME", OCT_NOWHERE, 1);
	setenv("KRB5_CLIENT_KTNAME", OCT_NOWHERE, 1);

	/* libpq sets it by itself only where there is an sslpassword */
	PQsetSSLKeyPassHook_OpenSSL(PQdefaultSSLKeyPassHook_OpenSSL);
}

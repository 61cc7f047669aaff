/*-------------------------------------------------------------------------
 *
 * wire_said.h
 *	  What servers said, word by word: recorded from PostgreSQL 15.20 where
 *	  nothing else is noted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WIRE_SAID_H
#define WIRE_SAID_H

#define SAID_AUTH_OK	"R\0\0\0\10\0\0\0\0"
#define SAID_READY		"Z\0\0\0\5I"
#define SAID_PRIMARY	"S\0\0\0\27in_hot_standby\0off\0"
#define SAID_STANDBY	"S\0\0\0\26in_hot_standby\0on\0"

#define SAID_LOGIN(standby) \
	SAID_AUTH_OK \
	"S\0\0\0!application_name\0octopus_fdw\0" \
	"S\0\0\0\31client_encoding\0UTF8\0" \
	"S\0\0\0\27DateStyle\0ISO, MDY\0" \
	"S\0\0\0&default_transaction_read_only\0off\0" \
	standby \
	"S\0\0\0\31integer_datetimes\0on\0" \
	"S\0\0\0\33IntervalStyle\0postgres\0" \
	"S\0\0\0\24is_superuser\0on\0" \
	"S\0\0\0\31server_encoding\0UTF8\0" \
	"S\0\0\0002server_version\00015.20 (Debian 15.20-0+deb12u1)\0" \
	"S\0\0\0#session_authorization\0postgres\0" \
	"S\0\0\0#standard_conforming_strings\0on\0" \
	"S\0\0\0\25TimeZone\0Etc/UTC\0" \
	"K\0\0\0\14\0\0}\304\330\210\315T" \
	SAID_READY

#define SAID_SCRAM		"R\0\0\0\27\0\0\0\12SCRAM-SHA-256\0\0"
#define SAID_MD5		"R\0\0\0\14\0\0\0\5lx\375\343"
#define SAID_CLEARTEXT	"R\0\0\0\10\0\0\0\3"

#define SAID_REJECTED \
	"E\0\0\0\247SFATAL\0VFATAL\0C28000\0" \
	"Mpg_hba.conf rejects connection for host \"127.0.0.1\", user \"u_reject\"," \
	" database \"postgres\", no encryption\0" \
	"Fauth.c\0L476\0RClientAuthentication\0\0"
#define SAID_NO_ROLE \
	SAID_AUTH_OK \
	"E\0\0\0hSFATAL\0VFATAL\0C28000\0Mrole \"nobody_there\" does not exist\0" \
	"Fmiscinit.c\0L768\0RInitializeSessionUserId\0\0"
#define SAID_NO_DATABASE \
	SAID_AUTH_OK \
	"E\0\0\0_SFATAL\0VFATAL\0C3D000\0Mdatabase \"no_such_db\" does not exist\0" \
	"Fpostinit.c\0L948\0RInitPostgres\0\0"
#define SAID_TOO_MANY \
	SAID_AUTH_OK \
	"E\0\0\0\214SFATAL\0VFATAL\0C53300\0" \
	"Mremaining connection slots are reserved for non-replication superuser" \
	" connections\0Fpostinit.c\0L886\0RInitPostgres\0\0"
#define SAID_NO_HOT_STANDBY \
	"E\0\0\0\225SFATAL\0VFATAL\0C57P03\0" \
	"Mthe database system is not accepting connections\0" \
	"DHot standby mode is disabled.\0" \
	"Fpostmaster.c\0L2424\0RProcessStartupPacket\0\0"
#define SAID_SHUTTING_DOWN \
	"E\0\0\0jSFATAL\0VFATAL\0C57P03\0Mthe database system is shutting down\0" \
	"Fpostmaster.c\0L2430\0RProcessStartupPacket\0\0"
#define SAID_TERMINATED \
	"E\0\0\0tSFATAL\0VFATAL\0C57P01\0" \
	"Mterminating connection due to administrator command\0" \
	"Fpostgres.c\0L3211\0RProcessInterrupts\0\0"
#define SAID_OLD_PROTOCOL \
	"EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.0\n\0"

/* as report_fork_failure_to_client() has it */
#define SAID_NO_FORK \
	"Ecould not fork new process for connection: Cannot allocate memory\n\0"

/* other protocols, as their authors document them */
#define SAID_SSH		"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n"
#define SAID_HTTP		"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n"
#define SAID_SMTP		"220 mail.example.org ESMTP Postfix\r\n"

/* a MySQL greeting of 82 bytes; that number comes first, and is an "R" */
#define SAID_MYSQL \
	"R\0\0\0\n8.0.42-1debian\0\10\0\0\0abcdefgh\0\377\377\377\2\0\377\337\25" \
	"\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0caching_sha2_password\0"

#endif							/* WIRE_SAID_H */

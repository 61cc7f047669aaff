/*-------------------------------------------------------------------------
 *
 * messages.h
 *	  What the simulated servers of the fleet say, as ready-made bytes.
 *
 * Every answer is built once, when the fleet starts, and lives in one fixed
 * arena; a connection only holds a pointer into it.  Nothing here knows
 * sockets, nodes or time.
 *
 * This is not a protocol library: it builds what a server may say (and a few
 * things that no server should), and reads nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FLEET_MESSAGES_H
#define FLEET_MESSAGES_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_SIZE		(256 * 1024)
#define LONG_TEXT_SIZE	(20 * 1024)

typedef struct Script
{
	const char *data;
	size_t		len;
} Script;

static char arena[ARENA_SIZE];
static size_t arena_used;

/* Append bytes to the arena; running out of it is a bug of this program. */
static void
put(const void *data, size_t len)
{
	if (len > ARENA_SIZE - arena_used)
	{
		fprintf(stderr, "fleet: message arena is too small\n");
		exit(1);
	}
	memcpy(arena + arena_used, data, len);
	arena_used += len;
}

static void
put_int32(uint32_t value)
{
	uint32_t	n = htonl(value);

	put(&n, sizeof(n));
}

static void
put_int16(uint16_t value)
{
	uint16_t	n = htons(value);

	put(&n, sizeof(n));
}

static void
put_string(const char *s)
{
	put(s, strlen(s) + 1);
}

/* Begin a message; returns where its length word is, for end_message(). */
static size_t
begin_message(char type)
{
	put(&type, 1);
	put_int32(0);
	return arena_used - 4;
}

static void
end_message(size_t at)
{
	uint32_t	n = htonl((uint32_t) (arena_used - at));

	memcpy(arena + at, &n, sizeof(n));
}

static void
put_parameter(const char *name, const char *value)
{
	size_t		m = begin_message('S');

	put_string(name);
	put_string(value);
	end_message(m);
}

static void
put_auth_ok(void)
{
	size_t		m = begin_message('R');

	put_int32(0);
	end_message(m);
}

static void
put_ready(void)
{
	size_t		m = begin_message('Z');

	put("I", 1);
	end_message(m);
}

static void
put_field(char code, const char *value)
{
	put(&code, 1);
	put_string(value);
}

/* An ErrorResponse or NoticeResponse as PostgreSQL 9.6 and later sends it. */
static void
put_report(char type, const char *severity, const char *sqlstate,
		   const char *text)
{
	size_t		m = begin_message(type);

	put_field('S', severity);
	put_field('V', severity);
	put_field('C', sqlstate);
	put_field('M', text);
	put_field('F', "fleet.c");
	put_field('L', "1");
	put_field('R', "fleet");
	put("", 1);
	end_message(m);
}

static Script
script_since(size_t start)
{
	Script		script = {arena + start, arena_used - start};

	return script;
}

static Script
script_fatal(const char *sqlstate, const char *text)
{
	size_t		start = arena_used;

	put_report('E', "FATAL", sqlstate, text);
	return script_since(start);
}

static Script
script_bytes(const void *data, size_t len)
{
	size_t		start = arena_used;

	put(data, len);
	return script_since(start);
}

/* A whole successful login, as PostgreSQL 15 sends it to libpq. */
static Script
script_login(bool standby)
{
	size_t		start = arena_used;
	size_t		m;

	put_auth_ok();
	put_parameter("application_name", "");
	put_parameter("client_encoding", "UTF8");
	put_parameter("DateStyle", "ISO, MDY");
	put_parameter("default_transaction_read_only", "off");
	put_parameter("in_hot_standby", standby ? "on" : "off");
	put_parameter("integer_datetimes", "on");
	put_parameter("IntervalStyle", "postgres");
	put_parameter("is_superuser", "off");
	put_parameter("server_encoding", "UTF8");
	put_parameter("server_version", "15.18");
	put_parameter("session_authorization", "postgres");
	put_parameter("standard_conforming_strings", "on");
	put_parameter("TimeZone", "Etc/UTC");
	m = begin_message('K');
	put_int32(4711);
	put_int32(42);
	end_message(m);
	put_ready();
	return script_since(start);
}

/* The answer to Describe: one boolean column. */
static Script
script_column(void)
{
	size_t		start = arena_used;
	size_t		m = begin_message('T');

	put_int16(1);
	put_string("bool");
	put_int32(0);				/* of no table */
	put_int16(0);
	put_int32(16);				/* type and length of a boolean */
	put_int16(1);
	put_int32(UINT32_MAX);		/* no type modifier */
	put_int16(0);				/* as text */
	end_message(m);
	return script_since(start);
}

static Script
script_complete(const char *tag)
{
	size_t		start = arena_used;
	size_t		m = begin_message('C');

	put_string(tag);
	end_message(m);
	return script_since(start);
}

/* The answer to Execute: one row with this value, which may be NULL. */
static Script
script_row(const char *value)
{
	size_t		start = arena_used;
	size_t		m = begin_message('D');

	put_int16(1);
	put_int32(value ? (uint32_t) strlen(value) : UINT32_MAX);
	if (value)
		put(value, strlen(value));
	end_message(m);
	script_complete("SELECT 1");
	return script_since(start);
}

static Script
script_error(const char *sqlstate, const char *text)
{
	size_t		start = arena_used;

	put_report('E', "ERROR", sqlstate, text);
	return script_since(start);
}

static Script
script_notice(void)
{
	size_t		start = arena_used;

	put_report('N', "WARNING", "01000", "somebody wants you to know this");
	return script_since(start);
}

/* A message without a body. */
static Script
script_empty(char type)
{
	size_t		start = arena_used;

	end_message(begin_message(type));
	return script_since(start);
}

/* The answer to Describe of a statement, before its columns: no parameters. */
static Script
script_no_parameters(void)
{
	size_t		start = arena_used;
	size_t		m = begin_message('t');

	put_int16(0);
	end_message(m);
	return script_since(start);
}

static Script
script_parameter(const char *name, const char *value)
{
	size_t		start = arena_used;

	put_parameter(name, value);
	return script_since(start);
}

static Script
script_ready(void)
{
	size_t		start = arena_used;

	put_ready();
	return script_since(start);
}

static Script
script_sasl(void)
{
	size_t		start = arena_used;
	size_t		m = begin_message('R');

	put_int32(10);
	put_string("SCRAM-SHA-256");
	put("", 1);
	end_message(m);
	return script_since(start);
}

/* A bare authentication request: 0 is "you are in", 3 asks for the password. */
static Script
script_auth(uint32_t code)
{
	size_t		start = arena_used;
	size_t		m = begin_message('R');

	put_int32(code);
	end_message(m);
	return script_since(start);
}

/* As a server that knows no newer protocol and no option of ours says it. */
static Script
script_negotiate(void)
{
	size_t		start = arena_used;
	size_t		m = begin_message('v');

	put_int32(3 << 16);
	put_int32(1);
	put_string("_pq_.octopus");
	end_message(m);
	script_login(false);
	return script_since(start);
}

/* An error in protocol 2, as a postmaster that cannot fork sends it to all. */
static Script
script_old_error(const char *text)
{
	size_t		start = arena_used;

	put("E", 1);
	put(text, strlen(text));
	put("\n", 2);
	return script_since(start);
}

/* Let in, but the end of it never comes. */
static Script
script_halfway(void)
{
	size_t		start = arena_used;

	put_auth_ok();
	put_parameter("server_version", "15.18");
	return script_since(start);
}

/* A gigabyte is announced where small things are expected. */
static Script
script_huge_parameter(void)
{
	size_t		start = arena_used;

	put_auth_ok();
	put("S", 1);
	put_int32(1024 * 1024 * 1024);
	put_string("server_version");
	return script_since(start);
}

/* Some 8 kB of valid messages that lead nowhere; repeated without end. */
static Script
script_endless(void)
{
	size_t		start = arena_used;

	while (arena_used - start < 8000)
	{
		put_report('N', "NOTICE", "00000", "there is always more to say");
		put_parameter("application_name", "endless");
	}
	return script_since(start);
}

static Script
script_huge_length(void)
{
	size_t		start = arena_used;

	put("E", 1);
	put_int32(1024 * 1024 * 1024);
	put_field('S', "FATAL");
	put_field('C', "XX000");
	return script_since(start);
}

/* An error text of the worst kind that fits into a valid message. */
static Script
script_hostile(void)
{
	static const char bite[] = "\033[2J\033]0;owned\007\r\n\b\302\240\377\376\300\200%s%n'\"\\;--";
	static char text[LONG_TEXT_SIZE + 1];
	size_t		start = arena_used;

	for (size_t i = 0; i < LONG_TEXT_SIZE; i++)
		text[i] = bite[i % (sizeof(bite) - 1)];
	put_report('E', "FATAL", "XX000", text);
	return script_since(start);
}

/* Bytes that are no message of any PostgreSQL server, the same every time. */
static Script
script_garbage(void)
{
	size_t		start = arena_used;
	uint32_t	x = 2463534242u;

	for (int i = 0; i < 256; i++)
	{
		char		byte;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		byte = (char) (x >> 24);
		/* not to be taken for an authentication request or an error */
		if (i == 0)
			byte = '\x81';
		put(&byte, 1);
	}
	return script_since(start);
}

#endif							/* FLEET_MESSAGES_H */

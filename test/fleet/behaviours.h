/*-------------------------------------------------------------------------
 *
 * behaviours.h
 *	  What a node of the fleet may be like.
 *
 * A behaviour is a row of the table below: its name, what it does when a
 * connection is accepted and when it has logged in, and what it says.  To add
 * one, append a row, before "deaf", and if need be a Script in
 * build_scripts() and a function.  The place in the table is the second octet
 * of the addresses that behave so, hence rows are never moved.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FLEET_BEHAVIOURS_H
#define FLEET_BEHAVIOURS_H

#include "conn.h"

static Script login_script,
			standby_script,
			refused_script,
			starting_script,
			sasl_script,
			crowded_script,
			stopping_script,
			recovery_script,
			endless_script,
			huge_script,
			hostile_script,
			garbage_script,
			bad_tls_script,
			true_row,
			false_row,
			null_row,
			text_row,
			query_error_script,
			query_timeout_script,
			query_fatal_script,
			halfway_script,
			babble_script,
			huge_parameter_script,
			http_script,
			cannot_fork_script,
			stuffed_script,
			negotiate_script,
			cleartext_script,
			bad_password_script,
			no_database_script,
			crash_recovery_script,
			not_yet_script,
			truncated_script,
			notice_script;
static Script no_row,
			nothing = {"", 0};

static const Answer yes = {&true_row};
static const Answer no = {&false_row};
static const Answer null_value = {&null_row};
static const Answer no_rows = {&no_row};
static const Answer other_text = {&text_row};
static const Answer query_error = {&query_error_script, .error = true};
static const Answer query_timeout = {&query_timeout_script, .error = true};
static const Answer query_fatal = {&query_fatal_script, .error = true, .fatal = true};
static const Answer query_close = {&nothing, .error = true, .fatal = true};

static void do_reset(Conn *c);
static void do_close(Conn *c);
static void do_answer(Conn *c);
static void do_fail(Conn *c);
static void do_slow(Conn *c);
static void do_dribble(Conn *c);
static void do_endless(Conn *c);
static void do_babble(Conn *c);
static void do_hang(Conn *c);
static void tick_dribble(Conn *c);
static void tick_endless(Conn *c);
static void tick_babble(Conn *c);
static void tick_think(Conn *c);

static Queue slow_queue = {.delay_ms = 300, .tick = do_answer};
static Queue think_queue = {.delay_ms = 300, .tick = tick_think};
static Queue dribble_queue = {.delay_ms = 5, .tick = tick_dribble};
static Queue endless_queue = {.delay_ms = 5, .tick = tick_endless};
static Queue babble_queue = {.delay_ms = 1, .tick = tick_babble};
static Queue *const queues[] = {
	&slow_queue, &think_queue, &dribble_queue, &endless_queue, &babble_queue
};

#define NUM_QUEUES	(sizeof(queues) / sizeof(queues[0]))

/* The second octet of an address is an index of this; beyond: healthy. */
static const Behaviour behaviours[] = {
	{.name = "default"},
	{.name = "healthy", .login = do_answer, .script = &login_script,
	.query = &yes, .steady = true},
	{.name = "silent"},
	{.name = "reset", .begin = do_reset},
	{.name = "refused", .login = do_fail, .script = &refused_script,
	.query = &yes},
	{.name = "starting", .login = do_fail, .script = &starting_script},
	{.name = "slow", .login = do_slow, .script = &login_script,
	.query = &yes},
	{.name = "dribbling", .login = do_dribble, .script = &login_script,
	.query = &yes},
	{.name = "garbage", .login = do_fail, .script = &garbage_script},
	{.name = "password", .login = do_answer, .script = &sasl_script,
	.query = &yes, .steady = true},
	{.name = "crowded", .login = do_fail, .script = &crowded_script,
	.query = &yes},
	{.name = "stopping", .login = do_fail, .script = &stopping_script,
	.query = &yes},
	{.name = "recovery", .login = do_fail, .script = &recovery_script},
	{.name = "endless", .login = do_endless, .script = &login_script},
	{.name = "huge", .login = do_answer, .script = &huge_script},
	{.name = "closing", .begin = do_close},
	{.name = "standby", .login = do_answer, .script = &standby_script,
	.query = &yes, .steady = true},
	{.name = "hostile", .login = do_fail, .script = &hostile_script},
	{.name = "query_false", .login = do_answer, .script = &login_script,
	.query = &no},
	{.name = "query_error", .login = do_answer, .script = &login_script,
	.query = &query_error},
	{.name = "query_silent", .login = do_answer, .script = &login_script},
	{.name = "bad_tls", .login = do_answer, .script = &login_script,
	.query = &yes, .tls = &bad_tls_script},
	/* 22: gone; a node with a listener of its own refuses, others close */
	{.name = "dead", .begin = do_close},
	/* 23: answers SSLRequest, reads the start-up packet, says nothing */
	{.name = "mute", .login = do_hang, .query = &yes},
	/* 24: the postmaster hangs; sessions that it had let in before live on */
	{.name = "hung_postmaster", .begin = do_hang, .login = do_hang,
	.query = &yes, .spares = true},
	/* 25: AuthenticationOk, and not much more, ever */
	{.name = "halfway", .login = do_answer, .script = &halfway_script},
	/* 26: lets in, but its notices never end */
	{.name = "babbling", .login = do_babble, .script = &babble_script},
	/* 27: announces a gigabyte once it has let in */
	{.name = "huge_parameter", .login = do_answer,
	.script = &huge_parameter_script},
	/* 28: a web server */
	{.name = "http", .login = do_fail, .script = &http_script,
	.request = &http_script},
	/* 29: a postmaster that cannot fork, which it says in protocol 2 */
	{.name = "cannot_fork", .login = do_fail, .script = &cannot_fork_script,
	.request = &cannot_fork_script},
	/* 30: says more in clear than that it has TLS, as an attacker would */
	{.name = "stuffed", .login = do_answer, .script = &login_script,
	.query = &yes, .request = &stuffed_script},
	/* 31: NegotiateProtocolVersion before it lets in */
	{.name = "negotiate", .login = do_answer, .script = &negotiate_script,
	.query = &yes},
	/* 32: asks for a password in clear, and any will do */
	{.name = "cleartext", .login = do_answer, .script = &cleartext_script,
	.query = &yes, .password = &login_script},
	{.name = "bad_password", .login = do_fail, .script = &bad_password_script},
	{.name = "no_database", .login = do_fail, .script = &no_database_script},
	{.name = "crash_recovery", .login = do_fail,
	.script = &crash_recovery_script},
	{.name = "not_yet", .login = do_fail, .script = &not_yet_script},
	/* 37: closes in the middle of a message */
	{.name = "truncated", .login = do_fail, .script = &truncated_script},
	/* 38: lets in and answers queries, but no bare Sync */
	{.name = "no_sync", .login = do_answer, .script = &login_script,
	.query = &yes, .no_sync = true},
	/* 39: every answer to a session takes its time */
	{.name = "query_slow", .login = do_answer, .script = &login_script,
	.query = &yes, .think = &think_queue},
	{.name = "query_null", .login = do_answer, .script = &login_script,
	.query = &null_value},
	{.name = "query_no_rows", .login = do_answer, .script = &login_script,
	.query = &no_rows},
	{.name = "query_text", .login = do_answer, .script = &login_script,
	.query = &other_text},
	{.name = "query_timeout", .login = do_answer, .script = &login_script,
	.query = &query_timeout},
	/* 44: the session is ended at the query, with and without a word */
	{.name = "query_fatal", .login = do_answer, .script = &login_script,
	.query = &query_fatal},
	{.name = "query_close", .login = do_answer, .script = &login_script,
	.query = &query_close},
	{.name = "deaf"},
};

enum
{
	HEALTHY = 1,
	DEAD = 22,
	NUM_BEHAVIOURS = sizeof(behaviours) / sizeof(behaviours[0]),
	DEAF = NUM_BEHAVIOURS - 1
};

static void
do_reset(Conn *c)
{
	struct linger linger = {1, 0};

	setsockopt(conn_fd(c), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	conn_end(c, END_OURS);
}

static void
do_close(Conn *c)
{
	conn_end(c, END_OURS);
}

static void
do_answer(Conn *c)
{
	say(c, c->behaviour->script);
}

static void
do_fail(Conn *c)
{
	c->closing = true;
	say(c, c->behaviour->script);
}

static void
do_slow(Conn *c)
{
	park(c, &slow_queue);
}

static void
do_dribble(Conn *c)
{
	c->out = c->behaviour->script->data;
	c->out_len = c->behaviour->script->len;
	park(c, &dribble_queue);
}

static void
tick_dribble(Conn *c)
{
	if (!conn_flush(c, 1) && c->open)
		park(c, &dribble_queue);
}

static void
do_endless(Conn *c)
{
	say(c, c->behaviour->script);
	if (c->open)
		park(c, &endless_queue);
}

static void
tick_endless(Conn *c)
{
	if (c->out_len == 0)
		say(c, &endless_script);
	else
		conn_flush(c, SIZE_MAX);
	if (c->open)
		park(c, &endless_queue);
}

/* Notices at some 60 MB a second, as long as somebody reads them. */
static void
do_babble(Conn *c)
{
	say(c, c->behaviour->script);
	if (c->open)
		park(c, &babble_queue);
}

static void
tick_babble(Conn *c)
{
	conn_flush(c, SIZE_MAX);
	for (int i = 0; i < 8 && c->open && c->out_len == 0; i++)
		say(c, &endless_script);
	if (c->open)
		park(c, &babble_queue);
}

static void
do_hang(Conn *c)
{
	c->hung = true;
}

/* The session is ended by order of an administrator. */
static void
do_terminate(Conn *c)
{
	unpark(c);
	c->closing = true;
	say(c, &query_fatal_script);
}

static void
do_notice(Conn *c)
{
	if (!conn_busy(c))
		say(c, &notice_script);
}

static void
tick_think(Conn *c)
{
	conn_flush(c, SIZE_MAX);
}

static void
build_scripts(void)
{
	login_script = script_login(false);
	standby_script = script_login(true);
	refused_script = script_fatal("28000", "no pg_hba.conf entry for host \"127.0.0.1\", user \"postgres\", database \"postgres\", no encryption");
	starting_script = script_fatal("57P03", "the database system is starting up");
	stopping_script = script_fatal("57P03", "the database system is shutting down");
	recovery_script = script_fatal("57P03", "the database system is not accepting connections");
	crowded_script = script_fatal("53300", "sorry, too many clients already");
	wrong_password_script = script_fatal("28P01", "password authentication failed for user \"postgres\"");
	sasl_script = script_sasl();
	endless_script = script_endless();
	huge_script = script_huge_length();
	hostile_script = script_hostile();
	garbage_script = script_garbage();
	ready_script = script_ready();
	true_row = script_row("t");
	false_row = script_row("f");
	null_row = script_row(NULL);
	text_row = script_row("perhaps");
	no_row = script_complete("SELECT 0");
	column_script = script_column();
	set_script = script_complete("SET");
	empty_query_script = script_empty('I');
	parse_complete_script = script_empty('1');
	bind_complete_script = script_empty('2');
	close_complete_script = script_empty('3');
	no_parameters_script = script_no_parameters();
	promotion_script = script_parameter("in_hot_standby", "off");
	notice_script = script_notice();
	query_error_script = script_error("42883", "function does_not_exist() does not exist");
	query_timeout_script = script_error("57014", "canceling statement due to statement timeout");
	query_fatal_script = script_fatal("57P01", "terminating connection due to administrator command");
	halfway_script = script_halfway();
	babble_script = script_auth(0);
	huge_parameter_script = script_huge_parameter();
	http_script = bad_tls_script = script_bytes("HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	cannot_fork_script = script_old_error("could not fork new process for connection: Resource temporarily unavailable");
	stuffed_script = script_bytes("S", 1);
	stuffed_script.len += script_error("42501", "not from whom you think").len;
	negotiate_script = script_negotiate();
	cleartext_script = script_auth(3);
	bad_password_script = wrong_password_script;
	no_database_script = script_fatal("3D000", "database \"postgres\" does not exist");
	crash_recovery_script = script_fatal("57P03", "the database system is in recovery mode");
	not_yet_script = script_fatal("57P03", "the database system is not yet accepting connections");
	truncated_script = script_login(false);
	truncated_script.len /= 2;
	no_ssl_script = script_bytes("N", 1);
	ssl_script = script_bytes("S", 1);
}

/* Serve the connections whose wait is over. */
static void
run_queues(void)
{
	for (size_t i = 0; i < NUM_QUEUES; i++)
	{
		Conn	   *c;

		while ((c = queues[i]->head) != NULL && c->due_us <= now_us)
		{
			unpark(c);
			queues[i]->tick(c);
			/* it may have sent something while nobody was reading */
			if (c->open && !conn_busy(c))
				conn_read(c);
		}
	}
}

/* Milliseconds until a queue needs us, rounded up; -1 if none does. */
static int
queue_timeout_ms(void)
{
	uint64_t	due_us = UINT64_MAX;

	for (size_t i = 0; i < NUM_QUEUES; i++)
		if (queues[i]->head && queues[i]->head->due_us < due_us)
			due_us = queues[i]->head->due_us;
	if (due_us == UINT64_MAX)
		return -1;
	return due_us <= now_us ? 0 : (int) ((due_us - now_us + 999) / 1000);
}

#endif							/* FLEET_BEHAVIOURS_H */

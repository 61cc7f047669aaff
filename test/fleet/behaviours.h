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
			true_script,
			false_script,
			query_error_script,
			bad_tls_script;

static void do_reset(Conn *c);
static void do_close(Conn *c);
static void do_answer(Conn *c);
static void do_fail(Conn *c);
static void do_slow(Conn *c);
static void do_dribble(Conn *c);
static void do_endless(Conn *c);
static void tick_dribble(Conn *c);
static void tick_endless(Conn *c);

/* The second octet of an address is an index of this; beyond: healthy. */
static const Behaviour behaviours[] = {
	{.name = "default"},
	{.name = "healthy", .login = do_answer, .script = &login_script,
	.query = &true_script},
	{.name = "silent"},
	{.name = "reset", .begin = do_reset},
	{.name = "refused", .login = do_fail, .script = &refused_script},
	{.name = "starting", .login = do_fail, .script = &starting_script},
	{.name = "slow", .login = do_slow, .script = &login_script,
	.query = &true_script},
	{.name = "dribbling", .login = do_dribble, .script = &login_script,
	.query = &true_script},
	{.name = "garbage", .login = do_fail, .script = &garbage_script},
	{.name = "password", .login = do_answer, .script = &sasl_script},
	{.name = "crowded", .login = do_fail, .script = &crowded_script},
	{.name = "stopping", .login = do_fail, .script = &stopping_script},
	{.name = "recovery", .login = do_fail, .script = &recovery_script},
	{.name = "endless", .login = do_endless, .script = &login_script},
	{.name = "huge", .login = do_answer, .script = &huge_script},
	{.name = "closing", .begin = do_close},
	{.name = "standby", .login = do_answer, .script = &standby_script,
	.query = &true_script},
	{.name = "hostile", .login = do_fail, .script = &hostile_script},
	{.name = "query_false", .login = do_answer, .script = &login_script,
	.query = &false_script},
	{.name = "query_error", .login = do_answer, .script = &login_script,
	.query = &query_error_script},
	{.name = "query_silent", .login = do_answer, .script = &login_script},
	{.name = "bad_tls", .login = do_answer, .script = &login_script,
	.query = &true_script, .tls = &bad_tls_script},
	{.name = "deaf"},
};

enum
{
	HEALTHY = 1,
	STANDBY = 16,
	NUM_BEHAVIOURS = sizeof(behaviours) / sizeof(behaviours[0]),
	DEAF = NUM_BEHAVIOURS - 1
};

static Queue slow_queue = {.delay_ms = 300, .tick = do_answer};
static Queue dribble_queue = {.delay_ms = 5, .tick = tick_dribble};
static Queue endless_queue = {.delay_ms = 5, .tick = tick_endless};
static Queue *const queues[] = {&slow_queue, &dribble_queue, &endless_queue};

#define NUM_QUEUES	(sizeof(queues) / sizeof(queues[0]))

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
	true_script = script_row("t");
	false_script = script_row("f");
	query_error_script = script_query_error();
	no_ssl_script = script_bytes("N", 1);
	ssl_script = script_bytes("S", 1);
	bad_tls_script = script_bytes("HTTP/1.1 400 Bad Request\r\n\r\n", 28);
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

/*-------------------------------------------------------------------------
 *
 * session.h
 *	  What a simulated server makes of the messages that it is sent.
 *
 * Part of conn.h, which cuts the messages; the answers are the behaviour's.
 * Simple queries are taken apart into statements: those that begin with a
 * word like SET are answered as such, all others are "the query".  Of the
 * extended protocol every message is answered in its turn; statements and
 * portals are not kept apart, for there is only one query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FLEET_SESSION_H
#define FLEET_SESSION_H

/* Append to the answer that is being put together. */
static void
answer(Conn *c, const Script *script)
{
	if (script->len > ANSWER_SIZE - c->answer_len)
	{
		/* no prober asks for that much at once */
		fprintf(stderr, "fleet: answer is too long\n");
		conn_end(c, END_OURS);
		return;
	}
	memcpy(answers[conn_fd(c)] + c->answer_len, script->data, script->len);
	c->answer_len += script->len;
}

/* Send what has been put together, or have it wait if the node is slow. */
static void
answer_flush(Conn *c)
{
	if (!c->open || c->hung || c->answer_len == 0)
		return;
	c->out = answers[conn_fd(c)];
	c->out_len = c->answer_len;
	c->answer_len = 0;
	if (c->behaviour->think)
		park(c, c->behaviour->think);
	else
		conn_flush(c, SIZE_MAX);
}

static void
answer_ready(Conn *c)
{
	if (c->open && !c->closing)
	{
		if (c->promoted)
			answer(c, &promotion_script);
		c->promoted = false;
		answer(c, &ready_script);
	}
	c->failed = c->asked = false;
	answer_flush(c);
}

/* The query itself: with its column, unless Describe has told that. */
static void
answer_query(Conn *c, bool column)
{
	const Answer *query = c->behaviour->query;

	queries++;
	c->node->queries++;
	if (query == NULL)
	{
		c->hung = true;
		return;
	}
	if (column && !query->error)
		answer(c, &column_script);
	answer(c, query->execute);
	c->failed = query->error;
	c->closing = query->fatal;
	if (query->fatal && query->execute->len == 0)
		conn_end(c, END_OURS);
}

/* A statement of a simple query has been read to its end. */
static void
on_statement(Conn *c)
{
	static const char *const utility[] = {"SET", "BEGI", "COMM", "RESE", "ROLL", "STAR"};
	bool		is_query = true;

	for (size_t i = 0; i < sizeof(utility) / sizeof(utility[0]); i++)
		if (strncmp(c->word, utility[i], sizeof(c->word)) == 0)
			is_query = false;
	if (c->word_len > 0 && c->open && !c->failed && !c->hung)
	{
		c->asked = true;
		if (is_query)
			answer_query(c, true);
		else
			answer(c, &set_script);
	}
	c->word_len = 0;
	memset(c->word, 0, sizeof(c->word));
}

/* One byte of a simple query: only quotes and semicolons mean something. */
static void
on_query_byte(Conn *c, char byte)
{
	bool		letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

	if (byte == '\'')
		c->quoted = !c->quoted;
	if (byte == '\0' || (byte == ';' && !c->quoted))
		on_statement(c);
	else if (c->word_len > 0 || (byte != ' ' && byte != '\t' && byte != '\n'))
	{
		/* a short word is over at its first space: the rest stays zero */
		if (c->word_len < sizeof(c->word))
			c->word[c->word_len++] = letter ? (char) (byte & ~32) : '\0';
	}
}

/* A part of a message's body. */
static void
on_body(Conn *c, const char *data, size_t len)
{
	if (c->body == 0)
		c->target = data[0];
	c->body += len;
	if (c->type == 'Q' && !c->hung && !conn_busy(c))
		for (size_t i = 0; i < len && c->open; i++)
			on_query_byte(c, data[i]);
}

/* A start-up packet has been read to its end. */
static void
on_startup(Conn *c)
{
	if (c->hung)
		return;
	if ((c->code == SSL_REQUEST || c->code == GSSENC_REQUEST) && c->behaviour->request)
	{
		c->closing = true;
		say(c, c->behaviour->request);
	}
	else if (c->code == SSL_REQUEST && c->behaviour->tls)
	{
		c->in_tls = true;
		say(c, &ssl_script);
	}
	else if (c->code == SSL_REQUEST || c->code == GSSENC_REQUEST)
		say(c, &no_ssl_script);
	else if (c->code >> 16 == 3)
	{
		c->logged_in = true;
		logins++;
		c->behaviour->login(c);
	}
	else
		conn_end(c, END_OURS);
}

static void
on_sync(Conn *c)
{
	if (!c->asked)
	{
		syncs++;
		c->node->syncs++;
		node_probed(c->node, now_us, c->behaviour->steady);
		if (c->behaviour->no_sync)
			return;
	}
	answer_ready(c);
}

/* A message of the extended protocol, but Sync. */
static void
on_extended(Conn *c)
{
	c->asked = true;
	if (c->failed)
		return;					/* all is skipped until Sync */
	if (c->type == 'P')
		answer(c, &parse_complete_script);
	else if (c->type == 'B')
		answer(c, &bind_complete_script);
	else if (c->type == 'C')
		answer(c, &close_complete_script);
	else if (c->type == 'E')
		answer_query(c, false);
	else if (c->type == 'D')
	{
		if (c->target == 'S')
			answer(c, &no_parameters_script);
		if (c->open)
			answer(c, &column_script);
	}
	if (c->open && c->closing)
		answer_flush(c);
}

/* A message has been read to its end. */
static void
on_message(Conn *c)
{
	if (c->type == 'X')
		conn_end(c, END_TERMINATE);
	else if (conn_busy(c) || c->hung)
		return;
	else if (c->type == 'S')
		on_sync(c);
	else if (c->type == 'Q')
	{
		if (!c->asked)
			answer(c, &empty_query_script);
		c->quoted = false;
		answer_ready(c);
	}
	else if (c->type == 'H')
		answer_flush(c);
	else if (strchr("PBDEC", c->type) != NULL && c->type != '\0')
		on_extended(c);
	else if (c->type == 'p')
	{
		c->closing = c->behaviour->password == NULL;
		say(c, c->closing ? &wrong_password_script : c->behaviour->password);
	}
}

#endif							/* FLEET_SESSION_H */

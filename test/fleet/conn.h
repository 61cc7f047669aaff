/*-------------------------------------------------------------------------
 *
 * conn.h
 *	  One connection of the fleet: what came, what goes out, what it waits for.
 *
 * A connection is the array element of its descriptor, so there is no
 * allocation per connection and no list of free ones.  Input is cut into
 * messages without storing any.  Output is a pointer into a ready-made Script,
 * or into the connection's own buffer, where the answers to queries are put
 * together: one for each statement or extended message, as they come, sent at
 * the end of the query, at Sync and at Flush.
 *
 * All connections are edge-triggered.  While one is busy (an answer is on its
 * way, slowly) nothing more is read from it; what it had sent ahead in the
 * same segment is dropped, Terminate excepted.
 *
 * A behaviour that takes its time parks the connection in a Queue, whose
 * members all wait equally long, so that its head is always due first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FLEET_CONN_H
#define FLEET_CONN_H

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "messages.h"
#include "stats.h"

#define ANSWER_SIZE		1024

#define SSL_REQUEST		80877103
#define GSSENC_REQUEST	80877104

typedef struct Conn Conn;
typedef struct Queue Queue;

/* What a query comes to. */
typedef struct Answer
{
	const Script *execute;		/* a row or not, or an error */
	bool		error;
	bool		fatal;			/* the session ends after it */
} Answer;

typedef struct Behaviour
{
	const char *name;
	void		(*begin) (Conn *c); /* right after accept, or NULL */
	void		(*login) (Conn *c); /* at StartupMessage; NULL: never speak */
	const Script *script;		/* what login says */
	const Answer *query;		/* answer to a query; NULL: none */
	const Script *request;		/* answer to SSLRequest; NULL: by the book */
	const Script *tls;			/* answer to a ClientHello; NULL: no TLS */
	const Script *password;		/* answer to a password; NULL: wrong */
	Queue	   *think;			/* where a session's answers wait, or NULL */
	bool		spares;			/* whom it let in before it keeps serving */
	bool		no_sync;		/* a bare Sync is not answered */
	bool		steady;			/* gaps between its probes count */
} Behaviour;

struct Conn
{
	bool		listener;		/* not a connection at all */
	bool		open;
	bool		in_tls;			/* SSLRequest was granted */
	bool		logged_in;		/* a StartupMessage was read */
	bool		closing;		/* close once everything is sent */
	bool		hung;			/* nothing is answered any more */
	bool		promoted;		/* to be told before the next ReadyForQuery */
	bool		asked;			/* extended messages since the last Sync */
	bool		failed;			/* one of the query's statements did */
	bool		quoted;			/* within a string of a simple query */
	bool		watched;		/* epoll tells when there is room to send */
	uint8_t		word_len;		/* of the statement's first letters */
	char		word[4];
	char		type;			/* of the message being read */
	char		target;			/* its body's first byte */
	uint8_t		header[8];
	uint8_t		header_len;
	uint32_t	code;			/* protocol version or request code */
	size_t		skip;			/* bytes of the message's body yet to come */
	size_t		body;			/* bytes of it read */
	uint32_t	addr;			/* which node's, host byte order */
	Node	   *node;
	const Behaviour *behaviour;
	const char *out;			/* what is still to be sent */
	size_t		out_len;
	size_t		answer_len;		/* put together, not yet being sent */
	Queue	   *queue;			/* where it waits, or NULL */
	Conn	   *prev;
	Conn	   *next;
	uint64_t	due_us;
};

/* Connections that wait, all of them delay_ms, in order of their arrival. */
struct Queue
{
	int			delay_ms;
	void		(*tick) (Conn *c);	/* what happens when the wait is over */
	Conn	   *head;
	Conn	   *tail;
};

/* How a connection ended: the first three are the client's doing. */
enum
{
	END_TERMINATE, END_EOF, END_RESET, END_OURS, NUM_ENDS
};

static Conn *conns;				/* by descriptor */
static char (*answers)[ANSWER_SIZE];	/* their buffers, touched by use only */
static int	top_fd;				/* the highest that was ever used */
static int	epoll_fd;
static uint64_t now_us;			/* monotonic, read once per wake-up */
static uint64_t ended[NUM_ENDS];
static uint64_t logins;			/* start-up packets read */
static uint64_t syncs;			/* bare ones: probes of held sessions */
static uint64_t queries;
static int	nopen;

/* What every behaviour says alike. */
static Script ready_script,
			ssl_script,
			no_ssl_script,
			wrong_password_script,
			promotion_script,
			parse_complete_script,
			bind_complete_script,
			close_complete_script,
			no_parameters_script,
			column_script,
			set_script,
			empty_query_script;

static int
conn_fd(const Conn *c)
{
	return (int) (c - conns);
}

static void
park(Conn *c, Queue *q)
{
	c->queue = q;
	c->due_us = now_us + (uint64_t) q->delay_ms * 1000;
	c->prev = q->tail;
	c->next = NULL;
	if (q->tail)
		q->tail->next = c;
	else
		q->head = c;
	q->tail = c;
}

static void
unpark(Conn *c)
{
	Queue	   *q = c->queue;

	if (q == NULL)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		q->head = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		q->tail = c->prev;
	c->queue = NULL;
}

static void
conn_end(Conn *c, int how)
{
	unpark(c);
	close(conn_fd(c));
	c->open = false;
	c->node->open--;
	ended[how]++;
	nopen--;
}

/* Have epoll tell of input, and of room for output where that is waited for. */
static void
conn_watch(Conn *c, int op, bool output)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};

	if (output)
		ev.events |= EPOLLOUT;
	ev.data.fd = conn_fd(c);
	c->watched = output;
	if (epoll_ctl(epoll_fd, op, conn_fd(c), &ev) < 0)
	{
		perror("fleet: epoll_ctl");
		exit(1);
	}
}

/* Send up to limit bytes of what is left; true once nothing is left. */
static bool
conn_flush(Conn *c, size_t limit)
{
	while (c->out_len > 0 && limit > 0)
	{
		size_t		len = c->out_len < limit ? c->out_len : limit;
		ssize_t		n = send(conn_fd(c), c->out, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
		{
			if (!c->watched)
				conn_watch(c, EPOLL_CTL_MOD, true);
			return false;
		}
		if (n < 0)
		{
			conn_end(c, END_RESET);
			return false;
		}
		c->out += n;
		c->out_len -= (size_t) n;
		limit -= (size_t) n;
	}
	if (c->out_len == 0 && c->closing)
		conn_end(c, END_OURS);
	return c->open && c->out_len == 0;
}

static void
say(Conn *c, const Script *script)
{
	c->out = script->data;
	c->out_len = script->len;
	conn_flush(c, SIZE_MAX);
}

static bool
conn_busy(const Conn *c)
{
	return c->out_len > 0 || c->queue != NULL;
}

#include "session.h"

/* The header of a message is complete: note its type and length. */
static void
on_header(Conn *c)
{
	size_t		at = c->logged_in ? 1 : 0;
	size_t		have = c->header_len - at;
	uint32_t	len;

	memcpy(&len, c->header + at, sizeof(len));
	memcpy(&c->code, c->header + 4, sizeof(c->code));
	len = ntohl(len);
	c->code = ntohl(c->code);
	c->type = (char) c->header[0];
	c->skip = len > have ? len - have : 0;
	c->body = 0;
	c->header_len = 0;
}

/* Cut what was read into messages, however it was split into segments. */
static void
conn_feed(Conn *c, const char *data, size_t len)
{
	while (c->open && len > 0)
	{
		bool		in_body = c->skip > 0;
		size_t		need = c->logged_in ? 5 : 8;
		size_t		want = in_body ? c->skip : need - c->header_len;
		size_t		n = want < len ? want : len;

		if (in_body)
		{
			if (c->logged_in)
				on_body(c, data, n);
			c->skip -= n;
		}
		else
		{
			memcpy(c->header + c->header_len, data, n);
			c->header_len += (uint8_t) n;
			if (c->header_len == need)
				on_header(c);
		}
		data += n;
		len -= n;
		if (n < want || c->skip > 0 || !c->open)
			continue;
		if (c->logged_in)
			on_message(c);
		else
			on_startup(c);
	}
}

static void
conn_read(Conn *c)
{
	char		buf[8192];

	while (c->open && !conn_busy(c))
	{
		ssize_t		n = recv(conn_fd(c), buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
		{
			conn_end(c, n == 0 ? END_EOF : END_RESET);
			return;
		}
		if (c->in_tls && c->behaviour->tls)
		{
			c->closing = true;
			say(c, c->behaviour->tls);
		}
		else if (c->behaviour->login)
			conn_feed(c, buf, (size_t) n);

		/* there is seldom more, and if there is, another edge tells */
		if (n < (ssize_t) sizeof(buf))
			return;
	}
}

static void
conn_event(Conn *c, uint32_t events)
{
	if (c->open && c->queue == NULL && (events & EPOLLOUT))
		conn_flush(c, SIZE_MAX);
	if (c->open && !conn_busy(c) && (events & EPOLLIN))
		conn_read(c);
	if (c->open && (events & EPOLLERR))
		conn_end(c, END_RESET);
	else if (c->open && (events & (EPOLLRDHUP | EPOLLHUP)))
		conn_end(c, END_EOF);
}

#endif							/* FLEET_CONN_H */

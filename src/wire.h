/*-------------------------------------------------------------------------
 *
 * wire.h
 *	  PostgreSQL's start-up conversation, as bytes.
 *
 * The caller has the socket, and this room has the protocol:
 *
 *	1. Send what oct_wire_startup() built, and oct_wire_init() a conversation.
 *	2. Feed it what comes, in pieces of any size, until oct_wire_feed() returns
 *	   true; or tell it by oct_wire_eof() that nothing more will come.
 *	3. oct_wire_outcome() says what came of it.
 *	4. Close.  Where oct_wire_logged_in(), send OCT_WIRE_TERMINATE before; else
 *	   the server has said all it had to say, and wants no farewell.
 *
 * A session that is held goes on after 3: send OCT_WIRE_SYNC, call
 * oct_wire_expect_sync(), and so on from 2.
 *
 * Pure: no sockets, no clock, no memory of its own; nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WIRE_H
#define WIRE_H

#include "octypes.h"

#include "wireerror.h"

/* Messages of the client that never differ. */
#define OCT_WIRE_TERMINATE		"X\0\0\0\004"
#define OCT_WIRE_TERMINATE_SIZE	(sizeof(OCT_WIRE_TERMINATE) - 1)
#define OCT_WIRE_SYNC			"S\0\0\0\004"
#define OCT_WIRE_SYNC_SIZE		(sizeof(OCT_WIRE_SYNC) - 1)

/* A conversation that is not at its end by then never comes to it. */
#define OCT_WIRE_MAX_MESSAGES	256
#define OCT_WIRE_MAX_BYTES		65536

/* Of a message no more is kept; what we look for is shorter. */
#define OCT_WIRE_HEAD_SIZE		56

/*
 * One conversation.  All of it belongs to wire.c; it is copied as any struct,
 * and needs no end.
 */
typedef struct OctWire
{
	uint32		nbytes;			/* read so far, in this conversation */
	uint32		left;			/* of them still to come in this message */
	int32		server_version; /* as server_version_num, 0 unknown */
	uint16		nmessages;		/* begun so far, in this conversation */
	uint8		stage;			/* what may come */
	uint8		reason;			/* OctReason */
	uint8		phase;			/* OctPhase */
	uint8		standby;		/* OctAnswer */
	uint8		read_only;		/* OctAnswer, by default */
	bool		logged_in;
	uint8		head_size;		/* bytes in head */
	char		head[OCT_WIRE_HEAD_SIZE + 1];	/* how this message begins */
	OctWireError error;			/* theirs, or in words of our own */
} OctWire;

extern size_t oct_wire_startup(char *buf, size_t size, const char *user,
							   const char *database,
							   const char *application_name);
extern void oct_wire_init(OctWire *wire);
extern void oct_wire_expect_sync(OctWire *wire);
extern bool oct_wire_feed(OctWire *wire, const char *bytes, size_t n);
extern void oct_wire_eof(OctWire *wire);
extern void oct_wire_outcome(const OctWire *wire, OctOutcome *outcome);
extern OctPhase oct_wire_phase(const OctWire *wire);
extern bool oct_wire_logged_in(const OctWire *wire);

#endif							/* WIRE_H */

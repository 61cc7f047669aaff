/*-------------------------------------------------------------------------
 *
 * wireerror.h
 *	  What a server's error says, taken out of its bytes as they pass by.
 *
 * The bytes are an ErrorResponse's body or, where that is all that comes, a
 * plain text.  Both may come in pieces of any size.
 *
 * Pure: no memory of its own, nothing throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WIREERROR_H
#define WIREERROR_H

#include "octypes.h"

typedef struct OctWireError
{
	char		field;			/* being read; zero between two */
	bool		complete;		/* there are no more of them */
	uint8		size;			/* of its value, as far as it is kept */
	char		sqlstate[OCT_SQLSTATE_SIZE];	/* empty if there was none */
	char		message[OCT_MESSAGE_SIZE];	/* bytes of others */
} OctWireError;

extern void oct_wireerror_init(OctWireError *error);
extern void oct_wireerror_read(OctWireError *error, const char *bytes, size_t n);
extern void oct_wireerror_read_text(OctWireError *error, const char *bytes,
									size_t n);
extern OctReason oct_wireerror_end(OctWireError *error);
extern OctReason oct_wireerror_end_text(OctWireError *error);

#endif							/* WIREERROR_H */

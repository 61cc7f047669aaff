/*-------------------------------------------------------------------------
 *
 * wireerror.c
 *	  What a server's error says, taken out of its bytes as they pass by.
 *
 * Of an error the SQLSTATE is kept and of its text the first line, cut where
 * there is no more room, as it came: it is neither printable nor in any
 * particular encoding.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "policy.h"
#include "wireerror.h"

StaticAssertDecl(OCT_MESSAGE_SIZE <= PG_UINT8_MAX + 1, "OctWireError.size is a byte");

/* Before an error, of either kind. */
void
oct_wireerror_init(OctWireError *error)
{
	error->field = '\0';
	error->complete = false;
	error->size = 0;
	error->sqlstate[0] = '\0';
	error->message[0] = '\0';
}

/* Adds what fits to the string "dst", of which error->size bytes are there. */
static void
append(OctWireError *error, char *dst, size_t dst_size,
	   const char *bytes, size_t n)
{
	n = Min(n, dst_size - 1 - error->size);
	memcpy(dst + error->size, bytes, n);
	error->size += n;
	dst[error->size] = '\0';
}

/* What is no field that we want is passed over. */
static void
append_value(OctWireError *error, const char *bytes, size_t n)
{
	if (error->field == 'C')
		append(error, error->sqlstate, OCT_SQLSTATE_SIZE, bytes, n);
	else if (error->field == 'M')
		append(error, error->message, OCT_MESSAGE_SIZE, bytes, n);
}

/*
 * Reads on in an ErrorResponse's body: fields are a letter and a string, and a
 * zero is behind the last.  Of two that are alike the later one counts.
 */
void
oct_wireerror_read(OctWireError *error, const char *bytes, size_t n)
{
	const char *end = bytes + n;

	while (bytes < end && !error->complete)
	{
		const char *zero;

		if (error->field == '\0')
		{
			error->field = *bytes++;
			error->complete = error->field == '\0';
			error->size = 0;
			append_value(error, "", 0);
			continue;
		}
		zero = memchr(bytes, '\0', end - bytes);
		append_value(error, bytes, (zero != NULL ? zero : end) - bytes);
		if (zero == NULL)
			break;
		error->field = '\0';
		bytes = zero + 1;
	}
}

/* Reads on in an error that is nothing but text, up to its zero. */
void
oct_wireerror_read_text(OctWireError *error, const char *bytes, size_t n)
{
	append(error, error->message, OCT_MESSAGE_SIZE, bytes, n);
}

static void
keep_first_line(OctWireError *error)
{
	error->message[strcspn(error->message, "\r\n")] = '\0';
}

/*
 * The ErrorResponse is complete.  Returns what it means; every server of
 * PostgreSQL's sends a SQLSTATE.
 */
OctReason
oct_wireerror_end(OctWireError *error)
{
	OctReason	reason = OCT_REASON_PROTOCOL_ERROR;

	if (strspn(error->sqlstate, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
		OCT_SQLSTATE_SIZE - 1)
		reason = oct_policy_reason_of_error(error->sqlstate, error->message);
	else
		error->sqlstate[0] = '\0';
	keep_first_line(error);
	return reason;
}

/*
 * The text is complete.  Returns what it means: a postmaster that cannot start
 * a process says so in this way, which is no protocol of today's else.
 */
OctReason
oct_wireerror_end_text(OctWireError *error)
{
	keep_first_line(error);
	return strstr(error->message, "could not fork") != NULL ?
		OCT_REASON_TOO_MANY_CONNECTIONS : OCT_REASON_PROTOCOL_ERROR;
}

/*-------------------------------------------------------------------------
 *
 * wiresend.c
 *	  PostgreSQL's start-up conversation, as bytes: what we say.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "wire.h"

#define LENGTH_SIZE		4
#define PROTOCOL_SIZE	4
#define PROTOCOL_3_0	0x00030000

static void
put_uint32(char *dst, uint32 value)
{
	for (int i = 0; i < 4; i++)
		dst[i] = (char) (value >> (24 - 8 * i));
}

/* Adds a string with its zero.  Returns the new size, or 0 if it is too much. */
static size_t
put_string(char *buf, size_t size, size_t used, const char *str)
{
	size_t		len = strlen(str) + 1;

	if (used == 0 || len > size - used)
		return 0;
	memcpy(buf + used, str, len);
	return used + len;
}

/*
 * Builds a StartupMessage in "buf" of "size" bytes.  What is NULL or empty is
 * left out, though a server wants a user.  Returns the length of the message,
 * or 0 if it does not fit.
 */
size_t
oct_wire_startup(char *buf, size_t size, const char *user,
				 const char *database, const char *application_name)
{
	const char *const parameters[][2] = {
		{"user", user},
		{"database", database},
		{"application_name", application_name},
	};
	size_t		used = LENGTH_SIZE + PROTOCOL_SIZE;

	if (size < used)
		return 0;
	put_uint32(buf + LENGTH_SIZE, PROTOCOL_3_0);
	for (int i = 0; i < lengthof(parameters); i++)
	{
		const char *value = parameters[i][1];

		if (value == NULL || value[0] == '\0')
			continue;
		used = put_string(buf, size, used, parameters[i][0]);
		used = put_string(buf, size, used, value);
	}
	used = put_string(buf, size, used, "");
	if (used > 0)
		put_uint32(buf, (uint32) used);
	return used;
}

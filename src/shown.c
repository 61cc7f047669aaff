/*-------------------------------------------------------------------------
 *
 * shown.c
 *	  Things as datums, for those who read them in SQL.
 *
 * Words of our own, which come in every row, are made once in a process.  Bytes
 * of others are made fit for the database that the reader is in: what is no
 * character of its encoding, or would command a terminal, appears as \xNN.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "catalog/pg_authid.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/memutils.h"

#include "compat.h"
#include "policy.h"
#include "shown.h"


/* ---------- words ---------- */

/* The word as a text that lasts, kept in *kept. */
static Datum
keep_word(text **kept, const char *word)
{
	MemoryContext caller_cxt = MemoryContextSwitchTo(TopMemoryContext);

	*kept = cstring_to_text(word);
	MemoryContextSwitchTo(caller_cxt);
	return PointerGetDatum(*kept);
}

Datum
oct_shown_reason(OctReason reason)
{
	static text *words[OCT_REASON_COUNT];

	if (likely(words[reason] != NULL))
		return PointerGetDatum(words[reason]);
	return keep_word(&words[reason], oct_policy_reason_code(reason));
}

Datum
oct_shown_phase(OctPhase phase)
{
	static text *words[OCT_PHASE_QUERY + 1];

	if (likely(words[phase] != NULL))
		return PointerGetDatum(words[phase]);
	return keep_word(&words[phase], oct_policy_phase_name(phase));
}

Datum
oct_shown_state(OctState state)
{
	static text *words[OCT_STATE_COUNT];

	if (likely(words[state] != NULL))
		return PointerGetDatum(words[state]);
	return keep_word(&words[state], oct_policy_state_name(state));
}

/* Of a role that is known. */
Datum
oct_shown_role(OctRole role)
{
	static text *words[OCT_ROLE_STANDBY + 1];

	if (likely(words[role] != NULL))
		return PointerGetDatum(words[role]);
	return keep_word(&words[role],
					 role == OCT_ROLE_STANDBY ? "standby" : "primary");
}


/* ---------- what others say ---------- */

/*
 * How many bytes the character has that a string begins with, if it is one of
 * the database's encoding and no control character; else 0.
 */
static int
character_size(const char *str, int len)
{
	int			encoding = GetDatabaseEncoding();
	unsigned char c = (unsigned char) str[0];
	int			size;

	if (!IS_HIGHBIT_SET(c))
		return c >= 0x20 && c != 0x7f ? 1 : 0;
	if (encoding == PG_SQL_ASCII)
		return 0;
	size = pg_encoding_verifymbchar(encoding, str, len);
	if (size <= 0)
		return 0;
	/* the second half of the control characters, in UTF-8 and ISO 8859 */
	if (encoding == PG_UTF8 && c == 0xc2 && (unsigned char) str[1] < 0xa0)
		return 0;
	if (size == 1 && c < 0xa0 &&
		(strncmp(pg_encoding_to_char(encoding), "LATIN", 5) == 0 ||
		 strncmp(pg_encoding_to_char(encoding), "ISO", 3) == 0))
		return 0;
	return size;
}

/* Bytes of a server's, as far as they can be shown, as a palloc'd text. */
text *
oct_shown_message(const char *bytes)
{
	int			len = strlen(bytes);
	StringInfoData shown;

	initStringInfo(&shown);
	while (len > 0)
	{
		int			size = character_size(bytes, len);

		if (size > 0)
			appendBinaryStringInfo(&shown, bytes, size);
		else
		{
			appendStringInfo(&shown, "\\x%02x", (unsigned char) *bytes);
			size = 1;
		}
		bytes += size;
		len -= size;
	}
	return cstring_to_text_with_len(shown.data, shown.len);
}

/* A server_version_num as people write it, as a palloc'd text. */
text *
oct_shown_version(int32 version)
{
	char		shown[40];

	if (version >= 100000)
		snprintf(shown, sizeof(shown), "%d.%d", version / 10000, version % 10000);
	else
		snprintf(shown, sizeof(shown), "%d.%d.%d", version / 10000,
				 version / 100 % 100, version % 100);
	return cstring_to_text(shown);
}

/* An address that there is, as a palloc'd inet. */
Datum
oct_shown_address(const OctNodeAddress *address)
{
	inet	   *shown = palloc0(sizeof(inet));

	ip_family(shown) = address->size == 4 ? PGSQL_AF_INET : PGSQL_AF_INET6;
	ip_bits(shown) = ip_maxbits(shown);
	memcpy(ip_addr(shown), address->bytes, address->size);
	SET_INET_VARSIZE(shown);
	return InetPGetDatum(shown);
}

/* May a role see what servers say, and where they are? */
bool
oct_shown_secrets(Oid userid)
{
	return has_privs_of_role(userid, ROLE_PG_READ_ALL_STATS);
}

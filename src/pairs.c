/*-------------------------------------------------------------------------
 *
 * pairs.c
 *	  Pairs "key=value", packed into a fixed piece of memory; see pairs.h.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "pairs.h"

/* Does the pair have that key? */
bool
oct_pair_has_key(const char *pair, const char *key)
{
	size_t		len = strlen(key);

	return strncmp(pair, key, len) == 0 && pair[len] == '=';
}

/* The value of a pair, within it. */
const char *
oct_pair_value(const char *pair)
{
	return strchr(pair, '=') + 1;
}

/*
 * The pair at a position, which begins at 0 and is moved on; NULL behind the
 * last one.
 */
const char *
oct_pairs_next(const OctPairs *pairs, uint32 *position)
{
	const char *pair = pairs->bytes + *position;

	if (*position >= pairs->size)
		return NULL;
	*position += strlen(pair) + 1;
	return pair;
}

/* The value of a key, or NULL. */
const char *
oct_pairs_get(const OctPairs *pairs, const char *key)
{
	uint32		position = 0;
	const char *pair;

	while ((pair = oct_pairs_next(pairs, &position)) != NULL)
	{
		if (oct_pair_has_key(pair, key))
			return oct_pair_value(pair);
	}
	return NULL;
}

bool
oct_pairs_equal(const OctPairs *a, const OctPairs *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* Adds a pair of a key that is not there; false if there is no room. */
bool
oct_pairs_add(OctPairs *pairs, const char *key, const char *value)
{
	size_t		key_len = strlen(key);
	size_t		value_len = strlen(value);
	char	   *to = pairs->bytes + pairs->size;

	if (key_len + value_len + 2 > sizeof(pairs->bytes) - pairs->size)
		return false;
	memcpy(to, key, key_len);
	to[key_len] = '=';
	memcpy(to + key_len + 1, value, value_len + 1);
	pairs->size += key_len + value_len + 2;
	return true;
}

/*
 * Adds a pair that may come from anywhere; false if it is none, if its key is
 * there already, or if there is no room.
 */
bool
oct_pairs_add_pair(OctPairs *pairs, const char *pair)
{
	size_t		len = strlen(pair);
	size_t		key_len = strcspn(pair, "=");
	uint32		position = 0;
	const char *other;

	if (key_len == 0 || key_len == len ||
		len + 1 > sizeof(pairs->bytes) - pairs->size)
		return false;
	while ((other = oct_pairs_next(pairs, &position)) != NULL)
	{
		if (strncmp(other, pair, key_len + 1) == 0)
			return false;
	}
	memcpy(pairs->bytes + pairs->size, pair, len + 1);
	pairs->size += len + 1;
	return true;
}

/*-------------------------------------------------------------------------
 *
 * optable.c
 *	  The table of options that say how to probe; see optable.h.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <limits.h>

#include "optable.h"

#define FIELD(name)		offsetof(OctPolicy, name)

static const OctOption options[] = {
	{"enabled", OCT_OPTION_BOOL,
	0, 1, OCT_INHERIT, true, FIELD(enabled)},
	{"health_check_period", OCT_OPTION_MS,
	1, INT_MAX, OCT_INHERIT, true, FIELD(period_ms)},
	{"health_check_timeout", OCT_OPTION_MS,
	1, INT_MAX, OCT_INHERIT, true, FIELD(timeout_ms)},
	{"health_check_max_retries", OCT_OPTION_NUMBER,
	0, 100, OCT_INHERIT, true, FIELD(max_retries)},
	{"health_check_retry_delay", OCT_OPTION_MS,
	0, INT_MAX, OCT_INHERIT, true, FIELD(retry_delay_ms)},
	{"healthy_threshold", OCT_OPTION_NUMBER,
	1, 100, OCT_INHERIT, true, FIELD(healthy_threshold)},
	{"health_check_type", OCT_OPTION_CHECK_TYPE,
	OCT_CHECK_AUTO, OCT_CHECK_QUERY, OCT_INHERIT, true, FIELD(check_type)},
	{"health_check_down_period", OCT_OPTION_MS,
	1, INT_MAX, -1, false, FIELD(down_period_ms)},
	{"health_check_jitter", OCT_OPTION_NUMBER,
	0, 50, OCT_INHERIT, false, FIELD(jitter_percent)},
	{"keep_connections", OCT_OPTION_BOOL,
	0, 1, OCT_INHERIT, false, FIELD(keep_connections)},
};

StaticAssertDecl(sizeof(OctPolicy) == lengthof(options) * sizeof(int),
				 "every member of OctPolicy needs its row");

static const char *const check_types[] = {
	[OCT_CHECK_AUTO] = "auto",
	[OCT_CHECK_TCP] = "tcp",
	[OCT_CHECK_PING] = "ping",
	[OCT_CHECK_CONNECTION] = "connection",
	[OCT_CHECK_QUERY] = "query",
};

/* They are numbered from 0; NULL behind the last one. */
const OctOption *
oct_optable_get(int i)
{
	return i < lengthof(options) ? &options[i] : NULL;
}

/* NULL if it is none of ours. */
const OctOption *
oct_optable_find(const char *name)
{
	for (int i = 0; i < lengthof(options); i++)
	{
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	}
	return NULL;
}

bool
oct_optable_is_valid(const OctOption *option, int value)
{
	return (value >= option->min && value <= option->max) ||
		(value == option->also && value != OCT_INHERIT);
}

/* They are numbered from 0; NULL behind the last one. */
const char *
oct_optable_check_type_name(int check_type)
{
	return check_type < lengthof(check_types) ? check_types[check_type] : NULL;
}

static bool
parse_word(const char *const *words, int nwords, const char *string, int *value)
{
	for (*value = 0; *value < nwords; (*value)++)
	{
		if (strcmp(words[*value], string) == 0)
			return true;
	}
	return false;
}

/* Reads a number in the one form in which it is written. */
static bool
parse_number(const char *string, int *value)
{
	const char *digits = string[0] == '-' ? string + 1 : string;
	int64		number = 0;

	if (digits[0] == '\0' || strlen(digits) > 10 ||
		(digits[0] == '0' && string[1] != '\0'))
		return false;
	for (const char *p = digits; *p != '\0'; p++)
	{
		if (*p < '0' || *p > '9')
			return false;
		number = number * 10 + (*p - '0');
	}
	if (number > INT_MAX)
		return false;
	*value = (int) (digits == string ? number : -number);
	return true;
}

static const char *const bools[] = {"false", "true"};

/* Reads a value as oct_optable_format writes it; false if it is not valid. */
bool
oct_optable_parse(const OctOption *option, const char *string, int *value)
{
	switch (option->kind)
	{
		case OCT_OPTION_BOOL:
			return parse_word(bools, lengthof(bools), string, value);
		case OCT_OPTION_CHECK_TYPE:
			return parse_word(check_types, lengthof(check_types), string, value);
		case OCT_OPTION_MS:
		case OCT_OPTION_NUMBER:
			break;
	}
	return parse_number(string, value) && oct_optable_is_valid(option, *value);
}

void
oct_optable_format(const OctOption *option, int value,
				   char string[OCT_OPTION_TEXT_SIZE])
{
	switch (option->kind)
	{
		case OCT_OPTION_BOOL:
			snprintf(string, OCT_OPTION_TEXT_SIZE, "%s", bools[value != 0]);
			break;
		case OCT_OPTION_CHECK_TYPE:
			snprintf(string, OCT_OPTION_TEXT_SIZE, "%s", check_types[value]);
			break;
		case OCT_OPTION_MS:
		case OCT_OPTION_NUMBER:
			snprintf(string, OCT_OPTION_TEXT_SIZE, "%d", value);
			break;
	}
}

/* A policy that says nothing itself. */
void
oct_optable_set_inherit(OctPolicy *policy)
{
	for (int i = 0; i < lengthof(options); i++)
		*oct_optable_field(policy, &options[i]) = OCT_INHERIT;
}

/* Does the policy say nothing itself? */
bool
oct_optable_inherits_all(const OctPolicy *policy)
{
	const int  *values = (const int *) policy;
	int			differences = 0;

	for (int i = 0; i < lengthof(options); i++)
		differences |= values[i] ^ OCT_INHERIT;
	return differences == 0;
}

/* Fills in what the policy leaves to another one. */
void
oct_optable_inherit(OctPolicy *policy, const OctPolicy *from)
{
	for (int i = 0; i < lengthof(options); i++)
	{
		int		   *field = oct_optable_field(policy, &options[i]);

		if (*field == OCT_INHERIT)
			*field = oct_optable_value(from, &options[i]);
	}
}

/* What pairs say of a policy; what they do not say is inherited. */
void
oct_optable_read_pairs(OctPolicy *policy, const OctPairs *pairs)
{
	uint32		position = 0;
	const char *pair;

	oct_optable_set_inherit(policy);
	while ((pair = oct_pairs_next(pairs, &position)) != NULL)
	{
		for (int i = 0; i < lengthof(options); i++)
		{
			int			value;

			if (oct_pair_has_key(pair, options[i].name) &&
				oct_optable_parse(&options[i], oct_pair_value(pair), &value))
				*oct_optable_field(policy, &options[i]) = value;
		}
	}
}

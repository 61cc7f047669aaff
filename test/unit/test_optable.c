/*-------------------------------------------------------------------------
 *
 * test_optable.c
 *	  The table of options and the pairs that carry their values.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "optable.h"
#include "pairs.h"

static void
every_option_is_found_by_its_name(void **state)
{
	const OctOption *option;
	int			n = 0;

	for (int i = 0; (option = oct_optable_get(i)) != NULL; i++, n++)
		assert_ptr_equal(oct_optable_find(option->name), option);
	assert_int_equal(n, sizeof(OctPolicy) / sizeof(int));
	assert_null(oct_optable_find("health_check"));
	assert_null(oct_optable_find("health_check_periods"));
}

/* Every option is a member of its own. */
static void
no_two_options_share_a_member(void **state)
{
	const OctOption *option;
	OctPolicy	policy;

	oct_optable_set_inherit(&policy);
	for (int i = 0; (option = oct_optable_get(i)) != NULL; i++)
	{
		assert_int_equal(oct_optable_value(&policy, option), OCT_INHERIT);
		*oct_optable_field(&policy, option) = i;
	}
	for (int i = 0; (option = oct_optable_get(i)) != NULL; i++)
		assert_int_equal(oct_optable_value(&policy, option), i);
}

static void
what_is_formatted_is_parsed(void **state)
{
	const OctOption *option;

	for (int i = 0; (option = oct_optable_get(i)) != NULL; i++)
	{
		int			values[] = {option->min, option->max, option->also};

		for (int k = 0; k < lengthof(values) && values[k] != OCT_INHERIT; k++)
		{
			char		string[OCT_OPTION_TEXT_SIZE];
			int			value = OCT_INHERIT;

			assert_true(oct_optable_is_valid(option, values[k]));
			oct_optable_format(option, values[k], string);
			assert_true(oct_optable_parse(option, string, &value));
			assert_int_equal(value, values[k]);
		}
		assert_false(oct_optable_is_valid(option, OCT_INHERIT));
		if (option->max < PG_INT32_MAX)
			assert_false(oct_optable_is_valid(option, option->max + 1));
	}
	assert_false(oct_optable_is_valid(oct_optable_find("health_check_down_period"), 0));
}

static void
nothing_else_is_parsed(void **state)
{
	static const struct
	{
		const char *name;
		const char *text;
	}			cases[] = {
		{"health_check_period", ""},
		{"health_check_period", "0"},
		{"health_check_period", "-1"},
		{"health_check_period", "01"},
		{"health_check_period", "1s"},
		{"health_check_period", "+1"},
		{"health_check_period", " 1"},
		{"health_check_period", "2147483648"},
		{"health_check_period", "99999999999999999999"},
		{"health_check_retry_delay", "-0"},
		{"health_check_max_retries", "101"},
		{"health_check_down_period", "0"},
		{"health_check_down_period", "-2"},
		{"health_check_jitter", "51"},
		{"healthy_threshold", "0"},
		{"enabled", "1"},
		{"enabled", "True"},
		{"enabled", ""},
		{"health_check_type", "pin"},
		{"health_check_type", ""},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		int			value;

		assert_false(oct_optable_parse(oct_optable_find(cases[i].name),
									   cases[i].text, &value));
	}
}

/* The node comes first, then its group, then the settings. */
static void
the_next_in_line_says_what_one_leaves(void **state)
{
	OctPairs	pairs = {0};
	OctPolicy	node;
	OctPolicy	group;
	OctPolicy	settings = {
		.enabled = true,
		.period_ms = 10000,
		.timeout_ms = 2000,
		.max_retries = 2,
		.down_period_ms = -1,
	};

	assert_true(oct_pairs_add(&pairs, "dbname", "enabled=false"));
	assert_true(oct_pairs_add(&pairs, "health_check_period", "1000"));
	assert_true(oct_pairs_add(&pairs, "health_check_timeout", "100"));
	assert_true(oct_pairs_add(&pairs, "health_check_max_retries", "many"));
	assert_true(oct_pairs_add(&pairs, "health_check_down_period", "5"));
	oct_optable_read_pairs(&group, &pairs);
	oct_optable_inherit(&group, &settings);

	oct_optable_set_inherit(&node);
	node.timeout_ms = 50;
	oct_optable_inherit(&node, &group);

	assert_int_equal(node.enabled, true);
	assert_int_equal(node.period_ms, 1000);
	assert_int_equal(node.timeout_ms, 50);
	assert_int_equal(node.max_retries, 2);
	assert_int_equal(node.down_period_ms, 5);
	assert_int_equal(group.timeout_ms, 100);
}

static void
pairs_keep_their_order_and_bytes(void **state)
{
	OctPairs	pairs = {0};
	OctPairs	same = {0};
	uint32		position = 0;

	assert_null(oct_pairs_next(&pairs, &position));
	assert_true(oct_pairs_add(&pairs, "a", "b=c\n"));
	assert_true(oct_pairs_add_pair(&pairs, "ab="));
	assert_string_equal(oct_pairs_next(&pairs, &position), "a=b=c\n");
	assert_string_equal(oct_pairs_next(&pairs, &position), "ab=");
	assert_null(oct_pairs_next(&pairs, &position));
	assert_string_equal(oct_pairs_get(&pairs, "a"), "b=c\n");
	assert_string_equal(oct_pairs_get(&pairs, "ab"), "");
	assert_null(oct_pairs_get(&pairs, "b"));

	assert_false(oct_pairs_add_pair(&pairs, "a=twice"));
	assert_false(oct_pairs_add_pair(&pairs, "=nobody's"));
	assert_false(oct_pairs_add_pair(&pairs, "no pair"));
	assert_false(oct_pairs_add_pair(&pairs, ""));

	assert_true(oct_pairs_add(&same, "a", "b=c\n"));
	assert_false(oct_pairs_equal(&pairs, &same));
	assert_true(oct_pairs_add(&same, "ab", ""));
	assert_true(oct_pairs_equal(&pairs, &same));
}

static void
pairs_fill_their_room_and_no_more(void **state)
{
	char		value[OCT_POLICY_SIZE];
	OctPairs	pairs = {0};
	OctPairs	others = {0};

	memset(value, 'x', sizeof(value));
	value[OCT_POLICY_SIZE - 3] = '\0';
	assert_true(oct_pairs_add(&pairs, "k", value));
	assert_int_equal(pairs.size, OCT_POLICY_SIZE);
	assert_false(oct_pairs_add(&pairs, "l", ""));
	assert_true(oct_pairs_add_pair(&others, pairs.bytes));
	assert_false(oct_pairs_add_pair(&others, "l="));
	assert_true(oct_pairs_equal(&pairs, &others));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_found_by_its_name),
		cmocka_unit_test(no_two_options_share_a_member),
		cmocka_unit_test(what_is_formatted_is_parsed),
		cmocka_unit_test(nothing_else_is_parsed),
		cmocka_unit_test(the_next_in_line_says_what_one_leaves),
		cmocka_unit_test(pairs_keep_their_order_and_bytes),
		cmocka_unit_test(pairs_fill_their_room_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

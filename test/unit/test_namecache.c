/*-------------------------------------------------------------------------
 *
 * test_namecache.c
 *	  What is known of a name: fresh, stale and former addresses, and when the
 *	  DNS is asked again.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "namecache.h"

static const OctNameRules rules = {.max_ttl_ms = 15000,.stale_ttl_ms = 3600 * 1000};

/* An instant, in milliseconds from some beginning. */
static OctTime
at(int64 ms)
{
	return (OctTime) {INT64CONST(1000000) + ms * OCT_US_PER_MS};
}

static OctIp
ip4(uint8 last)
{
	return (OctIp) {.version = 4,.bytes = {127, 1, 0, last}};
}

static OctIp
ip6(uint8 last)
{
	return (OctIp) {.version = 6,.bytes = {[0] = 0xfd, [15] = last}};
}

/* A whole lookup at an instant, which gives one address. */
static void
look_up(OctNameEntry *entry, uint8 last, int ttl_s, int64 ms)
{
	OctIp		ip = ip4(last);

	oct_namecache_on_lookup(entry, at(ms));
	oct_namecache_on_answer(entry, rules, &ip, 1, ttl_s * 1000, at(ms));
}

/* One that fails. */
static void
fail_lookup(OctNameEntry *entry, OctNameFailure failure, int64 ms)
{
	oct_namecache_on_lookup(entry, at(ms));
	oct_namecache_on_failure(entry, rules, failure, "", at(ms));
}

/* The addresses, one digit each, IPv6 as letters, a stroke before the former. */
static void
assert_addresses(const OctNameEntry *entry, int64 ms, const char *expected)
{
	OctIp		out[OCT_MAX_ADDRESSES + 1];
	char		string[2 * OCT_MAX_ADDRESSES] = "";
	int			nformer;
	int			n = oct_namecache_addresses(entry, rules, at(ms), out, &nformer);
	char	   *to = string;

	for (int i = 0; i < n; i++)
	{
		if (i == n - nformer)
			*to++ = '/';
		*to++ = out[i].version == 4 ? '0' + out[i].bytes[3] : 'a' + out[i].bytes[15];
	}
	assert_string_equal(string, expected);
}

static void
assert_use(const OctNameEntry *entry, int64 ms, OctNameUse use)
{
	assert_int_equal(oct_namecache_use(entry, rules, at(ms)), use);
}

/* A lookup is wanted from then on, and not before. */
static void
assert_lookup_at(const OctNameEntry *entry, int64 ms)
{
	assert_false(oct_namecache_wants_lookup(entry, rules, at(ms - 1)));
	assert_true(oct_namecache_wants_lookup(entry, rules, at(ms)));
}

static void
nothing_is_known_at_first(void **state)
{
	OctNameEntry entry = {0};

	assert_true(oct_namecache_wants_lookup(&entry, rules, at(0)));
	assert_use(&entry, 0, OCT_NAME_UNKNOWN);
	assert_addresses(&entry, 0, "");
	oct_namecache_on_lookup(&entry, at(0));
	assert_false(oct_namecache_wants_lookup(&entry, rules, at(999999)));
	assert_false(oct_namecache_on_doubt(&entry, rules, at(0)));
}

static void
an_answer_is_fresh_for_its_time_to_live(void **state)
{
	OctNameEntry entry = {0};

	look_up(&entry, 1, 5, 0);
	assert_use(&entry, 4999, OCT_NAME_USABLE);
	assert_lookup_at(&entry, 5000);
	look_up(&entry, 1, 60, 5000);	/* dns_max_ttl */
	assert_lookup_at(&entry, 20000);
	look_up(&entry, 1, 0, 20000);	/* the least */
	assert_lookup_at(&entry, 21000);
	look_up(&entry, 1, -1, 21000);	/* the hosts file */
	assert_lookup_at(&entry, 36000);
}

static void
a_stricter_setting_counts_at_once(void **state)
{
	OctNameEntry entry = {0};
	OctNameRules strict = {.max_ttl_ms = 2000};
	OctNameRules none = {0};

	look_up(&entry, 1, 10, 0);
	assert_false(oct_namecache_wants_lookup(&entry, strict, at(1999)));
	assert_true(oct_namecache_wants_lookup(&entry, strict, at(2000)));
	assert_int_equal(oct_namecache_use(&entry, strict, at(1999)), OCT_NAME_USABLE);
	assert_int_equal(oct_namecache_use(&entry, strict, at(2000)), OCT_NAME_UNKNOWN);
	assert_int_equal(oct_namecache_use(&entry, none, at(999)), OCT_NAME_USABLE);
	assert_int_equal(oct_namecache_use(&entry, none, at(1000)), OCT_NAME_UNKNOWN);
}

static void
stale_addresses_stay_in_use(void **state)
{
	const int64 end = 3600 * 1000;
	OctNameEntry entry = {0};

	look_up(&entry, 1, 10, 0);
	oct_namecache_on_lookup(&entry, at(10000));
	assert_use(&entry, 10000, OCT_NAME_USABLE);
	oct_namecache_on_failure(&entry, rules, OCT_NAME_TROUBLE, "", at(10000));
	fail_lookup(&entry, OCT_NAME_ABSENT, 20000);
	assert_use(&entry, end - 1, OCT_NAME_USABLE);
	assert_addresses(&entry, end - 1, "1");
	assert_use(&entry, end, OCT_NAME_UNKNOWN);
	assert_addresses(&entry, end, "");
	assert_true(oct_namecache_wants_lookup(&entry, rules, at(end)));
}

static void
failed_lookups_are_repeated_less_and_less(void **state)
{
	static const int seconds[] = {1, 2, 4, 8, 15, 15, 15};
	OctNameEntry entry = {0};
	int64		now = 0;

	look_up(&entry, 1, 1, now);
	now += 1000;
	for (int i = 0; i < lengthof(seconds); i++)
	{
		fail_lookup(&entry, OCT_NAME_TROUBLE, now);
		now += seconds[i] * 1000;
		assert_lookup_at(&entry, now);
	}
	for (int i = 0; i < 300; i++)
		fail_lookup(&entry, OCT_NAME_TROUBLE, now);
	assert_lookup_at(&entry, now + 15000);
	look_up(&entry, 1, 1, now); /* and begin anew */
	fail_lookup(&entry, OCT_NAME_TROUBLE, now + 1000);
	assert_lookup_at(&entry, now + 2000);
}

static void
names_do_not_fail_in_step(void **state)
{
	OctNameEntry entry = {.spread = 255};

	look_up(&entry, 1, 1, 0);
	fail_lookup(&entry, OCT_NAME_TROUBLE, 1000);
	assert_lookup_at(&entry, 2000 + 1000 * 255 / 1024);
}

static void
without_an_address_they_are_repeated_soon(void **state)
{
	static const int seconds[] = {1, 2, 2, 2};
	OctNameEntry entry = {0};
	int64		now = 0;

	for (int i = 0; i < lengthof(seconds); i++)
	{
		fail_lookup(&entry, OCT_NAME_ABSENT, now);
		assert_use(&entry, now, OCT_NAME_UNKNOWN);
		now += seconds[i] * 1000;
		assert_lookup_at(&entry, now);
	}
}

static void
a_doubt_has_the_name_looked_up_first(void **state)
{
	OctNameEntry entry = {0};

	look_up(&entry, 1, 10, 0);
	assert_true(oct_namecache_on_doubt(&entry, rules, at(3000)));
	oct_namecache_on_lookup(&entry, at(3000));
	assert_use(&entry, 3000, OCT_NAME_DOUBTFUL);
	oct_namecache_on_failure(&entry, rules, OCT_NAME_TROUBLE, "", at(3100));
	assert_use(&entry, 3100, OCT_NAME_USABLE);	/* no better is to be had */
	oct_namecache_on_lookup(&entry, at(4100));
	assert_use(&entry, 4100, OCT_NAME_USABLE);	/* nor to be expected */
	look_up(&entry, 2, 10, 4200);
	assert_use(&entry, 4200, OCT_NAME_USABLE);
	assert_addresses(&entry, 4200, "2");
}

static void
nobody_waits_for_a_lookup_that_takes_long(void **state)
{
	OctNameEntry entry = {0};

	look_up(&entry, 1, 10, 0);
	oct_namecache_on_doubt(&entry, rules, at(3000));
	oct_namecache_on_lookup(&entry, at(3000));
	entry.overdue = true;
	assert_use(&entry, 3300, OCT_NAME_USABLE);
	look_up(&entry, 1, 10, 3400);
	assert_true(oct_namecache_on_doubt(&entry, rules, at(9000)));
	oct_namecache_on_lookup(&entry, at(9000));
	assert_use(&entry, 9000, OCT_NAME_DOUBTFUL);
}

static void
doubts_that_change_nothing_become_rare(void **state)
{
	static const int seconds[] = {1, 2, 4, 8, 15, 15};
	OctNameEntry entry = {0};
	int64		now = 0;

	look_up(&entry, 1, 15, now);
	for (int i = 0; i < lengthof(seconds); i++)
	{
		/* twice is once */
		assert_false(oct_namecache_on_doubt(&entry, rules, at(now + 100)));
		assert_false(oct_namecache_on_doubt(&entry, rules, at(now + 200)));
		assert_use(&entry, now + 200, OCT_NAME_USABLE);
		now += seconds[i] * 1000;
		assert_lookup_at(&entry, now);
		look_up(&entry, 1, 15, now);
	}
	look_up(&entry, 2, 15, now);	/* another address */
	oct_namecache_on_doubt(&entry, rules, at(now));
	assert_lookup_at(&entry, now + 1000);
}

static void
life_ends_a_doubt(void **state)
{
	OctNameEntry entry = {0};

	look_up(&entry, 1, 15, 0);
	oct_namecache_on_doubt(&entry, rules, at(100));
	oct_namecache_on_alive(&entry, ip4(1));
	assert_lookup_at(&entry, 15000);
}

static void
long_out_of_date_is_doubtful(void **state)
{
	OctNameEntry entry = {0};

	look_up(&entry, 1, 5, 0);
	oct_namecache_on_lookup(&entry, at(5000));
	assert_use(&entry, 19999, OCT_NAME_USABLE);
	assert_use(&entry, 20000, OCT_NAME_DOUBTFUL);
}

static void
addresses_have_an_order(void **state)
{
	OctNameEntry entry = {0};
	OctIp		ips[] = {ip6(1), ip4(3), ip4(2), ip4(3), ip6(0)};

	oct_namecache_on_lookup(&entry, at(0));
	oct_namecache_on_answer(&entry, rules, ips, lengthof(ips), 5000, at(0));
	assert_addresses(&entry, 0, "32ba");
	oct_namecache_on_alive(&entry, ip6(0));
	assert_addresses(&entry, 0, "a32b");
	oct_namecache_on_alive(&entry, ip4(9)); /* not its own */
	assert_addresses(&entry, 0, "a32b");
}

static void
what_answered_last_is_kept_among_many(void **state)
{
	OctNameEntry entry = {0};
	OctIp		ips[100];

	for (int i = 0; i < lengthof(ips); i++)
		ips[i] = ip4(i + 1);
	oct_namecache_on_lookup(&entry, at(0));
	oct_namecache_on_answer(&entry, rules, ips, lengthof(ips), 5000, at(0));
	assert_addresses(&entry, 0, "12345678");
	oct_namecache_on_alive(&entry, ip4(5));
	assert_addresses(&entry, 0, "51234678");
	for (int i = 0; i < lengthof(ips); i++)
		ips[i] = ip4(lengthof(ips) - i);	/* now the others come first */
	oct_namecache_on_lookup(&entry, at(5000));
	oct_namecache_on_answer(&entry, rules, ips, 100, 5000, at(5000));
	assert_int_equal(entry.n, OCT_MAX_ADDRESSES);
	assert_int_equal(entry.at[0].bytes[3], 5);
	assert_int_equal(entry.at[1].bytes[3], 100);
}

static void
what_answered_last_is_tried_when_it_is_given_no_more(void **state)
{
	const int64 end = 3600 * 1000;
	OctNameEntry entry = {0};

	look_up(&entry, 1, 5, 0);
	oct_namecache_on_alive(&entry, ip4(1));
	look_up(&entry, 1, 5, 5000);	/* given for the last time */
	look_up(&entry, 2, 5, 10000);
	assert_addresses(&entry, 10000, "2/1");
	oct_namecache_on_alive(&entry, ip4(1));
	look_up(&entry, 3, 5, 15000);
	assert_addresses(&entry, 15000, "3/1");
	look_up(&entry, 3, 5, end);
	assert_addresses(&entry, 5000 + end - 1, "3/1");
	assert_addresses(&entry, 5000 + end, "3");
}

static void
there_is_one_former_address_at_most(void **state)
{
	OctNameEntry entry = {0};

	look_up(&entry, 1, 5, 0);
	oct_namecache_on_alive(&entry, ip4(1));
	look_up(&entry, 2, 5, 5000);
	oct_namecache_on_alive(&entry, ip4(2));
	assert_addresses(&entry, 5000, "2");
	look_up(&entry, 3, 5, 10000);
	assert_addresses(&entry, 10000, "3/2");
	look_up(&entry, 2, 5, 15000);
	assert_addresses(&entry, 15000, "2");
}

static void
after_a_reload_all_is_out_of_date(void **state)
{
	OctNameEntry entry = {0};

	look_up(&entry, 1, 10, 0);
	fail_lookup(&entry, OCT_NAME_TROUBLE, 10000);
	oct_namecache_on_reload(&entry, at(10001));
	assert_true(oct_namecache_wants_lookup(&entry, rules, at(10000)));
	look_up(&entry, 1, 10, 10001);
	oct_namecache_on_reload(&entry, at(12000));
	assert_lookup_at(&entry, 12000);
	assert_addresses(&entry, 12000, "1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_at_first),
		cmocka_unit_test(an_answer_is_fresh_for_its_time_to_live),
		cmocka_unit_test(a_stricter_setting_counts_at_once),
		cmocka_unit_test(stale_addresses_stay_in_use),
		cmocka_unit_test(failed_lookups_are_repeated_less_and_less),
		cmocka_unit_test(names_do_not_fail_in_step),
		cmocka_unit_test(without_an_address_they_are_repeated_soon),
		cmocka_unit_test(a_doubt_has_the_name_looked_up_first),
		cmocka_unit_test(nobody_waits_for_a_lookup_that_takes_long),
		cmocka_unit_test(doubts_that_change_nothing_become_rare),
		cmocka_unit_test(life_ends_a_doubt),
		cmocka_unit_test(long_out_of_date_is_doubtful),
		cmocka_unit_test(addresses_have_an_order),
		cmocka_unit_test(what_answered_last_is_kept_among_many),
		cmocka_unit_test(what_answered_last_is_tried_when_it_is_given_no_more),
		cmocka_unit_test(there_is_one_former_address_at_most),
		cmocka_unit_test(after_a_reload_all_is_out_of_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

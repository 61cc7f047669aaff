/*-------------------------------------------------------------------------
 *
 * test_resolver.c
 *	  The resolver with c-ares and real sockets, but without a server: waiters,
 *	  lookups side by side, limits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "dns_server.h"
#include "nodetab.h"
#include "resolver.h"
#include "server_stub.h"

#define MANY	3000

/* A waiter that knows what became of it. */
typedef struct Asker
{
	OctWaiter	waiter;
	char		name[OCT_NAME_SIZE];
	bool		told;
	OctResolution resolution;	/* when last asked */
	OctAddresses addresses;
	OctOutcome	failure;
	OctWaiter  *forgets;		/* when told */
} Asker;

static bool asking;

/* ---------- askers ---------- */

static OctResolution
ask(Asker *asker)
{
	asking = true;
	asker->resolution = oct_resolver_ask(asker->name, oct_now(), &asker->waiter,
										 &asker->addresses, &asker->failure);
	asking = false;
	return asker->resolution;
}

static void
on_told(OctWaiter *waiter)
{
	Asker	   *asker = (Asker *) waiter;	/* its first member */

	assert_false(asking);		/* never within a call of ours */
	assert_false(waiter->waiting);
	asker->told = true;
	if (asker->forgets != NULL)
		oct_resolver_forget(asker->forgets);
	assert_int_not_equal(ask(asker), OCT_RESOLVING);
}

static Asker
asker_of(const char *name)
{
	Asker		asker = {.waiter.done = on_told};

	strlcpy(asker.name, name, sizeof(asker.name));
	return asker;
}

/* One turn of a prober's loop. */
static void
turn(int most_ms)
{
	OctTime		now = oct_now();
	OctTime		next = oct_resolver_next();
	int64		wait_ms = oct_time_diff_us(next, now) / 1000 + 1;

	if (stub_wait(dns, (int) Max(Min(wait_ms, most_ms), 0)))
		serve_dns();
	now = oct_now();
	if (!oct_time_before(now, oct_resolver_next()))
		oct_resolver_on_timer(now);
}

static void
run_for(int ms)
{
	OctTime		end = oct_time_add_ms(oct_now(), ms);

	while (oct_time_before(oct_now(), end))
		turn(10);
}

/* Until nothing is under way any more. */
static void
run_to_end(void)
{
	OctTime		end = oct_time_add_ms(oct_now(), 60000);

	while (oct_resolver_pending() > 0)
	{
		assert_true(oct_time_before(oct_now(), end));
		turn(100);
	}
	assert_true(oct_resolver_next().us == OCT_TIME_NEVER.us);
}

static void
assert_address(const Asker *asker, int i, const char *expected)
{
	char		text[OCT_ADDRESS_TEXT_SIZE];

	assert_true(i < asker->addresses.n);
	assert_true(oct_address_format(&asker->addresses.at[i], text));
	assert_string_equal(text, expected);
}

/* ---------- tests ---------- */

static void
who_waits_is_told(void **state)
{
	Asker		asker = asker_of("ok.told.test");

	assert_int_equal(ask(&asker), OCT_RESOLVING);
	assert_true(asker.waiter.waiting);
	run_to_end();
	assert_true(asker.told);
	assert_int_equal(asker.resolution, OCT_RESOLVED);
	assert_int_equal(asker.addresses.n, 1);
	assert_address(&asker, 0, "127.1.0.1");
	assert_int_equal(ask(&asker), OCT_RESOLVED);	/* from the cache */
	assert_int_equal(oct_resolver_pending(), 0);
}

static void
the_hosts_file_is_asked_first(void **state)
{
	Asker		asker = asker_of("localhost");

	assert_int_equal(ask(&asker), OCT_RESOLVED);
	assert_false(asker.told);
	assert_address(&asker, 0, "127.0.0.1");
}

static void
a_name_has_one_lookup(void **state)
{
	Asker		askers[20];
	int			before = nquestions;

	for (int i = 0; i < lengthof(askers); i++)
	{
		askers[i] = asker_of("ok.one.test");
		assert_int_equal(ask(&askers[i]), OCT_RESOLVING);
	}
	assert_int_equal(ask(&askers[0]), OCT_RESOLVING);	/* once more */
	run_to_end();
	for (int i = 0; i < lengthof(askers); i++)
		assert_int_equal(askers[i].resolution, OCT_RESOLVED);
	assert_int_equal(nquestions, before + 1);
}

static void
who_is_not_interested_is_not_told(void **state)
{
	Asker		a = asker_of("ok.forget.test");
	Asker		b = asker_of("ok.forget.test");
	Asker		c = asker_of("ok.forget.test");

	oct_resolver_forget(&a.waiter);
	ask(&a);
	ask(&b);
	ask(&c);
	b.forgets = &c.waiter;
	oct_resolver_forget(&a.waiter);
	oct_resolver_forget(&a.waiter);
	run_to_end();
	assert_false(a.told);
	assert_true(b.told);
	assert_false(c.told);
}

static void
a_denial_is_evidence_and_trouble_is_not(void **state)
{
	static const struct
	{
		const char *name;
		OctReason	reason;
	}			cases[] = {
		{"no.test", OCT_REASON_NAME_RESOLUTION},
		{"empty.test", OCT_REASON_NAME_RESOLUTION},
		{"fail.test", OCT_REASON_RESOLVER_TROUBLE},
		{"mute.test", OCT_REASON_RESOLVER_TROUBLE},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Asker		asker = asker_of(cases[i].name);

		assert_int_equal(ask(&asker), OCT_RESOLVING);
		run_to_end();
		assert_true(asker.told);
		assert_int_equal(asker.resolution, OCT_UNRESOLVED);
		assert_int_equal(asker.failure.reason, cases[i].reason);
		assert_int_equal(asker.failure.phase, OCT_PHASE_DNS);
		assert_true(asker.failure.message[0] != '\0');
	}
}

/* What is no name comes to an end, too. */
static void
odd_names_do_no_harm(void **state)
{
	char		names[7][OCT_NAME_SIZE] = {".", "..", "a..b", "*", "ok.test\\", "-", ""};
	char		longest[OCT_NAME_SIZE];
	Asker		asker;

	for (int i = 0; i < lengthof(names); i++)
	{
		asker = asker_of(names[i]);
		ask(&asker);
		run_to_end();
		assert_false(asker.waiter.waiting);
	}
	for (int dots = 0; dots <= 1; dots++)
	{
		for (int i = 0; i < OCT_NAME_SIZE - 1; i++)
			longest[i] = dots && i % 50 == 49 ? '.' : 'a';
		longest[OCT_NAME_SIZE - 1] = '\0';
		asker = asker_of(longest);
		ask(&asker);
		run_to_end();
		assert_int_equal(asker.resolution, OCT_UNRESOLVED);
	}
}

static void
a_reload_goes_unnoticed(void **state)
{
	Asker		asker = asker_of("ok.reload.test");
	char		none[] = "none at all";

	mute = true;
	ask(&asker);
	run_for(20);
	oct_resolver_reload();
	oct_dns_servers = none;
	oct_resolver_reload();
	assert_non_null(strstr(stub_log, "none at all"));
	oct_dns_servers = servers;
	assert_false(asker.told);
	mute = false;
	run_to_end();
	assert_true(asker.told);
	assert_int_equal(asker.resolution, OCT_RESOLVED);
}

/* One that nobody reads, and one where nobody is. */
static void
other_servers_help_out(void **state)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t	len = sizeof(sin);
	int			silent = socket(AF_INET, SOCK_DGRAM, 0);
	char		list[256];
	Asker		asker = asker_of("ok.servers.test");

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(silent, (struct sockaddr *) &sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(silent, (struct sockaddr *) &sin, &len), 0);
	snprintf(list, sizeof(list), "127.0.0.1:%d, 127.0.0.1:1 ,%s",
			 ntohs(sin.sin_port), servers);
	oct_dns_servers = list;
	oct_resolver_reload();
	ask(&asker);
	run_to_end();
	assert_int_equal(asker.resolution, OCT_RESOLVED);
	oct_dns_servers = servers;
	oct_resolver_reload();
	close(silent);
}

static void
many_at_once(void **state)
{
	static Asker askers[MANY];
	int			before = nquestions;

	for (int i = 0; i < MANY; i++)
	{
		char		name[32];

		snprintf(name, sizeof(name), "ok%d.many.test", i);
		askers[i] = asker_of(name);
		assert_int_equal(ask(&askers[i]), OCT_RESOLVING);
	}
	assert_int_equal(oct_resolver_pending(), MANY);
	run_to_end();
	for (int i = 0; i < MANY; i++)
		assert_int_equal(askers[i].resolution, OCT_RESOLVED);
	assert_true(nquestions - before < MANY + MANY / 10);	/* hardly any lost */
}

/* A place each for as long as silence lasts would be 15 s. */
static void
the_silent_keep_nobody_waiting(void **state)
{
	static Asker silent[600];
	static Asker others[100];
	OctTime		begin = oct_now();
	int64		took_ms = 0;
	int			n;

	for (int i = 0; i < lengthof(silent); i++)
	{
		char		name[32];

		snprintf(name, sizeof(name), "mute%d.test", i);
		silent[i] = asker_of(name);
		ask(&silent[i]);
	}
	for (int i = 0; i < lengthof(others); i++)
	{
		char		name[32];

		snprintf(name, sizeof(name), "ok%d.others.test", i);
		others[i] = asker_of(name);
		ask(&others[i]);
	}
	do
	{
		turn(100);
		n = 0;
		for (int i = 0; i < lengthof(others); i++)
			n += others[i].told;
		took_ms = oct_time_diff_us(oct_now(), begin) / 1000;
	} while (n < lengthof(others) && took_ms < 60000);
	assert_int_equal(n, lengthof(others));
	assert_true(took_ms < 6000);
	for (int i = 0; i < lengthof(silent); i++)
		oct_resolver_forget(&silent[i].waiter);
	run_to_end();
}

static void
patience_has_an_end(void **state)
{
	Asker		asker = asker_of("ok.patience.test");
	OctTime		begin;
	int64		took_ms;

	ask(&asker);
	run_to_end();
	run_for(1000);				/* a doubt in the same second is no news */
	mute = true;
	oct_resolver_doubt(asker.name, oct_now());
	asker.told = false;
	begin = oct_now();
	assert_int_equal(ask(&asker), OCT_RESOLVING);
	while (!asker.told)
		turn(100);
	took_ms = oct_time_diff_us(oct_now(), begin) / 1000;
	assert_int_equal(asker.resolution, OCT_RESOLVED);
	assert_true(took_ms >= 250);
	assert_true(oct_resolver_pending() > 0);	/* the lookup goes on */
	run_to_end();
	mute = false;
}

static void
what_answered_is_remembered(void **state)
{
	Asker		asker = asker_of("ok.liar.test");

	ask(&asker);
	run_to_end();
	oct_address_set_port(&asker.addresses.at[0], 5432);
	oct_resolver_confirm(asker.name, &asker.addresses.at[0], oct_now());
	answer_octet = 2;
	oct_resolver_reload();
	assert_int_equal(ask(&asker), OCT_RESOLVED);	/* stale, and looked up */
	assert_int_equal(asker.addresses.n, 1);
	run_to_end();
	assert_int_equal(ask(&asker), OCT_RESOLVED);
	assert_int_equal(asker.addresses.n, 2);
	assert_int_equal(asker.addresses.nformer, 1);
	assert_address(&asker, 0, "127.1.0.2");
	assert_address(&asker, 1, "127.1.0.1");
	answer_octet = 1;
	oct_resolver_confirm("unknown.test", &asker.addresses.at[0], oct_now());
	oct_resolver_doubt("unknown.test", oct_now());
}

static void
the_cache_is_bounded(void **state)
{
	oct_max_nodes = 50;
	for (int i = 0; i < 300; i++)
	{
		char		name[32];
		Asker		asker;

		snprintf(name, sizeof(name), "ok%d.bound.test", i);
		asker = asker_of(name);
		ask(&asker);
		run_to_end();
		assert_int_equal(asker.resolution, OCT_RESOLVED);
	}
	assert_true(stub_chunks <= 2 * oct_max_nodes + 10);
	oct_max_nodes = 4096;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_is_told),
		cmocka_unit_test(the_hosts_file_is_asked_first),
		cmocka_unit_test(a_name_has_one_lookup),
		cmocka_unit_test(who_is_not_interested_is_not_told),
		cmocka_unit_test(a_denial_is_evidence_and_trouble_is_not),
		cmocka_unit_test(odd_names_do_no_harm),
		cmocka_unit_test(a_reload_goes_unnoticed),
		cmocka_unit_test(other_servers_help_out),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(the_silent_keep_nobody_waiting),
		cmocka_unit_test(patience_has_an_end),
		cmocka_unit_test(what_answered_is_remembered),
		cmocka_unit_test(the_cache_is_bounded),
	};

	open_dns();
	oct_dns_servers = servers;
	oct_dns_max_ttl_ms = 15000;
	oct_dns_stale_ttl_ms = 3600 * 1000;
	oct_resolver_init(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*-------------------------------------------------------------------------
 *
 * test_policy.c
 *	  What outcomes mean, and how verdicts rise and fall.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy.h"

static const struct
{
	OctReason	reason;
	OctEvidence evidence;
	const char *code;
}			rows[] = {
	{OCT_REASON_OK, OCT_EVIDENCE_ALIVE, "ok"},
	{OCT_REASON_CONNECTION_REFUSED, OCT_EVIDENCE_DEAD, "connection_refused"},
	{OCT_REASON_CONNECTION_RESET, OCT_EVIDENCE_DEAD, "connection_reset"},
	{OCT_REASON_HOST_UNREACHABLE, OCT_EVIDENCE_DEAD, "host_unreachable"},
	{OCT_REASON_TIMEOUT, OCT_EVIDENCE_DEAD, "timeout"},
	{OCT_REASON_NAME_RESOLUTION, OCT_EVIDENCE_DEAD, "name_resolution"},
	{OCT_REASON_RESOLVER_TROUBLE, OCT_EVIDENCE_NONE, "name_resolution"},
	{OCT_REASON_TLS_ERROR, OCT_EVIDENCE_DEAD, "tls_error"},
	{OCT_REASON_AUTH_FAILED, OCT_EVIDENCE_ALIVE, "auth_failed"},
	{OCT_REASON_PASSWORD_NEEDED, OCT_EVIDENCE_ALIVE, "auth_failed"},
	{OCT_REASON_FORBIDDEN, OCT_EVIDENCE_DEAD, "auth_failed"},
	{OCT_REASON_STARTING_UP, OCT_EVIDENCE_DEAD, "starting_up"},
	{OCT_REASON_IN_RECOVERY, OCT_EVIDENCE_DEAD, "in_recovery"},
	{OCT_REASON_NOT_ACCEPTING, OCT_EVIDENCE_DEAD, "not_accepting"},
	{OCT_REASON_SHUTTING_DOWN, OCT_EVIDENCE_DEAD, "shutting_down"},
	{OCT_REASON_TOO_MANY_CONNECTIONS, OCT_EVIDENCE_ALIVE, "too_many_connections"},
	{OCT_REASON_PROTOCOL_ERROR, OCT_EVIDENCE_DEAD, "protocol_error"},
	{OCT_REASON_QUERY_FAILED, OCT_EVIDENCE_DEAD, "query_failed"},
	{OCT_REASON_QUERY_FALSE, OCT_EVIDENCE_DEAD, "query_false"},
	{OCT_REASON_CONNECTION_LOST, OCT_EVIDENCE_DEAD, "connection_lost"},
	{OCT_REASON_VOIDED, OCT_EVIDENCE_NONE, "voided"},
	{OCT_REASON_DISABLED, OCT_EVIDENCE_NONE, "disabled"},
};

static OctPolicy
policy_with_retries(int max_retries)
{
	return (OctPolicy) {
		.period_ms = 10000,
		.timeout_ms = 2000,
		.max_retries = max_retries,
		.retry_delay_ms = 1000,
	};
}

/* Judges "n" outcomes alike; returns how many of them changed the health. */
static int
judge(OctVerdict *verdict, OctEvidence evidence, const OctPolicy *policy, int n)
{
	int			changes = 0;

	while (n-- > 0)
		changes += oct_policy_judge(verdict, evidence, policy);
	return changes;
}


/* ---------- the table of outcomes ---------- */

static void
every_reason_has_its_evidence(void **state)
{
	assert_int_equal(lengthof(rows), OCT_REASON_COUNT);
	for (int i = 0; i < lengthof(rows); i++)
	{
		assert_int_equal(rows[i].reason, i);
		assert_int_equal(oct_policy_evidence(rows[i].reason), rows[i].evidence);
		assert_string_equal(oct_policy_reason_code(rows[i].reason), rows[i].code);
	}
}

/* Sentences are shown with a full stop, or with a colon and a message. */
static void
sentences_read_well(void **state)
{
	for (int i = 0; i < OCT_REASON_COUNT; i++)
	{
		const char *sentence = oct_policy_reason_sentence((OctReason) i);

		assert_true(sentence[0] >= 'A' && sentence[0] <= 'Z');
		assert_true(strlen(sentence) > 10);
		assert_int_not_equal(sentence[strlen(sentence) - 1], '.');
		for (int j = 0; j < i; j++)
			assert_string_not_equal(sentence,
									oct_policy_reason_sentence((OctReason) j));
	}
}

static void
cannot_connect_now_is_told_apart_by_its_text(void **state)
{
	static const struct
	{
		const char *message;
		OctReason	reason;
	}			texts[] = {
		{"the database system is starting up", OCT_REASON_STARTING_UP},
		{"the database system is not yet accepting connections", OCT_REASON_STARTING_UP},
		{"the database system is shutting down", OCT_REASON_SHUTTING_DOWN},
		{"the database system is in recovery mode", OCT_REASON_IN_RECOVERY},
		{"the database system is not accepting connections", OCT_REASON_IN_RECOVERY},
		/* translated, of other versions, none at all */
		{"das Datenbanksystem startet", OCT_REASON_NOT_ACCEPTING},
		{"the database system is having a nap", OCT_REASON_NOT_ACCEPTING},
		{"", OCT_REASON_NOT_ACCEPTING},
	};

	for (int i = 0; i < lengthof(texts); i++)
	{
		OctReason	reason = oct_policy_reason_of_error("57P03", texts[i].message);

		assert_int_equal(reason, texts[i].reason);
		assert_int_equal(oct_policy_evidence(reason), OCT_EVIDENCE_DEAD);
	}
}

static void
other_errors_are_told_apart_by_sqlstate(void **state)
{
	static const struct
	{
		const char *sqlstate;
		OctReason	reason;
	}			states[] = {
		{"53300", OCT_REASON_TOO_MANY_CONNECTIONS},
		{"57P01", OCT_REASON_SHUTTING_DOWN},	/* admin_shutdown */
		{"57P02", OCT_REASON_SHUTTING_DOWN},	/* crash_shutdown */
		{"28P01", OCT_REASON_AUTH_FAILED},	/* invalid_password */
		{"28000", OCT_REASON_AUTH_FAILED},	/* no pg_hba.conf entry */
		{"3D000", OCT_REASON_AUTH_FAILED},	/* no such database */
		{"42501", OCT_REASON_AUTH_FAILED},	/* no CONNECT privilege */
		{"55000", OCT_REASON_AUTH_FAILED},	/* database accepts nobody */
		{"0A000", OCT_REASON_AUTH_FAILED},	/* unsupported protocol */
		{"XX000", OCT_REASON_AUTH_FAILED},
		{"5330", OCT_REASON_AUTH_FAILED},
		{"", OCT_REASON_AUTH_FAILED},
	};

	for (int i = 0; i < lengthof(states); i++)
		assert_int_equal(oct_policy_reason_of_error(states[i].sqlstate,
													"the database system is starting up"),
						 states[i].reason);
}


/* ---------- rise and fall ---------- */

static void
one_success_makes_healthy(void **state)
{
	static const OctHealth before[] = {OCT_UNKNOWN, OCT_UNHEALTHY};
	OctPolicy	policy = policy_with_retries(2);

	for (int i = 0; i < lengthof(before); i++)
	{
		OctVerdict	verdict = {.health = before[i],.failures = 7};

		assert_true(oct_policy_judge(&verdict, OCT_EVIDENCE_ALIVE, &policy));
		assert_int_equal(verdict.health, OCT_HEALTHY);
		assert_int_equal(verdict.failures, 0);
		assert_int_equal(verdict.successes, 1);

		assert_false(oct_policy_judge(&verdict, OCT_EVIDENCE_ALIVE, &policy));
		assert_int_equal(verdict.successes, 2);
	}
}

/* Whatever the verdict was, 1 + max_retries failures in a row convict. */
static void
failures_convict_after_all_retries(void **state)
{
	static const OctHealth before[] = {OCT_UNKNOWN, OCT_HEALTHY};
	static const int retries[] = {0, 1, 2, 99, 100};

	for (int i = 0; i < lengthof(before); i++)
	{
		for (int j = 0; j < lengthof(retries); j++)
		{
			OctPolicy	policy = policy_with_retries(retries[j]);
			OctVerdict	verdict = {.health = before[i],.successes = 3};

			assert_int_equal(judge(&verdict, OCT_EVIDENCE_DEAD, &policy,
								   retries[j]), 0);
			assert_int_equal(verdict.health, before[i]);
			assert_int_equal(oct_policy_in_doubt(&verdict), retries[j] > 0);

			assert_true(oct_policy_judge(&verdict, OCT_EVIDENCE_DEAD, &policy));
			assert_int_equal(verdict.health, OCT_UNHEALTHY);
			assert_int_equal(verdict.failures, 1 + retries[j]);
			assert_int_equal(verdict.successes, 0);
			assert_false(oct_policy_in_doubt(&verdict));

			assert_false(oct_policy_judge(&verdict, OCT_EVIDENCE_DEAD, &policy));
			assert_int_equal(verdict.health, OCT_UNHEALTHY);
		}
	}
}

static void
a_success_forgives_earlier_failures(void **state)
{
	OctPolicy	policy = policy_with_retries(2);
	OctVerdict	verdict = {.health = OCT_HEALTHY};

	for (int i = 0; i < 5; i++)
	{
		assert_int_equal(judge(&verdict, OCT_EVIDENCE_DEAD, &policy, 2), 0);
		assert_int_equal(judge(&verdict, OCT_EVIDENCE_ALIVE, &policy, 1), 0);
	}
	assert_int_equal(verdict.health, OCT_HEALTHY);
	assert_int_equal(judge(&verdict, OCT_EVIDENCE_DEAD, &policy, 3), 1);
}

static void
no_evidence_changes_nothing(void **state)
{
	OctPolicy	policy = policy_with_retries(0);

	for (int health = OCT_UNKNOWN; health <= OCT_HEALTHY; health++)
	{
		OctVerdict	verdict = {
			.health = (OctHealth) health,
			.failures = 1,
			.successes = 5,
		};

		assert_int_equal(judge(&verdict, OCT_EVIDENCE_NONE, &policy, 1000), 0);
		assert_int_equal(verdict.health, health);
		assert_int_equal(verdict.failures, 1);
		assert_int_equal(verdict.successes, 5);
	}
}

/* Nor is a void try between two failures the end of their row. */
static void
no_evidence_does_not_forgive(void **state)
{
	OctPolicy	policy = policy_with_retries(2);
	OctVerdict	verdict = {.health = OCT_HEALTHY};

	judge(&verdict, OCT_EVIDENCE_DEAD, &policy, 2);
	judge(&verdict, OCT_EVIDENCE_NONE, &policy, 1);
	assert_true(oct_policy_in_doubt(&verdict));
	assert_true(oct_policy_judge(&verdict, OCT_EVIDENCE_DEAD, &policy));
	assert_int_equal(verdict.health, OCT_UNHEALTHY);
}

/* With fewer retries allowed, the next failure convicts. */
static void
fewer_retries_count_from_the_next_failure(void **state)
{
	OctPolicy	patient = policy_with_retries(100);
	OctPolicy	strict = policy_with_retries(0);
	OctVerdict	verdict = {.health = OCT_HEALTHY};

	judge(&verdict, OCT_EVIDENCE_DEAD, &patient, 50);
	assert_int_equal(verdict.health, OCT_HEALTHY);
	assert_true(oct_policy_judge(&verdict, OCT_EVIDENCE_DEAD, &strict));
}

static void
counts_stop_at_their_maximum(void **state)
{
	OctPolicy	policy = policy_with_retries(100);
	OctVerdict	dead = {.health = OCT_UNHEALTHY,.failures = PG_UINT32_MAX};
	OctVerdict	alive = {.health = OCT_HEALTHY,.successes = PG_UINT32_MAX};

	judge(&dead, OCT_EVIDENCE_DEAD, &policy, 2);
	assert_int_equal(dead.failures, PG_UINT32_MAX);
	assert_int_equal(dead.health, OCT_UNHEALTHY);
	judge(&alive, OCT_EVIDENCE_ALIVE, &policy, 2);
	assert_int_equal(alive.successes, PG_UINT32_MAX);
}

static OctState
state_of(OctHealth health, uint32 failures, uint32 successes, OctReason reason)
{
	return oct_policy_state(&(OctVerdict) {health, failures, successes}, reason);
}

static void
verdicts_have_states(void **state)
{
	assert_int_equal(state_of(OCT_UNKNOWN, 0, 0, OCT_REASON_OK), OCT_STATE_INITIALIZING);
	assert_int_equal(state_of(OCT_UNKNOWN, 2, 0, OCT_REASON_TIMEOUT), OCT_STATE_INITIALIZING);
	assert_int_equal(state_of(OCT_HEALTHY, 0, 1, OCT_REASON_OK), OCT_STATE_HEALTHY);
	assert_int_equal(state_of(OCT_HEALTHY, 0, 9, OCT_REASON_TOO_MANY_CONNECTIONS), OCT_STATE_DEGRADED);
	assert_int_equal(state_of(OCT_HEALTHY, 0, 9, OCT_REASON_AUTH_FAILED), OCT_STATE_DEGRADED);
	assert_int_equal(state_of(OCT_HEALTHY, 1, 0, OCT_REASON_TIMEOUT), OCT_STATE_FAILING);
	assert_int_equal(state_of(OCT_UNHEALTHY, 3, 0, OCT_REASON_TIMEOUT), OCT_STATE_UNHEALTHY);
	assert_int_equal(state_of(OCT_UNHEALTHY, 0, 1, OCT_REASON_OK), OCT_STATE_RECOVERING);
	for (int health = OCT_UNKNOWN; health <= OCT_HEALTHY; health++)
		assert_int_equal(state_of(health, 0, 0, OCT_REASON_DISABLED), OCT_STATE_DISABLED);

	for (int i = 0; i < OCT_STATE_COUNT; i++)
	{
		for (int j = 0; j < i; j++)
			assert_string_not_equal(oct_policy_state_name(i), oct_policy_state_name(j));
	}
	assert_string_equal(oct_policy_state_name(OCT_STATE_STALE), "stale");
}

/* Three times the period and all tries, the longest that can be included. */
static void
verdicts_grow_old(void **state)
{
	OctPolicy	policy = {
		.period_ms = 10000,
		.timeout_ms = 2000,
		.max_retries = 2,
		.retry_delay_ms = 1000,
		.down_period_ms = -1,
	};

	assert_int_equal(oct_policy_max_age_us(&policy), 3 * (10000 + 3 * 2000 + 2 * 1000) * 1000);
	policy.down_period_ms = 60000;
	assert_int_equal(oct_policy_max_age_us(&policy), 3 * (60000 + 3 * 2000 + 2 * 1000) * 1000);

	policy = (OctPolicy) {.period_ms = 1,.timeout_ms = 1,.down_period_ms = -1};
	assert_int_equal(oct_policy_max_age_us(&policy), OCT_MIN_MAX_AGE_MS * 1000);
	policy = (OctPolicy) {
		.period_ms = PG_INT32_MAX,
		.timeout_ms = PG_INT32_MAX,
		.max_retries = 100,
		.retry_delay_ms = PG_INT32_MAX,
		.down_period_ms = PG_INT32_MAX,
	};
	assert_true(oct_policy_max_age_us(&policy) ==
				3 * (int64) PG_INT32_MAX * (1 + 101 + 100) * 1000);
}

/* A standby is read-only whatever its default; who says nothing is neither. */
static void
read_only_servers(void **state)
{
	assert_int_equal(oct_policy_read_only(OCT_ANSWER_NONE, OCT_ANSWER_NONE), OCT_ANSWER_NONE);
	assert_int_equal(oct_policy_read_only(OCT_ANSWER_NO, OCT_ANSWER_NO), OCT_ANSWER_NO);
	assert_int_equal(oct_policy_read_only(OCT_ANSWER_YES, OCT_ANSWER_NO), OCT_ANSWER_YES);
	assert_int_equal(oct_policy_read_only(OCT_ANSWER_NO, OCT_ANSWER_YES), OCT_ANSWER_YES);
	assert_int_equal(oct_policy_read_only(OCT_ANSWER_NONE, OCT_ANSWER_NO), OCT_ANSWER_NO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_its_evidence),
		cmocka_unit_test(sentences_read_well),
		cmocka_unit_test(cannot_connect_now_is_told_apart_by_its_text),
		cmocka_unit_test(other_errors_are_told_apart_by_sqlstate),
		cmocka_unit_test(one_success_makes_healthy),
		cmocka_unit_test(failures_convict_after_all_retries),
		cmocka_unit_test(a_success_forgives_earlier_failures),
		cmocka_unit_test(no_evidence_changes_nothing),
		cmocka_unit_test(no_evidence_does_not_forgive),
		cmocka_unit_test(fewer_retries_count_from_the_next_failure),
		cmocka_unit_test(counts_stop_at_their_maximum),
		cmocka_unit_test(verdicts_have_states),
		cmocka_unit_test(verdicts_grow_old),
		cmocka_unit_test(read_only_servers),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}

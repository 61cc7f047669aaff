/*-------------------------------------------------------------------------
 *
 * report.c
 *	  Making known what the prober found: in shared memory and in the log.
 *
 * The log gets one line for each change of a verdict or a role, and none for a
 * probe, unless log_checks wants it.
 * What a remote server said is made printable ASCII there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "nodetab.h"
#include "printable.h"
#include "report.h"

/* trouble of ours is logged once in so long */
#define OCT_TROUBLE_LOG_US	INT64CONST(60000000)

/* room for a cause, each byte of the message as \\xNN */
#define OCT_CAUSE_SIZE		(OCT_MESSAGE_SIZE * 5)

/* settings */
bool		oct_log_status_changes = true;
int			oct_log_checks = OCT_LOG_CHECKS_OFF;

/* "The server is starting up: ... (SQLSTATE 57P03)." */
static void
format_cause(char *buf, size_t size, const OctOutcome *outcome)
{
	char		message[OCT_MESSAGE_SIZE * 4];
	char		sqlstate[OCT_SQLSTATE_SIZE * 4];
	size_t		len;

	oct_printable(message, sizeof(message), outcome->message);
	oct_printable(sqlstate, sizeof(sqlstate), outcome->sqlstate);
	len = strlen(message);
	if (len > 0 && message[len - 1] == '.')
		message[len - 1] = '\0';
	snprintf(buf, size, "%s%s%s%s%s%s.",
			 oct_policy_reason_sentence(outcome->reason),
			 message[0] != '\0' ? ": " : "", message,
			 sqlstate[0] != '\0' ? " (SQLSTATE " : "", sqlstate,
			 sqlstate[0] != '\0' ? ")" : "");
}

/* Logs a change of health. */
void
oct_report_change(const OctNodeSpec *spec, const OctVerdict *verdict,
				  const OctOutcome *outcome)
{
	char		cause[OCT_CAUSE_SIZE];

	if (!oct_log_status_changes)
		return;
	format_cause(cause, sizeof(cause), outcome);
	ereport(LOG,
			(errmsg("node \"%s\":%d is %s", spec->name, spec->port,
					verdict->health == OCT_HEALTHY ? "healthy" : "unhealthy"),
			 outcome->reason != OCT_REASON_OK ? errdetail("%s", cause) : 0));
}

/* Logs that a server has become another's standby, or is none any more. */
void
oct_report_role(const OctNodeSpec *spec, OctRole role)
{
	if (oct_log_status_changes)
		ereport(LOG,
				(errmsg("node \"%s\":%d is now a %s", spec->name, spec->port,
						role == OCT_ROLE_STANDBY ? "standby" : "primary")));
}

/* Logs one try, if that is wanted. */
void
oct_report_check(const OctNodeSpec *spec, const OctOutcome *outcome,
				 OctEvidence evidence, int64 check_time_us)
{
	char		cause[OCT_CAUSE_SIZE];

	if (oct_log_checks == OCT_LOG_CHECKS_OFF ||
		(oct_log_checks == OCT_LOG_CHECKS_FAILURES &&
		 evidence == OCT_EVIDENCE_ALIVE))
		return;
	format_cause(cause, sizeof(cause), outcome);
	ereport(LOG,
			(errmsg("check of node \"%s\":%d: %s, phase %s, %.3f ms",
					spec->name, spec->port,
					oct_policy_reason_code(outcome->reason),
					oct_policy_phase_name(outcome->phase),
					(double) check_time_us / 1000),
			 outcome->reason != OCT_REASON_OK ? errdetail("%s", cause) : 0));
}

/*
 * Logs, once in a while, that a try failed by trouble of ours: it convicts
 * nobody, but somebody should know of it.
 */
void
oct_report_trouble(const OctNodeSpec *spec, const OctOutcome *outcome,
				   OctTime now)
{
	static OctTime logged = {PG_INT64_MIN / 2};
	char		cause[OCT_CAUSE_SIZE];

	if (oct_time_diff_us(now, logged) < OCT_TROUBLE_LOG_US)
		return;
	logged = now;
	format_cause(cause, sizeof(cause), outcome);
	ereport(LOG,
			(errmsg("could not probe node \"%s\":%d, its health stays as it was",
					spec->name, spec->port),
			 errdetail("%s", cause)));
}

/*
 * The status that is to come, which begins as the last one if that is of the same
 * node, with its time accounted for.
 */
static OctNodeStatus *
begin_status(int32 slot, uint32 generation, OctTime now)
{
	OctNodeStatus *status = oct_nodetab_edit_status(slot);

	if (status->generation == generation)
	{
		oct_tally_account(&status->tally, status->health,
						  oct_nodetab_fresh_until(status), now);
		return status;
	}
	oct_nodetab_clear_latency(slot);
	memset(status, 0, sizeof(OctNodeStatus));
	status->generation = generation;
	status->health = OCT_UNKNOWN;
	status->judged = now;
	status->tally.accounted = now;
	status->stats_reset = GetCurrentTimestamp();
	return status;
}

/* What the server told of itself; what says nothing of it changes nothing. */
static void
note_server(OctNodeStatus *status, const OctFinding *finding)
{
	const OctOutcome *outcome = finding->outcome;
	bool		plain = outcome->reason == OCT_REASON_OK;

	if (plain || outcome->role != OCT_ROLE_UNKNOWN)
		status->role = outcome->role;
	if (plain || outcome->read_only != OCT_ANSWER_NONE)
		status->read_only = outcome->read_only;
	if (outcome->encrypted != OCT_ANSWER_NONE)
		status->encrypted = outcome->encrypted;
	if (outcome->server_version != 0)
		status->server_version = outcome->server_version;
	if (finding->address != NULL)
		status->address = *finding->address;
}

static void
note_outcome(OctNodeStatus *status, const OctOutcome *outcome)
{
	status->has_outcome = true;
	status->reason = outcome->reason;
	status->phase = outcome->phase;
	strlcpy(status->sqlstate, outcome->sqlstate, OCT_SQLSTATE_SIZE);
	strlcpy(status->message, outcome->message, OCT_MESSAGE_SIZE);
}

static void
note_tally(OctNodeStatus *status, const OctFinding *finding)
{
	OctTally   *tally = &status->tally;

	tally->retries += finding->retry;
	if (finding->evidence == OCT_EVIDENCE_ALIVE)
		oct_tally_success(tally, finding->check_time_us);
	else if (finding->evidence == OCT_EVIDENCE_DEAD)
		oct_tally_failure(tally, finding->outcome->reason);
	else
		oct_tally_void(tally, finding->outcome->reason);
	if (status->health != OCT_UNKNOWN && finding->verdict->health != status->health)
		tally->transitions++;
}

/*
 * Publishes what a try has come to.  What is no evidence says why there is no
 * verdict, if there is none, and else nothing.  Does not throw.
 */
void
oct_report_finding(const OctFinding *finding)
{
	OctNodeStatus *status = begin_status(finding->slot, finding->generation,
										 finding->now);
	TimestampTz wall_clock = GetCurrentTimestamp();

	note_tally(status, finding);
	status->max_age_us = oct_policy_max_age_us(finding->policy);
	if (finding->evidence != OCT_EVIDENCE_NONE)
	{
		if (status->health != finding->verdict->health)
			status->status_change_time = wall_clock;
		status->health = finding->verdict->health;
		status->judged = finding->now;
		status->streak = finding->streak;
		status->failures = finding->verdict->failures;
		status->successes = finding->verdict->successes;
		status->check_time_us = finding->check_time_us;
		status->last_check_time = wall_clock;
		if (finding->evidence == OCT_EVIDENCE_ALIVE)
			status->last_success_time = wall_clock;
		else
			status->last_failure_time = wall_clock;
		note_server(status, finding);
	}
	if (finding->evidence != OCT_EVIDENCE_NONE || status->health == OCT_UNKNOWN)
		note_outcome(status, finding->outcome);
	oct_nodetab_show_status(finding->slot);
	if (finding->evidence == OCT_EVIDENCE_ALIVE)
		oct_nodetab_record_latency(finding->slot, finding->check_time_us);
}

/*
 * Publishes that nothing is known of a node, because there was no try yet or
 * because there are to be none.  Does not throw.
 */
void
oct_report_unknown(int32 slot, uint32 generation, bool enabled, OctTime now)
{
	OctNodeStatus *status = begin_status(slot, generation, now);

	if (status->health != OCT_UNKNOWN)
		status->status_change_time = GetCurrentTimestamp();
	status->health = OCT_UNKNOWN;
	status->failures = 0;
	status->successes = 0;
	note_outcome(status, &(OctOutcome) {.reason = OCT_REASON_DISABLED});
	status->has_outcome = !enabled;
	oct_nodetab_show_status(slot);
}

/* A verdict holds as long as the policy says by now.  Does not throw. */
void
oct_report_policy(int32 slot, uint32 generation, const OctPolicy *policy,
				  OctTime now)
{
	OctNodeStatus *status = begin_status(slot, generation, now);

	status->max_age_us = oct_policy_max_age_us(policy);
	oct_nodetab_show_status(slot);
}

/* A held session was lost, which is no evidence yet.  Does not throw. */
void
oct_report_loss(int32 slot)
{
	OctNodeStatus *status = oct_nodetab_edit_status(slot);

	status->tally.losses++;
	oct_nodetab_show_status(slot);
}

/* Begins to count anew.  Does not throw. */
void
oct_report_reset(int32 slot, OctTime now)
{
	OctNodeStatus *status = oct_nodetab_edit_status(slot);

	memset(&status->tally, 0, sizeof(OctTally));
	status->tally.accounted = now;
	status->stats_reset = GetCurrentTimestamp();
	status->latency_void = true;
	oct_nodetab_show_status(slot);

	oct_nodetab_clear_latency(slot);
	oct_nodetab_edit_status(slot)->latency_void = false;
	oct_nodetab_show_status(slot);
}

/*-------------------------------------------------------------------------
 *
 * probernews.c
 *	  What a try has come to, and what has changed by it, made known: in shared
 *	  memory, in the log, and as events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "events.h"
#include "gauges.h"
#include "nodetab.h"
#include "prober_internal.h"
#include "report.h"
#include "requests.h"

/*
 * Remembers it if a server has said, by the outcome of a try, that it is not there
 * for others.  Returns whether it has.
 */
bool
oct_prober_note_refusal(OctNode *node, OctReason reason)
{
	switch (reason)
	{
		case OCT_REASON_STARTING_UP:
		case OCT_REASON_IN_RECOVERY:
		case OCT_REASON_SHUTTING_DOWN:
			node->refusal = reason;
			return true;
		default:
			return false;
	}
}

/* The same, or notes that it is there again: it has been started meanwhile. */
static void
watch_restart(OctNode *node, const OctOutcome *outcome, OctEvidence evidence)
{
	if (oct_prober_note_refusal(node, outcome->reason) ||
		evidence != OCT_EVIDENCE_ALIVE || node->refusal == OCT_REASON_OK)
		return;
	oct_chronicle_restart(&node->home, &node->spec, node->refusal);
	node->refusal = OCT_REASON_OK;
}

/* Makes known what has changed by a try. */
static void
tell_changes(OctNode *node, OctHealth old_health, const OctOutcome *outcome,
			 OctEvidence evidence, OctTime now)
{
	if (node->probe.verdict.health != old_health)
	{
		oct_report_change(&node->spec, &node->probe.verdict, outcome);
		oct_chronicle_health(&node->home, &node->spec, old_health,
							 node->probe.verdict.health, outcome,
							 oct_time_diff_us(now, node->streak));
	}
	watch_restart(node, outcome, evidence);
	if (outcome->role != OCT_ROLE_UNKNOWN && node->role != outcome->role)
	{
		if (node->role != OCT_ROLE_UNKNOWN)
			oct_report_role(&node->spec, outcome->role);
		oct_chronicle_role(&node->home, &node->spec, node->role, outcome->role);
		node->role = outcome->role;
	}
}

/*
 * Publishes a finding.  What readers saw of the node may change without being
 * told as an event: a verdict that was too old is found true after all, or a role
 * is told again.  Who waits for that is woken, too.  Whether a verdict was too old
 * is asked when the new one is there already, by a later time than any at which a
 * reader can have looked at the old one.
 */
static void
publish(const OctFinding *finding)
{
	const OctNodeStatus *shown = oct_nodetab_shown_status(finding->slot);
	OctTime		fresh_until = oct_nodetab_fresh_until(shown);
	OctHealth	old_health = shown->health;
	uint8		old_role = shown->role;

	oct_report_finding(finding);
	shown = oct_nodetab_shown_status(finding->slot);
	if (shown->role != old_role ||
		(old_health != OCT_UNKNOWN && oct_time_before(fresh_until, oct_now())))
		oct_events_stir();
}

/*
 * Makes known what a try, at the address given if any, has come to; before it the
 * node had that health, and by now it has its verdict.  Does not throw.
 */
void
oct_prober_tell(OctNode *node, const OctNodeAddress *address,
				const OctOutcome *outcome, OctEvidence evidence, bool retry,
				OctHealth old_health, OctTime now)
{
	OctFinding	finding = {
		.slot = node->slot,
		.generation = node->generation,
		.policy = &node->policy,
		.retry = retry,
		.verdict = &node->probe.verdict,
		.outcome = outcome,
		.evidence = evidence,
		.address = address,
		.check_time_us = oct_time_diff_us(now, node->probe.started),
		.streak = node->streak,
		.now = now,
	};

	oct_gauge_add(OCT_GAUGE_CHECKS, 1);
	oct_report_check(&node->spec, outcome, evidence, finding.check_time_us);
	if (node->aside)
		return;					/* of which nobody is told but who has asked */
	if (evidence == OCT_EVIDENCE_NONE)
		oct_report_trouble(&node->spec, outcome, now);
	publish(&finding);
	tell_changes(node, old_health, outcome, evidence, now);
}

/*
 * A try has ended of a node for which a check was asked: answers, unless the
 * verdict is in doubt and the try will be repeated.  If it was ours to fail we know
 * no more than before, and who asks for a node that is probed waits for the next.
 */
void
oct_prober_answer(OctNode *node, OctEvidence evidence)
{
	OctVerdict	unknown = {.health = OCT_UNKNOWN};

	if ((evidence == OCT_EVIDENCE_NONE && !node->aside) ||
		(evidence == OCT_EVIDENCE_DEAD && oct_policy_in_doubt(&node->probe.verdict)))
		return;
	node->wanted = false;
	oct_request_serve_check(node->slot, node->checks_asked,
							node->probe.verdict.health);
	oct_events_stir();
	if (!node->aside)
		return;
	node->aside = false;
	oct_prober_stop(node);
	oct_probe_init(&node->probe, unknown, OCT_TIME_NEVER, node->probe.phase);
}

/*-------------------------------------------------------------------------
 *
 * probernodes.c
 *	  Which nodes the prober has, and the policy that each is probed by.
 *
 * They are learned from the journal of the table of nodes.  What a node leaves
 * open its group says, and what that leaves the settings do.  A node that is
 * not enabled has no timer, and its health is unknown.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "events.h"
#include "gauges.h"
#include "nodetab.h"
#include "optable.h"
#include "pairs.h"
#include "policy.h"
#include "prober_internal.h"
#include "report.h"
#include "requests.h"

/* the tries of a restarted prober are spread over this, or a period */
#define OCT_RESTART_SPREAD_MS	1000

/* first tries of nodes that come together are so far apart */
#define OCT_FIRST_SPREAD_US	100

/* the longest tick */
#define OCT_MAX_TICK_MS		4

/* the most changes copied at once */
#define OCT_BATCH			256

/* settings */
OctPolicy	oct_default_policy = {
	.enabled = true,
	.period_ms = 10000,
	.timeout_ms = 2000,
	.max_retries = 2,
	.retry_delay_ms = 1000,
	.healthy_threshold = 1,
	.check_type = OCT_CHECK_AUTO,
	.down_period_ms = -1,
	.jitter_percent = 10,
	.keep_connections = false,
};
char	   *oct_application_name = NULL;
char	   *oct_health_check_query = NULL;

static MemoryContext node_context;
static OctNode **nodes;			/* by slot; NULL where there is none */
static OctChangeCursor cursor;
static OctGroupCopies copies;
static OctLogin *logins;		/* of the groups */
static uint32 *login_versions;	/* of the groups' copies that they were made of */
static uint32 *told_versions;	/* of the same, that an event tells of */
static OctPolicy settings;		/* those in force */
static int	shortest_timeout_ms = PG_INT32_MAX;
static int	shortest_period_ms = PG_INT32_MAX;

/* Once a process.  The first pass of reconciling finds all nodes. */
void
oct_prober_init_nodes(void)
{
	int			ngroups = oct_nodetab_ngroups();

	settings = oct_default_policy;
	oct_gauge_set(OCT_GAUGE_SUSPENDED, !settings.enabled);
	nodes = MemoryContextAllocExtended(TopMemoryContext,
									   sizeof(OctNode *) * oct_nodetab_nslots(),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	copies.versions = MemoryContextAllocZero(TopMemoryContext,
											 sizeof(uint32) * ngroups);
	copies.groups = MemoryContextAllocHuge(TopMemoryContext,
										   sizeof(OctGroup) * ngroups);
	logins = MemoryContextAllocHuge(TopMemoryContext, sizeof(OctLogin) * ngroups);
	login_versions = MemoryContextAllocZero(TopMemoryContext,
											sizeof(uint32) * ngroups);
	told_versions = MemoryContextAllocZero(TopMemoryContext,
										   sizeof(uint32) * ngroups);
	node_context = SlabContextCreate(TopMemoryContext, "octopus_fdw nodes",
									 SLAB_LARGE_BLOCK_SIZE / 64, sizeof(OctNode));
	oct_nodetab_rewind(&cursor);
}

/* The node in a slot, or NULL. */
OctNode *
oct_prober_node(int32 slot)
{
	return nodes[slot];
}

/* No node has a shorter one. */
int
oct_prober_shortest_timeout_ms(void)
{
	return shortest_timeout_ms;
}

/*
 * Timers are served at whole ticks, so that tries begin several at a time: a
 * wake-up, of ours and of a node on this machine, costs more than a system call.
 * A tick is a hundredth of the shortest times there are, and short for people.
 */
int64
oct_prober_tick_us(void)
{
	int			shortest_ms = Min(shortest_timeout_ms, shortest_period_ms);

	return Max(Min(shortest_ms / 100, OCT_MAX_TICK_MS), 1) * OCT_US_PER_MS;
}

/* Works out how probes of a group introduce themselves, if there is news. */
static void
update_login(int32 group)
{
	if (login_versions[group] == copies.versions[group])
		return;
	login_versions[group] = copies.versions[group];
	oct_login_prepare(&logins[group], &copies.groups[group].policy,
					  oct_application_name, oct_health_check_query);
}

/* The policy by which a node is to be probed. */
static OctPolicy
policy_of(const OctNode *node)
{
	OctPolicy	policy = node->spec.options.policy;
	OctPolicy	group;

	oct_optable_read_pairs(&group, &copies.groups[node->group].policy);
	if (settings.enabled == false || group.enabled == false)
		policy.enabled = false; /* all three must say yes */
	oct_optable_inherit(&policy, &group);
	oct_optable_inherit(&policy, &settings);
	if (policy.check_type == OCT_CHECK_AUTO)
		policy.check_type =
			oct_pairs_get(&copies.groups[node->group].policy, OCT_PAIR_MAPPING) != NULL ?
			OCT_CHECK_QUERY : OCT_CHECK_PING;
	shortest_timeout_ms = Min(shortest_timeout_ms, policy.timeout_ms);
	shortest_period_ms = Min(shortest_period_ms, policy.period_ms);
	return policy;
}

/* A node is not to be probed: nothing is known of it from now on. */
static void
disable_node(OctNode *node, OctTime now)
{
	OctVerdict	verdict = {.health = OCT_UNKNOWN};
	OctHealth	old_health = node->probe.verdict.health;

	oct_prober_stop(node);
	oct_probe_init(&node->probe, verdict, OCT_TIME_NEVER, node->probe.phase);
	oct_report_unknown(node->slot, node->generation, false, now);
	if (old_health != OCT_UNKNOWN)
		oct_chronicle_health(&node->home, &node->spec, old_health, OCT_UNKNOWN,
							 &(OctOutcome) {.reason = OCT_REASON_DISABLED}, -1);
}

/*
 * When a node is tried first, be it new or switched on: at once, but one after
 * the other if many come together, lest as many sockets are opened in one
 * instant.
 */
static OctTime
first_due(OctTime now)
{
	static OctTime next = {0};
	OctTime		due = oct_time_before(next, now) ? now : next;

	next = oct_time_add_us(due, OCT_FIRST_SPREAD_US);
	return due;
}

/* A node learns what its group is by now. */
static void
join_group(OctNode *node)
{
	const OctGroup *group = &copies.groups[node->group];

	node->group_version = copies.versions[node->group];
	node->home.group = group->key;
	memcpy(node->home.server_name, group->server_name, NAMEDATALEN);
}

/* The same if that has changed; the first node to learn it has it told. */
static void
follow_group(OctNode *node)
{
	uint32		version = copies.versions[node->group];

	if (node->group_version == version)
		return;
	join_group(node);
	if (told_versions[node->group] != version)
		oct_chronicle_group_policy(&copies.groups[node->group]);
	told_versions[node->group] = version;
}

/*
 * Somebody wants to know at once.  A try that is under way, or will be soon, will do;
 * a node that is not probed is tried aside.  One that has failed is given the time
 * that its policy says before it is tried again, however many ask.
 */
static void
check_now(OctNode *node, OctTime now)
{
	OctVerdict	unknown = {.health = OCT_UNKNOWN};

	node->wanted = true;
	if (!node->policy.enabled && !node->aside)
	{
		node->aside = true;
		oct_probe_init(&node->probe, unknown, now, node->probe.phase);
	}
	else if (node->probe.state == OCT_PROBE_WAITING &&
			 !oct_policy_in_doubt(&node->probe.verdict))
		oct_probe_hasten(&node->probe, now);
	else
		return;
	oct_prober_arm(node);
}

/* Does what sessions have asked for. */
static void
serve_requests(OctNode *node, const OctSlotChange *change, OctTime now)
{
	if (oct_request_take_reset(node->slot, change->resets_asked))
		oct_report_reset(node->slot, now);
	node->checks_asked = change->checks_asked;
	if (node->checks_asked != oct_request_served_check(node->slot))
		check_now(node, now);
}

/* Puts the policy that holds for a node by now in force, if it is another one. */
static void
update_policy(OctNode *node, OctTime now)
{
	OctPolicy	policy = policy_of(node);
	bool		was_enabled = node->policy.enabled;
	OctVerdict	unknown = {.health = OCT_UNKNOWN};

	if (node->group_version != copies.versions[node->group] ||
		policy.check_type != node->policy.check_type)
		oct_prober_begin_anew(node);
	else if (!policy.keep_connections)
		oct_prober_end_held(node);
	follow_group(node);

	if (memcmp(&policy, &node->policy, sizeof(policy)) == 0)
		return;
	node->policy = policy;
	if (was_enabled && !policy.enabled)
	{
		disable_node(node, now);
		if (node->wanted)
			check_now(node, now);
	}
	else if (!was_enabled && policy.enabled)
	{
		if (node->aside)
			oct_prober_stop(node);
		node->aside = false;
		oct_probe_init(&node->probe, unknown, first_due(now), node->probe.phase);
		oct_report_unknown(node->slot, node->generation, true, now);
	}
	else if (policy.enabled)
	{
		oct_probe_on_policy(&node->probe, &node->policy, now);
		oct_report_policy(node->slot, node->generation, &node->policy, now);
	}
	if (policy.enabled)
		oct_prober_arm(node);
}

static void
drop_node(OctNode *node)
{
	oct_prober_stop(node);
	nodes[node->slot] = NULL;
	pfree(node);
}

/*
 * Takes up a node: a new one as first_due says, one that has a verdict already,
 * of a prober before us, within its next period.
 */
static void
take_node(const OctSlotChange *change, OctTime now)
{
	OctNode    *node = MemoryContextAllocZero(node_context, sizeof(OctNode));
	const OctNodeStatus *status = oct_nodetab_shown_status(change->slot);
	OctVerdict	verdict = {.health = OCT_UNKNOWN};
	OctTime		due;

	node->slot = change->slot;
	node->generation = change->generation;
	node->group = change->group;
	join_group(node);
	node->version = &copies.versions[node->group];
	node->login = &logins[node->group];
	node->spec = change->spec;
	node->policy = policy_of(node);
	oct_attempt_init(&node->attempt, &node->spec);
	nodes[node->slot] = node;
	if (status->generation != node->generation && oct_nodetab_is_new(node->generation))
		oct_chronicle_registered(&node->home, &node->spec);

	if (status->generation == node->generation && status->has_outcome &&
		status->reason != OCT_REASON_DISABLED)
	{
		int			spread_ms = Min(node->policy.period_ms, OCT_RESTART_SPREAD_MS);

		verdict.health = status->health;
		verdict.failures = status->failures;
		verdict.successes = status->successes;
		node->role = status->role;
		node->streak = status->streak;
		oct_prober_note_refusal(node, status->reason);
		oct_report_policy(node->slot, node->generation, &node->policy, now);
		due = oct_time_add_us(now, pg_prng_uint64_range(&pg_global_prng_state, 0,
														spread_ms * OCT_US_PER_MS));
	}
	else
	{
		due = first_due(now);
		oct_report_unknown(node->slot, node->generation, true, now);
	}
	oct_probe_init(&node->probe, verdict, due,
				   (uint16) pg_prng_uint32(&pg_global_prng_state));
	if (node->policy.enabled)
		oct_prober_arm(node);
	else
		disable_node(node, now);
}

static void
serve_change(const OctSlotChange *change, OctTime now)
{
	OctNode    *node = nodes[change->slot];

	if (change->generation != 0)
		update_login(change->group);
	if (node != NULL && node->generation == change->generation)
	{
		bool		has_news = memcmp(&node->spec.options.policy, &change->spec.options.policy,
									  sizeof(OctPolicy)) != 0;

		node->spec.options = change->spec.options;
		update_policy(node, now);
		if (has_news)
			oct_chronicle_node_policy(&node->home, &node->spec);
		serve_requests(node, change, now);
		return;
	}
	if (node != NULL)
	{
		oct_chronicle_removed(&node->home, &node->spec, node->probe.verdict.health);
		drop_node(node);
	}
	if (change->generation != 0)
	{
		take_node(change, now);
		serve_requests(nodes[change->slot], change, now);
	}
}

/*
 * Learns what was registered, changed and unregistered.  Returns false if the
 * table is being written, so that we have to come back.
 */
bool
oct_prober_reconcile(OctTime now)
{
	static OctSlotChange changes[OCT_BATCH];
	bool		had_changes = false;
	uint32		reset;

	if (oct_request_wants_monitor_reset(&reset))
	{
		oct_gauge_set(OCT_GAUGE_STATS_RESET, GetCurrentTimestamp());
		oct_gauge_set(OCT_GAUGE_MAX_LATENESS, 0);
		oct_gauge_set(OCT_GAUGE_CHECKS, 0);
		oct_gauge_set(OCT_GAUGE_EVENTS_DROPPED, 0);
		oct_request_note_monitor_reset(reset);
		oct_events_stir();
	}
	while (oct_nodetab_has_changes(&cursor))
	{
		int			n = oct_nodetab_next_changes(&cursor, changes, OCT_BATCH,
												 &copies);

		if (n < 0)
			return false;
		had_changes = true;
		for (int i = 0; i < n; i++)
			serve_change(&changes[i], now);
	}
	if (had_changes)
	{
		oct_request_note_seen(&cursor);
		oct_events_stir();
	}
	return true;
}

/*
 * New settings count at once, but policies are worked out anew only if they are
 * new.  The texts of settings may have moved.
 */
void
oct_prober_reload(OctTime now)
{
	for (int i = 0; i < oct_nodetab_ngroups(); i++)
	{
		if (login_versions[i] != 0)
		{
			login_versions[i] = 0;
			update_login(i);
		}
	}
	if (memcmp(&settings, &oct_default_policy, sizeof(settings)) == 0)
		return;
	settings = oct_default_policy;
	oct_chronicle_settings();
	oct_gauge_set(OCT_GAUGE_SUSPENDED, !settings.enabled);
	shortest_timeout_ms = PG_INT32_MAX;
	shortest_period_ms = PG_INT32_MAX;
	for (int i = 0; i < oct_nodetab_nslots(); i++)
	{
		/* others are told soon, and take the new settings then */
		if (nodes[i] != NULL && nodes[i]->group_version == *nodes[i]->version)
			update_policy(nodes[i], now);
	}
}

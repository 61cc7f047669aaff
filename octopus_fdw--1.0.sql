/* octopus_fdw--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION octopus_fdw" to load this file. \quit

-- The schema may have been there before.  Its owner could put functions and
-- operators into it whose arguments fit better than those of core, so that ours
-- would be his, with the rights of whoever uses them.  So nobody but a superuser
-- may own it, and what has expressions is made without it in the search path.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
BEGIN
	IF NOT (SELECT r.rolsuper FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
			WHERE n.nspname = 'octopus') THEN
		RAISE insufficient_privilege USING
			MESSAGE = 'schema "octopus" must be owned by a superuser',
			HINT = 'Its owner could make functions there that others take for those of the extension.';
	END IF;
END
$$;

SET LOCAL search_path = octopus, pg_temp;

CREATE FUNCTION octopus_fdw_handler()
RETURNS fdw_handler
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

COMMENT ON FUNCTION octopus_fdw_handler() IS
	'foreign-data wrapper handler of octopus_fdw';

CREATE FUNCTION octopus_fdw_validator(text[], oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

COMMENT ON FUNCTION octopus_fdw_validator(text[], oid) IS
	'checks the options of octopus_fdw servers, tables and columns';

CREATE FOREIGN DATA WRAPPER octopus_fdw
	HANDLER octopus_fdw_handler
	VALIDATOR octopus_fdw_validator;

COMMENT ON FOREIGN DATA WRAPPER octopus_fdw IS
	'live health of PostgreSQL servers';

-- A server is a group of nodes; this one is the default group.
CREATE SERVER octopus FOREIGN DATA WRAPPER octopus_fdw;

COMMENT ON SERVER octopus IS
	'default group of monitored PostgreSQL nodes';

CREATE FOREIGN TABLE nodes (
	node_name     text    NOT NULL,
	node_port     integer NOT NULL DEFAULT 5432,
	health_status integer DEFAULT -1
) SERVER octopus OPTIONS (table_name 'nodes');

COMMENT ON FOREIGN TABLE nodes IS
	'monitored PostgreSQL nodes: INSERT registers a node, DELETE unregisters it, SELECT shows its live health';
COMMENT ON COLUMN nodes.node_name IS
	'IP address, host name, or directory of a Unix-domain socket (begins with a slash)';
COMMENT ON COLUMN nodes.node_port IS
	'port of the PostgreSQL server, 1 to 65535';
COMMENT ON COLUMN nodes.health_status IS
	'1 healthy, 0 unhealthy, -1 unknown (not probed yet); observed, ignored on input';

-- The same nodes with all that can be said of them; dumps take this one.
CREATE FOREIGN TABLE node_options (
	node_name                text    NOT NULL,
	node_port                integer NOT NULL DEFAULT 5432,
	health_status            integer DEFAULT -1,
	enabled                  boolean,
	hostaddr                 text,
	health_check_period      integer,
	health_check_timeout     integer,
	health_check_max_retries integer,
	health_check_retry_delay integer,
	healthy_threshold        integer,
	health_check_type        text,
	registered_by            name,
	registered_at            timestamp with time zone
) SERVER octopus OPTIONS (table_name 'nodes');

SELECT pg_catalog.pg_extension_config_dump('node_options', '');

COMMENT ON FOREIGN TABLE node_options IS
	'monitored PostgreSQL nodes with their own options; NULL leaves an option to the foreign server and the settings';
COMMENT ON COLUMN node_options.node_name IS
	'IP address, host name, or directory of a Unix-domain socket (begins with a slash)';
COMMENT ON COLUMN node_options.node_port IS
	'port of the PostgreSQL server, 1 to 65535';
COMMENT ON COLUMN node_options.health_status IS
	'1 healthy, 0 unhealthy, -1 unknown (not probed yet, or disabled); observed, ignored on input';
COMMENT ON COLUMN node_options.enabled IS
	'is the node to be probed? (also its foreign server has to say so)';
COMMENT ON COLUMN node_options.hostaddr IS
	'numeric address to connect to instead of looking node_name up';
COMMENT ON COLUMN node_options.health_check_period IS
	'time between checks, in milliseconds';
COMMENT ON COLUMN node_options.health_check_timeout IS
	'longest time that one try of a check may take, in milliseconds';
COMMENT ON COLUMN node_options.health_check_max_retries IS
	'how often a failed try is repeated before the node counts as unhealthy';
COMMENT ON COLUMN node_options.health_check_retry_delay IS
	'time between a failed try and its repetition, in milliseconds';
COMMENT ON COLUMN node_options.healthy_threshold IS
	'successes in a row that make an unhealthy node healthy';
COMMENT ON COLUMN node_options.health_check_type IS
	'what a check asks: auto, tcp, ping, connection or query';
COMMENT ON COLUMN node_options.registered_by IS
	'who registered the node; ignored on input';
COMMENT ON COLUMN node_options.registered_at IS
	'when the node was registered; ignored on input';

CREATE FUNCTION registry_reset()
RETURNS void
AS 'MODULE_PATHNAME', 'octopus_registry_reset'
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;

REVOKE EXECUTE ON FUNCTION registry_reset() FROM PUBLIC;

COMMENT ON FUNCTION registry_reset() IS
	'sets a registry file that cannot be used aside and starts afresh (superuser)';

-- What is known of the nodes of all groups of this database.
CREATE FOREIGN TABLE node_status (
	server_name           name,
	node_name             text,
	node_port             integer,
	health_status         integer,
	state                 text,
	reason                text,
	phase                 text,
	sqlstate              text,
	error_message         text,
	consecutive_failures  integer,
	consecutive_successes integer,
	last_check_time       timestamp with time zone,
	last_success_time     timestamp with time zone,
	last_failure_time     timestamp with time zone,
	status_change_time    timestamp with time zone,
	next_check_time       timestamp with time zone,
	check_time            double precision,
	role                  text,
	read_only             boolean,
	server_version        text,
	node_addr             inet,
	ssl                   boolean,
	in_flight             boolean
) SERVER octopus OPTIONS (table_name 'node_status', all_servers 'true');

COMMENT ON FOREIGN TABLE node_status IS
	'what the last checks found, for the nodes of all foreign servers of this database';
COMMENT ON COLUMN node_status.server_name IS
	'foreign server that the node is registered on';
COMMENT ON COLUMN node_status.node_name IS
	'name of the node, as it was registered';
COMMENT ON COLUMN node_status.node_port IS
	'port of the node';
COMMENT ON COLUMN node_status.health_status IS
	'1 healthy, 0 unhealthy, -1 unknown';
COMMENT ON COLUMN node_status.state IS
	'the verdict in more words: initializing, healthy, degraded (healthy, with a reservation), failing (still healthy), unhealthy, recovering (still unhealthy), disabled, stale (too old to be shown)';
COMMENT ON COLUMN node_status.reason IS
	'what the last check came to: ok, connection_refused, timeout, ...';
COMMENT ON COLUMN node_status.phase IS
	'how far the last check had come: dns, connect, tls, startup, auth or query';
COMMENT ON COLUMN node_status.sqlstate IS
	'SQLSTATE that the node sent with an error in the last check';
COMMENT ON COLUMN node_status.error_message IS
	'error of the last check; bytes that cannot be shown in this database appear as \xNN; only for members of pg_read_all_stats';
COMMENT ON COLUMN node_status.consecutive_failures IS
	'checks failed in a row';
COMMENT ON COLUMN node_status.consecutive_successes IS
	'checks succeeded in a row';
COMMENT ON COLUMN node_status.last_check_time IS
	'when the last check ended';
COMMENT ON COLUMN node_status.last_success_time IS
	'when a check succeeded last';
COMMENT ON COLUMN node_status.last_failure_time IS
	'when a check failed last';
COMMENT ON COLUMN node_status.status_change_time IS
	'when health_status changed last';
COMMENT ON COLUMN node_status.next_check_time IS
	'when the next check is due; NULL while one is under way';
COMMENT ON COLUMN node_status.check_time IS
	'how long the last check took, in milliseconds';
COMMENT ON COLUMN node_status.role IS
	'primary or standby, as the node told last; NULL if its checks do not log in';
COMMENT ON COLUMN node_status.read_only IS
	'are transactions of new sessions read-only, as the node told last?';
COMMENT ON COLUMN node_status.server_version IS
	'version of the server, as the node told last';
COMMENT ON COLUMN node_status.node_addr IS
	'address that the last check went to; NULL for a Unix-domain socket; only for members of pg_read_all_stats';
COMMENT ON COLUMN node_status.ssl IS
	'was the connection encrypted, as far as one was made?';
COMMENT ON COLUMN node_status.in_flight IS
	'is a check under way right now?';

-- The same nodes in numbers.
CREATE FOREIGN TABLE node_stats (
	server_name           name,
	node_name             text,
	node_port             integer,
	check_count           bigint,
	success_count         bigint,
	failure_count         bigint,
	timeout_count         bigint,
	retry_count           bigint,
	void_count            bigint,
	transition_count      bigint,
	dns_failure_count     bigint,
	connection_loss_count bigint,
	total_check_time      double precision,
	min_check_time        double precision,
	max_check_time        double precision,
	mean_check_time       double precision,
	stddev_check_time     double precision,
	p50_check_time        double precision,
	p95_check_time        double precision,
	p99_check_time        double precision,
	healthy_time          double precision,
	unhealthy_time        double precision,
	unknown_time          double precision,
	stats_reset           timestamp with time zone
) SERVER octopus OPTIONS (table_name 'node_stats', all_servers 'true');

COMMENT ON FOREIGN TABLE node_stats IS
	'counts and times of the checks of each node, since stats_reset';
COMMENT ON COLUMN node_stats.server_name IS
	'foreign server that the node is registered on';
COMMENT ON COLUMN node_stats.node_name IS
	'name of the node, as it was registered';
COMMENT ON COLUMN node_stats.node_port IS
	'port of the node';
COMMENT ON COLUMN node_stats.check_count IS
	'checks that came to an end: the next two and void_count';
COMMENT ON COLUMN node_stats.success_count IS
	'checks that succeeded';
COMMENT ON COLUMN node_stats.failure_count IS
	'checks that failed';
COMMENT ON COLUMN node_stats.timeout_count IS
	'checks that failed because the node did not answer in time';
COMMENT ON COLUMN node_stats.retry_count IS
	'checks that repeated a failed one before there was a verdict';
COMMENT ON COLUMN node_stats.void_count IS
	'checks that say nothing of the node: the trouble was here, or with the resolver';
COMMENT ON COLUMN node_stats.transition_count IS
	'changes between healthy and unhealthy';
COMMENT ON COLUMN node_stats.dns_failure_count IS
	'checks that found no address for the name';
COMMENT ON COLUMN node_stats.connection_loss_count IS
	'sessions that the node ended, held ones included';
COMMENT ON COLUMN node_stats.total_check_time IS
	'time that successful checks took together, in milliseconds';
COMMENT ON COLUMN node_stats.min_check_time IS
	'shortest time that a successful check took, in milliseconds';
COMMENT ON COLUMN node_stats.max_check_time IS
	'longest time that a successful check took, in milliseconds';
COMMENT ON COLUMN node_stats.mean_check_time IS
	'mean time that successful checks took, in milliseconds';
COMMENT ON COLUMN node_stats.stddev_check_time IS
	'population standard deviation of the time that successful checks took, in milliseconds';
COMMENT ON COLUMN node_stats.p50_check_time IS
	'time that half of the successful checks did not exceed, in milliseconds, give or take 6.25 percent';
COMMENT ON COLUMN node_stats.p95_check_time IS
	'time that 95 percent of the successful checks did not exceed, in milliseconds, give or take 6.25 percent';
COMMENT ON COLUMN node_stats.p99_check_time IS
	'time that 99 percent of the successful checks did not exceed, in milliseconds, give or take 6.25 percent';
COMMENT ON COLUMN node_stats.healthy_time IS
	'for how long the node was healthy, up to now, in seconds';
COMMENT ON COLUMN node_stats.unhealthy_time IS
	'for how long the node was unhealthy, up to now, in seconds';
COMMENT ON COLUMN node_stats.unknown_time IS
	'for how long nothing was known of the node, up to now, in seconds';
COMMENT ON COLUMN node_stats.stats_reset IS
	'since when all this counts: the registration, the start of the server, or the last reset';

-- How long checks take.
CREATE FOREIGN TABLE node_latency (
	server_name name,
	node_name   text,
	node_port   integer,
	lower_bound double precision,
	upper_bound double precision,
	count       bigint
) SERVER octopus OPTIONS (table_name 'node_latency', all_servers 'true');

COMMENT ON FOREIGN TABLE node_latency IS
	'histogram of the time that successful checks of each node took, without its empty buckets';
COMMENT ON COLUMN node_latency.server_name IS
	'foreign server that the node is registered on';
COMMENT ON COLUMN node_latency.node_name IS
	'name of the node, as it was registered';
COMMENT ON COLUMN node_latency.node_port IS
	'port of the node';
COMMENT ON COLUMN node_latency.lower_bound IS
	'shortest time that counts here, in milliseconds';
COMMENT ON COLUMN node_latency.upper_bound IS
	'shortest time that is too long to count here, in milliseconds';
COMMENT ON COLUMN node_latency.count IS
	'successful checks that took a time in between';

-- What has happened.
CREATE FOREIGN TABLE node_events (
	server_name       name,
	node_name         text,
	node_port         integer,
	event_id          bigint,
	event_time        timestamp with time zone,
	event_type        text,
	old_health_status integer,
	new_health_status integer,
	old_role          text,
	new_role          text,
	reason            text,
	sqlstate          text,
	error_message     text,
	detection_time    double precision
) SERVER octopus OPTIONS (table_name 'node_events', all_servers 'true');

COMMENT ON FOREIGN TABLE node_events IS
	'what has happened to nodes lately, oldest first; octopus.max_events are kept, in memory';
COMMENT ON COLUMN node_events.server_name IS
	'foreign server that it is about; NULL if about all';
COMMENT ON COLUMN node_events.node_name IS
	'name of the node that it is about; NULL if about the whole server';
COMMENT ON COLUMN node_events.node_port IS
	'port of the node';
COMMENT ON COLUMN node_events.event_id IS
	'number of the event: without gaps, and greater than all before a restart';
COMMENT ON COLUMN node_events.event_time IS
	'when the prober noticed it';
COMMENT ON COLUMN node_events.event_type IS
	'registered, removed, health, role, restart, policy (of node, server or settings) or monitor (a prober has started)';
COMMENT ON COLUMN node_events.old_health_status IS
	'health before: 1 healthy, 0 unhealthy, -1 unknown; NULL if the event does not tell';
COMMENT ON COLUMN node_events.new_health_status IS
	'health from then on, likewise';
COMMENT ON COLUMN node_events.old_role IS
	'role before: primary or standby; NULL if unknown';
COMMENT ON COLUMN node_events.new_role IS
	'role from then on, likewise';
COMMENT ON COLUMN node_events.reason IS
	'what the check came to that changed the health; of a restart, why the server took no connections before';
COMMENT ON COLUMN node_events.sqlstate IS
	'error code that the server gave';
COMMENT ON COLUMN node_events.error_message IS
	'error that the server gave; only for those with the rights of pg_read_all_stats';
COMMENT ON COLUMN node_events.detection_time IS
	'time from the start of the first check that said so to the change of health, in milliseconds';

CREATE FUNCTION prober_state(
	OUT pid              integer,
	OUT backend_start    timestamp with time zone,
	OUT last_tick_time   timestamp with time zone,
	OUT max_lateness     double precision,
	OUT nodes            integer,
	OUT checks_in_flight integer,
	OUT held_connections integer,
	OUT dns_pending      integer,
	OUT checks_total     bigint,
	OUT events_dropped   bigint,
	OUT suspended        boolean,
	OUT stats_reset      timestamp with time zone)
RETURNS record
AS 'MODULE_PATHNAME', 'octopus_prober_state'
LANGUAGE C STRICT VOLATILE PARALLEL SAFE;

COMMENT ON FUNCTION prober_state() IS
	'what octopus.monitor shows';

CREATE VIEW monitor AS
	SELECT * FROM prober_state();

COMMENT ON VIEW monitor IS
	'the prober: does it keep up?';
COMMENT ON COLUMN monitor.pid IS
	'process ID of the prober; NULL if there is none';
COMMENT ON COLUMN monitor.backend_start IS
	'when the prober started';
COMMENT ON COLUMN monitor.last_tick_time IS
	'when it looked at its sockets last; it sleeps if there is nothing to do';
COMMENT ON COLUMN monitor.max_lateness IS
	'the longest that a check began after it was due, in milliseconds';
COMMENT ON COLUMN monitor.nodes IS
	'nodes registered in all databases';
COMMENT ON COLUMN monitor.checks_in_flight IS
	'checks under way';
COMMENT ON COLUMN monitor.held_connections IS
	'sessions held with nodes between their checks';
COMMENT ON COLUMN monitor.dns_pending IS
	'names being looked up';
COMMENT ON COLUMN monitor.checks_total IS
	'checks that came to an end since the server started';
COMMENT ON COLUMN monitor.events_dropped IS
	'events overwritten by newer ones';
COMMENT ON COLUMN monitor.suspended IS
	'is nobody checked, because octopus.enable_health_checks is off?';
COMMENT ON COLUMN monitor.stats_reset IS
	'since when max_lateness is measured';

-- Figures for those who collect them.  A family is a name, "octopus_" before it,
-- and its samples; all types are ones that the older text format knows, too.
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE FUNCTION octopus.metrics()
RETURNS text
LANGUAGE SQL VOLATILE PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH family (n, name, type, help) AS (VALUES
		(1, 'node_health_status', 'gauge', '1 healthy, 0 unhealthy, -1 unknown.'),
		(2, 'node_role', 'gauge', 'Is this the role that the node told last?'),
		(3, 'node_last_check_timestamp_seconds', 'gauge', 'When the last check ended.'),
		(4, 'node_status_change_timestamp_seconds', 'gauge', 'When the health changed last.'),
		(5, 'node_check_duration_seconds', 'summary', 'How long successful checks took.'),
		(6, 'node_checks', 'counter', 'Checks that came to an end, whatever they found.'),
		(7, 'node_check_failures', 'counter', 'Checks that failed.'),
		(8, 'node_check_timeouts', 'counter', 'Checks that failed because the node did not answer in time.'),
		(9, 'node_check_retries', 'counter', 'Checks that repeated a failed one before there was a verdict.'),
		(10, 'node_check_voids', 'counter', 'Checks that say nothing of the node.'),
		(11, 'node_transitions', 'counter', 'Changes between healthy and unhealthy.'),
		(12, 'node_dns_failures', 'counter', 'Checks that found no address for the name.'),
		(13, 'node_connection_losses', 'counter', 'Sessions that the node ended.'),
		(14, 'node_healthy_seconds', 'counter', 'For how long the node was healthy.'),
		(15, 'node_unhealthy_seconds', 'counter', 'For how long the node was unhealthy.'),
		(16, 'node_unknown_seconds', 'counter', 'For how long nothing was known of the node.'),
		(17, 'prober_up', 'gauge', 'Is there a prober?'),
		(18, 'prober_suspended', 'gauge', 'Is nobody checked, because octopus.enable_health_checks is off?'),
		(19, 'prober_last_tick_timestamp_seconds', 'gauge', 'When the prober looked at its sockets last.'),
		(20, 'prober_max_lateness_seconds', 'gauge', 'The longest that a check began after it was due.'),
		(21, 'prober_nodes', 'gauge', 'Nodes registered in all databases.'),
		(22, 'prober_checks_in_flight', 'gauge', 'Checks under way.'),
		(23, 'prober_held_connections', 'gauge', 'Sessions held with nodes between their checks.'),
		(24, 'prober_dns_pending', 'gauge', 'Names being looked up.'),
		(25, 'prober_checks', 'counter', 'Checks that came to an end since the server started.'),
		(26, 'prober_events_dropped', 'counter', 'Events overwritten by newer ones.')
	), node AS (
		SELECT *, row_number() OVER () AS place, format('server="%s",node="%s",port="%s"',
				replace(replace(replace(server_name, E'\\', E'\\\\'), '"', E'\\"'), E'\n', E'\\n'),
				replace(replace(replace(node_name, E'\\', E'\\\\'), '"', E'\\"'), E'\n', E'\\n'),
				node_port) AS labels
		FROM octopus.node_status JOIN octopus.node_stats USING (server_name, node_name, node_port)
	), sample (family, place, suffix, labels, value) AS (
		SELECT s.family, n.place, s.suffix, '{' || n.labels || s.label || '}', s.value::text
		FROM node n CROSS JOIN LATERAL (VALUES
			(1, '', '', n.health_status::double precision),
			(2, '', ',role="primary"', (n.role IS NOT DISTINCT FROM 'primary')::integer),
			(2, '', ',role="standby"', (n.role IS NOT DISTINCT FROM 'standby')::integer),
			(3, '', '', extract(epoch FROM n.last_check_time)),
			(4, '', '', extract(epoch FROM n.status_change_time)),
			(5, '', ',quantile="0.5"', n.p50_check_time / 1000),
			(5, '', ',quantile="0.95"', n.p95_check_time / 1000),
			(5, '', ',quantile="0.99"', n.p99_check_time / 1000),
			(5, '_sum', '', n.total_check_time / 1000),
			(5, '_count', '', n.success_count),
			(6, '_total', '', n.check_count),
			(7, '_total', '', n.failure_count),
			(8, '_total', '', n.timeout_count),
			(9, '_total', '', n.retry_count),
			(10, '_total', '', n.void_count),
			(11, '_total', '', n.transition_count),
			(12, '_total', '', n.dns_failure_count),
			(13, '_total', '', n.connection_loss_count),
			(14, '_total', '', n.healthy_time),
			(15, '_total', '', n.unhealthy_time),
			(16, '_total', '', n.unknown_time)) s (family, suffix, label, value)
		UNION ALL
		SELECT s.family, 0, s.suffix, '', s.value::text
		FROM octopus.monitor m CROSS JOIN LATERAL (VALUES
			(17, '', (m.pid IS NOT NULL)::integer::double precision),
			(18, '', m.suspended::integer),
			(19, '', extract(epoch FROM m.last_tick_time)),
			(20, '', m.max_lateness / 1000),
			(21, '', m.nodes),
			(22, '', m.checks_in_flight),
			(23, '', m.held_connections),
			(24, '', m.dns_pending),
			(25, '_total', m.checks_total),
			(26, '_total', m.events_dropped)) s (family, suffix, value)
	)
	SELECT string_agg(format(E'# TYPE octopus_%1$s %2$s\n%3$s# HELP octopus_%1$s %4$s\n%5$s',
			f.name, f.type,
			CASE WHEN f.name LIKE '%\_seconds' THEN format(E'# UNIT octopus_%s seconds\n', f.name) END,
			f.help, l.lines), '' ORDER BY f.n) || E'# EOF\n'
	FROM family f LEFT JOIN (
		SELECT s.family AS n, string_agg(format(E'octopus_%s%s%s %s\n', f.name, s.suffix, s.labels, s.value),
				'' ORDER BY s.place)
		FROM sample s JOIN family f ON f.n = s.family
		WHERE s.value IS NOT NULL
		GROUP BY s.family) l (n, lines) USING (n);
END;
SET LOCAL search_path = octopus, pg_temp;

COMMENT ON FUNCTION metrics() IS
	'figures of all nodes of this database and of the prober, as OpenMetrics text';

-- PUBLIC may do nothing, pg_monitor may look.
REVOKE EXECUTE ON FUNCTION octopus_fdw_handler(), octopus_fdw_validator(text[], oid),
	prober_state(), metrics() FROM PUBLIC;

-- Waiting.
CREATE FUNCTION wait_for_health(
	node_name     text,
	node_port     integer  DEFAULT 5432,
	health_status integer  DEFAULT 1,
	timeout       interval DEFAULT '1 min',
	server_name   name     DEFAULT 'octopus')
RETURNS boolean
AS 'MODULE_PATHNAME', 'octopus_wait_for_health'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION wait_for_health(text, integer, integer, interval, name) IS
	'waits until a node has that health; false if time is over before, NULL as timeout waits without end';

CREATE FUNCTION wait_for_primary(
	server_name   name     DEFAULT 'octopus',
	timeout       interval DEFAULT '1 min',
	OUT node_name text,
	OUT node_port integer)
RETURNS record
AS 'MODULE_PATHNAME', 'octopus_wait_for_primary'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION wait_for_primary(name, interval) IS
	'waits until a node of a foreign server is a healthy primary, and tells which; NULLs if time is over before';

CREATE FUNCTION wait_for_event(
	after_event_id bigint   DEFAULT NULL,
	timeout        interval DEFAULT '1 min')
RETURNS bigint
AS 'MODULE_PATHNAME', 'octopus_wait_for_event'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION wait_for_event(bigint, interval) IS
	'waits for the event that follows one of octopus.node_events, or without it for the next that comes; NULL if time is over before';

-- Orders to the prober; they stay with the owner.
CREATE FUNCTION check_node(
	node_name   text,
	node_port   integer  DEFAULT 5432,
	timeout     interval DEFAULT '1 min',
	server_name name     DEFAULT 'octopus')
RETURNS integer
AS 'MODULE_PATHNAME', 'octopus_check_node'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION check_node(text, integer, interval, name) IS
	'checks a node now, even if it is not enabled: 1 healthy, 0 unhealthy, -1 unknown; NULL if time is over before';

CREATE FUNCTION reset_stats(
	node_name   text    DEFAULT NULL,
	node_port   integer DEFAULT NULL,
	server_name name    DEFAULT NULL)
RETURNS timestamp with time zone
AS 'MODULE_PATHNAME', 'octopus_reset_stats'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION reset_stats(text, integer, name) IS
	'has counts and times of a node, of all nodes of a foreign server, or of all begin anew';

-- In the conditions of queries, and for those who connect.
CREATE FUNCTION is_healthy(
	node_name   text,
	node_port   integer DEFAULT 5432,
	server_name name    DEFAULT 'octopus')
RETURNS boolean
AS 'MODULE_PATHNAME', 'octopus_is_healthy'
LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION is_healthy(text, integer, name) IS
	'is a node healthy? NULL if nobody knows: there is no verdict, or no such node';

CREATE FUNCTION if_healthy(
	key         anyelement,
	node_name   text,
	node_port   integer DEFAULT 5432,
	server_name name    DEFAULT 'octopus')
RETURNS anyelement
AS 'MODULE_PATHNAME', 'octopus_if_healthy'
LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION if_healthy(anyelement, text, integer, name) IS
	'the key if a node is healthy, else NULL: for conditions by which partitions are pruned';

CREATE FUNCTION healthy_nodes(
	server_name          name DEFAULT 'octopus',
	target_session_attrs text DEFAULT 'any')
RETURNS SETOF text
AS 'MODULE_PATHNAME', 'octopus_healthy_nodes'
LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION healthy_nodes(name, text) IS
	'healthy nodes of a foreign server as host:port, those that libpq would take by target_session_attrs';

CREATE FUNCTION conninfo(
	server_name          name DEFAULT 'octopus',
	target_session_attrs text DEFAULT 'any')
RETURNS text
AS 'MODULE_PATHNAME', 'octopus_conninfo'
LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION conninfo(name, text) IS
	'connection string for libpq with all nodes of a foreign server, those first that will do; NULL if there are none';

CREATE FUNCTION recent_checks(
	node_name   text,
	node_port   integer DEFAULT 5432,
	server_name name    DEFAULT 'octopus')
RETURNS text
AS 'MODULE_PATHNAME', 'octopus_recent_checks'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION recent_checks(text, integer, name) IS
	'the last 32 checks of a node, oldest first: a bar for the time that each took, x for a failure';

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW octopus.summary WITH (security_invoker) AS
	SELECT s.server_name,
		count(*) AS nodes,
		count(*) FILTER (WHERE s.health_status = 1) AS healthy,
		count(*) FILTER (WHERE s.health_status = 0) AS unhealthy,
		count(*) FILTER (WHERE s.health_status = -1) AS unknown,
		count(*) FILTER (WHERE s.health_status = 1 AND s.role = 'primary') AS primaries,
		(array_agg(s.reason ORDER BY s.health_status = 0 DESC, s.health_status = 1 DESC, s.status_change_time DESC)
			FILTER (WHERE s.reason <> 'ok'))[1] AS worst_reason
	FROM octopus.node_status s
	GROUP BY s.server_name;
SET LOCAL search_path = octopus, pg_temp;

COMMENT ON VIEW summary IS
	'the nodes of each foreign server, counted';
COMMENT ON COLUMN summary.server_name IS
	'foreign server that the nodes are registered on';
COMMENT ON COLUMN summary.nodes IS
	'nodes';
COMMENT ON COLUMN summary.healthy IS
	'those that are healthy';
COMMENT ON COLUMN summary.unhealthy IS
	'those that are not';
COMMENT ON COLUMN summary.unknown IS
	'those of which nobody knows';
COMMENT ON COLUMN summary.primaries IS
	'healthy ones that have said that they are primary; more than one is a reason to look';
COMMENT ON COLUMN summary.worst_reason IS
	'why the last one to become unhealthy is so, or else what is the matter with one that is not well; NULL if all are';

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW octopus.replication_status WITH (security_invoker) AS
	SELECT 'downstream'::text AS direction, r.pid, r.application_name::text AS application_name,
		host(r.client_addr) AS remote_host, NULL::integer AS remote_port, r.state,
		r.sync_state, r.replay_lsn AS lsn, r.replay_lag AS lag,
		n.server_name, n.node_name, n.node_port, n.health_status, n.role, n.reason
	FROM pg_catalog.pg_stat_replication r
		LEFT JOIN octopus.node_status n
			ON n.node_name IN (r.application_name, r.client_hostname, host(r.client_addr))
				OR host(n.node_addr) = host(r.client_addr)
	UNION ALL
	SELECT 'upstream'::text, w.pid, NULL::text, w.sender_host, w.sender_port, w.status,
		NULL::text, w.flushed_lsn, NULL::interval,
		n.server_name, n.node_name, n.node_port, n.health_status, n.role, n.reason
	FROM pg_catalog.pg_stat_wal_receiver w
		LEFT JOIN octopus.node_status n
			ON n.node_port = w.sender_port
				AND (n.node_name = w.sender_host OR host(n.node_addr) = w.sender_host);
SET LOCAL search_path = octopus, pg_temp;

COMMENT ON VIEW replication_status IS
	'who replicates from here, and from whom this server replicates, with what is known of them as nodes';
COMMENT ON COLUMN replication_status.direction IS
	'downstream: it receives from here; upstream: this server receives from it';
COMMENT ON COLUMN replication_status.pid IS
	'process here: WAL sender or WAL receiver';
COMMENT ON COLUMN replication_status.application_name IS
	'name that a downstream server has given itself';
COMMENT ON COLUMN replication_status.remote_host IS
	'address of the other server, or as it is named in primary_conninfo';
COMMENT ON COLUMN replication_status.remote_port IS
	'port of an upstream server';
COMMENT ON COLUMN replication_status.state IS
	'state of replication, as pg_stat_replication and pg_stat_wal_receiver have it';
COMMENT ON COLUMN replication_status.sync_state IS
	'synchronous state of a downstream server';
COMMENT ON COLUMN replication_status.lsn IS
	'WAL replayed by a downstream server, or received and flushed from an upstream one';
COMMENT ON COLUMN replication_status.lag IS
	'replay lag of a downstream server';
COMMENT ON COLUMN replication_status.server_name IS
	'foreign server that the node is registered on; a downstream server has a row for each node at its address';
COMMENT ON COLUMN replication_status.node_name IS
	'name of the node; NULL if the other server is registered nowhere';
COMMENT ON COLUMN replication_status.node_port IS
	'port of the node';
COMMENT ON COLUMN replication_status.health_status IS
	'1 healthy, 0 unhealthy, -1 unknown';
COMMENT ON COLUMN replication_status.role IS
	'role that the node told: primary or standby';
COMMENT ON COLUMN replication_status.reason IS
	'what its last check came to';

SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW octopus.foreign_server_status WITH (security_invoker) AS
	SELECT f.srvname AS foreign_server, w.fdwname AS foreign_data_wrapper, h.host, h.port,
		n.server_name, n.node_name, n.node_port, n.health_status, n.state, n.reason, n.role,
		n.status_change_time
	FROM pg_catalog.pg_foreign_server f
		JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw
		JOIN pg_catalog.pg_proc p ON p.oid = w.fdwhandler AND p.proname = 'postgres_fdw_handler'
		CROSS JOIN LATERAL (
			SELECT coalesce(nullif((SELECT o.option_value FROM pg_catalog.pg_options_to_table(f.srvoptions) o
						WHERE o.option_name = 'host'), ''),
					(SELECT o.option_value FROM pg_catalog.pg_options_to_table(f.srvoptions) o
						WHERE o.option_name = 'hostaddr')) AS hosts,
				coalesce(nullif((SELECT o.option_value FROM pg_catalog.pg_options_to_table(f.srvoptions) o
						WHERE o.option_name = 'port'), ''), '5432') AS ports) l
		CROSS JOIN LATERAL (
			SELECT u.host, substring(coalesce(nullif((string_to_array(l.ports, ','))[
						CASE WHEN l.ports LIKE '%,%' THEN u.place ELSE 1 END], ''), '5432')
					FROM '^\s*(\d{1,9})\s*$')::integer AS port
			FROM unnest(coalesce(string_to_array(l.hosts, ','), ARRAY[NULL])) WITH ORDINALITY AS u(host, place)) h
		LEFT JOIN octopus.node_status n ON n.node_name = h.host AND n.node_port = h.port;
SET LOCAL search_path = octopus, pg_temp;

COMMENT ON VIEW foreign_server_status IS
	'foreign servers of postgres_fdw, with what is known of the nodes that they are about';
COMMENT ON COLUMN foreign_server_status.foreign_server IS
	'foreign server of postgres_fdw; it has a row for each of its hosts';
COMMENT ON COLUMN foreign_server_status.foreign_data_wrapper IS
	'its foreign-data wrapper';
COMMENT ON COLUMN foreign_server_status.host IS
	'host of its options, or else hostaddr; NULL if it has neither';
COMMENT ON COLUMN foreign_server_status.port IS
	'port of its options; NULL if that is no number';
COMMENT ON COLUMN foreign_server_status.server_name IS
	'foreign server of octopus_fdw that the node is registered on';
COMMENT ON COLUMN foreign_server_status.node_name IS
	'name of the node; NULL if that host and port are registered nowhere';
COMMENT ON COLUMN foreign_server_status.node_port IS
	'port of the node';
COMMENT ON COLUMN foreign_server_status.health_status IS
	'1 healthy, 0 unhealthy (a query of the foreign server would fail now), -1 unknown';
COMMENT ON COLUMN foreign_server_status.state IS
	'state of the node';
COMMENT ON COLUMN foreign_server_status.reason IS
	'what its last check came to';
COMMENT ON COLUMN foreign_server_status.role IS
	'role that the node told: primary or standby';
COMMENT ON COLUMN foreign_server_status.status_change_time IS
	'since when it is healthy or not';

-- To be looked at with \watch; it fits 100 columns.
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE VIEW octopus.dashboard WITH (security_invoker) AS
	SELECT left(n.node_name, 13) || CASE WHEN length(n.node_name) > 13 THEN '~' ELSE '' END || ':' || n.node_port AS node,
		CASE n.state WHEN 'healthy' THEN '+ ' WHEN 'unhealthy' THEN '! ' WHEN 'recovering' THEN '! '
			WHEN 'disabled' THEN '  ' ELSE '? ' END || left(n.state, 10) AS state,
		CASE n.role WHEN 'primary' THEN 'prim' WHEN 'standby' THEN 'stby' END AS role,
		CASE WHEN t.age < 60 THEN t.age || 's' WHEN t.age < 3600 THEN t.age / 60 || 'm'
			WHEN t.age < 86400 THEN t.age / 3600 || 'h' ELSE t.age / 86400 || 'd' END AS since,
		n.check_time::numeric(8, 1) AS ms,
		s.p99_check_time::numeric(8, 1) AS p99,
		octopus.recent_checks(n.node_name, n.node_port, n.server_name) AS last_checks
	FROM octopus.node_status n
		JOIN octopus.node_stats s USING (server_name, node_name, node_port)
		CROSS JOIN LATERAL (
			SELECT extract(epoch FROM clock_timestamp() - n.status_change_time)::bigint AS age) t
	ORDER BY n.health_status = 1, n.server_name, n.node_name, n.node_port;
SET LOCAL search_path = octopus, pg_temp;

COMMENT ON VIEW dashboard IS
	'each node in a line, those that are not well first: for \watch';
COMMENT ON COLUMN dashboard.node IS
	'node, as name:port';
COMMENT ON COLUMN dashboard.state IS
	'state, with a mark: + healthy, ! down, ? look closer';
COMMENT ON COLUMN dashboard.role IS
	'primary or standby, cut short';
COMMENT ON COLUMN dashboard.since IS
	'how long it is healthy or not';
COMMENT ON COLUMN dashboard.ms IS
	'time that the last check took, in milliseconds';
COMMENT ON COLUMN dashboard.p99 IS
	'time that 99 of 100 successful checks do not exceed, in milliseconds';
COMMENT ON COLUMN dashboard.last_checks IS
	'the last 32 checks, the newest at the right: a bar for the time that each took, x for a failure';

REVOKE EXECUTE ON FUNCTION is_healthy(text, integer, name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION if_healthy(anyelement, text, integer, name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION healthy_nodes(name, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION conninfo(name, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION recent_checks(text, integer, name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION check_node(text, integer, interval, name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION reset_stats(text, integer, name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION wait_for_health(text, integer, integer, interval, name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION wait_for_primary(name, interval) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION wait_for_event(bigint, interval) FROM PUBLIC;

GRANT USAGE ON SCHEMA octopus TO pg_monitor;
GRANT SELECT ON nodes, node_options, node_status, node_stats, node_latency, node_events,
	monitor, summary, replication_status, foreign_server_status, dashboard
	TO pg_monitor;
GRANT EXECUTE ON FUNCTION prober_state(), metrics() TO pg_monitor;
GRANT EXECUTE ON FUNCTION wait_for_health(text, integer, integer, interval, name) TO pg_monitor;
GRANT EXECUTE ON FUNCTION wait_for_primary(name, interval) TO pg_monitor;
GRANT EXECUTE ON FUNCTION wait_for_event(bigint, interval) TO pg_monitor;
GRANT EXECUTE ON FUNCTION is_healthy(text, integer, name) TO pg_monitor;
GRANT EXECUTE ON FUNCTION if_healthy(anyelement, text, integer, name) TO pg_monitor;
GRANT EXECUTE ON FUNCTION healthy_nodes(name, text) TO pg_monitor;
GRANT EXECUTE ON FUNCTION conninfo(name, text) TO pg_monitor;
GRANT EXECUTE ON FUNCTION recent_checks(text, integer, name) TO pg_monitor;

--
-- What is known of nodes: the dataset node_status
--
CREATE EXTENSION octopus_fdw;

-- The server under test, as its prober can reach it.
CREATE FUNCTION myself(OUT name text, OUT port int) LANGUAGE sql STABLE AS $$
  SELECT (regexp_split_to_array(current_setting('unix_socket_directories'), ', *'))[1], current_setting('port')::int
$$;

-- Waits until a condition on octopus.node_status holds for all nodes.
CREATE FUNCTION wait_until(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '1 minute';
  holds bool;
BEGIN
  LOOP
    EXECUTE format('SELECT bool_and(%s) FROM octopus.node_status', condition) INTO holds;
    IF holds THEN
      RETURN 'it is so';
    ELSIF clock_timestamp() > deadline THEN
      RETURN 'not within a minute: ' || (SELECT json_agg(n) FROM octopus.node_status n);
    END IF;
    PERFORM pg_sleep(0.005);
  END LOOP;
END $$;

-- one that lives, and one that is dead, in two groups
CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw;
CREATE FOREIGN TABLE east_nodes (node_name text, node_port int) SERVER east OPTIONS (table_name 'nodes');
INSERT INTO octopus.nodes SELECT * FROM myself();
INSERT INTO east_nodes VALUES ('127.0.0.1', 1);
SELECT wait_until('health_status >= 0');

-- the live one is a primary, and lets the prober in only if it is a superuser's
-- machine; either way it answers
SELECT server_name, node_name = (myself()).name AS name, node_port = (myself()).port AS port,
       health_status, state IN ('healthy', 'degraded') AS state, (reason = 'ok') = (state = 'healthy') AS reason,
       consecutive_failures AS failures, consecutive_successes > 0 AS successes,
       last_check_time = last_success_time AS success, last_failure_time, status_change_time <= last_check_time AS change,
       check_time BETWEEN 0 AND 60000 AS check_time, node_addr, ssl
FROM octopus.node_status WHERE health_status = 1;

SELECT server_name, node_name, node_port, health_status, state, reason, phase, sqlstate, error_message,
       consecutive_failures > 1 AS failures, consecutive_successes AS successes,
       last_success_time, last_check_time = last_failure_time AS failure, status_change_time <= last_check_time AS change,
       check_time BETWEEN 0 AND 60000 AS check_time, role, read_only, server_version, node_addr, ssl
FROM octopus.node_status WHERE health_status = 0;

-- the next check is within a period, unless it is under way
SELECT bool_and(in_flight OR next_check_time BETWEEN now() - interval '1 min' AND now() + interval '1 min') AS next_check
FROM octopus.node_status;

-- a table of one's own shows its own server's nodes, with the columns that it has
CREATE FOREIGN TABLE mine (reason text, port int OPTIONS (column_name 'node_port'), srv name OPTIONS (column_name 'server_name'))
  SERVER east OPTIONS (table_name 'node_status');
SELECT * FROM mine;
SELECT count(*) FROM mine;
SELECT count(*) FROM octopus.node_status;
SELECT m.*::text FROM mine m;

-- by key it is a lookup, in all groups
EXPLAIN (COSTS OFF) SELECT * FROM octopus.node_status WHERE node_name = '127.0.0.1' AND node_port = 1;
EXPLAIN (COSTS OFF) SELECT reason FROM mine WHERE port = 1;
SELECT server_name, reason FROM octopus.node_status WHERE node_name = '127.0.0.1' AND node_port = 1;
SELECT server_name FROM octopus.node_status WHERE node_name = '127.0.0.1' AND node_port = 1 AND server_name = 'octopus';
SELECT server_name FROM octopus.node_status WHERE node_name = NULL AND node_port = 1;
SELECT server_name FROM octopus.node_status WHERE node_name = repeat('x', 300) AND node_port = 1;
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 1);
SELECT server_name FROM octopus.node_status WHERE node_name = '127.0.0.1' AND node_port = 1 ORDER BY 1;
SELECT e.node_port, s.health_status >= -1 AS found
FROM east_nodes e JOIN octopus.node_status s USING (node_name, node_port) WHERE server_name = 'octopus';
DELETE FROM octopus.nodes WHERE node_port = 1;

-- what is not committed has no status
BEGIN;
INSERT INTO east_nodes VALUES ('127.0.0.1', 2);
DELETE FROM east_nodes WHERE node_port = 1;
SELECT port FROM mine;
ROLLBACK;

-- a renamed server
ALTER SERVER east RENAME TO west;
SELECT srv FROM mine;
ALTER SERVER west RENAME TO east;

-- disabled by the node, by the server; enabled again
CREATE FOREIGN TABLE east_options (node_port int, node_name text, enabled bool) SERVER east OPTIONS (table_name 'nodes');
UPDATE east_options SET enabled = false;
SELECT wait_until($$server_name <> 'east' OR state = 'disabled'$$);
SELECT health_status, state, reason, phase, sqlstate, error_message, consecutive_failures, consecutive_successes,
       last_check_time IS NOT NULL AS was_checked, next_check_time, in_flight
FROM octopus.node_status WHERE server_name = 'east';
UPDATE east_options SET enabled = NULL;
SELECT wait_until('health_status >= 0');
ALTER SERVER east OPTIONS (ADD enabled 'false');
SELECT wait_until($$server_name <> 'east' OR state = 'disabled'$$);
ALTER SERVER east OPTIONS (DROP enabled);
SELECT wait_until('health_status >= 0');

-- none of it can be written
INSERT INTO octopus.node_status (node_name) VALUES ('a');
COPY octopus.node_status (node_name) FROM stdin;
a
\.
UPDATE octopus.node_status SET node_port = 3;
DELETE FROM mine;
TRUNCATE mine;

-- all_servers: who, what, and where
CREATE FOREIGN TABLE bad (node_port int) SERVER east OPTIONS (table_name 'node_status', all_servers 'perhaps');
CREATE FOREIGN TABLE bad (node_port int) SERVER east OPTIONS (table_name 'nodes', all_servers 'true');
SELECT * FROM bad;
DROP FOREIGN TABLE bad;
CREATE FOREIGN TABLE all_of_us (node_port int) SERVER east OPTIONS (table_name 'node_status', all_servers 'true');
SELECT count(*) FROM all_of_us;
ALTER FOREIGN TABLE all_of_us OPTIONS (SET all_servers 'false');
SELECT count(*) FROM all_of_us;
CREATE ROLE regress_octopus_status;
GRANT USAGE ON FOREIGN SERVER east TO regress_octopus_status;
GRANT CREATE ON SCHEMA public TO regress_octopus_status;
SET ROLE regress_octopus_status;
CREATE FOREIGN TABLE bad (node_port int) SERVER east OPTIONS (table_name 'node_status', all_servers 'true');
CREATE FOREIGN TABLE good (node_port int) SERVER east OPTIONS (table_name 'node_status');
SELECT * FROM good;
RESET ROLE;
DROP FOREIGN TABLE good;
REVOKE ALL ON SCHEMA public FROM regress_octopus_status;
REVOKE ALL ON FOREIGN SERVER east FROM regress_octopus_status;
DROP ROLE regress_octopus_status;

-- unknown datasets and columns
CREATE FOREIGN TABLE bad (node_port int) SERVER east OPTIONS (table_name 'node_stat');
CREATE FOREIGN TABLE node_stat (node_port int) SERVER east;
SELECT * FROM node_stat;
DROP FOREIGN TABLE node_stat;
CREATE FOREIGN TABLE bad (node_port int, enabled bool) SERVER east OPTIONS (table_name 'node_status');
SELECT * FROM bad;
DROP FOREIGN TABLE bad;

-- rescans, and a status of no node at all
SELECT n, count(s.node_port) FROM generate_series(1, 3) n LEFT JOIN octopus.node_status s ON s.node_port <> n + (myself()).port GROUP BY 1 ORDER BY 1;
DELETE FROM octopus.nodes;
DELETE FROM east_nodes;
SELECT count(*) FROM octopus.node_status;
SELECT * FROM mine;

-- the prober itself
SELECT m.pid = a.pid AS pid, m.backend_start = a.backend_start AS backend_start,
       last_tick_time BETWEEN m.backend_start AND clock_timestamp() AS last_tick,
       max_lateness >= 0 AS lateness, nodes, checks_in_flight >= 0 AS in_flight, held_connections, dns_pending >= 0 AS dns_pending,
       checks_total > 1 AS checks, events_dropped, suspended, stats_reset < m.backend_start AS stats_reset
FROM octopus.monitor m, pg_stat_activity a WHERE backend_type = 'octopus_fdw prober';
ALTER SYSTEM SET octopus.enable_health_checks = off;
SELECT pg_reload_conf();
CREATE FUNCTION wait_suspended(wanted bool) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
  WHILE (SELECT suspended <> wanted FROM octopus.monitor) LOOP
    IF clock_timestamp() > deadline THEN
      RETURN 'not within a minute';
    END IF;
    PERFORM pg_sleep(0.005);
  END LOOP;
  RETURN 'it is so';
END $$;
SELECT wait_suspended(true);
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 1);
SELECT wait_until($$state = 'disabled' AND reason = 'disabled' AND health_status = -1$$);
ALTER SYSTEM RESET octopus.enable_health_checks;
SELECT pg_reload_conf();
SELECT wait_suspended(false);
SELECT wait_until('health_status = 0');
DELETE FROM octopus.nodes;

DROP SERVER east CASCADE;
DROP FUNCTION myself, wait_until, wait_suspended;
DROP EXTENSION octopus_fdw;

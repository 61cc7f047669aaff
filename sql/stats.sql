--
-- What nodes have been through, in numbers: the datasets node_stats and
-- node_latency
--
CREATE EXTENSION octopus_fdw;

-- The server under test, as its prober can reach it.
CREATE FUNCTION myself(OUT name text, OUT port int) LANGUAGE sql STABLE AS $$
  SELECT (regexp_split_to_array(current_setting('unix_socket_directories'), ', *'))[1], current_setting('port')::int
$$;

-- Waits until a condition on octopus.node_stats holds for all nodes.
CREATE FUNCTION wait_until(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '1 minute';
  holds bool;
BEGIN
  LOOP
    EXECUTE format('SELECT bool_and(%s) FROM octopus.node_stats', condition) INTO holds;
    IF holds THEN
      RETURN 'it is so';
    ELSIF clock_timestamp() > deadline THEN
      RETURN 'not within a minute: ' || (SELECT json_agg(n) FROM octopus.node_stats n);
    END IF;
    PERFORM pg_sleep(0.005);
  END LOOP;
END $$;

-- a period that makes many checks of it, and no verdict old
CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_period '20ms', health_check_type 'tcp');
CREATE FOREIGN TABLE east_nodes (node_name text, node_port int) SERVER east OPTIONS (table_name 'nodes');
SELECT now() AS before \gset
INSERT INTO east_nodes SELECT * FROM myself();
INSERT INTO east_nodes VALUES ('127.0.0.1', 1);
SELECT wait_until('check_count > 5');

-- what adds up, and what is in order; in one row there are no two instants
SELECT check_count = success_count + failure_count + void_count AS checks,
       failure_count = 0 AS failures, timeout_count, retry_count, transition_count, dns_failure_count, connection_loss_count,
       min_check_time > 0 AND min_check_time <= p50_check_time AND p50_check_time <= p95_check_time AND
       p95_check_time <= p99_check_time AND p99_check_time <= max_check_time AS quantiles,
       mean_check_time BETWEEN min_check_time AND max_check_time AS mean, stddev_check_time >= 0 AS stddev,
       abs(total_check_time / success_count - mean_check_time) < 0.001 AS total,
       healthy_time > 0 AS healthy, unhealthy_time, unknown_time > 0 AS unknown,
       abs(extract(epoch FROM clock_timestamp() - stats_reset) - healthy_time - unknown_time) < 5 AS times,
       stats_reset BETWEEN :'before' AND clock_timestamp() AS stats_reset
FROM octopus.node_stats WHERE node_name LIKE '/%';
SELECT check_count = success_count + failure_count + void_count AS checks,
       success_count, timeout_count, retry_count, transition_count, dns_failure_count, connection_loss_count,
       total_check_time, min_check_time, max_check_time, mean_check_time, stddev_check_time,
       p50_check_time, p95_check_time, p99_check_time,
       healthy_time, unhealthy_time > 0 AS unhealthy, unknown_time > 0 AS unknown
FROM octopus.node_stats WHERE node_port = 1;

-- time goes on between checks
ALTER SERVER east OPTIONS (SET health_check_period '1h');
SELECT wait_until('check_count > 5');
SELECT stats_reset AS since, healthy_time + unhealthy_time + unknown_time AS age FROM octopus.node_stats WHERE node_port = 1 \gset
SELECT pg_sleep(0.05);
SELECT healthy_time + unhealthy_time + unknown_time > :age + 0.04 AS goes_on FROM octopus.node_stats WHERE node_port = 1;

-- the histogram, and what it is of
SELECT sum(count) = min(success_count) AS all_of_them,
       bool_and(lower_bound < upper_bound) AS bounds,
       bool_and(lower_bound <= max_check_time AND upper_bound > min_check_time) AS between,
       bool_and(upper_bound - lower_bound <= greatest(lower_bound / 8, 0.008) + 1e-9) AS width
FROM octopus.node_stats JOIN octopus.node_latency USING (server_name, node_name, node_port)
WHERE node_name LIKE '/%';
SELECT count(*) FROM octopus.node_latency WHERE node_port = 1;
EXPLAIN (COSTS OFF) SELECT * FROM octopus.node_latency WHERE node_name = '127.0.0.1' AND node_port = 1;
CREATE FOREIGN TABLE mine ("count" bigint, node_name text) SERVER octopus OPTIONS (table_name 'node_latency');
SELECT * FROM mine;
SELECT n, count(l.count) > 0 AS rows FROM generate_series(1, 2) n LEFT JOIN octopus.node_latency l ON l.node_port <> n GROUP BY 1 ORDER BY 1;

-- another identity begins anew; other options do not
UPDATE east_nodes SET node_port = 2 WHERE node_port = 1;
SELECT wait_until('check_count > 0');
SELECT stats_reset > :'since' AS later FROM octopus.node_stats WHERE node_port = 2;

-- nobody has looked at it
CREATE FOREIGN TABLE east_options (node_name text, node_port int, enabled bool) SERVER east OPTIONS (table_name 'nodes');
INSERT INTO east_options VALUES ('127.0.0.1', 3, false);
SELECT check_count, total_check_time, min_check_time, healthy_time, unhealthy_time FROM octopus.node_stats WHERE node_port = 3;

INSERT INTO octopus.node_stats (node_port) VALUES (1);
COPY octopus.node_latency FROM stdin;
\.

DELETE FROM east_nodes;
SELECT count(*) FROM octopus.node_stats;
SELECT count(*) FROM octopus.node_latency;
DROP SERVER east CASCADE;
DROP FOREIGN TABLE mine;
DROP FUNCTION myself, wait_until;
DROP EXTENSION octopus_fdw;

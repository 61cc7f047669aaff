--
-- Options of nodes: given, shown, changed, inherited, refused
--
CREATE EXTENSION octopus_fdw;
CREATE SERVER opts FOREIGN DATA WRAPPER octopus_fdw;
CREATE FOREIGN TABLE opt_nodes (
	node_name text, node_port int, health_status int, enabled bool,
	hostaddr text, health_check_period int, health_check_timeout int,
	health_check_max_retries int, health_check_retry_delay int,
	healthy_threshold int, health_check_type text, registered_by name,
	registered_at timestamptz
) SERVER opts OPTIONS (table_name 'nodes');
CREATE FOREIGN TABLE opt_plain (node_name text, node_port int)
	SERVER opts OPTIONS (table_name 'nodes');

-- what is not given is inherited, and who and when is noted
BEGIN;
INSERT INTO opt_nodes (node_name, node_port, health_check_period, registered_by, registered_at)
	VALUES ('127.0.0.1', 1, 1500, 'somebody', '2001-01-01')
	RETURNING node_name, health_check_period, enabled,
		registered_by = current_user AS me, registered_at = now() AS now;
SELECT node_name, health_status, enabled, hostaddr, health_check_period,
	health_check_timeout, registered_by = current_user AS me,
	registered_at = now() AS now
	FROM opt_nodes;
COMMIT;
INSERT INTO opt_nodes VALUES ('127.0.0.1', 2, 1, false, '::1', 1000, 200, 0, 0, 3, 'connection');
INSERT INTO opt_plain VALUES ('127.0.0.1', 3);
SELECT node_port, enabled, hostaddr, health_check_period AS period,
	health_check_timeout AS timeout, health_check_max_retries AS retries,
	health_check_retry_delay AS delay, healthy_threshold AS rise,
	health_check_type AS type, registered_by = current_user AS me,
	registered_at <= now() AS past
	FROM opt_nodes ORDER BY node_port;

-- a lookup shows them as a scan does
EXPLAIN (COSTS OFF) SELECT health_check_period FROM opt_nodes
	WHERE node_name = '127.0.0.1' AND node_port = 2;
SELECT health_check_period, hostaddr FROM opt_nodes
	WHERE node_name = '127.0.0.1' AND node_port = 2;

-- a table that does not show them leaves them alone
UPDATE opt_plain SET node_name = node_name WHERE node_port = 2;
SELECT health_check_period, hostaddr, enabled FROM opt_nodes WHERE node_port = 2;

-- changed, seen by later commands, undone
BEGIN;
UPDATE opt_nodes SET health_check_period = health_check_period * 2
	WHERE node_port = 1 RETURNING health_check_period;
SELECT health_check_period FROM opt_nodes WHERE node_port = 1;
SAVEPOINT s;
UPDATE opt_nodes SET health_check_period = NULL, enabled = true;
SELECT node_port, health_check_period, enabled FROM opt_nodes ORDER BY node_port;
ROLLBACK TO s;
SELECT node_port, health_check_period, enabled FROM opt_nodes ORDER BY node_port;
ROLLBACK;
SELECT node_port, health_check_period, enabled FROM opt_nodes ORDER BY node_port;
UPDATE opt_nodes SET health_check_period = 3000, hostaddr = NULL, enabled = NULL WHERE node_port = 2;
SELECT health_check_period, hostaddr, enabled FROM opt_nodes WHERE node_port = 2;

-- COPY
COPY opt_nodes (node_name, node_port, health_check_type, health_check_period) FROM stdin;
127.0.0.1	4	ping	\N
127.0.0.1	5	\N	7
\.
SELECT node_port, health_check_type, health_check_period FROM opt_nodes
	WHERE node_port > 3 ORDER BY 1;

-- refused
CREATE FUNCTION refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on
SELECT refused(format('INSERT INTO opt_nodes (node_name, node_port, %s) VALUES (''127.0.0.1'', 99, %s)', o, v))
	FROM (VALUES ('health_check_period', '0'), ('health_check_period', '-1'),
		('health_check_timeout', '0'), ('health_check_max_retries', '101'),
		('health_check_retry_delay', '-1'), ('healthy_threshold', '0'),
		('health_check_type', '''magic'''), ('health_check_type', ''''''),
		('hostaddr', '''localhost'''), ('hostaddr', ''''''),
		('hostaddr', '''127.0.0.1, ::1'''), ('hostaddr', repeat('1', 100))) AS t(o, v);
SELECT refused('UPDATE opt_nodes SET health_status = 1');
SELECT refused('UPDATE opt_nodes SET registered_by = ''x''');
SELECT refused('UPDATE opt_nodes SET registered_at = now()');
\pset tuples_only off
\pset format aligned
SELECT count(*) FROM opt_nodes;

-- the shipped table
\d octopus.node_options
INSERT INTO octopus.node_options (node_name, enabled) VALUES ('127.0.0.1', false);
SELECT node_name, node_port, enabled FROM octopus.node_options;
SELECT * FROM octopus.nodes;
DELETE FROM octopus.node_options;

DELETE FROM opt_nodes;
DROP FUNCTION refused(text);
DROP FOREIGN TABLE opt_nodes, opt_plain;
DROP SERVER opts;
DROP EXTENSION octopus_fdw;

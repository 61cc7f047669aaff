--
-- What is refused, and how
--
CREATE EXTENSION octopus_fdw;
INSERT INTO octopus.nodes VALUES ('kept', 1);

-- duplicates: with the table, in one statement, in one transaction
INSERT INTO octopus.nodes VALUES ('kept', 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', 1), ('kept', 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', 1), ('new', 1); \echo :SQLSTATE
INSERT INTO octopus.nodes SELECT * FROM octopus.nodes; \echo :SQLSTATE
BEGIN;
INSERT INTO octopus.nodes VALUES ('new', 1);
INSERT INTO octopus.nodes VALUES ('new', 1); \echo :SQLSTATE
COMMIT;
BEGIN;
INSERT INTO octopus.nodes VALUES ('new', 1);
UPDATE octopus.nodes SET node_name = 'kept' WHERE node_name = 'new'; \echo :SQLSTATE
COMMIT;
INSERT INTO octopus.nodes VALUES ('new', 1);
UPDATE octopus.nodes SET node_name = 'kept' WHERE node_name = 'new'; \echo :SQLSTATE
UPDATE octopus.nodes SET node_name = 'same'; \echo :SQLSTATE
DELETE FROM octopus.nodes WHERE node_name = 'new';
-- the same name and another port, or another spelling, is another node
INSERT INTO octopus.nodes VALUES ('kept', 2), ('KEPT', 1), ('kept ', 1), (' kept', 1);
DELETE FROM octopus.nodes WHERE (node_name, node_port) <> ('kept', 1);

-- NULL
INSERT INTO octopus.nodes VALUES (NULL, 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', NULL); \echo :SQLSTATE
INSERT INTO octopus.nodes DEFAULT VALUES; \echo :SQLSTATE
INSERT INTO octopus.nodes (node_port) VALUES (1); \echo :SQLSTATE
COPY octopus.nodes FROM stdin;
\N	1	0
\.
\echo :SQLSTATE
\set VERBOSITY terse
UPDATE octopus.nodes SET node_name = NULL; \echo :SQLSTATE
UPDATE octopus.nodes SET node_port = NULL; \echo :SQLSTATE
\set VERBOSITY default
-- the table's constraints may be dropped, which changes nothing
ALTER FOREIGN TABLE octopus.nodes ALTER node_name DROP NOT NULL,
                                  ALTER node_port DROP NOT NULL;
INSERT INTO octopus.nodes VALUES (NULL, 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', NULL); \echo :SQLSTATE
UPDATE octopus.nodes SET node_name = NULL; \echo :SQLSTATE
UPDATE octopus.nodes SET node_port = NULL; \echo :SQLSTATE
ALTER FOREIGN TABLE octopus.nodes ALTER node_name SET NOT NULL,
                                  ALTER node_port SET NOT NULL;

-- names
INSERT INTO octopus.nodes VALUES ('', 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES (repeat('n', 256), 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES (repeat('n', 300), 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES (repeat('n', 1000000), 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES (U&'k\00F6ln', 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES (U&'\043C\043E\0441\043A\0432\0430', 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES (E'a\nb', 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES (E'a\tb', 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES (E'a\x7f', 1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES (E'\x1b[2J', 1); \echo :SQLSTATE
UPDATE octopus.nodes SET node_name = ''; \echo :SQLSTATE
UPDATE octopus.nodes SET node_name = repeat('n', 256); \echo :SQLSTATE
-- as long as may be, and names that only look like something else
BEGIN;
INSERT INTO octopus.nodes VALUES (repeat('n', 255), 1);
INSERT INTO octopus.nodes VALUES
  ('x password=y', 1), ('h'' OR true --', 1), ('host=h', 1), ('\', 1), ('%s%n', 1),
  ('a,b', 1), ('/no/such/directory', 1), ('@abstract', 1), ('postgresql://h/', 1), (' ', 1);
SELECT * FROM octopus.nodes
  WHERE length(node_name) < 255 AND node_name <> 'kept' ORDER BY node_name COLLATE "C";
SELECT length(node_name), node_port FROM octopus.nodes WHERE node_name = repeat('n', 255) AND node_port = 1;
SELECT * FROM octopus.nodes WHERE node_name = 'x password=y' AND node_port = 1;
DELETE FROM octopus.nodes WHERE node_name = 'h'' OR true --' AND node_port = 1;
ROLLBACK;

-- ports
INSERT INTO octopus.nodes VALUES ('new', 0); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', -1); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', 65536); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', 65537); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', 70000); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', 2147483647); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', -2147483648); \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', 4294967297); \echo :SQLSTATE
UPDATE octopus.nodes SET node_port = 0; \echo :SQLSTATE
UPDATE octopus.nodes SET node_port = node_port + 65536; \echo :SQLSTATE
COPY octopus.nodes FROM stdin;
fine	65535	0
wrong	65536	0
\.
\echo :SQLSTATE
BEGIN;
INSERT INTO octopus.nodes VALUES ('lowest', 1), ('highest', 65535);
SELECT node_name, node_port FROM octopus.nodes ORDER BY node_name COLLATE "C";
ROLLBACK;

-- what the prober observes cannot be set
UPDATE octopus.nodes SET health_status = 1; \echo :SQLSTATE
UPDATE octopus.nodes SET health_status = health_status; \echo :SQLSTATE
UPDATE octopus.nodes SET health_status = DEFAULT; \echo :SQLSTATE
UPDATE octopus.nodes SET node_port = 2, health_status = 1; \echo :SQLSTATE
UPDATE octopus.nodes SET health_status = 1 WHERE false; \echo :SQLSTATE

-- two-phase commit
BEGIN;
INSERT INTO octopus.nodes VALUES ('new', 1);
PREPARE TRANSACTION 'octopus'; \echo :SQLSTATE
BEGIN;
DELETE FROM octopus.nodes;
PREPARE TRANSACTION 'octopus'; \echo :SQLSTATE
BEGIN;
DELETE FROM octopus.nodes WHERE false;
PREPARE TRANSACTION 'octopus'; \echo :SQLSTATE
-- reading, and changes that were rolled back, do not matter
BEGIN;
SELECT count(*) FROM octopus.nodes;
SAVEPOINT s;
INSERT INTO octopus.nodes VALUES ('new', 1);
ROLLBACK TO s;
PREPARE TRANSACTION 'octopus';
ROLLBACK PREPARED 'octopus';
SELECT * FROM pg_prepared_xacts;

-- read-only transactions
BEGIN READ ONLY;
SELECT node_name, node_port FROM octopus.nodes;
INSERT INTO octopus.nodes VALUES ('new', 1); \echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY; UPDATE octopus.nodes SET node_port = 2; \echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY; DELETE FROM octopus.nodes; \echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY; TRUNCATE octopus.nodes; \echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
COPY octopus.nodes FROM stdin;
\.
\echo :SQLSTATE
ROLLBACK;
-- though a temporary table may be written there, what is behind this is not temporary
CREATE FOREIGN TABLE pg_temp.passing (node_name text, node_port int)
  SERVER octopus OPTIONS (table_name 'nodes');
BEGIN READ ONLY; INSERT INTO passing VALUES ('new', 1); \echo :SQLSTATE
ROLLBACK;
DROP FOREIGN TABLE passing;

-- what foreign tables cannot do
INSERT INTO octopus.nodes VALUES ('new', 1) ON CONFLICT (node_name, node_port) DO NOTHING; \echo :SQLSTATE
INSERT INTO octopus.nodes VALUES ('new', 1)
  ON CONFLICT (node_name, node_port) DO UPDATE SET node_port = 2; \echo :SQLSTATE
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM octopus.nodes;
FETCH FROM c \gset
DELETE FROM octopus.nodes WHERE CURRENT OF c; \echo :SQLSTATE
ROLLBACK;
COPY octopus.nodes TO stdout; \echo :SQLSTATE
CREATE UNIQUE INDEX ON octopus.nodes (node_name); \echo :SQLSTATE

-- nobody but the owner and whom he lets
CREATE ROLE regress_octopus_nobody;
SET ROLE regress_octopus_nobody;
SELECT * FROM octopus.nodes; \echo :SQLSTATE
RESET ROLE;
GRANT USAGE ON SCHEMA octopus TO regress_octopus_nobody;
GRANT SELECT ON octopus.nodes TO regress_octopus_nobody;
SET ROLE regress_octopus_nobody;
SELECT node_name, node_port FROM octopus.nodes;
INSERT INTO octopus.nodes VALUES ('new', 1); \echo :SQLSTATE
UPDATE octopus.nodes SET node_port = 2; \echo :SQLSTATE
DELETE FROM octopus.nodes; \echo :SQLSTATE
TRUNCATE octopus.nodes; \echo :SQLSTATE
CREATE FOREIGN TABLE pg_temp.t (node_name text) SERVER octopus; \echo :SQLSTATE
CREATE SERVER s FOREIGN DATA WRAPPER octopus_fdw; \echo :SQLSTATE
RESET ROLE;
DROP OWNED BY regress_octopus_nobody;
DROP ROLE regress_octopus_nobody;

-- all that cost nothing
SELECT node_name, node_port FROM octopus.nodes;

-- the table is full; how many nodes that takes is the server's setting
DELETE FROM octopus.nodes;
CREATE FUNCTION report(command text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  state text;
  message text;
  detail text;
  hint text;
BEGIN
  EXECUTE command;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                          detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RAISE NOTICE '%: %', state, message;
  RAISE NOTICE '%', regexp_replace(detail, '\d+', 'N');
  RAISE NOTICE '%', hint;
END $$;
CREATE VIEW candidates AS
  SELECT format('10.0.0.%s', i) AS name, i AS port
  FROM generate_series(1, current_setting('octopus.max_nodes')::int + 1) i;
SELECT report('INSERT INTO octopus.nodes SELECT * FROM candidates');
SELECT count(*) FROM octopus.nodes;
BEGIN;
INSERT INTO octopus.nodes SELECT * FROM candidates OFFSET 1;
SELECT count(*) = current_setting('octopus.max_nodes')::int AS full FROM octopus.nodes;
SELECT report($$ INSERT INTO octopus.nodes VALUES ('one', 1) $$);
-- what makes no net growth goes on
UPDATE octopus.nodes SET node_port = 65535;
DELETE FROM octopus.nodes WHERE node_name = '10.0.0.2';
INSERT INTO octopus.nodes VALUES ('one', 1);
SELECT report($$ INSERT INTO octopus.nodes VALUES ('two', 1) $$);
SELECT count(*) = current_setting('octopus.max_nodes')::int AS full FROM octopus.nodes;
ROLLBACK;
SELECT count(*) FROM octopus.nodes;
DROP VIEW candidates;

-- too many groups, which is found at commit
DO $$
BEGIN
  FOR i IN 0 .. current_setting('octopus.max_groups')::int LOOP
    EXECUTE format('CREATE SERVER s%s FOREIGN DATA WRAPPER octopus_fdw', i);
    EXECUTE format('CREATE FOREIGN TABLE t%s (node_name text)
                    SERVER s%1$s OPTIONS (table_name ''nodes'')', i);
  END LOOP;
END $$;
CREATE PROCEDURE fill_groups(first int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN first .. current_setting('octopus.max_groups')::int LOOP
    EXECUTE format('INSERT INTO t%s VALUES (''one'')', i);
  END LOOP;
END $$;
CREATE PROCEDURE empty_groups() LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 0 .. current_setting('octopus.max_groups')::int LOOP
    EXECUTE format('DELETE FROM t%s', i);
  END LOOP;
END $$;
\set VERBOSITY terse
CALL fill_groups(0); \echo :SQLSTATE
\set VERBOSITY default
SELECT * FROM t0;
CALL fill_groups(1);
\set VERBOSITY terse
INSERT INTO t0 VALUES ('one'); \echo :SQLSTATE
\set VERBOSITY default
-- one leaves, another comes: one after the other, or in one transaction
SELECT * FROM t0;
DELETE FROM t1;
INSERT INTO t0 VALUES ('one');
SELECT node_name FROM t0;
BEGIN;
DELETE FROM t0;
INSERT INTO t1 VALUES ('one');
COMMIT;
SELECT node_name FROM t1;

CALL empty_groups();
SET client_min_messages = warning;
DROP EXTENSION octopus_fdw CASCADE;
DROP FUNCTION report;
DROP PROCEDURE fill_groups, empty_groups;

--
-- How queries are planned, and that every plan gives the right answer
--
CREATE EXTENSION octopus_fdw;

INSERT INTO octopus.nodes SELECT 'node' || i % 10, 5430 + i / 10 FROM generate_series(0, 49) i;
INSERT INTO octopus.nodes VALUES ('localhost', 5432), (current_setting('unix_socket_directories'), 5432);
-- the same rows in a plain table; health is left out, it changes meanwhile
CREATE TABLE plain AS SELECT node_name, node_port FROM octopus.nodes;
-- what is looked for: nodes that there are, that there are not, and NULL
CREATE TABLE wanted (id int, host text, port int);
INSERT INTO wanted VALUES (1, 'node1', 5430), (2, 'node2', 5431), (3, 'node3', 1), (4, 'nobody', 5430),
  (5, NULL, 5430), (6, 'node1', NULL), (7, 'node1', 5430), (8, repeat('n', 300), 5430), (9, 'node4', 2147483647);
ANALYZE wanted;

-- Runs a query over "@" on octopus.nodes and on the plain table: how the former
-- is accessed, how many rows come, and whether they are the same.
CREATE FUNCTION try(query text, OUT access text, OUT rows bigint, OUT same bool) LANGUAGE plpgsql AS $$
DECLARE
  ours text := replace(query, '@', 'octopus.nodes');
  theirs text := replace(query, '@', 'plain');
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || ours LOOP
    IF line LIKE '%Node Access%' THEN
      access := concat_ws(', ', access, substring(line FROM 'Node Access: (.*)'));
    END IF;
  END LOOP;
  EXECUTE format('SELECT count(*) FROM (%s) q', ours) INTO rows;
  EXECUTE format('SELECT NOT EXISTS (((%s) EXCEPT ALL (%s)) UNION ALL ((%2$s) EXCEPT ALL (%1$s)))', ours, theirs)
    INTO same;
END $$;

-- What the planner says of a query's topmost node.
CREATE FUNCTION plan(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  plan jsonb;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
  RETURN plan #> '{0,Plan}';
END $$;
CREATE FUNCTION estimate(query text) RETURNS jsonb LANGUAGE sql AS $$ SELECT plan(query) -> 'Plan Rows' $$;
CREATE FUNCTION explain(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END $$;

--
-- conditions on the table itself
--
EXPLAIN (COSTS OFF) SELECT * FROM octopus.nodes;
EXPLAIN (COSTS OFF) SELECT * FROM octopus.nodes WHERE node_name = 'node1' AND node_port = 5430;
EXPLAIN (VERBOSE, COSTS OFF) SELECT health_status FROM octopus.nodes WHERE 5430 = node_port AND 'node1' = node_name;
EXPLAIN (COSTS OFF) SELECT * FROM octopus.nodes WHERE node_name = 'node1';
SELECT p -> 'Node Group' AS "group", p -> 'Node Access' AS access
FROM plan($$ SELECT * FROM octopus.nodes WHERE node_name = 'node1' AND node_port = 5430 $$) p;

\set select 'SELECT node_name, node_port FROM @ WHERE '
SELECT c.condition, t.* FROM (VALUES
  (1, $$true$$),
  (2, $$node_name = 'node1' AND node_port = 5430$$),
  (3, $$5430 = node_port AND 'node1' = node_name$$),
  (4, $$(node_name, node_port) = ('node1', 5430)$$),
  (5, $$node_name = 'nobody' AND node_port = 5430$$),
  (6, $$node_name = 'node1' AND node_port = 1$$),
  (7, $$node_name = 'node1' AND node_port = 5430 AND length(node_name) = 5$$),
  (8, $$node_name = 'node1' AND node_port = 5430 AND length(node_name) = 6$$),
  (9, $$node_name = 'node1' AND node_port = 5430 AND node_name <> 'node1'$$),
  (10, $$node_name = 'node1' AND node_port = 5430 AND node_port <> 5430$$),
  (11, $$node_name = 'NODE1' AND node_port = 5430$$),
  (12, $$node_name = 'node1 ' AND node_port = 5430$$),
  (13, $$node_name = '' AND node_port = 5430$$),
  (14, $$node_name = repeat('n', 300) AND node_port = 5430$$),
  (15, $$node_name = repeat('n', 255) AND node_port = 5430$$),
  (16, $$node_name = NULL AND node_port = 5430$$),
  (17, $$node_name = 'node1 '::char(8) AND node_port = 5430$$),
  (18, $$node_name = lower('NODE1') AND node_port = 5400 + 30$$),
  (19, $$node_name = 'node1'::varchar AND node_port = 5430$$),
  (20, $$node_name = 'node1' COLLATE "C" AND node_port = 5430$$),
  -- the session's state, known before the scan starts
  (21, $$node_name = current_setting('unix_socket_directories') AND node_port = 5432$$),
  (22, $$node_name = 'node1' AND node_port = current_setting('octopus.max_groups')::int$$),
  (23, $$node_name = (SELECT host FROM wanted WHERE id = 2) AND node_port = 5431$$),
  (24, $$node_name = (SELECT host FROM wanted WHERE id = 5) AND node_port = 5431$$),
  (25, $$node_name = 'localhost' AND node_port = (SELECT max(node_port) - 2 FROM @)$$)
) c(n, condition), try(:'select' || condition) t ORDER BY n;

-- these cannot be looked up
SELECT c.condition, t.* FROM (VALUES
  (1, $$node_port = 5430$$),
  (2, $$node_name = 'node1'$$),
  (3, $$node_name = 'node1' AND node_port = 5430::bigint$$),
  (4, $$node_name = 'node1' AND node_port = 5430::smallint$$),
  (5, $$node_name = 'node1' AND node_port = 5430.0$$),
  (6, $$node_name = 'node1' AND node_port = 5430 + 4294967296$$),
  (7, $$node_name = 'node1' AND node_port::bigint = 5430::bigint$$),
  (8, $$node_name = 'node1'::name AND node_port = 5430$$),
  (10, $$node_name = 'node1' OR node_port = 5430$$),
  (11, $$(node_name = 'node1' AND node_port = 5430) OR (node_name = 'node2' AND node_port = 5431)$$),
  (12, $$node_name IN ('node1', 'node2') AND node_port = 5430$$),
  (13, $$node_name = ANY ('{node1}') AND node_port = 5430$$),
  (14, $$node_name = 'node1' AND node_port BETWEEN 5430 AND 5430$$),
  (15, $$node_name LIKE 'node1' AND node_port = 5430$$),
  (16, $$NOT node_name = 'node1' AND node_port = 5430$$),
  (17, $$node_name <> 'node1' AND node_port = 5430$$),
  (19, $$lower(node_name) = 'node1' AND node_port = 5430$$),
  (20, $$node_name = node_name AND node_port = 5430$$),
  (21, $$node_name = 'node' || node_port - 5429 AND node_port = 5430$$),
  (22, $$node_port = length(node_name) + 5425 AND node_name = 'node1'$$)
) c(n, condition), try(:'select' || condition) t ORDER BY n;

-- a volatile value differs from row to row
CREATE SEQUENCE s;
SELECT t.access FROM try($$ SELECT node_name FROM @ WHERE node_name = 'node1' AND node_port = 5429 + nextval('s')::int $$) t;
SELECT t.access FROM try($$ SELECT node_name FROM @ WHERE node_name = 'node' || nextval('s') AND node_port = 5430 $$) t;

-- a collation that takes different bytes for equal
CREATE COLLATION careless (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
SELECT t.* FROM try($$ SELECT node_name, node_port FROM @ WHERE node_name = 'NODE1' COLLATE careless AND node_port = 5430 $$) t;
SELECT t.* FROM try($$ SELECT node_name, node_port FROM @ JOIN wanted ON node_name = upper(host) COLLATE careless AND node_port = port $$) t;
CREATE FOREIGN TABLE careless (node_name text COLLATE careless, node_port int)
  SERVER octopus OPTIONS (table_name 'nodes');
EXPLAIN (COSTS OFF) SELECT * FROM careless WHERE node_name = 'NODE1' AND node_port = 5430;
SELECT * FROM careless WHERE node_name = 'NODE1' AND node_port = 5430;
EXPLAIN (COSTS OFF) SELECT * FROM careless WHERE node_name = 'node1' COLLATE "C" AND node_port = 5430;
DROP FOREIGN TABLE careless;

--
-- parameters
--
PREPARE node(text, int) AS SELECT node_name, node_port FROM octopus.nodes WHERE node_name = $1 AND node_port = $2;
PREPARE big(text, bigint) AS SELECT node_name, node_port FROM octopus.nodes WHERE node_name = $1 AND node_port = $2;
EXPLAIN (COSTS OFF) EXECUTE node('node1', 5430);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE node('node1', 5430);
EXPLAIN (COSTS OFF) EXECUTE big('node1', 5430);
EXECUTE node('node1', 5430);
EXECUTE node('node2', 5431);
EXECUTE node('node2', 1);
EXECUTE node(NULL, 5430);
EXECUTE node('node1', NULL);
EXECUTE big('node1', 5430);
EXECUTE big('node1', 5430 + 4294967296);
RESET plan_cache_mode;
DEALLOCATE ALL;
DO $$
DECLARE
  w wanted;
  found text;
BEGIN
  FOR w IN SELECT * FROM wanted ORDER BY id LOOP
    found := (SELECT node_name || ':' || node_port FROM octopus.nodes WHERE node_name = w.host AND node_port = w.port);
    RAISE NOTICE '%: %', w.id, found;
  END LOOP;
END $$;

--
-- joins
--
-- (which side of an equality comes first is a matter of the server's version)
SELECT line FROM explain($$
SELECT * FROM wanted JOIN octopus.nodes ON node_name = host AND node_port = port
$$) line WHERE line NOT LIKE '%Filter:%';
EXPLAIN (COSTS OFF)
SELECT * FROM wanted LEFT JOIN octopus.nodes ON node_name = host AND node_port = 5430;
EXPLAIN (COSTS OFF)
SELECT * FROM octopus.nodes LEFT JOIN wanted ON node_name = host AND node_port = port;

SELECT q.query, t.* FROM (VALUES
  -- the key from one table, from a table and a constant, from two tables
  (1, $$SELECT id, node_name FROM wanted JOIN @ ON node_name = host AND node_port = port$$),
  (2, $$SELECT id, node_name FROM wanted, @ WHERE host = node_name AND port = node_port AND id > 1$$),
  (3, $$SELECT id, node_name FROM wanted JOIN @ ON node_name = host AND node_port = 5430$$),
  (4, $$SELECT id, node_name FROM wanted JOIN @ ON node_name = host AND node_port = 5430 AND port = node_port$$),
  (5, $$SELECT a.id, b.id, node_name FROM wanted a, wanted b, @ WHERE node_name = a.host AND node_port = b.port AND a.id = b.id$$),
  (6, $$SELECT id, node_name FROM wanted JOIN @ ON node_name = lower(host) AND node_port = port - id + id$$),
  (7, $$SELECT id, node_name FROM wanted, LATERAL (SELECT node_name FROM @ WHERE node_name = host AND node_port = port) n$$),
  (8, $$SELECT id, node_name FROM wanted LEFT JOIN @ ON node_name = host AND node_port = port$$),
  (9, $$SELECT id, node_name FROM wanted LEFT JOIN @ ON node_name = host AND node_port = port AND id < 3$$),
  (10, $$SELECT p, n.* FROM generate_series(5429, 5432) p, LATERAL (SELECT node_name FROM @ WHERE node_name = 'node1' AND node_port = p) n$$),
  -- half a key, and types that do not fit
  (11, $$SELECT id, node_name, node_port FROM wanted JOIN @ ON node_name = host$$),
  (12, $$SELECT id, node_name FROM wanted JOIN @ ON node_name = host AND node_port = port::bigint$$),
  (13, $$SELECT id, node_name FROM wanted JOIN @ ON node_name = left(host, 63)::name AND node_port = port$$)
) q(n, query), try(query) t ORDER BY n;

-- whatever the plan
SELECT q.query, t.rows, t.same FROM (VALUES
  (9, $$SELECT node_name FROM @ WHERE node_name = 'node1' AND node_port IS NULL$$),
  (10, $$SELECT id, node_name FROM wanted LEFT JOIN @ ON node_name = host AND node_port = port WHERE node_name IS NULL$$),
  (11, $$SELECT id, node_name, node_port FROM wanted RIGHT JOIN @ ON node_name = host AND node_port = port$$),
  (12, $$SELECT id, node_name, node_port FROM wanted FULL JOIN @ ON node_name = host AND node_port = port$$),
  -- subqueries
  (16, $$SELECT id FROM wanted WHERE EXISTS (SELECT FROM @ WHERE node_name = host AND node_port = port)$$),
  (17, $$SELECT id FROM wanted WHERE NOT EXISTS (SELECT FROM @ WHERE node_name = host AND node_port = port)$$),
  (18, $$SELECT id, (SELECT node_port FROM @ WHERE node_name = host AND node_port = port) FROM wanted$$),
  (19, $$SELECT node_name, node_port FROM @ WHERE (node_name, node_port) IN (SELECT host, port FROM wanted)$$),
  (20, $$SELECT id FROM wanted WHERE (host, port) NOT IN (SELECT node_name, node_port FROM @)$$),
  (22, $$SELECT id, n.* FROM wanted LEFT JOIN LATERAL (SELECT node_name, node_port FROM @ WHERE node_name = host AND node_port = port LIMIT 1) n ON true$$),
  (23, $$SELECT id, n.* FROM wanted, LATERAL (SELECT count(*) FROM @ WHERE node_name = host OFFSET 0) n$$),
  -- with itself
  (25, $$SELECT a.node_name, b.node_port FROM @ a JOIN @ b ON b.node_name = a.node_name AND b.node_port = a.node_port + 1$$),
  (26, $$SELECT a.node_name, b.node_port FROM @ a JOIN @ b ON (b.node_name, b.node_port) = (a.node_name, a.node_port) WHERE a.node_name = 'node1'$$),
  (27, $$SELECT a.node_name FROM @ a JOIN @ b ON b.node_name = 'node1' AND b.node_port = 5430 AND a.node_port = b.node_port$$),
  (28, $$SELECT node_name, node_port FROM @ WHERE node_name = 'node1' AND node_port = 5430 UNION ALL SELECT node_name, node_port FROM @ WHERE node_name = 'node2'$$),
  (29, $$WITH n AS MATERIALIZED (SELECT node_name, node_port FROM @) SELECT id FROM wanted JOIN n ON node_name = host AND node_port = port$$)
) q(n, query), try(query) t ORDER BY n;

-- the same, whichever way the planner joins
SET enable_nestloop = off;
SELECT t.rows, t.same FROM try($$SELECT id, node_name FROM wanted JOIN @ ON node_name = host AND node_port = port$$) t;
SET enable_hashjoin = off;
SELECT t.rows, t.same FROM try($$SELECT id, node_name FROM wanted JOIN @ ON node_name = host AND node_port = port$$) t;
RESET enable_nestloop;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT t.rows, t.same FROM try($$SELECT id, node_name, node_port FROM wanted JOIN @ ON node_name = host AND node_port <> port$$) t;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;

-- changes pending: the same with them, and full scans repeated
BEGIN;
INSERT INTO octopus.nodes VALUES ('nobody', 5430);
DELETE FROM octopus.nodes WHERE node_name = 'node2';
INSERT INTO plain VALUES ('nobody', 5430);
DELETE FROM plain WHERE node_name = 'node2';
SELECT t.* FROM try($$SELECT node_name, node_port FROM @$$) t;
SELECT t.* FROM try($$SELECT id, node_name FROM wanted LEFT JOIN @ ON node_name = host AND node_port = port$$) t;
SELECT t.* FROM try($$SELECT node_port FROM @ WHERE node_name = 'nobody' AND node_port = 5430$$) t;
SELECT t.* FROM try($$SELECT node_port FROM @ WHERE node_name = 'node2' AND node_port = 5431$$) t;
ROLLBACK;

--
-- estimates are exact
--
SELECT estimate('SELECT * FROM octopus.nodes');
SELECT estimate($$SELECT * FROM octopus.nodes WHERE node_name = 'node1' AND node_port = 5430$$);
SELECT estimate($$SELECT * FROM octopus.nodes WHERE node_name = 'nobody' AND node_port = 5430$$);
BEGIN;
INSERT INTO octopus.nodes VALUES ('x', 1), ('y', 1), ('z', 1);
SELECT estimate('SELECT * FROM octopus.nodes');
DELETE FROM octopus.nodes WHERE node_name = 'node1';
SELECT estimate('SELECT * FROM octopus.nodes');
UPDATE octopus.nodes SET node_port = node_port + 1 WHERE node_name = 'y';
SELECT estimate('SELECT * FROM octopus.nodes'), count(*) FROM octopus.nodes;
SAVEPOINT s;
DELETE FROM octopus.nodes;
SELECT estimate('SELECT * FROM octopus.nodes'), count(*) FROM octopus.nodes;	-- the planner's least is 1
ROLLBACK TO s;
SELECT estimate('SELECT * FROM octopus.nodes'), count(*) FROM octopus.nodes;
ROLLBACK;
SELECT estimate('SELECT * FROM octopus.nodes'), count(*) FROM octopus.nodes;


--
-- joins with what the server tells about itself
--
SELECT node_port FROM octopus.nodes JOIN pg_settings
  ON node_name = current_setting('unix_socket_directories') AND name = 'port' AND node_port = boot_val::int;
SELECT name FROM pg_settings JOIN octopus.nodes ON unit = 'ms' AND node_name = 'localhost' AND node_port = 5432
  WHERE name = 'octopus.health_check_period';
SELECT count(*) FROM octopus.nodes LEFT JOIN pg_stat_replication ON node_name = host(client_addr);
SELECT count(*) FROM pg_stat_replication JOIN octopus.nodes ON node_name = client_hostname AND node_port = client_port;
SELECT count(*) > 0 AS all_columns FROM octopus.nodes n, pg_attribute a
  WHERE attrelid = 'octopus.nodes'::regclass AND attname = 'node_name';

-- whole rows and system columns
SELECT n.tableoid::regclass, (n).node_name, n IS NOT NULL AS row FROM octopus.nodes n WHERE node_name = 'localhost';
SELECT count(DISTINCT ctid) FROM octopus.nodes;
SELECT node_name FROM octopus.nodes WHERE node_name = 'localhost' FOR UPDATE;

DELETE FROM octopus.nodes;
DROP FUNCTION try, plan, estimate;
DROP TABLE plain, wanted;
DROP SEQUENCE s;
DROP COLLATION careless;
DROP EXTENSION octopus_fdw;

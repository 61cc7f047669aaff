--
-- Every way to change a table of nodes
--
CREATE EXTENSION octopus_fdw;

-- without the health, which depends on when one looks
CREATE VIEW registered AS
  SELECT node_name, node_port FROM octopus.nodes ORDER BY node_name COLLATE "C", node_port;

-- INSERT: one row, several, from a query; defaults; what is said of health is ignored
INSERT INTO octopus.nodes VALUES ('a', 1) RETURNING *;
INSERT INTO octopus.nodes (node_name) VALUES ('a'), ('b') RETURNING *;
INSERT INTO octopus.nodes (node_port, node_name) VALUES (2, 'b'), (DEFAULT, 'c') RETURNING node_port, node_name;
INSERT INTO octopus.nodes VALUES ('c', 3, 1), ('c', 4, 0), ('c', 5, NULL), ('c', 6, 77) RETURNING *;
INSERT INTO octopus.nodes SELECT 'd', i FROM generate_series(1, 3) i
  RETURNING node_name || ':' || node_port AS node, health_status, tableoid::regclass;
TABLE registered;

-- DELETE
DELETE FROM octopus.nodes WHERE node_name = 'd' AND node_port = 1 RETURNING node_name, node_port;
DELETE FROM octopus.nodes WHERE node_name = 'd' AND node_port = 1 RETURNING node_name, node_port;
DELETE FROM octopus.nodes WHERE node_name = 'no such' RETURNING node_name, node_port;
WITH gone AS (
  DELETE FROM octopus.nodes n USING (VALUES ('d', 2), ('d', 2), ('c', 3)) v(name, port)
  WHERE n.node_name = v.name AND n.node_port = v.port RETURNING n.node_name, n.node_port, v.*)
SELECT * FROM gone ORDER BY 1;
DELETE FROM octopus.nodes WHERE node_port > 3 AND node_name IN ('c', 'd') RETURNING 'gone' AS what;
TABLE registered;
DELETE FROM octopus.nodes WHERE node_port = (SELECT max(node_port) FROM octopus.nodes);
TABLE registered;

-- UPDATE: another name or port is another node
UPDATE octopus.nodes SET node_port = 10 WHERE node_name = 'a' RETURNING *;
WITH changed AS (
  UPDATE octopus.nodes SET node_name = upper(node_name), node_port = DEFAULT RETURNING *)
SELECT * FROM changed ORDER BY 1;
WITH changed AS (
  UPDATE octopus.nodes n SET node_port = v.port FROM (VALUES ('A', 1), ('B', 2)) v(name, port)
  WHERE n.node_name = v.name RETURNING n.*, v.*)
SELECT * FROM changed ORDER BY 1;
UPDATE octopus.nodes SET (node_name, node_port) = (SELECT 'x', 7) WHERE node_name = 'A' RETURNING *;
UPDATE octopus.nodes SET node_port = 1 WHERE false RETURNING *;
TABLE registered;
-- the same name and port keep what is known of the node
BEGIN;
WITH same AS (
  UPDATE octopus.nodes SET node_name = node_name, node_port = node_port RETURNING node_name, node_port)
SELECT * FROM same ORDER BY 1;
TABLE registered;
COMMIT;
-- up and back within one transaction
BEGIN;
UPDATE octopus.nodes SET node_port = node_port + 1;
UPDATE octopus.nodes SET node_port = node_port - 1;
TABLE registered;
UPDATE octopus.nodes SET node_port = node_port + 1 WHERE node_name = 'x';
UPDATE octopus.nodes SET node_port = node_port + 1 WHERE node_name = 'x';
UPDATE octopus.nodes SET node_port = node_port + 1 WHERE node_name = 'x' RETURNING *;
COMMIT;
TABLE registered;
DELETE FROM octopus.nodes;

-- each row takes the place of another: as with a unique index, whether that
-- succeeds depends on their order, but then for all of them or for none
CREATE FUNCTION shift(by_ int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  before int[] := (SELECT array_agg(node_port ORDER BY node_port) FROM octopus.nodes);
  after int[];
  expected int[] := before;
BEGIN
  BEGIN
    UPDATE octopus.nodes SET node_port = node_port + by_;
    expected := (SELECT array_agg(p + by_ ORDER BY p) FROM unnest(before) p);
  EXCEPTION WHEN unique_violation THEN
    NULL;
  END;
  after := (SELECT array_agg(node_port ORDER BY node_port) FROM octopus.nodes);
  RETURN CASE WHEN after = expected THEN 'all or none' ELSE 'wrong: ' || after::text END;
END $$;
INSERT INTO octopus.nodes SELECT 'chain', i FROM generate_series(100, 120) i;
SELECT shift(1);
SELECT shift(-1);
BEGIN;
INSERT INTO octopus.nodes SELECT 'chain', i FROM generate_series(121, 130) i;
DELETE FROM octopus.nodes WHERE node_port = 110;
SELECT shift(1);
SELECT shift(-1);
COMMIT;
SELECT count(*) FROM octopus.nodes;
DELETE FROM octopus.nodes;
DROP FUNCTION shift;

-- a row met twice is changed once, as in a plain table; which of the two wins is open
INSERT INTO octopus.nodes VALUES ('a', 1), ('b', 1);
CREATE TEMP TABLE plain AS SELECT 'a' AS node_name, 1 AS node_port;
CREATE TEMP TABLE twice (name text, port int);
INSERT INTO twice VALUES ('a', 10), ('a', 20);
WITH u AS (UPDATE plain SET node_port = port FROM twice WHERE node_name = name RETURNING node_port)
SELECT count(*), bool_and(node_port IN (10, 20)) FROM u;
WITH u AS (UPDATE octopus.nodes SET node_port = port FROM twice WHERE node_name = name RETURNING node_port)
SELECT count(*), bool_and(node_port IN (10, 20)) FROM u;
SELECT node_name, node_port IN (10, 20) AS changed FROM registered;
WITH u AS (UPDATE plain SET node_name = 'a' FROM twice WHERE node_name = name RETURNING node_port)
SELECT count(*) FROM u;
WITH u AS (UPDATE octopus.nodes SET node_name = 'a' FROM twice WHERE node_name = name RETURNING node_port)
SELECT count(*) FROM u;
WITH d AS (DELETE FROM plain USING twice WHERE node_name = name RETURNING node_port)
SELECT count(*) FROM d;
WITH d AS (DELETE FROM octopus.nodes USING twice WHERE node_name = name RETURNING node_port)
SELECT count(*) FROM d;
TABLE registered;
DROP TABLE plain, twice;

-- one command, several changes
WITH gone AS (DELETE FROM octopus.nodes RETURNING node_name, node_port)
INSERT INTO octopus.nodes SELECT node_name, node_port + 1 FROM gone RETURNING *;
WITH come AS (INSERT INTO octopus.nodes VALUES ('c', 1), ('d', 1) RETURNING node_name)
DELETE FROM octopus.nodes USING come WHERE nodes.node_name <> come.node_name RETURNING nodes.node_name;
TABLE registered;

-- COPY
COPY octopus.nodes FROM stdin;
e	1	1
e	2	0
e	3	\N
\.
COPY octopus.nodes (node_port, node_name) FROM stdin WITH (FORMAT csv, HEADER);
port,name
4,e
5,"x password=y"
\.
COPY octopus.nodes (node_name) FROM stdin WHERE node_name <> 'g';
f
g
\.
TABLE registered;
BEGIN;
COPY octopus.nodes FROM stdin;
h	1	1
\.
SELECT * FROM octopus.nodes WHERE node_name = 'h';
ROLLBACK;
COPY (SELECT node_name, node_port FROM octopus.nodes WHERE node_name = 'e' ORDER BY node_port) TO stdout;

-- ON CONFLICT DO NOTHING: with the table, in one statement, in one transaction
INSERT INTO octopus.nodes VALUES ('e', 1), ('e', 6), ('e', 6), ('e', 2) ON CONFLICT DO NOTHING RETURNING *;
BEGIN;
INSERT INTO octopus.nodes VALUES ('e', 7);
INSERT INTO octopus.nodes VALUES ('e', 7), ('e', 8) ON CONFLICT DO NOTHING RETURNING *;
DELETE FROM octopus.nodes WHERE node_name = 'e' AND node_port = 1;
INSERT INTO octopus.nodes VALUES ('e', 1), ('e', 2) ON CONFLICT DO NOTHING RETURNING *;
ROLLBACK;
INSERT INTO octopus.nodes SELECT node_name, node_port FROM octopus.nodes ON CONFLICT DO NOTHING;
-- other errors are errors
INSERT INTO octopus.nodes VALUES ('e', 0) ON CONFLICT DO NOTHING;
INSERT INTO octopus.nodes VALUES ('', 1) ON CONFLICT DO NOTHING;
SELECT count(*) FROM octopus.nodes;

-- TRUNCATE
BEGIN;
INSERT INTO octopus.nodes VALUES ('i', 1);
TRUNCATE octopus.nodes;
TABLE registered;
TRUNCATE octopus.nodes;
INSERT INTO octopus.nodes VALUES ('i', 2);
TABLE registered;
ROLLBACK;
CREATE FOREIGN TABLE again (node_name text) SERVER octopus OPTIONS (table_name 'nodes');
CREATE TABLE plain AS TABLE registered;
TRUNCATE plain, octopus.nodes, again;
TABLE registered;
DROP TABLE plain;
DROP FOREIGN TABLE again;

-- triggers
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE '% % %: % -> %', TG_WHEN, TG_OP, TG_LEVEL,
    CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN OLD.node_name || ':' || OLD.node_port END,
    CASE WHEN TG_OP IN ('INSERT', 'UPDATE') THEN NEW.node_name || ':' || NEW.node_port END;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION tell_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE '% % %: % nodes', TG_WHEN, TG_OP, TG_LEVEL, (SELECT count(*) FROM octopus.nodes);
  RETURN NULL;
END $$;
CREATE FUNCTION edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.node_name = 'skip' THEN RETURN NULL; END IF;
  NEW.node_name := lower(NEW.node_name);
  RETURN NEW;
END $$;
CREATE TRIGGER a_before BEFORE INSERT OR UPDATE ON octopus.nodes FOR EACH ROW EXECUTE FUNCTION edit();
CREATE TRIGGER b_before BEFORE INSERT OR UPDATE OR DELETE ON octopus.nodes FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER c_after AFTER INSERT OR UPDATE OR DELETE ON octopus.nodes FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER d_before BEFORE INSERT OR UPDATE OR DELETE ON octopus.nodes EXECUTE FUNCTION tell_statement();
CREATE TRIGGER e_after AFTER INSERT OR UPDATE OR DELETE ON octopus.nodes EXECUTE FUNCTION tell_statement();
INSERT INTO octopus.nodes VALUES ('A', 1), ('skip', 1), ('B', 1) RETURNING *;
INSERT INTO octopus.nodes VALUES ('A', 1) ON CONFLICT DO NOTHING;
COPY octopus.nodes FROM stdin;
C	1	0
\.
UPDATE octopus.nodes SET node_name = 'D' WHERE node_name = 'c' RETURNING *;
DELETE FROM octopus.nodes WHERE node_name = 'a';
TRUNCATE octopus.nodes;
DROP TRIGGER a_before ON octopus.nodes;
DROP TRIGGER b_before ON octopus.nodes;
DROP TRIGGER c_after ON octopus.nodes;
DROP TRIGGER d_before ON octopus.nodes;
DROP TRIGGER e_after ON octopus.nodes;
-- a trigger that changes the row itself
CREATE FUNCTION interfere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM octopus.nodes WHERE node_name = OLD.node_name AND node_port = OLD.node_port;
  RETURN NEW;
END $$;
CREATE TRIGGER interfere BEFORE UPDATE ON octopus.nodes FOR EACH ROW EXECUTE FUNCTION interfere();
INSERT INTO octopus.nodes VALUES ('a', 1);
UPDATE octopus.nodes SET node_port = 2 RETURNING node_name;
TABLE registered;
DROP TRIGGER interfere ON octopus.nodes;
DROP FUNCTION tell, tell_statement, edit, interfere;

-- views
CREATE VIEW low AS SELECT node_name AS name, node_port AS port FROM octopus.nodes WHERE node_port < 100
  WITH CHECK OPTION;
INSERT INTO low VALUES ('v', 1), ('v', 2) RETURNING *;
INSERT INTO low VALUES ('v', 3), ('v', 100);
WITH changed AS (UPDATE low SET port = port + 10 WHERE name = 'v' RETURNING *)
SELECT * FROM changed ORDER BY port;
UPDATE low SET port = 100 WHERE port = 11;
DELETE FROM low WHERE port = 12 RETURNING *;
TABLE low;
INSERT INTO registered VALUES ('v', 20);
TABLE registered;
DROP VIEW low;
DELETE FROM octopus.nodes;

-- rules are not for foreign tables
\set VERBOSITY terse
CREATE RULE kept AS ON DELETE TO octopus.nodes DO INSTEAD NOTHING; \echo :SQLSTATE
\set VERBOSITY default

-- prepared statements, and a function used as a client would
PREPARE register(text, int) AS INSERT INTO octopus.nodes VALUES ($1, $2) RETURNING node_name, node_port;
PREPARE unregister(text, int) AS DELETE FROM octopus.nodes WHERE node_name = $1 AND node_port = $2 RETURNING node_name, node_port;
EXECUTE register('p', 1);
EXECUTE register('p', 1);
EXECUTE register('p', 2);
EXECUTE unregister('p', 1);
EXECUTE unregister('p', 1);
TABLE registered;
DEALLOCATE ALL;

EXPLAIN (COSTS OFF) INSERT INTO octopus.nodes VALUES ('a', 1);
EXPLAIN (COSTS OFF) INSERT INTO octopus.nodes VALUES ('a', 1) ON CONFLICT DO NOTHING;
EXPLAIN (COSTS OFF) UPDATE octopus.nodes SET node_port = 1 WHERE node_name = 'a' AND node_port = 2;
EXPLAIN (COSTS OFF) UPDATE octopus.nodes SET health_status = 1;
EXPLAIN (COSTS OFF) DELETE FROM octopus.nodes;

DELETE FROM octopus.nodes;
DROP VIEW registered;
DROP EXTENSION octopus_fdw;

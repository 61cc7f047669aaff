--
-- What else PostgreSQL does with tables, beside or with ours
--
CREATE EXTENSION octopus_fdw;
SET client_min_messages = error;
CREATE SERVER neighbours FOREIGN DATA WRAPPER octopus_fdw OPTIONS (enabled 'false');
CREATE FOREIGN TABLE n (node_name text, node_port int, health_status int)
	SERVER neighbours OPTIONS (table_name 'nodes');
INSERT INTO n SELECT 'n' || i, 5432 FROM generate_series(1, 9) i;

-- logical replication: FOR ALL TABLES leaves foreign tables out, by name they
-- are refused, and writing to them goes on
CREATE PUBLICATION everything FOR ALL TABLES;
SELECT count(*) FROM pg_publication_tables WHERE schemaname = 'octopus' OR tablename = 'n';
CREATE PUBLICATION ours FOR TABLE n;
UPDATE n SET node_port = 5433 WHERE node_name = 'n9';
DELETE FROM n WHERE node_name = 'n9';
DROP PUBLICATION everything;

-- parallel queries: workers do not read what a transaction of the leader has
-- changed and not committed
CREATE TABLE big AS SELECT 'n' || i % 20 AS name, i FROM generate_series(1, 5000) i;
ALTER TABLE big SET (parallel_workers = 2);
ANALYZE big;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
BEGIN;
INSERT INTO n VALUES ('n15', 5432);
DELETE FROM n WHERE node_name = 'n1';
EXPLAIN (COSTS off) SELECT count(*) FROM big CROSS JOIN n;
SELECT count(*), min(node_name), max(node_name) FROM big JOIN n ON node_name = name;
ROLLBACK;
SELECT count(*), min(node_name), max(node_name) FROM big JOIN n ON node_name = name;
EXPLAIN (COSTS off) SELECT count(*) FROM big WHERE octopus.is_healthy(name, 5432, 'neighbours');
SELECT count(*) FROM big WHERE octopus.is_healthy(name, 5432, 'neighbours') IS NULL;
RESET ALL;
SET client_min_messages = error;
DROP TABLE big;

-- row security: on a foreign table there is none; on a table beside it, it counts
ALTER FOREIGN TABLE n ENABLE ROW LEVEL SECURITY;
CREATE TABLE owners (name text PRIMARY KEY, who name);
INSERT INTO owners VALUES ('n1', 'neighbour'), ('n2', 'somebody');
ALTER TABLE owners ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON owners USING (who = current_user);
CREATE ROLE neighbour;
GRANT SELECT ON owners TO neighbour;
CREATE VIEW mine AS SELECT node_name FROM n WHERE EXISTS (SELECT FROM owners WHERE name = node_name);
GRANT SELECT ON mine TO neighbour;
CREATE VIEW checked AS SELECT node_name, node_port FROM n WHERE node_port > 5000 WITH CHECK OPTION;
SET ROLE neighbour;
SELECT name FROM owners;
SELECT node_name FROM mine ORDER BY 1;
SELECT count(*) FROM n;
RESET ROLE;

-- a view with a check option
INSERT INTO checked VALUES ('low', 4000);
INSERT INTO checked VALUES ('high', 6000);
UPDATE checked SET node_port = 1 WHERE node_name = 'high';
SELECT node_name, node_port FROM n WHERE node_name IN ('low', 'high');
DELETE FROM checked WHERE node_name = 'high' RETURNING *;

-- cursors: forth, and back where that was asked for
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT node_name FROM n ORDER BY 1;
FETCH 2 FROM c;
DELETE FROM n WHERE node_name = 'n3';
FETCH 2 FROM c;
FETCH BACKWARD 3 FROM c;
ROLLBACK;

-- statement triggers with transition tables core refuses; row triggers work
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING '% % of %', TG_WHEN, TG_OP, coalesce(NEW.node_name, OLD.node_name);
	RETURN coalesce(NEW, OLD);
END
$$;
CREATE TRIGGER t AFTER INSERT ON n REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tell();
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON n FOR EACH ROW EXECUTE FUNCTION tell();
SET client_min_messages = warning;
INSERT INTO n VALUES ('n10', 5432);
UPDATE n SET node_port = 5433 WHERE node_name = 'n10';
DELETE FROM n WHERE node_name = 'n10';
SET client_min_messages = error;
DROP TRIGGER t ON n;

-- what asks for storage
CREATE INDEX ON n (node_name);
BEGIN; LOCK TABLE n IN EXCLUSIVE MODE; COMMIT;
CREATE STATISTICS s ON node_name, node_port FROM n;
CREATE TABLE child () INHERITS (n);
SELECT count(*) FROM n;

-- DROP by way of a role
DROP OWNED BY neighbour;
DROP ROLE neighbour;
DROP SERVER neighbours CASCADE;
DROP TABLE owners;
DROP FUNCTION tell();
SELECT count(*) FROM octopus.node_status WHERE server_name = 'neighbours';

RESET client_min_messages;
DROP EXTENSION octopus_fdw CASCADE;

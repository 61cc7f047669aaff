--
-- Registering is part of the transaction
--
CREATE EXTENSION octopus_fdw;

CREATE VIEW registered AS
  SELECT string_agg(node_name, ' ' ORDER BY node_name COLLATE "C") AS nodes
  FROM octopus.nodes;

-- rolled back, and committed
BEGIN;
INSERT INTO octopus.nodes VALUES ('a'), ('b');
SELECT * FROM octopus.nodes ORDER BY node_name;
ROLLBACK;
TABLE registered;
BEGIN;
INSERT INTO octopus.nodes VALUES ('a'), ('b');
COMMIT;
TABLE registered;
BEGIN;
DELETE FROM octopus.nodes WHERE node_name = 'a';
UPDATE octopus.nodes SET node_name = 'c' WHERE node_name = 'b';
TABLE registered;
ROLLBACK;
TABLE registered;
BEGIN;
TRUNCATE octopus.nodes;
TABLE registered;
ROLLBACK;
TABLE registered;

-- an error undoes its statement, and its transaction
INSERT INTO octopus.nodes VALUES ('c'), ('d'), ('a');
BEGIN;
INSERT INTO octopus.nodes VALUES ('c');
SELECT 1/0;
COMMIT;
TABLE registered;

-- savepoints
BEGIN;
INSERT INTO octopus.nodes VALUES ('c');
SAVEPOINT one;
INSERT INTO octopus.nodes VALUES ('d');
SAVEPOINT two;
DELETE FROM octopus.nodes WHERE node_name IN ('a', 'c', 'd');
INSERT INTO octopus.nodes VALUES ('e');
TABLE registered;
ROLLBACK TO two;
TABLE registered;
INSERT INTO octopus.nodes VALUES ('f');
RELEASE two;
TABLE registered;
ROLLBACK TO one;
TABLE registered;
INSERT INTO octopus.nodes VALUES ('d');
RELEASE one;
COMMIT;
TABLE registered;
-- released into what is then rolled back, and what is then committed
BEGIN;
SAVEPOINT one;
SAVEPOINT two;
SAVEPOINT three;
DELETE FROM octopus.nodes WHERE node_name = 'd';
RELEASE three;
INSERT INTO octopus.nodes VALUES ('g');
RELEASE two;
TABLE registered;
ROLLBACK TO one;
TABLE registered;
SAVEPOINT two;
DELETE FROM octopus.nodes WHERE node_name = 'd';
RELEASE two;
RELEASE one;
COMMIT;
TABLE registered;
-- an error in a savepoint; a duplicate is one only while it lasts
BEGIN;
SAVEPOINT s;
INSERT INTO octopus.nodes VALUES ('x'), ('y'), ('a');
ROLLBACK TO s;
INSERT INTO octopus.nodes VALUES ('y');
SAVEPOINT s;
DELETE FROM octopus.nodes WHERE node_name = 'y';
INSERT INTO octopus.nodes VALUES ('y');
ROLLBACK TO s;
INSERT INTO octopus.nodes VALUES ('y');
ROLLBACK TO s;
TABLE registered;
COMMIT;
TABLE registered;

-- exceptions: only what succeeded stays
DO $$
BEGIN
  FOR i IN 1 .. 9 LOOP
    BEGIN
      INSERT INTO octopus.nodes VALUES ('loop' || i);
      DELETE FROM octopus.nodes WHERE node_name = 'y';
      PERFORM 1 / (i % 3);
    EXCEPTION
      WHEN division_by_zero THEN
        INSERT INTO octopus.nodes VALUES ('zero' || i);
    END;
  END LOOP;
END $$;
TABLE registered;
DO $$
BEGIN
  FOR i IN 1 .. 9 LOOP
    BEGIN
      INSERT INTO octopus.nodes VALUES ('loop' || i);
    EXCEPTION
      WHEN unique_violation THEN
        DELETE FROM octopus.nodes WHERE node_name = 'loop' || i;
    END;
  END LOOP;
END $$;
TABLE registered;
-- a procedure that commits as it goes
DO $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT node_name FROM octopus.nodes WHERE node_name ~ '^(loop|zero)' ORDER BY 1 LOOP
    DELETE FROM octopus.nodes WHERE node_name = name;
    IF name LIKE 'loop%' THEN
      COMMIT;
    ELSE
      ROLLBACK;
    END IF;
  END LOOP;
END $$;
TABLE registered;
TRUNCATE octopus.nodes;

-- what comes to nothing, and what comes to something else
INSERT INTO octopus.nodes VALUES ('a'), ('b'), ('c');
BEGIN;
INSERT INTO octopus.nodes VALUES ('d');
DELETE FROM octopus.nodes WHERE node_name = 'd';
DELETE FROM octopus.nodes WHERE node_name = 'a';
INSERT INTO octopus.nodes VALUES ('a');
DELETE FROM octopus.nodes WHERE node_name = 'b';
INSERT INTO octopus.nodes VALUES ('b');
DELETE FROM octopus.nodes WHERE node_name = 'b';
UPDATE octopus.nodes SET node_name = 'e' WHERE node_name = 'c';
UPDATE octopus.nodes SET node_name = 'c' WHERE node_name = 'e';
-- registered anew, so nothing is known of them
SELECT * FROM octopus.nodes ORDER BY node_name;
COMMIT;
TABLE registered;
TRUNCATE octopus.nodes;

-- a statement does not see its own changes, so this ends
INSERT INTO octopus.nodes VALUES ('a');
INSERT INTO octopus.nodes SELECT node_name || 'a' FROM octopus.nodes;
INSERT INTO octopus.nodes SELECT node_name || 'aa' FROM octopus.nodes;
TABLE registered;
BEGIN;
INSERT INTO octopus.nodes SELECT node_name || 'aaaa' FROM octopus.nodes;
INSERT INTO octopus.nodes SELECT node_name || 'aaaaaaaa' FROM octopus.nodes;
SELECT count(*), max(length(node_name)) FROM octopus.nodes;
ROLLBACK;
WITH gone AS (DELETE FROM octopus.nodes WHERE node_name <> 'a' RETURNING node_name)
SELECT (SELECT count(*) FROM octopus.nodes) AS seen, (SELECT count(*) FROM gone) AS gone;
WITH come AS (INSERT INTO octopus.nodes VALUES ('b'), ('c') RETURNING node_name, health_status)
SELECT (SELECT count(*) FROM octopus.nodes) AS seen, come.* FROM come;
TABLE registered;
WITH moved AS (DELETE FROM octopus.nodes RETURNING *)
INSERT INTO octopus.nodes SELECT * FROM moved;
TABLE registered;
TRUNCATE octopus.nodes;

-- functions see what a plain table would show them
CREATE TEMP TABLE plain (node_name text PRIMARY KEY);
CREATE FUNCTION add_both(name text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  INSERT INTO octopus.nodes VALUES (name);
  INSERT INTO plain VALUES (name);
  RETURN name;
END $$;
CREATE FUNCTION volatile_counts() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (SELECT count(*) FROM octopus.nodes) || ' ' || (SELECT count(*) FROM plain);
END $$;
CREATE FUNCTION stable_counts() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT count(*) FROM octopus.nodes) || ' ' || (SELECT count(*) FROM plain);
END $$;
BEGIN;
SELECT add_both('f' || i), volatile_counts(), stable_counts() FROM generate_series(1, 3) i;
SELECT add_both(node_name || 'x'), volatile_counts(), stable_counts() FROM octopus.nodes ORDER BY node_name;
INSERT INTO octopus.nodes
  SELECT add_both('g' || i) || volatile_counts() || ' ' || stable_counts() FROM generate_series(1, 3) i;
SELECT node_name FROM octopus.nodes EXCEPT SELECT node_name FROM plain ORDER BY 1;
DELETE FROM octopus.nodes WHERE add_both('h' || node_name) IS NOT NULL AND node_name LIKE '%x';
SELECT node_name FROM octopus.nodes EXCEPT SELECT node_name FROM plain ORDER BY 1;
SELECT node_name FROM plain EXCEPT SELECT node_name FROM octopus.nodes ORDER BY 1;
ROLLBACK;
DROP FUNCTION add_both, volatile_counts, stable_counts;
DROP TABLE plain;
TABLE registered;

-- cursors keep what they showed when they were opened, as regards own changes
INSERT INTO octopus.nodes VALUES ('a'), ('b');
BEGIN;
DECLARE before CURSOR FOR SELECT node_name FROM octopus.nodes ORDER BY 1;
INSERT INTO octopus.nodes VALUES ('c');
DECLARE between_ CURSOR FOR SELECT node_name FROM octopus.nodes ORDER BY 1;
DECLARE lookup CURSOR FOR SELECT node_name FROM octopus.nodes WHERE node_name = 'a' AND node_port = 5432;
DECLARE kept CURSOR WITH HOLD FOR SELECT node_name FROM octopus.nodes ORDER BY 1;
DELETE FROM octopus.nodes WHERE node_name IN ('a', 'c');
INSERT INTO octopus.nodes VALUES ('a'), ('d');
SAVEPOINT s;
DELETE FROM octopus.nodes;
FETCH ALL FROM before;
FETCH ALL FROM between_;
FETCH ALL FROM lookup;
ROLLBACK TO s;
MOVE ABSOLUTE 0 IN between_;
FETCH ALL FROM between_;
TABLE registered;
COMMIT;
FETCH ALL FROM kept;
CLOSE kept;
TABLE registered;

-- other isolation levels read the same live view
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO octopus.nodes VALUES ('s');
DELETE FROM octopus.nodes WHERE node_name = 'a';
TABLE registered;
COMMIT;
TABLE registered;

-- many changes in one transaction, of few nodes
BEGIN;
DO $$
BEGIN
  FOR i IN 1 .. 1000 LOOP
    UPDATE octopus.nodes SET node_port = node_port + 1 WHERE node_name = 's';
  END LOOP;
END $$;
SELECT node_name, node_port FROM octopus.nodes WHERE node_name = 's';
COMMIT;
SELECT node_name, node_port FROM octopus.nodes WHERE node_name = 's';

-- temporary objects and DDL beside it
BEGIN;
CREATE SERVER passing FOREIGN DATA WRAPPER octopus_fdw;
CREATE FOREIGN TABLE passing (node_name text) SERVER passing OPTIONS (table_name 'nodes');
INSERT INTO passing VALUES ('a'), ('z');
SELECT * FROM passing ORDER BY 1;
TABLE registered;
ROLLBACK;
TABLE registered;

DELETE FROM octopus.nodes;
DROP VIEW registered;
DROP EXTENSION octopus_fdw;

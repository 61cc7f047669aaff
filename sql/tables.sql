--
-- Servers and tables of one's own
--
CREATE EXTENSION octopus_fdw;
CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw;
CREATE SERVER west FOREIGN DATA WRAPPER octopus_fdw;

-- columns are matched by name: any of them, in any order
CREATE FOREIGN TABLE mine (node_port int, node_name text) SERVER east OPTIONS (table_name 'nodes');
CREATE FOREIGN TABLE backwards (health_status int, node_port int, node_name text) SERVER east OPTIONS (table_name 'nodes');
CREATE FOREIGN TABLE nodes (node_name text) SERVER east;
CREATE FOREIGN TABLE renamed (
  "port of it" int OPTIONS (column_name 'node_port'),
  node_port int OPTIONS (column_name 'health_status'),
  h text OPTIONS (column_name 'node_name')
) SERVER east OPTIONS (table_name 'nodes');
CREATE FOREIGN TABLE ports (node_port int) SERVER east OPTIONS (table_name 'nodes');
CREATE FOREIGN TABLE health (health_status int) SERVER east OPTIONS (table_name 'nodes');
CREATE FOREIGN TABLE bare () SERVER east OPTIONS (table_name 'nodes');

BEGIN;
INSERT INTO mine VALUES (1, 'a') RETURNING *;
INSERT INTO backwards VALUES (1, 2, 'b') RETURNING *;
INSERT INTO nodes VALUES ('c') RETURNING *;				-- registers 5432
INSERT INTO renamed VALUES (4, 1, 'd') RETURNING *;
SELECT * FROM mine ORDER BY node_port;
SELECT * FROM backwards ORDER BY node_port;
SELECT * FROM nodes ORDER BY node_name;
SELECT * FROM renamed ORDER BY "port of it";
SELECT * FROM ports ORDER BY node_port;
SELECT * FROM health;
SELECT FROM bare;
SELECT count(*) FROM bare;
-- the same nodes, so duplicates too
SAVEPOINT s;
INSERT INTO mine VALUES (5432, 'c'); \echo :SQLSTATE
ROLLBACK TO s;
-- UPDATE and DELETE through them
UPDATE renamed SET "port of it" = 40 WHERE h = 'd' RETURNING *;
SAVEPOINT s;
UPDATE renamed SET node_port = 1; \echo :SQLSTATE
ROLLBACK TO s;
UPDATE nodes SET node_name = 'dd' WHERE node_name = 'd' RETURNING *;	-- keeps the port
DELETE FROM backwards WHERE node_port = 2 RETURNING *;
COPY mine FROM stdin;
9	e
\.
SELECT * FROM mine ORDER BY node_port;
COMMIT;

-- a lookup needs both columns, under whatever name
EXPLAIN (COSTS OFF) SELECT * FROM mine WHERE node_name = 'a' AND node_port = 1;
EXPLAIN (COSTS OFF) SELECT 1 FROM renamed WHERE h = 'a' AND "port of it" = 1;
EXPLAIN (COSTS OFF) SELECT 1 FROM renamed WHERE h = 'a' AND node_port = 1;
EXPLAIN (COSTS OFF) SELECT * FROM nodes WHERE node_name = 'a';
EXPLAIN (COSTS OFF) SELECT * FROM ports WHERE node_port = 1;

-- without node_name, a table is not writable
INSERT INTO ports VALUES (1); \echo :SQLSTATE
INSERT INTO bare DEFAULT VALUES; \echo :SQLSTATE
UPDATE ports SET node_port = 2; \echo :SQLSTATE
UPDATE health SET health_status = 1; \echo :SQLSTATE
DELETE FROM ports; \echo :SQLSTATE
DELETE FROM health WHERE false; \echo :SQLSTATE
TRUNCATE ports; \echo :SQLSTATE
COPY ports FROM stdin; \echo :SQLSTATE
1
\.
\echo :SQLSTATE
SELECT * FROM ports ORDER BY node_port;

-- two servers are two groups
CREATE FOREIGN TABLE theirs (node_name text, node_port int) SERVER west OPTIONS (table_name 'nodes');
INSERT INTO theirs VALUES ('a', 1), ('w', 1);
INSERT INTO octopus.nodes VALUES ('a', 1);
SELECT node_name, node_port FROM mine ORDER BY node_port;
SELECT * FROM theirs ORDER BY node_name;
SELECT node_name, node_port FROM octopus.nodes;
DELETE FROM theirs WHERE node_name = 'a';
SELECT node_name, node_port FROM mine WHERE node_name = 'a';
SELECT node_name, node_port FROM octopus.nodes;
TRUNCATE theirs;
SELECT count(*) FROM mine;
-- changes of several groups in one transaction
BEGIN;
INSERT INTO theirs SELECT node_name, node_port FROM mine;
DELETE FROM mine WHERE node_name IN (SELECT node_name FROM theirs WHERE node_name < 'c');
UPDATE octopus.nodes SET node_name = 'o';
SELECT m.node_name AS mine, t.node_name AS theirs FROM mine m FULL JOIN theirs t USING (node_name, node_port) ORDER BY 2;
COMMIT;
SELECT m.node_name AS mine, t.node_name AS theirs FROM mine m FULL JOIN theirs t USING (node_name, node_port) ORDER BY 2;
-- a server renamed, or of another owner, is the same group
ALTER SERVER west RENAME TO far_west;
SELECT count(*) FROM theirs;
EXPLAIN (COSTS OFF) SELECT * FROM theirs;
ALTER SERVER far_west RENAME TO west;
-- a table dropped leaves the nodes
DROP FOREIGN TABLE theirs;
CREATE FOREIGN TABLE theirs (node_name text, node_port int) SERVER west OPTIONS (table_name 'nodes');
SELECT count(*) FROM theirs;
DELETE FROM theirs;
DELETE FROM mine;
DELETE FROM octopus.nodes;

-- columns that the dataset has not, or not so: found at first use
CREATE FOREIGN TABLE wrong (node_name text, node_port int, colour text) SERVER east OPTIONS (table_name 'nodes');
SELECT * FROM wrong; \echo :SQLSTATE
INSERT INTO wrong VALUES ('a', 1, 'red'); \echo :SQLSTATE
EXPLAIN SELECT * FROM wrong; \echo :SQLSTATE
DELETE FROM wrong; \echo :SQLSTATE
TRUNCATE wrong; \echo :SQLSTATE
ALTER FOREIGN TABLE wrong ALTER colour OPTIONS (column_name 'health_state');
SELECT * FROM wrong; \echo :SQLSTATE
ALTER FOREIGN TABLE wrong ALTER colour OPTIONS (SET column_name 'health_status');
SELECT * FROM wrong; \echo :SQLSTATE
ALTER FOREIGN TABLE wrong ALTER colour OPTIONS (SET column_name 'node_name');
SELECT * FROM wrong; \echo :SQLSTATE
-- dropped columns are none
ALTER FOREIGN TABLE wrong DROP COLUMN colour;
SELECT * FROM wrong;
ALTER FOREIGN TABLE wrong DROP COLUMN node_name;
INSERT INTO wrong VALUES (1); \echo :SQLSTATE
ALTER FOREIGN TABLE wrong ADD COLUMN node_name text;
INSERT INTO wrong VALUES (1, 'a') RETURNING *;
UPDATE wrong SET node_port = 2 WHERE node_name = 'a' AND node_port = 1 RETURNING *;
DELETE FROM wrong WHERE node_name = 'a' AND node_port = 2 RETURNING *;
DROP FOREIGN TABLE wrong;
-- types
CREATE FOREIGN TABLE wrong (node_name varchar) SERVER east OPTIONS (table_name 'nodes');
SELECT * FROM wrong; \echo :SQLSTATE
ALTER FOREIGN TABLE wrong ALTER node_name TYPE name;
SELECT * FROM wrong; \echo :SQLSTATE
DROP FOREIGN TABLE wrong;
CREATE FOREIGN TABLE wrong (node_port bigint) SERVER east OPTIONS (table_name 'nodes');
SELECT * FROM wrong; \echo :SQLSTATE
DROP FOREIGN TABLE wrong;
-- datasets
CREATE FOREIGN TABLE no_such (node_name text) SERVER east;
SELECT * FROM no_such; \echo :SQLSTATE
INSERT INTO no_such VALUES ('a'); \echo :SQLSTATE
ALTER FOREIGN TABLE no_such OPTIONS (table_name 'no_such_either'); \echo :SQLSTATE
ALTER FOREIGN TABLE no_such OPTIONS (table_name 'nodes');
SELECT * FROM no_such;
ALTER FOREIGN TABLE no_such OPTIONS (DROP table_name);
ALTER FOREIGN TABLE no_such RENAME TO nodes2;
SELECT * FROM nodes2; \echo :SQLSTATE
DROP FOREIGN TABLE nodes2;

-- options
CREATE FOREIGN TABLE wrong (node_name text) SERVER east OPTIONS (tablename 'nodes'); \echo :SQLSTATE
CREATE FOREIGN TABLE wrong (node_name text) SERVER east OPTIONS (column_name 'nodes'); \echo :SQLSTATE
CREATE FOREIGN TABLE wrong (node_name text OPTIONS (table_name 'x')) SERVER east; \echo :SQLSTATE
CREATE FOREIGN TABLE wrong (node_name text) SERVER east OPTIONS (table_name 'Nodes'); \echo :SQLSTATE
CREATE SERVER wrong FOREIGN DATA WRAPPER octopus_fdw OPTIONS (host 'h'); \echo :SQLSTATE
ALTER FOREIGN DATA WRAPPER octopus_fdw OPTIONS (x 'y'); \echo :SQLSTATE
CREATE USER MAPPING FOR CURRENT_USER SERVER east OPTIONS (colour 'red'); \echo :SQLSTATE

-- constraints and generated columns of a foreign table hold
CREATE FOREIGN TABLE checked (
  node_name text CHECK (node_name LIKE '%.test'),
  node_port int GENERATED ALWAYS AS (1000 + length(node_name)) STORED
) SERVER east OPTIONS (table_name 'nodes');
INSERT INTO checked VALUES ('x'); \echo :SQLSTATE
INSERT INTO checked VALUES ('x.test') RETURNING *;
UPDATE checked SET node_name = 'xy.test' RETURNING *;
UPDATE checked SET node_name = 'y'; \echo :SQLSTATE
COPY checked FROM stdin;
z
\.
\echo :SQLSTATE
COPY checked FROM stdin;
xyz.test
\.
SELECT * FROM checked ORDER BY 1;
DELETE FROM checked;
DROP FOREIGN TABLE checked;

-- inheritance
CREATE TABLE parent (node_name text, node_port int);
INSERT INTO parent VALUES ('plain', 1);
ALTER FOREIGN TABLE mine INHERIT parent;
INSERT INTO mine VALUES (2, 'foreign');
SELECT tableoid::regclass, * FROM parent ORDER BY node_port;
UPDATE parent SET node_port = node_port + 10;
SELECT tableoid::regclass, * FROM parent ORDER BY node_port;
SELECT * FROM parent WHERE node_name = 'foreign' AND node_port = 12;
DELETE FROM parent WHERE node_name = 'foreign' RETURNING tableoid::regclass, *;
ALTER FOREIGN TABLE mine NO INHERIT parent;
DROP TABLE parent;

-- partitions
CREATE TABLE whole (region text, node_name text, node_port int) PARTITION BY LIST (node_port);
CREATE TABLE one PARTITION OF whole FOR VALUES IN (1);
ALTER TABLE whole DROP COLUMN region;
CREATE FOREIGN TABLE two PARTITION OF whole FOR VALUES IN (2) SERVER east OPTIONS (table_name 'nodes');
CREATE FOREIGN TABLE three (node_port int, node_name text) SERVER west OPTIONS (table_name 'nodes');
ALTER TABLE whole ATTACH PARTITION three FOR VALUES IN (3);
INSERT INTO whole SELECT 'p', i FROM generate_series(1, 3) i RETURNING tableoid::regclass, *;
INSERT INTO whole VALUES ('p', 2), ('p', 3), ('q', 2) ON CONFLICT DO NOTHING RETURNING tableoid::regclass, *;
INSERT INTO whole VALUES ('q', 1), ('q', 2); \echo :SQLSTATE
COPY whole FROM stdin;
r	1
r	2
r	3
\.
SELECT tableoid::regclass, * FROM whole ORDER BY node_name, node_port;
-- from a plain partition into a foreign one, and among their own
UPDATE whole SET node_port = 2 WHERE node_name = 'q' RETURNING tableoid::regclass, *;
INSERT INTO whole VALUES ('s', 1);
UPDATE whole SET node_port = 3 WHERE node_name = 's' RETURNING tableoid::regclass, *;
UPDATE whole SET node_name = node_name || node_name WHERE node_name = 'r' RETURNING tableoid::regclass, *;
DELETE FROM whole WHERE node_name = 'p' RETURNING tableoid::regclass, *;
SELECT tableoid::regclass, * FROM whole ORDER BY node_name, node_port;
TRUNCATE whole;
SELECT * FROM whole;
DROP TABLE whole;

-- the server stays as long as tables are on it
DROP SERVER east; \echo :SQLSTATE
SET client_min_messages = warning;
DROP SERVER east, west CASCADE;
DROP EXTENSION octopus_fdw;

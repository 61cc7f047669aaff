--
-- IMPORT FOREIGN SCHEMA
--
CREATE EXTENSION octopus_fdw;
CREATE SERVER "East-1" FOREIGN DATA WRAPPER octopus_fdw;
CREATE SCHEMA east;

CREATE VIEW imported AS
  SELECT c.relname, srvname, ftoptions, string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod),
         CASE WHEN attnotnull THEN 'NOT NULL' END, pg_get_expr(adbin, adrelid)), ', ' ORDER BY attnum) AS columns
  FROM pg_class c JOIN pg_foreign_table t ON ftrelid = c.oid JOIN pg_foreign_server s ON s.oid = ftserver
       JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 LEFT JOIN pg_attrdef d ON adrelid = c.oid AND adnum = attnum
  WHERE relnamespace = 'east'::regnamespace GROUP BY 1, 2, 3;

-- nodes, with all columns
IMPORT FOREIGN SCHEMA octopus FROM SERVER "East-1" INTO east;
SELECT * FROM imported;
INSERT INTO east.nodes (node_name, enabled) VALUES ('a', false);
SELECT node_name, node_port, health_status, enabled FROM east.nodes;
IMPORT FOREIGN SCHEMA octopus FROM SERVER "East-1" INTO east;
DROP FOREIGN TABLE east.nodes;

-- the others where they are named, about their own server, with all columns
IMPORT FOREIGN SCHEMA octopus LIMIT TO (node_status, node_stats, node_latency, nothing_of_that_name) FROM SERVER "East-1" INTO east;
SELECT relname, srvname, ftoptions FROM imported ORDER BY relname COLLATE "C";
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 1);
SELECT server_name, node_name FROM east.node_status;
SELECT server_name, node_name FROM east.node_stats;
SELECT * FROM east.node_latency;

-- the same columns as the shipped tables, in the same order
SELECT t AS differs
FROM unnest('{node_status,node_stats,node_latency}'::text[]) t
WHERE (SELECT array_agg((attname, atttypid) ORDER BY attnum) FROM pg_attribute WHERE attrelid = ('east.' || t)::regclass AND attnum > 0)
      IS DISTINCT FROM
      (SELECT array_agg((attname, atttypid) ORDER BY attnum) FROM pg_attribute WHERE attrelid = ('octopus.' || t)::regclass AND attnum > 0);
DROP FOREIGN TABLE east.node_status, east.node_stats, east.node_latency;

IMPORT FOREIGN SCHEMA octopus LIMIT TO (nodes) FROM SERVER "East-1" INTO east;
SELECT relname FROM imported;
DROP FOREIGN TABLE east.nodes;
IMPORT FOREIGN SCHEMA octopus EXCEPT (nodes) FROM SERVER "East-1" INTO east;
SELECT relname FROM imported;
IMPORT FOREIGN SCHEMA octopus EXCEPT (node_status) FROM SERVER "East-1" INTO east;
SELECT relname FROM imported;
DROP FOREIGN TABLE east.nodes;

-- there is one schema, and there are no options
IMPORT FOREIGN SCHEMA public FROM SERVER "East-1" INTO east;
IMPORT FOREIGN SCHEMA octopus FROM SERVER "East-1" INTO east OPTIONS (import_default 'true');

DELETE FROM octopus.nodes;
DROP VIEW imported;
DROP SCHEMA east;
DROP SERVER "East-1";
DROP EXTENSION octopus_fdw;

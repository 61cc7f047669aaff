--
-- What CREATE EXTENSION makes
--
CREATE EXTENSION octopus_fdw;

-- every object, with its comment
SELECT object COLLATE "C", obj_description(objid, classid::regclass::name) AS comment
FROM pg_depend, pg_describe_object(classid, objid, 0) AS object
WHERE refclassid = 'pg_extension'::regclass
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'octopus_fdw')
  AND deptype = 'e' AND classid <> 'pg_type'::regclass
ORDER BY 1;

SELECT attname, col_description(attrelid, attnum) AS comment
FROM pg_attribute
WHERE attrelid = 'octopus.nodes'::regclass AND attnum > 0
ORDER BY attnum;

-- no object and no column goes without a comment
SELECT object COLLATE "C"
FROM pg_depend, pg_describe_object(classid, objid, 0) AS object
WHERE refclassid = 'pg_extension'::regclass
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'octopus_fdw')
  AND deptype = 'e' AND classid <> 'pg_type'::regclass AND obj_description(objid, classid::regclass::name) IS NULL
UNION ALL
SELECT attrelid::regclass || '.' || attname
FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
WHERE relnamespace = 'octopus'::regnamespace AND relkind IN ('f', 'v', 'r') AND attnum > 0
  AND col_description(attrelid, attnum) IS NULL
ORDER BY 1;

\d octopus.nodes

SELECT extversion, extrelocatable, extnamespace::regnamespace
FROM pg_extension WHERE extname = 'octopus_fdw';

-- who may what: pg_monitor may look
SELECT has_schema_privilege('pg_monitor', 'octopus', 'USAGE') AS schema_usage,
       has_table_privilege('pg_monitor', 'octopus.nodes', 'SELECT') AS table_select,
       has_server_privilege('pg_monitor', 'octopus', 'USAGE') AS server_usage;

-- the settings, and nothing else under their prefix
SELECT name, vartype, unit, context, min_val, max_val, boot_val
FROM pg_settings WHERE name LIKE 'octopus.%' ORDER BY name COLLATE "C";
SET octopus.health_check_perod = '1s';
SET octopus.health_check_period = '1s';
SET octopus.max_nodes = 1;

-- the prober is there, in no database
SELECT backend_type, datname FROM pg_stat_activity
WHERE backend_type LIKE 'octopus%';

-- the quick start (in a transaction, so that no stranger is probed)
BEGIN;
INSERT INTO octopus.nodes VALUES ('10.192.0.247', 5432);
SELECT * FROM octopus.nodes;
ROLLBACK;

-- dropped and made again
DROP EXTENSION octopus_fdw;
CREATE EXTENSION octopus_fdw;
SELECT * FROM octopus.nodes;
DROP EXTENSION octopus_fdw;

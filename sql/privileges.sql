--
-- Who may see what
--
CREATE EXTENSION octopus_fdw;
CREATE ROLE regress_octopus_nobody;
CREATE ROLE regress_octopus_monitor IN ROLE pg_monitor;
CREATE ROLE regress_octopus_reader;

-- a node that says something, at an address
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 1);
DO $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
  WHILE (SELECT health_status <> 0 FROM octopus.node_status) AND clock_timestamp() < deadline LOOP
    PERFORM pg_sleep(0.005);
  END LOOP;
END $$;

-- what PUBLIC has of all that the extension made: nothing
SELECT object COLLATE "C"
FROM pg_depend, pg_describe_object(classid, objid, 0) AS object
WHERE refclassid = 'pg_extension'::regclass
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'octopus_fdw') AND deptype = 'e'
  AND CASE classid
        WHEN 'pg_class'::regclass THEN has_table_privilege('regress_octopus_nobody', objid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        WHEN 'pg_proc'::regclass THEN has_function_privilege('regress_octopus_nobody', objid, 'EXECUTE')
        WHEN 'pg_foreign_server'::regclass THEN has_server_privilege('regress_octopus_nobody', objid, 'USAGE')
        WHEN 'pg_foreign_data_wrapper'::regclass THEN has_foreign_data_wrapper_privilege('regress_octopus_nobody', objid, 'USAGE')
      END
ORDER BY 1;
SELECT has_schema_privilege('regress_octopus_nobody', 'octopus', 'USAGE, CREATE') AS schema;

-- what pg_monitor has, and what it has not
SELECT object COLLATE "C"
FROM pg_depend, pg_describe_object(classid, objid, 0) AS object
WHERE refclassid = 'pg_extension'::regclass
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'octopus_fdw') AND deptype = 'e'
  AND CASE classid
        WHEN 'pg_class'::regclass THEN has_table_privilege('regress_octopus_monitor', objid, 'SELECT')
        WHEN 'pg_proc'::regclass THEN has_function_privilege('regress_octopus_monitor', objid, 'EXECUTE')
      END
ORDER BY 1;
SELECT count(*) AS writable
FROM pg_class WHERE relnamespace = 'octopus'::regnamespace AND relkind IN ('f', 'v')
  AND has_table_privilege('regress_octopus_monitor', oid, 'INSERT, UPDATE, DELETE, TRUNCATE');
SELECT has_schema_privilege('regress_octopus_monitor', 'octopus', 'USAGE') AS usage,
       has_schema_privilege('regress_octopus_monitor', 'octopus', 'CREATE') AS create,
       has_server_privilege('regress_octopus_monitor', 'octopus', 'USAGE') AS server;

SET ROLE regress_octopus_nobody;
SELECT * FROM octopus.nodes;
SELECT * FROM octopus.node_status;
SELECT * FROM octopus.monitor;
RESET ROLE;

SET ROLE regress_octopus_monitor;
SELECT * FROM octopus.nodes;
SELECT node_name, health_status, state, reason, error_message, node_addr FROM octopus.node_status;
SELECT check_count > 0 AS checks FROM octopus.node_stats;
SELECT * FROM octopus.node_latency;
SELECT pid > 0 AS pid FROM octopus.monitor;
INSERT INTO octopus.nodes VALUES ('b', 1);
DELETE FROM octopus.nodes;
RESET ROLE;

-- who may read the table but not all statistics sees no text and no address,
-- whatever is asked of them
GRANT USAGE ON SCHEMA octopus TO regress_octopus_reader;
GRANT SELECT ON octopus.node_status TO regress_octopus_reader;
SET ROLE regress_octopus_reader;
SELECT node_name, health_status, state, reason, error_message, node_addr FROM octopus.node_status;
SELECT count(*) FROM octopus.node_status WHERE error_message IS NOT NULL OR node_addr IS NOT NULL;
SELECT (s).error_message, (s).node_addr FROM octopus.node_status s;
RESET ROLE;
GRANT pg_read_all_stats TO regress_octopus_reader;
SET ROLE regress_octopus_reader;
SELECT error_message, node_addr FROM octopus.node_status;
RESET ROLE;
REVOKE pg_read_all_stats FROM regress_octopus_reader;

-- through a view its owner counts, unless it says otherwise
CREATE VIEW of_owner AS SELECT error_message, node_addr FROM octopus.node_status;
CREATE VIEW of_reader WITH (security_invoker) AS SELECT error_message, node_addr FROM octopus.node_status;
GRANT SELECT ON of_owner, of_reader TO regress_octopus_reader;
SET ROLE regress_octopus_reader;
SELECT * FROM of_owner;
SELECT * FROM of_reader;
RESET ROLE;
ALTER VIEW of_owner OWNER TO regress_octopus_reader;
SELECT * FROM of_owner;
DROP VIEW of_owner, of_reader;

-- a plan that was made for one of them is not the other's
PREPARE q AS SELECT error_message, node_addr FROM octopus.node_status;
EXECUTE q;
SET ROLE regress_octopus_reader;
EXECUTE q;
RESET ROLE;
EXECUTE q;
DEALLOCATE q;

DELETE FROM octopus.nodes;
REVOKE ALL ON octopus.node_status FROM regress_octopus_reader;
REVOKE ALL ON SCHEMA octopus FROM regress_octopus_reader;
DROP ROLE regress_octopus_nobody, regress_octopus_monitor, regress_octopus_reader;
DROP EXTENSION octopus_fdw;

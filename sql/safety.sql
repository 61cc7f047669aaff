--
-- What others put where names are looked for is never taken for core's
--
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS octopus;
RESET client_min_messages;
CREATE ROLE regress_octopus_mallory;
CREATE ROLE regress_octopus_nobody;

-- Sets traps in a schema: functions and operators with names of core's, some for
-- the same types, some for types that fit better than those that core has.
CREATE PROCEDURE public.set_traps(trap text) LANGUAGE plpgsql AS $$
DECLARE
  types CONSTANT regtype[] := '{text,name,integer,bigint,double precision,numeric,boolean,inet,oid,timestamptz,interval}';
  body CONSTANT text := $body$LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END'$body$;
  o record;
BEGIN
  FOR o IN SELECT oprname, oprleft::regtype::text AS l, oprright::regtype::text AS r, oprresult::regtype::text AS result
           FROM pg_operator
           WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprleft = ANY (types) AND oprright = ANY (types)
           UNION ALL
           VALUES ('||', 'text', 'integer', 'text'), ('||', 'text', 'bigint', 'text'), ('~~', 'name', 'name', 'boolean')
  LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION %I.%I(%s, %s) RETURNS %s %s', trap, 'to ' || o.result, o.l, o.r, o.result, body);
    EXECUTE format('CREATE OPERATOR %I.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %I.%I)', trap, o.oprname, o.l, o.r, trap, 'to ' || o.result);
  END LOOP;
  FOR o IN SELECT 'format' AS name, string_agg('text', ', ') AS arguments, 'text' AS result
           FROM generate_series(1, 6) i, generate_series(1, i) GROUP BY i
           UNION ALL
           VALUES ('format', 'text, text, text, integer', 'text'), ('replace', 'name, text, text', 'text')
           UNION ALL
           SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid)
           FROM pg_proc
           WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset
             AND proname IN ('left', 'length', 'host', 'replace', 'substring', 'string_to_array', 'clock_timestamp')
  LOOP
    EXECUTE format('CREATE FUNCTION %I.%I(%s) RETURNS %s %s', trap, o.name, o.arguments, o.result, body);
  END LOOP;
END $$;

-- whose the schema is in which the extension is made
SELECT format('GRANT CREATE ON DATABASE %I TO regress_octopus_mallory', current_database()) \gexec
SET ROLE regress_octopus_mallory;
CREATE SCHEMA octopus;
RESET ROLE;
CREATE EXTENSION octopus_fdw;
DROP SCHEMA octopus;

-- what has been in it
CREATE SCHEMA octopus;
GRANT CREATE, USAGE ON SCHEMA octopus TO regress_octopus_mallory;
SET ROLE regress_octopus_mallory;
CALL set_traps('octopus');
RESET ROLE;
CREATE EXTENSION octopus_fdw;
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 1);
DO $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
  WHILE (SELECT count(*) = 0 FROM octopus.node_status WHERE health_status = 0) AND clock_timestamp() < deadline LOOP
    PERFORM pg_sleep(0.005);
  END LOOP;
END $$;
-- all columns of all rows are made
CREATE TEMPORARY TABLE rows_in AS TABLE octopus.dashboard;
SELECT count(*) FROM rows_in;
DROP TABLE rows_in;
CREATE TEMPORARY TABLE rows_in AS TABLE octopus.summary;
SELECT count(*) FROM rows_in;
DROP TABLE rows_in;
SELECT count(*) = 0 AS none FROM octopus.replication_status r WHERE r IS NULL;
SELECT count(*) = 0 AS none FROM octopus.foreign_server_status f WHERE f IS NULL;
SELECT octopus.metrics() ~ 'octopus_node_health_status{server="octopus",node="127.0.0.1",port="1"} 0' AS metrics;
-- the traps are good
SELECT format('a'::text, 'b'::text, 'c'::text, 'd'::text, 'e'::text, 'f'::text);
SET search_path = octopus;
SELECT format('a'::text, 'b'::text, 'c'::text, 'd'::text, 'e'::text, 'f'::text);
SELECT 'a'::text || 1;
RESET search_path;
-- of what the extension made nothing depends on what it did not make
SELECT d.classid::regclass, pg_describe_object(d.refclassid, d.refobjid, 0)
FROM pg_depend d LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
WHERE EXISTS (SELECT FROM pg_depend m
              WHERE m.deptype = 'e' AND m.refclassid = 'pg_extension'::regclass
                AND CASE WHEN d.classid = 'pg_rewrite'::regclass THEN m.classid = 'pg_class'::regclass AND m.objid = r.ev_class
                    ELSE m.classid = d.classid AND m.objid = d.objid END)
  AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_class'::regclass, 'pg_cast'::regclass)
  AND d.refobjid >= 16384	-- not core's
  AND NOT EXISTS (SELECT FROM pg_depend m
                  WHERE m.deptype = 'e' AND m.classid = d.refclassid AND m.objid = d.refobjid);
DROP EXTENSION octopus_fdw;
SET client_min_messages = warning;
DROP SCHEMA octopus CASCADE;
RESET client_min_messages;

-- what is before core in the search path of whoever uses it
CREATE EXTENSION octopus_fdw;
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 1);
CREATE SCHEMA trap AUTHORIZATION regress_octopus_mallory;
SET ROLE regress_octopus_mallory;
CALL set_traps('trap');
CREATE VIEW trap.node_status AS SELECT 'trapped' AS server_name;
CREATE VIEW trap.monitor AS SELECT 'trapped' AS pid;
GRANT USAGE ON SCHEMA trap TO PUBLIC;
RESET ROLE;
SET search_path = trap, pg_catalog;
SELECT left('a', 1);
CREATE TEMPORARY TABLE rows_in AS TABLE octopus.dashboard;
CREATE TEMPORARY TABLE rows_in_2 AS TABLE octopus.summary;
CREATE TEMPORARY TABLE rows_in_3 AS TABLE octopus.replication_status;
CREATE TEMPORARY TABLE rows_in_4 AS TABLE octopus.foreign_server_status;
CREATE TEMPORARY TABLE rows_in_5 AS TABLE octopus.monitor;
CREATE TEMPORARY TABLE rows_in_6 AS TABLE octopus.node_status;
CREATE TEMPORARY TABLE rows_in_7 AS TABLE octopus.node_events;
SELECT octopus.metrics() IS NOT NULL AS metrics,
       octopus.is_healthy('127.0.0.1', 1) IS NOT NULL OR octopus.if_healthy(1, '127.0.0.1', 1) IS NULL AS asked,
       octopus.conninfo() IS NOT NULL AS conninfo, octopus.recent_checks('127.0.0.1', 1) IS NOT NULL AS recent,
       octopus.wait_for_event(0) IS NOT NULL AS event, octopus.check_node('127.0.0.1', 1) AS checked,
       octopus.wait_for_health('127.0.0.1', 1, 0) AS waited, octopus.reset_stats('127.0.0.1', 1, 'octopus') IS NOT NULL AS reset;
SELECT octopus.healthy_nodes();
UPDATE octopus.node_options SET enabled = false;
DELETE FROM octopus.nodes;
RESET search_path;
DROP TABLE rows_in, rows_in_2, rows_in_3, rows_in_4, rows_in_5, rows_in_6, rows_in_7;
SET client_min_messages = warning;
DROP SCHEMA trap CASCADE;
DROP PROCEDURE set_traps;
RESET client_min_messages;

-- functions: C, or with a body that was parsed when it was made, or a search path
-- of their own; none has other rights than who calls it, nor has a view
CREATE VIEW members AS
  SELECT classid, objid, pg_describe_object(classid, objid, 0) COLLATE "C" AS object FROM pg_depend
  WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
    AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'octopus_fdw');
SELECT l.lanname, count(*) > 0 AS some,
       count(*) FILTER (WHERE p.prosecdef) AS security_definer,
       count(*) FILTER (WHERE l.lanname <> 'c' AND p.prosqlbody IS NULL
                          AND NOT coalesce(array_to_string(p.proconfig, ' ') LIKE '%search_path=%', false)) AS unsafe
FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
  JOIN pg_language l ON l.oid = p.prolang
GROUP BY 1 ORDER BY 1;
SELECT m.object, c.reloptions
FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
WHERE c.relkind = 'v' ORDER BY 1;

-- who has no right but to the schema is refused each function and relation
GRANT USAGE ON SCHEMA octopus TO regress_octopus_nobody;
GRANT SELECT ON members TO regress_octopus_nobody;
SET ROLE regress_octopus_nobody;
DO $$
DECLARE
  o record;
  n integer := 0;
BEGIN
  FOR o IN SELECT object, format('SELECT octopus.%I(%s)', p.proname,
                    (SELECT string_agg(format('%L::%s', CASE WHEN t::regtype::text LIKE '%[]' THEN '{1}' ELSE '1' END,
                                                replace(t::regtype::text, 'anyelement', 'integer')), ', ' ORDER BY i)
                     FROM unnest(p.proargtypes) WITH ORDINALITY AS u(t, i))) AS command
           FROM members JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid
           UNION ALL
           SELECT object, format(c.command, objid::regclass)
           FROM members, (VALUES ('SELECT FROM %s'), ('INSERT INTO %s DEFAULT VALUES'), ('DELETE FROM %s'), ('TRUNCATE %s')) c (command)
           WHERE classid = 'pg_class'::regclass AND (object LIKE 'foreign table %' OR c.command LIKE 'SELECT %')
           UNION ALL
           SELECT object, c.command
           FROM members, (VALUES ('CREATE FOREIGN TABLE pg_temp.mine (node_name text) SERVER octopus'),
                            ('CREATE USER MAPPING FOR CURRENT_USER SERVER octopus'),
                            ('ALTER SERVER octopus OPTIONS (health_check_period ''1s'')')) c (command)
           WHERE object = 'server octopus'
           UNION ALL
           SELECT object, 'CREATE SERVER mine FOREIGN DATA WRAPPER octopus_fdw'
           FROM members WHERE object = 'foreign-data wrapper octopus_fdw'
  LOOP
    n := n + 1;
    BEGIN
      EXECUTE o.command;
      RAISE WARNING '% is not refused: %', o.object, o.command;
    EXCEPTION
      WHEN insufficient_privilege THEN NULL;
      WHEN OTHERS THEN RAISE WARNING '% is not refused: %: %', o.object, o.command, SQLERRM;
    END;
  END LOOP;
  RAISE NOTICE 'more than 40 things refused: %', n > 40;
END $$;
RESET ROLE;

DROP VIEW members;
SELECT format('REVOKE CREATE ON DATABASE %I FROM regress_octopus_mallory', current_database()) \gexec
REVOKE USAGE ON SCHEMA octopus FROM regress_octopus_nobody;
DROP ROLE regress_octopus_mallory, regress_octopus_nobody;
DROP EXTENSION octopus_fdw;

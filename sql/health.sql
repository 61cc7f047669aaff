--
-- Nodes that are registered are probed
--
CREATE EXTENSION octopus_fdw;

-- The server under test, as its prober can reach it.
CREATE FUNCTION myself(OUT name text, OUT port int) LANGUAGE sql STABLE AS $$
  SELECT (regexp_split_to_array(current_setting('unix_socket_directories'), ', *'))[1], current_setting('port')::int
$$;

-- Waits until a condition on octopus.nodes holds for all of them.
CREATE FUNCTION wait_until(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '1 minute';
  holds bool;
BEGIN
  LOOP
    EXECUTE format('SELECT bool_and(%s) FROM octopus.nodes', condition) INTO holds;
    IF holds THEN
      RETURN 'it is so';
    ELSIF clock_timestamp() > deadline THEN
      RETURN 'not within a minute: ' || (SELECT json_agg(n) FROM octopus.nodes n);
    END IF;
    PERFORM pg_sleep(0.005);
  END LOOP;
END $$;

-- a live server, through its socket
INSERT INTO octopus.nodes SELECT * FROM myself();
SELECT wait_until('health_status = 1');

-- dead ones: nobody listens there, there is no such directory, no such name,
-- names that are no option strings
INSERT INTO octopus.nodes VALUES
  ('127.0.0.1', 1), ('::1', 1), ('/no/such/directory', 5432), ('no.such.name.invalid', 5432),
  ('a,b', 5432), ('127.0.0.1,127.0.0.1', 1), ('/a,/b', 5432), ('@octopus', 5432), (' ', 5432), ('%s', 5432),
  ('postgresql:///postgres', 5432);
INSERT INTO octopus.nodes SELECT format('x host=''%s'' port=%s', name, port), 5432 FROM myself();
INSERT INTO octopus.nodes SELECT name, 65535 FROM myself();
SELECT wait_until('health_status = (node_port = (myself()).port AND node_name = (myself()).name)::int');
SELECT health_status, count(*) FROM octopus.nodes GROUP BY 1 ORDER BY 1;

-- each table shows what is found
CREATE FOREIGN TABLE here (health_status int, node_port int, node_name text)
  SERVER octopus OPTIONS (table_name 'nodes');
SELECT health_status FROM here, myself() WHERE node_name = name AND node_port = port;
SELECT health_status FROM octopus.nodes WHERE node_name = '127.0.0.1' AND node_port = 1;
DROP FOREIGN TABLE here;

-- the same name and port keep the verdict; another port is another node
BEGIN;
DELETE FROM octopus.nodes WHERE health_status = 0;
SELECT health_status FROM octopus.nodes;
UPDATE octopus.nodes SET node_name = node_name RETURNING health_status;
SELECT health_status FROM octopus.nodes;
UPDATE octopus.nodes SET node_port = 65535 RETURNING health_status;
SELECT health_status FROM octopus.nodes;
COMMIT;
SELECT wait_until('health_status = 0');
UPDATE octopus.nodes SET node_port = (myself()).port RETURNING health_status;
SELECT wait_until('health_status = 1');

-- deleted and registered again within a transaction is a new registration
BEGIN;
DELETE FROM octopus.nodes RETURNING health_status;
INSERT INTO octopus.nodes SELECT * FROM myself();
SELECT health_status FROM octopus.nodes;
COMMIT;
SELECT wait_until('health_status = 1');
-- but not if that is rolled back
BEGIN;
SAVEPOINT s;
DELETE FROM octopus.nodes;
INSERT INTO octopus.nodes SELECT * FROM myself();
UPDATE octopus.nodes SET node_port = 1;
ROLLBACK TO s;
SELECT health_status FROM octopus.nodes;
COMMIT;
SELECT health_status FROM octopus.nodes;
DELETE FROM octopus.nodes;

-- What is rolled back is never probed: a probe of this server would be a session
-- in database postgres.  A registration that commits later shows by its
-- verdict that the prober has been at work since.
CREATE FUNCTION sessions() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_stat_clear_snapshot();
  RETURN (SELECT sessions FROM pg_stat_database WHERE datname = 'postgres');
END $$;
CREATE FUNCTION settled_sessions() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '1 minute';
  n bigint := -1;
BEGIN
  -- no session there any more, and none that has yet to be counted
  WHILE clock_timestamp() < deadline LOOP
    EXIT WHEN n = sessions() AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'postgres');
    n := sessions();
    PERFORM pg_sleep(0.2);
  END LOOP;
  RETURN n;
END $$;
SELECT settled_sessions() AS before \gset
BEGIN;
INSERT INTO octopus.nodes SELECT * FROM myself();
ROLLBACK;
BEGIN;
SAVEPOINT s;
INSERT INTO octopus.nodes SELECT * FROM myself();
ROLLBACK TO s;
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 1);
COMMIT;
BEGIN;
INSERT INTO octopus.nodes SELECT * FROM myself();
DELETE FROM octopus.nodes WHERE node_port <> 1;
COMMIT;
SELECT wait_until('health_status = 0');
UPDATE octopus.nodes SET node_port = 2;
SELECT wait_until('health_status = 0');
SELECT settled_sessions() - :before AS probes_of_this_server;
-- nor is what was unregistered
DELETE FROM octopus.nodes;
INSERT INTO octopus.nodes SELECT * FROM myself();
SELECT wait_until('health_status = 1');
DELETE FROM octopus.nodes;
SELECT settled_sessions() AS before \gset
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 1);
SELECT wait_until('health_status = 0');
SELECT settled_sessions() - :before AS probes_of_this_server;

DELETE FROM octopus.nodes;
DROP FUNCTION myself, wait_until, sessions, settled_sessions;
DROP EXTENSION octopus_fdw;

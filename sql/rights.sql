--
-- What each kind of user can do with nodes
--
\set VERBOSITY terse
CREATE EXTENSION octopus_fdw;
CREATE ROLE regress_octopus_writer;
CREATE ROLE regress_octopus_user;
CREATE ROLE regress_octopus_owner;
GRANT USAGE ON SCHEMA octopus TO regress_octopus_writer;
GRANT CREATE, USAGE ON SCHEMA public TO regress_octopus_user, regress_octopus_owner;
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 1);

-- who may INSERT registers what he likes, and can neither see nor undo it
GRANT INSERT ON octopus.nodes TO regress_octopus_writer;
SET ROLE regress_octopus_writer;
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 2), ('/nowhere', 5432);
SELECT * FROM octopus.nodes;
DELETE FROM octopus.nodes;
TRUNCATE octopus.nodes;
INSERT INTO octopus.nodes VALUES ('127.0.0.1', 3) RETURNING health_status;
INSERT INTO octopus.node_options (node_name, hostaddr) VALUES ('a', '127.0.0.1');
CREATE FOREIGN TABLE pg_temp.mine (node_name text) SERVER octopus;
ALTER SERVER octopus OPTIONS (health_check_query 'SELECT 1 = 1');
CREATE USER MAPPING FOR CURRENT_USER SERVER octopus;
RESET ROLE;
SELECT node_name, node_port, registered_by = 'regress_octopus_writer' AS his FROM octopus.node_options ORDER BY 1, 2;

-- who has USAGE on the foreign server has its nodes, whoever registered them
GRANT USAGE ON FOREIGN SERVER octopus TO regress_octopus_user;
SET ROLE regress_octopus_user;
CREATE FOREIGN TABLE of_user (node_name text, node_port integer, enabled boolean, hostaddr text, health_check_period integer)
  SERVER octopus OPTIONS (table_name 'nodes');
CREATE FOREIGN TABLE of_user_status (node_name text, node_port integer, reason text, error_message text, node_addr inet)
  SERVER octopus OPTIONS (table_name 'node_status');
UPDATE of_user SET health_check_period = 1, hostaddr = '127.0.0.1' WHERE node_name = '/nowhere';
UPDATE of_user SET health_check_period = 50, hostaddr = '127.0.0.1' WHERE node_port = 2;
DELETE FROM of_user WHERE node_port = 5432;
TABLE of_user ORDER BY 1, 2;
DO $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
  WHILE (SELECT count(*) <> 2 FROM of_user_status WHERE reason = 'connection_refused') AND clock_timestamp() < deadline LOOP
    PERFORM pg_sleep(0.005);
  END LOOP;
END $$;
-- he learns what is open, but not in the words of who answers
TABLE of_user_status ORDER BY 1, 2;
-- not what the other servers of the database have, nor their credentials
CREATE FOREIGN TABLE of_user_all (server_name name) SERVER octopus OPTIONS (table_name 'node_status', all_servers 'true');
ALTER FOREIGN TABLE of_user_status OPTIONS (ADD all_servers 'true');
ALTER SERVER octopus OPTIONS (health_check_type 'query');
CREATE USER MAPPING FOR PUBLIC SERVER octopus OPTIONS (user 'somebody');
-- a mapping of his own is his, but no probe uses it
CREATE USER MAPPING FOR CURRENT_USER SERVER octopus OPTIONS (user 'somebody', password 'x');
DROP USER MAPPING FOR CURRENT_USER SERVER octopus;
RESET ROLE;
-- his tables remain, as those of any wrapper do
REVOKE USAGE ON FOREIGN SERVER octopus FROM regress_octopus_user;
SET ROLE regress_octopus_user;
DELETE FROM of_user WHERE node_port = 1;
CREATE FOREIGN TABLE of_user_more (node_name text) SERVER octopus OPTIONS (table_name 'nodes');
RESET ROLE;
SELECT node_name, node_port FROM octopus.nodes;

-- who owns a server has its policy, but for what would be this server's own
GRANT USAGE ON FOREIGN DATA WRAPPER octopus_fdw TO regress_octopus_owner;
SET ROLE regress_octopus_owner;
CREATE SERVER of_owner FOREIGN DATA WRAPPER octopus_fdw
  OPTIONS (health_check_query 'SELECT 1 = 1', application_name 'mine', dbname 'x', sslmode 'prefer');
ALTER SERVER of_owner OPTIONS (ADD sslcert '/etc/hostname');
ALTER SERVER of_owner OPTIONS (ADD sslkey '/etc/hostname');
ALTER SERVER of_owner OPTIONS (ADD service 'x');
ALTER SERVER of_owner OPTIONS (ADD passfile 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER of_owner OPTIONS (user 'x', password_required 'false');
CREATE USER MAPPING FOR PUBLIC SERVER of_owner OPTIONS (user 'x', sslcert '/etc/hostname');
CREATE USER MAPPING FOR PUBLIC SERVER of_owner OPTIONS (user 'x', sslkey '/etc/hostname');
CREATE USER MAPPING FOR CURRENT_USER SERVER of_owner OPTIONS (user 'x', password_required 'true');
IMPORT FOREIGN SCHEMA octopus LIMIT TO (node_status) FROM SERVER of_owner INTO public;
SELECT count(*) FROM public.node_status;
ALTER FOREIGN TABLE public.node_status OPTIONS (ADD all_servers 'true');
SELECT octopus.reset_stats();
ALTER EXTENSION octopus_fdw SET SCHEMA public;
RESET ROLE;
-- what a superuser has lifted she cannot turn to another user
ALTER USER MAPPING FOR regress_octopus_owner SERVER of_owner OPTIONS (SET password_required 'false');
SET ROLE regress_octopus_owner;
ALTER USER MAPPING FOR CURRENT_USER SERVER of_owner OPTIONS (SET user 'y');
DROP USER MAPPING FOR CURRENT_USER SERVER of_owner;
RESET ROLE;

DROP FOREIGN TABLE of_user, of_user_status, public.node_status;
DROP SERVER of_owner;
DELETE FROM octopus.nodes;
REVOKE ALL ON SCHEMA octopus FROM regress_octopus_writer;
REVOKE ALL ON octopus.nodes FROM regress_octopus_writer;
REVOKE CREATE, USAGE ON SCHEMA public FROM regress_octopus_user, regress_octopus_owner;
DROP EXTENSION octopus_fdw;
DROP ROLE regress_octopus_writer, regress_octopus_user, regress_octopus_owner;

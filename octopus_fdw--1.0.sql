/* octopus_fdw--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION octopus_fdw" to load this file. \quit

CREATE FUNCTION octopus_fdw_handler()
RETURNS fdw_handler
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

COMMENT ON FUNCTION octopus_fdw_handler() IS
	'foreign-data wrapper handler of octopus_fdw';

CREATE FUNCTION octopus_fdw_validator(text[], oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

COMMENT ON FUNCTION octopus_fdw_validator(text[], oid) IS
	'checks the options of octopus_fdw servers, tables and columns';

CREATE FOREIGN DATA WRAPPER octopus_fdw
	HANDLER octopus_fdw_handler
	VALIDATOR octopus_fdw_validator;

COMMENT ON FOREIGN DATA WRAPPER octopus_fdw IS
	'live health of PostgreSQL servers';

-- A server is a group of nodes; this one is the default group.
CREATE SERVER octopus FOREIGN DATA WRAPPER octopus_fdw;

COMMENT ON SERVER octopus IS
	'default group of monitored PostgreSQL nodes';

CREATE FOREIGN TABLE nodes (
	node_name     text    NOT NULL,
	node_port     integer NOT NULL DEFAULT 5432,
	health_status integer DEFAULT -1
) SERVER octopus OPTIONS (table_name 'nodes');

COMMENT ON FOREIGN TABLE nodes IS
	'monitored PostgreSQL nodes: INSERT registers a node, DELETE unregisters it, SELECT shows its live health';
COMMENT ON COLUMN nodes.node_name IS
	'IP address, host name, or directory of a Unix-domain socket (begins with a slash)';
COMMENT ON COLUMN nodes.node_port IS
	'port of the PostgreSQL server, 1 to 65535';
COMMENT ON COLUMN nodes.health_status IS
	'1 healthy, 0 unhealthy, -1 unknown (not probed yet); observed, ignored on input';

CREATE FUNCTION registry_reset()
RETURNS void
AS 'MODULE_PATHNAME', 'octopus_registry_reset'
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;

REVOKE EXECUTE ON FUNCTION registry_reset() FROM PUBLIC;

COMMENT ON FUNCTION registry_reset() IS
	'sets a registry file that cannot be used aside and starts afresh (superuser)';

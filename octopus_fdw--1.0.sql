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

-- The same nodes with all that can be said of them; dumps take this one.
CREATE FOREIGN TABLE node_options (
	node_name                text    NOT NULL,
	node_port                integer NOT NULL DEFAULT 5432,
	health_status            integer DEFAULT -1,
	enabled                  boolean,
	hostaddr                 text,
	health_check_period      integer,
	health_check_timeout     integer,
	health_check_max_retries integer,
	health_check_retry_delay integer,
	healthy_threshold        integer,
	health_check_type        text,
	registered_by            name,
	registered_at            timestamp with time zone
) SERVER octopus OPTIONS (table_name 'nodes');

SELECT pg_catalog.pg_extension_config_dump('node_options', '');

COMMENT ON FOREIGN TABLE node_options IS
	'monitored PostgreSQL nodes with their own options; NULL leaves an option to the foreign server and the settings';
COMMENT ON COLUMN node_options.node_name IS
	'IP address, host name, or directory of a Unix-domain socket (begins with a slash)';
COMMENT ON COLUMN node_options.node_port IS
	'port of the PostgreSQL server, 1 to 65535';
COMMENT ON COLUMN node_options.health_status IS
	'1 healthy, 0 unhealthy, -1 unknown (not probed yet, or disabled); observed, ignored on input';
COMMENT ON COLUMN node_options.enabled IS
	'is the node to be probed? (also its foreign server has to say so)';
COMMENT ON COLUMN node_options.hostaddr IS
	'numeric address to connect to instead of looking node_name up';
COMMENT ON COLUMN node_options.health_check_period IS
	'time between checks, in milliseconds';
COMMENT ON COLUMN node_options.health_check_timeout IS
	'longest time that one try of a check may take, in milliseconds';
COMMENT ON COLUMN node_options.health_check_max_retries IS
	'how often a failed try is repeated before the node counts as unhealthy';
COMMENT ON COLUMN node_options.health_check_retry_delay IS
	'time between a failed try and its repetition, in milliseconds';
COMMENT ON COLUMN node_options.healthy_threshold IS
	'successes in a row that make an unhealthy node healthy';
COMMENT ON COLUMN node_options.health_check_type IS
	'what a check asks: auto, tcp, ping, connection or query';
COMMENT ON COLUMN node_options.registered_by IS
	'who registered the node; ignored on input';
COMMENT ON COLUMN node_options.registered_at IS
	'when the node was registered; ignored on input';

CREATE FUNCTION registry_reset()
RETURNS void
AS 'MODULE_PATHNAME', 'octopus_registry_reset'
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;

REVOKE EXECUTE ON FUNCTION registry_reset() FROM PUBLIC;

COMMENT ON FUNCTION registry_reset() IS
	'sets a registry file that cannot be used aside and starts afresh (superuser)';

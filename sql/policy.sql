--
-- Options of servers and user mappings: accepted and refused
--
CREATE EXTENSION octopus_fdw;
CREATE SERVER pol FOREIGN DATA WRAPPER octopus_fdw OPTIONS (
	enabled 'on', health_check_period '500ms', health_check_timeout '1s',
	health_check_max_retries '0', health_check_retry_delay '0',
	healthy_threshold '3', health_check_type 'query',
	health_check_query 'SELECT true', health_check_down_period '-1',
	health_check_jitter '50', keep_connections 'off', application_name 'app',
	dbname 'app', sslmode 'verify-full', sslrootcert '/ca', options '-c a=b',
	keepalives_idle '10', tcp_user_timeout '1000', channel_binding 'require');
ALTER SERVER pol OPTIONS (SET health_check_period '1 min', DROP sslmode);
\pset format unaligned
\pset tuples_only on
SELECT unnest(srvoptions) FROM pg_foreign_server WHERE srvname = 'pol';

CREATE FUNCTION refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || SQLERRM, nullif(hint, ''));
END $$;
CREATE SERVER plain FOREIGN DATA WRAPPER octopus_fdw;

-- values
SELECT refused(format('ALTER SERVER plain OPTIONS (ADD %I %L)', o, v))
	FROM (VALUES ('health_check_period', '0'), ('health_check_period', 'soon'),
		('health_check_period', '1 year'), ('health_check_timeout', '-1'),
		('health_check_max_retries', '101'), ('health_check_max_retries', '1s'),
		('healthy_threshold', ''), ('health_check_type', 'magic'),
		('health_check_query', ''), ('health_check_down_period', '0'),
		('health_check_jitter', '51'), ('keep_connections', 'maybe'),
		('enabled', '2'), ('application_name', repeat('x', 5000)),
		('sslmode', 'nonsense'), ('channel_binding', 'perhaps'), ('gssencmode', 'on'),
		('keepalives', 'yes'), ('keepalives_idle', '1s'), ('tcp_user_timeout', 'x'),
		('ssl_min_protocol_version', 'SSLv3')) AS t(o, v);
-- in libpq's words; two that are good apart only
DO $$
BEGIN
	ALTER SERVER plain OPTIONS (ADD ssl_min_protocol_version 'TLSv1.3', ADD ssl_max_protocol_version 'TLSv1.2');
EXCEPTION WHEN OTHERS THEN
	DECLARE
		detail text;
	BEGIN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		RAISE NOTICE '% %', SQLERRM, detail;
	END;
END $$;
ALTER SERVER plain OPTIONS (ADD ssl_min_protocol_version 'TLSv1.2', ADD ssl_max_protocol_version 'TLSv1.3', ADD sslmode 'require');
ALTER SERVER plain OPTIONS (DROP ssl_min_protocol_version, DROP ssl_max_protocol_version, DROP sslmode);

-- names
SELECT refused(format('ALTER SERVER plain OPTIONS (ADD %I %L)', o, 'x'))
	FROM (VALUES ('helth_check_period'), ('ssl_mode'), ('database'), ('nonsense'),
		('host'), ('hostaddr'), ('port'), ('user'), ('password'), ('passfile'),
		('service'), ('connect_timeout'), ('replication'), ('client_encoding'),
		('fallback_application_name'), ('target_session_attrs'), ('sslpassword'),
		('enable_health_checks'), ('max_nodes'), ('table_name')) AS t(o);

-- mappings
SELECT refused(format('CREATE USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (%s)', o))
	FROM (VALUES ('usr ''a'''), ('dbname ''a'''), ('health_check_period ''1s'''),
		('password_required ''maybe''')) AS t(o);
CREATE USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (user 'a', password 'b',
	sslcert '/c', sslkey '/k', sslpassword 'p', password_required 'false');
CREATE USER MAPPING FOR PUBLIC SERVER plain;

-- one that probes do not use
CREATE ROLE regress_octopus_other;
CREATE USER MAPPING FOR regress_octopus_other SERVER plain OPTIONS (user 'a');
DROP OWNED BY regress_octopus_other;
DROP ROLE regress_octopus_other;

-- together they may be too long only once there are nodes
ALTER SERVER plain OPTIONS (ADD application_name 'x');
SELECT refused(format('ALTER SERVER plain OPTIONS (SET application_name %L)', repeat('x', 4000)));
SELECT refused(format('ALTER USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (SET password %L)', repeat('y', 2000)));
CREATE FOREIGN TABLE plain_nodes (node_name text) SERVER plain OPTIONS (table_name 'nodes');
\set VERBOSITY sqlstate
INSERT INTO plain_nodes VALUES ('a');
\set VERBOSITY default
ALTER SERVER plain OPTIONS (SET application_name 'x');
INSERT INTO plain_nodes VALUES ('a');
ALTER SERVER plain OPTIONS (DROP application_name);
SET client_min_messages = warning;
DROP SERVER plain CASCADE;
DROP SERVER pol;
DROP FUNCTION refused(text);
DROP EXTENSION octopus_fdw;

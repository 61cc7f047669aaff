# Without shared_preload_libraries the extension can be created and dropped, but
# its tables cannot be used, and it leaves no setting behind.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

$node->safe_psql('postgres', 'CREATE EXTENSION octopus_fdw');
is( $node->safe_psql(
		'postgres',
		"SELECT string_agg(attname || ' ' || atttypid::regtype || ' ' || attnotnull, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'octopus.nodes'::regclass AND attnum > 0"
	),
	'node_name text true, node_port integer true, health_status integer false',
	'CREATE EXTENSION works');

my %statements = (
	'SELECT' => 'SELECT * FROM octopus.nodes',
	'SELECT of a status' => 'SELECT * FROM octopus.node_status',
	'SELECT of numbers' => 'SELECT * FROM octopus.node_stats',
	'SELECT of the prober' => 'SELECT * FROM octopus.monitor',
	'INSERT' => "INSERT INTO octopus.nodes VALUES ('127.0.0.1', 5432)",
	'UPDATE' => 'UPDATE octopus.nodes SET node_port = 1',
	'DELETE' => 'DELETE FROM octopus.nodes',
	'TRUNCATE' => 'TRUNCATE octopus.nodes',
	'COPY FROM' => "COPY octopus.nodes (node_name) FROM PROGRAM 'echo 127.0.0.1'",
	'COPY TO' => 'COPY (SELECT * FROM octopus.nodes) TO STDOUT',
	'EXPLAIN SELECT' => 'EXPLAIN SELECT * FROM octopus.nodes',
	'EXPLAIN DELETE' => 'EXPLAIN DELETE FROM octopus.nodes');

# each of them in a session of its own, with nothing loaded before
foreach my $what (sort keys %statements)
{
	my ($ret, $stdout, $stderr) = $node->psql('postgres',
		"\\set VERBOSITY verbose\n$statements{$what};");
	like(
		$stderr,
		qr/ERROR:  55000: octopus_fdw must be loaded via "shared_preload_libraries"/,
		"$what is refused");
	like($stderr, qr/HINT:  Add "octopus_fdw" to "shared_preload_libraries"/,
		"$what says what to do");
}

# what does not touch the nodes works, such as a user's own server
$node->safe_psql('postgres',
	"CREATE SERVER mine FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE mine (node_name text) SERVER mine OPTIONS (table_name 'nodes');
	DROP SERVER mine CASCADE");
pass('servers and tables can be created and dropped');

# the library is loaded by the handler and the validator
is( $node->safe_psql(
		'postgres',
		"CREATE SERVER loads_it FOREIGN DATA WRAPPER octopus_fdw;
		SET octopus.foo = 'bar';
		SELECT current_setting('octopus.foo'), count(*) FROM pg_settings WHERE name LIKE 'octopus.%';
		DROP SERVER loads_it"),
	'bar|0',
	'there is no setting and no reserved prefix');

# the library comes late, with a session or by hand
my ($ret, $stdout, $stderr) = $node->psql(
	'postgres',
	"LOAD 'octopus_fdw';
	SET octopus.foo = 'bar';
	SELECT * FROM octopus.nodes");
like(
	$stderr,
	qr/must be loaded via "shared_preload_libraries"/,
	'LOAD does not make up for it');
is( $node->safe_psql(
		'postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'octopus'"),
	'0',
	'there is no prober');

is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is well');
$node->safe_psql('postgres', 'DROP EXTENSION octopus_fdw CASCADE');
is( $node->safe_psql(
		'postgres',
		"SELECT count(*) FROM pg_foreign_data_wrapper WHERE fdwname = 'octopus_fdw'"
	),
	'0',
	'DROP EXTENSION works');

done_testing();

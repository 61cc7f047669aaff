# The prober stands in nobody's way: databases can be dropped, copied and moved
# while it works.  And the nodes of one database are not those of another.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $target = target('target');
my $monitor = monitor('monitor', period => '50ms', retry_delay => '10ms');
my $port = $target->port;
my $dead_port = PostgreSQL::Test::Cluster::get_free_port();

my $list =
  "SELECT coalesce(string_agg(node_port::text, ',' ORDER BY node_port), 'none') FROM octopus.nodes";

# ---------- databases that do not know of each other ----------

$monitor->safe_psql('postgres', 'CREATE DATABASE one; CREATE DATABASE two');
foreach my $database ('one', 'two')
{
	$monitor->safe_psql($database, 'CREATE EXTENSION octopus_fdw');
}
$monitor->safe_psql('one',
	"INSERT INTO octopus.nodes VALUES ('127.0.0.1', $port), ('127.0.0.1', $dead_port)"
);
is($monitor->safe_psql('two', $list), 'none', 'nodes of another database are not seen');
is($monitor->safe_psql('postgres', $list), 'none', 'nor from a third one');

$monitor->safe_psql('two',
	"INSERT INTO octopus.nodes VALUES ('127.0.0.1', $port)");
is($monitor->safe_psql('two', $list), "$port", 'the same node can be in both');

ok( $monitor->poll_query_until(
		'one',
		"SELECT string_agg(health_status::text, '' ORDER BY node_port = $port DESC) = '10' FROM octopus.nodes"
	),
	'both nodes of the first database have their verdict');
ok( $monitor->poll_query_until(
		'two', 'SELECT health_status = 1 FROM octopus.nodes'),
	'the node of the second database has its own');

$monitor->safe_psql('two', 'TRUNCATE octopus.nodes');
is($monitor->safe_psql('two', $list), 'none', 'TRUNCATE empties the one');
isnt($monitor->safe_psql('one', $list), 'none', 'and not the other');

# ---------- databases come and go, the prober works on ----------

my $prober = prober_pid($monitor);
is( $monitor->safe_psql('postgres',
		"SELECT datid IS NULL AND datname IS NULL FROM pg_stat_activity WHERE pid = $prober"),
	't',
	'the prober is attached to no database');

foreach my $database ('postgres', 'template1', 'one', 'two')
{
	# asked from elsewhere, since a template must have no other session
	my $from = $database eq 'postgres' ? 'template1' : 'postgres';
	my ($ret, $stdout, $stderr) = $monitor->psql($from,
		"SET statement_timeout = '60s'; CREATE DATABASE copy TEMPLATE $database");
	is($stderr, '', "CREATE DATABASE with template $database");

	is( $monitor->safe_psql(
			'copy',
			"CREATE EXTENSION IF NOT EXISTS octopus_fdw; $list"),
		'none',
		"the copy of $database has no node");

	($ret, $stdout, $stderr) = $monitor->psql('postgres',
		"SET statement_timeout = '60s'; DROP DATABASE copy");
	is($stderr, '', 'the copy can be dropped');
}

$monitor->safe_psql('postgres', 'ALTER DATABASE one RENAME TO first');
isnt($monitor->safe_psql('first', $list), 'none',
	'a renamed database keeps its nodes');

my ($ret, $stdout, $stderr) = $monitor->psql('postgres',
	"SET statement_timeout = '60s'; DROP DATABASE first");
is($stderr, '', 'a database with nodes can be dropped');
$monitor->safe_psql('postgres', 'CREATE DATABASE one');
$monitor->safe_psql('one', 'CREATE EXTENSION octopus_fdw');
is($monitor->safe_psql('one', $list), 'none',
	'its successor does not inherit them');

is(prober_pid($monitor), $prober, 'the prober is the same all the time');

# ---------- on the target, too ----------

register($monitor, [ '127.0.0.1', $port ]);
wait_health($monitor, '127.0.0.1', $port, 1, 'the target is probed');
$target->safe_psql('postgres', 'CREATE DATABASE work');
foreach my $command (
	'CREATE DATABASE copy TEMPLATE work',
	'DROP DATABASE work', 'DROP DATABASE copy')
{
	($ret, $stdout, $stderr) = $target->psql('template1', $command);
	is($stderr, '', "on the target: $command");
}

done_testing();

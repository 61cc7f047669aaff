# A node's own options: the prober obeys them, at once, and they survive a
# restart and a dump.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $target = target('target');
my $monitor = monitor('monitor', period => '50ms', retry_delay => '10ms',
	timeout => '5s', max_retries => 0);
my $port = $target->port;

sub set_options
{
	my ($options, $where) = @_;
	return $monitor->safe_psql('postgres',
		"UPDATE octopus.node_options SET $options WHERE $where");
}

sub becomes
{
	my ($status, $where, $name) = @_;
	return ok(
		$monitor->poll_query_until(
			'postgres',
			"SELECT health_status = $status FROM octopus.nodes WHERE $where"),
		$name);
}

# ---------- hostaddr ----------

# the name leads nowhere, the address does
$monitor->safe_psql('postgres',
	"INSERT INTO octopus.node_options (node_name, node_port, hostaddr) VALUES ('nowhere.invalid', $port, '127.0.0.1')"
);
my $named = "node_name = 'nowhere.invalid'";
becomes(1, $named, 'hostaddr is connected to, whatever the name');
set_options('hostaddr = NULL', $named);
becomes(0, $named, 'without it the name counts again');
set_options("hostaddr = '127.0.0.1'", $named);
becomes(1, $named, 'and with it the address');
is( $monitor->safe_psql('postgres',
		"WITH new AS (UPDATE octopus.node_options SET hostaddr = '127.0.0.2' WHERE $named RETURNING health_status) SELECT * FROM new"
	),
	'-1',
	'another address is another node, of which nothing is known');
set_options("hostaddr = '127.0.0.1'", $named);

# ---------- enabled ----------

my $numbered = "node_name = '127.0.0.1'";
register($monitor, [ '127.0.0.1', $port ]);
becomes(1, $numbered, 'a node is healthy');
set_options('enabled = false', $numbered);
becomes(-1, $numbered, 'of a disabled node nothing is known');
set_options('health_check_period = 20', $numbered);
is( $monitor->safe_psql('postgres',
		"SELECT health_status FROM octopus.nodes WHERE $numbered"),
	'-1',
	'other options do not enable it');
$monitor->restart;
becomes(1, $named, 'after a restart the others are probed');
is( $monitor->safe_psql('postgres',
		"SELECT health_status, enabled, health_check_period FROM octopus.node_options WHERE $numbered"
	),
	'-1|f|20',
	'it is still disabled');
set_options('enabled = NULL, health_check_period = 3600000', $numbered);
becomes(1, $numbered, 'enabled again, it is probed at once');

# ---------- own times and thresholds ----------

set_options('healthy_threshold = 3', $numbered);
is( $monitor->safe_psql('postgres',
		"SELECT health_status FROM octopus.nodes WHERE $numbered"),
	'1', 'UPDATE of other options keeps the health');
$target->stop;
becomes(0, $named, 'the target is down for one node');
is( $monitor->safe_psql('postgres',
		"SELECT health_status FROM octopus.nodes WHERE $numbered"),
	'1', 'and not yet asked again for the one that is checked every hour');
set_options('health_check_period = NULL', $numbered);
becomes(0, $numbered, 'a shorter period counts at once');

# three successes in a row are an hour apart, then at once
set_options('health_check_period = 3600000', $numbered);
$target->start;
becomes(1, $named, 'one success is enough for the one');
is( $monitor->safe_psql('postgres',
		"SELECT health_status FROM octopus.nodes WHERE $numbered"),
	'0', 'and not for the other');
set_options('health_check_period = 50', $numbered);
becomes(1, $numbered, 'three are');

# ---------- dump and restore ----------

$monitor->safe_psql(
	'postgres', q{
	CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_period '7s', enabled 'off', sslmode 'prefer');
	CREATE USER MAPPING FOR PUBLIC SERVER east OPTIONS (user 'watch', password 'x');
	CREATE FOREIGN TABLE east_nodes (node_name text, node_port int, health_status int, health_check_timeout int)
		SERVER east OPTIONS (table_name 'nodes');
	INSERT INTO east_nodes VALUES ('127.0.0.9', 1, 0, 77), ('127.0.0.9', 2, 0, NULL)});
my $all =
  'SELECT node_name, node_port, enabled, hostaddr, health_check_period, healthy_threshold FROM octopus.node_options ORDER BY 1, 2';
my $east =
  'SELECT node_name, node_port, health_check_timeout FROM east_nodes ORDER BY 1, 2';
my $before = $monitor->safe_psql('postgres', $all);
my $before_east = $monitor->safe_psql('postgres', $east);
my $dump = $monitor->basedir . '/dump.sql';

$monitor->command_ok(
	[
		'pg_dump', '--include-foreign-data=octopus',
		'--include-foreign-data=east', '-f', $dump, 'postgres'
	],
	'pg_dump');
$monitor->safe_psql('postgres', 'CREATE DATABASE copy');
$monitor->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'copy' ],
	'restore');
is($monitor->safe_psql('copy', $all), $before,
	'all nodes with their options are back');
is($monitor->safe_psql('copy', $east),
	$before_east, 'those of a server of our own, too');
is($monitor->safe_psql('postgres', $all), $before, 'and none was lost');

# what the registry has of the groups, but for whose they are
my $registry = slurp_file($monitor->data_dir . '/octopus_fdw.registry');
foreach my $database ('postgres', 'copy')
{
	my ($policy) = $registry =~ /^group\t\d+\t$database\t\d+\teast\t(.*)$/m;
	is(join(' ', sort split /\t/, $policy // ''),
		'enabled=false health_check_period=7000 octopus.mapping=true password=x sslmode=prefer user=watch',
		"$database: the server has its options and its mapping");
}

# ---------- dumps of what cannot be restored ----------

$monitor->safe_psql('postgres',
	'CREATE SCHEMA seen; IMPORT FOREIGN SCHEMA octopus LIMIT TO (node_status) FROM SERVER east INTO seen');
$monitor->command_ok(
	[ 'pg_dump', '--include-foreign-data=east', '-f', $dump, 'postgres' ],
	'pg_dump with a table of what is known of the nodes');
$monitor->safe_psql('postgres', 'CREATE DATABASE refused');
$monitor->command_checks_all(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'refused' ],
	3,
	[],
	[qr/ERROR:  cannot change foreign table "node_status"/, qr/HINT:  .*--exclude-table-data/],
	'is refused, with the remedy');
$monitor->command_ok(
	[   'pg_dump', '--include-foreign-data=octopus', '--include-foreign-data=east',
		'--exclude-table-data=seen.node_status', '-f', $dump, 'postgres'
	],
	'pg_dump as the remedy has it');
$monitor->safe_psql('postgres', 'CREATE DATABASE another');
$monitor->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'another' ],
	'can be restored');
is($monitor->safe_psql('another', $east), $before_east, 'with all nodes');
is($monitor->safe_psql('another', 'SELECT count(*) FROM seen.node_status'),
	$monitor->safe_psql('postgres', 'SELECT count(*) FROM seen.node_status'),
	'and the table');

$monitor->stop;
$target->stop;
done_testing();

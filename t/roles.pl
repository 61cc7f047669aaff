# What a real server tells of itself: role, version, address, and how all that
# changes.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $monitor = monitor(
	'monitor',
	period => '100ms',
	timeout => '10s',
	max_retries => 1,
	retry_delay => '50ms');
my $primary = target('primary');
my $standby = PostgreSQL::Test::Cluster->new('standby');

$primary->backup('backup');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my ($major, $minor) =
  $primary->safe_psql('postgres', 'SHOW server_version_num') =~ /^(\d\d)(\d{4})$/;
my $version = $major . '.' . (0 + $minor);

# A test: a node's columns become this.
sub becomes
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($columns, $server, $expected, $test) = @_;
	return ok(
		$monitor->poll_query_until(
			'postgres',
			"SELECT concat_ws(' ', $columns) FROM octopus.node_status WHERE node_port = "
			  . $server->port,
			$expected),
		$test);
}

# The user that probes log in as may do so here (trust, in tests).
register($monitor, [ '127.0.0.1', $primary->port ], [ '127.0.0.1', $standby->port ]);

my $told = q{state, role, read_only, server_version, node_addr, coalesce(ssl::text, 'none')};
becomes($told, $primary, "healthy primary f $version 127.0.0.1 false", 'a primary');
becomes($told, $standby, "healthy standby t $version 127.0.0.1 false", 'a standby');

# a primary that does not want to be written to
$primary->safe_psql('postgres', 'ALTER SYSTEM SET default_transaction_read_only = on');
$primary->reload;
becomes('role, read_only', $primary, 'primary t', 'a primary that is read-only by default');
becomes('role, read_only', $standby, 'standby t', 'the standby is what it was');

# it dies: what it was is still known, but not that it is alive
$primary->stop('immediate');
becomes('health_status, state, reason, role, server_version', $primary,
	"0 unhealthy connection_refused primary $version", 'what it told last stays known');
$standby->promote;
becomes('health_status, state, role, read_only', $standby, '1 healthy primary f', 'a standby is promoted');

# a check that does not log in learns nothing of that, and does not pretend to
$monitor->safe_psql('postgres',
	q{ALTER SERVER octopus OPTIONS (ADD health_check_type 'tcp')});
becomes("state, coalesce(role, '-'), coalesce(read_only::text, '-')", $standby, 'healthy - -',
	'tcp learns no role');
$monitor->safe_psql('postgres',
	q{ALTER SERVER octopus OPTIONS (SET health_check_type 'connection')});
becomes($told, $standby, "healthy primary f $version 127.0.0.1 false", 'through libpq, too');

# a session that is held tells as well
$monitor->safe_psql('postgres',
	q{ALTER SERVER octopus OPTIONS (ADD keep_connections 'true')});
ok($monitor->poll_query_until('postgres', 'SELECT held_connections > 0 FROM octopus.monitor'),
	'a session is held');
my $checks = $monitor->safe_psql('postgres', 'SELECT check_count + 8 FROM octopus.node_stats WHERE node_port = ' . $standby->port);
ok( $monitor->poll_query_until('postgres',
		"SELECT check_count > $checks FROM octopus.node_stats WHERE node_port = " . $standby->port),
	'signs of life and fresh checks');
becomes($told, $standby, "healthy primary f $version 127.0.0.1 false", 'with which all stays known');
$standby->safe_psql('postgres',
	q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'octopus_fdw'});
ok( $monitor->poll_query_until('postgres',
		'SELECT connection_loss_count > 0 AND transition_count = 0 FROM octopus.node_stats WHERE node_port = ' . $standby->port),
	'a session that was lost is counted, and convicts nobody');

# a server that takes nobody any more says so, with SQLSTATE and words
$monitor->safe_psql('postgres',
	q{ALTER SERVER octopus OPTIONS (DROP keep_connections, SET health_check_type 'ping')});
$standby->safe_psql('postgres', 'ALTER SYSTEM SET max_connections = 10; ALTER SYSTEM SET superuser_reserved_connections = 0; ALTER SYSTEM SET max_wal_senders = 0');
$standby->restart;
my @sessions;
while (@sessions < 10)
{
	# a check may have the last place for a moment
	push @sessions, grep { defined } eval { $standby->background_psql('postgres') };
	usleep(10_000);
}
becomes('health_status, state, reason, phase, sqlstate', $standby, '1 degraded too_many_connections auth 53300', 'one that is full is degraded');
like(
	$monitor->safe_psql('postgres', 'SELECT error_message FROM octopus.node_status WHERE node_port = ' . $standby->port),
	qr/too many clients/,
	'in the words of the server');
$_->quit foreach @sessions;
becomes('health_status, state, reason', $standby, '1 healthy ok', 'and is healthy again');

# through its socket it has no address
$monitor->safe_psql('postgres',
	"DELETE FROM octopus.nodes; INSERT INTO octopus.nodes VALUES ('" . $standby->host . "', " . $standby->port . ')');
becomes("state, role, coalesce(host(node_addr), '-')", $standby, 'healthy primary -', 'a socket has no address');

done_testing();

# Every state that a node can be in, and what else its row says there: when the
# next check is, whether one is under way.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '100ms',
	timeout => '5s',
	max_retries => 100,
	retry_delay => '20ms',
	'octopus.healthy_threshold' => 100,
	'octopus.health_check_jitter' => 0);
my $address = '127.1.3.1';

# A test: the row of the node becomes this.
sub becomes
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($columns, $expected, $test) = @_;
	my $query = "SELECT concat_ws(' ', $columns) FROM octopus.node_status WHERE node_name = '$address'";
	return ok($monitor->poll_query_until('postgres', $query, $expected), $test)
	  || diag('it is: ' . $monitor->safe_psql('postgres', $query));
}

sub option
{
	my ($assignment) = @_;
	$monitor->safe_psql('postgres', "UPDATE octopus.node_options SET $assignment WHERE node_name = '$address'");
	return;
}

my $state = q{health_status, state, reason, coalesce(sqlstate, '-')};

# nothing is known of who does not answer, as long as he is given time
$fleet->become($address, 'silent');
register($monitor, [ $address, $port ]);
becomes("health_status, state, coalesce(reason, '-'), in_flight, coalesce(next_check_time::text, '-'), coalesce(last_check_time::text, '-')",
	'-1 initializing - t - -', 'the first check is under way');
is($monitor->safe_psql('postgres', 'SELECT checks_in_flight FROM octopus.monitor'), '1', 'the monitor says so, too');

# a failure is no verdict, but says why there is none
$fleet->become($address, 'starting');
option("health_check_timeout = 100");
becomes("$state, consecutive_failures > 0", '-1 initializing starting_up 57P03 t', 'the first failures');

$fleet->become($address, 'default');
becomes("$state, consecutive_failures, consecutive_successes > 0", '1 healthy ok - 0 t', 'one success is enough then');
option('health_check_period = 3600000');
becomes("in_flight, next_check_time BETWEEN now() + interval '1 s' AND now() + interval '1 h'",
	'f t', 'the next check is in a while');
option('health_check_period = 100');
$fleet->become($address, 'crowded');
becomes("$state", '1 degraded too_many_connections 53300', 'a reservation');
$fleet->become($address, 'starting');
becomes("$state, consecutive_failures BETWEEN 1 AND 100, consecutive_successes", '1 failing starting_up 57P03 t 0', 'failing, but still healthy');
my ($retries) = $monitor->safe_psql('postgres', "SELECT retry_count FROM octopus.node_stats");
option('health_check_max_retries = 0');
becomes("$state, last_check_time = last_failure_time", '0 unhealthy starting_up 57P03 t', 'unhealthy');
ok( $monitor->safe_psql('postgres', "SELECT retry_count >= $retries AND transition_count = 1 FROM octopus.node_stats"),
	'as it is counted');
$fleet->become($address, 'default');
becomes("$state, consecutive_successes BETWEEN 1 AND 99", '0 recovering ok - t', 'recovering, but still unhealthy');
option('healthy_threshold = 1');
becomes($state, '1 healthy ok -', 'healthy again');

# disabled: nothing is known, nothing is to come
option('enabled = false');
becomes("$state, in_flight, coalesce(next_check_time::text, '-'), last_success_time IS NOT NULL",
	'-1 disabled disabled - f - t', 'disabled');
option('enabled = true');
becomes($state, '1 healthy ok -', 'and enabled again');

# one that has no address yet, because nobody tells it: no verdict, but a reason
$monitor->safe_psql('postgres',
	"ALTER SYSTEM SET octopus.dns_servers = '127.0.0.1:1'; SELECT pg_reload_conf()");
register($monitor, [ 'nowhere.example', 5432 ]);
ok( $monitor->poll_query_until('postgres',
		"SELECT health_status = -1 AND state = 'initializing' AND reason = 'name_resolution' AND phase = 'dns' AND node_addr IS NULL FROM octopus.node_status WHERE node_name = 'nowhere.example'"),
	'a name that nobody tells');
ok( $monitor->poll_query_until('postgres',
		"SELECT void_count > 0 AND dns_failure_count = void_count AND success_count + failure_count = 0 FROM octopus.node_stats WHERE node_name = 'nowhere.example'"),
	'is no failure');

# timeouts are told apart
$fleet->become($address, 'silent');
ok( $monitor->poll_query_until('postgres',
		"SELECT timeout_count > 0 AND timeout_count < failure_count FROM octopus.node_stats WHERE node_name = '$address'"),
	'timeouts are among the failures');
becomes('health_status, reason, check_time >= 100', '0 timeout t', 'and take their time');

done_testing();

# Settings: what they are, what they refuse, and that new ones count at once for
# every node, whatever it is waiting for.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor('monitor');

# Gives new settings to the running server.
sub change
{
	configure($monitor, @_);
	$monitor->reload;
	return;
}

# ---------- what there is ----------

is( $monitor->safe_psql(
		'postgres',
		"SELECT name, setting, unit, min_val, max_val, context FROM pg_settings WHERE name LIKE 'octopus.%' ORDER BY name"
	),
	join("\n",
		'octopus.application_name|octopus_fdw||||sighup',
		'octopus.dns_max_ttl|15000|ms|0|86400000|sighup',
		'octopus.dns_servers|||||sighup',
		'octopus.dns_stale_ttl|3600000|ms|0|86400000|sighup',
		'octopus.enable_health_checks|on||||sighup',
		'octopus.health_check_down_period|-1|ms|-1|2147483647|sighup',
		'octopus.health_check_jitter|10||0|50|sighup',
		'octopus.health_check_max_retries|2||0|100|sighup',
		'octopus.health_check_period|10000|ms|1|2147483647|sighup',
		'octopus.health_check_query|SELECT true||||sighup',
		'octopus.health_check_retry_delay|1000|ms|0|2147483647|sighup',
		'octopus.health_check_timeout|2000|ms|1|2147483647|sighup',
		'octopus.health_check_type|auto||||sighup',
		'octopus.healthy_threshold|1||1|100|sighup',
		'octopus.keep_connections|off||||sighup',
		'octopus.log_checks|off||||sighup',
		'octopus.log_status_changes|on||||sighup',
		'octopus.max_concurrent_checks|0||0|65535|sighup',
		'octopus.max_events|8192||0|1048576|postmaster',
		'octopus.max_groups|64||1|10000|postmaster',
		'octopus.max_nodes|4096||1|100000|postmaster',
		'octopus.status_max_age|0|ms|-1|2147483647|sighup'),
	'names, defaults, ranges');
is($monitor->safe_psql('postgres', 'SHOW octopus.health_check_period'),
	'10s', 'times have units');

# ---------- what is refused ----------

my ($ret, $stdout, $stderr);
foreach my $case (
	[ 'health_check_period', '0' ],
	[ 'health_check_period', '-1' ],
	[ 'health_check_period', '25d' ],
	[ 'health_check_period', 'soon' ],
	[ 'health_check_timeout', '0' ],
	[ 'health_check_max_retries', '-1' ],
	[ 'health_check_max_retries', '101' ],
	[ 'health_check_max_retries', '1s' ],
	[ 'health_check_retry_delay', '-1' ],
	[ 'health_check_down_period', '0' ],
	[ 'health_check_down_period', '-2' ],
	[ 'health_check_jitter', '51' ],
	[ 'health_check_type', 'sql' ],
	[ 'health_check_query', '' ],
	[ 'healthy_threshold', '0' ],
	[ 'dns_max_ttl', '-1' ],
	[ 'dns_stale_ttl', '25h' ],
	[ 'max_concurrent_checks', '65536' ],
	[ 'log_checks', 'some' ],
	[ 'max_nodes', '0' ],
	[ 'max_nodes', '100001' ],
	[ 'max_groups', '0' ],
	[ 'max_groups', '10001' ],
	[ 'log_status_changes', '2' ])
{
	my ($name, $value) = @$case;
	($ret, $stdout, $stderr) = $monitor->psql('postgres',
		"\\set VERBOSITY sqlstate\nALTER SYSTEM SET octopus.$name = '$value'");
	like($stderr, qr/ERROR:  22023$/m, "$name = $value is refused");
}
($ret, $stdout, $stderr) =
  $monitor->psql('postgres', "SET octopus.health_check_period = '1s'");
like($stderr, qr/cannot be changed now/, 'a session has no policy of its own');
($ret, $stdout, $stderr) = $monitor->psql('postgres', "SET octopus.foo = '1'");
like(
	$stderr,
	qr/invalid configuration parameter name "octopus.foo"/,
	'the prefix is reserved');

# ---------- new settings count at once ----------

# the longest that there is, so that only a change of settings can end the wait
my $never = 2147483647;

change(
	period => $never,
	timeout => $never,
	max_retries => 100,
	retry_delay => $never);

# one that is well and waits for its next period, one whose try is under way,
# one that failed once and waits for its next try
my ($well, $silent, $failed) = ('127.1.0.1', '127.2.0.1', '127.3.0.1');
register($monitor, [ $well, $port ], [ $silent, $port ], [ $failed, $port ]);
wait_tally($monitor, '1/0/2', 'only the healthy node has a verdict');
wait_until(
	sub { $fleet->count($silent) == 1 && $fleet->count($failed) == 1 },
	'the others are being tried');

change(timeout => '300ms');
wait_until(
	sub { $fleet->open_connections == 0 },
	'a new timeout ends a try under way');
is($fleet->count($silent), 1, 'its repetition waits for the retry delay');

change(retry_delay => '10ms');
wait_until(
	sub { $fleet->count($silent) > 3 && $fleet->count($failed) > 3 },
	'a new retry delay ends the wait for it');
is(tally($monitor), '1/0/2', 'there are retries left');

change(max_retries => 2);
wait_tally($monitor, '1/2/0', 'a new number of retries may be used up already');

is($fleet->count($well), 1, 'the healthy node was not probed again meanwhile');
change(period => '100ms');
wait_until(sub { $fleet->count($well) > 5 },
	'a new period ends the wait for the old one');

change(period => '1ms');
my $seen = $fleet->count($well);
my $took = elapsed(
	sub {
		wait_until(sub { $fleet->count($well) >= $seen + 200 },
			'the shortest period is good');
	});
note(sprintf('period 1 ms: 200 probes took %.0f ms', $took * 1000));

change(period => $never);
$monitor->poll_query_until('postgres',
	"SELECT setting = '$never' FROM pg_settings WHERE name = 'octopus.health_check_period'"
) or die 'no reload';

# a window is the measurement; the first few may have the last of the probes
my $prober = prober_pid($monitor);
my $switches;
foreach (1 .. 5)
{
	$seen = $fleet->count($well);
	$switches = proc_status($prober, 'voluntary_ctxt_switches');
	usleep(500_000);
	$switches -= proc_status($prober, 'voluntary_ctxt_switches');
	last if $switches == 0;
}
is($fleet->count($well), $seen, 'a long period counts at once, too');
is($switches, 0, 'while it lasts there are no wakeups');
is(tally($monitor), '1/2/0', 'no verdict was lost');

# ---------- a reload that changes nothing changes nothing ----------

$monitor->reload;
usleep(500_000);
is($fleet->count($well), $seen, 'a reload alone makes no probe');

# ---------- log_status_changes ----------

change(
	period => '100ms',
	max_retries => 0,
	'octopus.log_status_changes' => 'off');
wait_until(sub { $fleet->count($well) > $seen }, 'probes go on');
changes($monitor);
$fleet->become($well, 'reset');
wait_tally($monitor, '0/3/0', 'a node dies');
$fleet->become($well, 'default');
wait_tally($monitor, '1/2/0', 'and comes back');
is(scalar(@{ [ changes($monitor) ] }), 0, 'without a word in the log');

change('octopus.log_status_changes' => 'on');
$monitor->poll_query_until('postgres', 'SHOW octopus.log_status_changes', 'on')
  or die 'no reload';
$fleet->become($well, 'reset');
wait_tally($monitor, '0/3/0', 'it dies again');
wait_until(sub { scalar(changes($monitor)) }, 'and this is logged');

$fleet->become($well, 'default');

# ---------- at the server's start ----------

configure(
	$monitor,
	'octopus.foo' => 'bar',
	'octopus.max_nodes' => 10,
	'octopus.max_groups' => 1,
	'pg_octopus.health_check_period' => 1000,
	'pg_octopus.health_check_retry_delay' => 500,
	'pg_octopus.health_check_interval' => 1);
new_log($monitor);
$monitor->restart;
my $log = new_log($monitor);

like(
	$log,
	qr/WARNING:  invalid configuration parameter name "octopus\.foo"/,
	'a misspelt setting draws a warning');
foreach my $name ('health_check_period', 'health_check_retry_delay')
{
	my @warnings = $log =~ /WARNING: .*"pg_octopus\.$name".*\n.*HINT: .*"octopus\.$name"/g;
	is(scalar @warnings, 1, "a warning tells what became of pg_octopus.$name");
}
is(scalar(() = $log =~ /WARNING: .*"pg_octopus\./g),
	2, 'what pg_octopus did not have is none of ours');

is( $monitor->safe_psql(
		'postgres',
		"SELECT current_setting('octopus.max_nodes'), current_setting('octopus.max_groups')"
	),
	'10|1',
	'sizes change with a restart');
$monitor->safe_psql('postgres', 'DELETE FROM octopus.nodes');
($ret, $stdout, $stderr) = $monitor->psql('postgres',
	"\\set VERBOSITY verbose\nINSERT INTO octopus.nodes SELECT '127.1.0.' || i, $port FROM generate_series(1, 11) i;"
);
like($stderr, qr/ERROR:  53400: .*HINT: .*"octopus\.max_nodes"/s,
	'the table is full');
register($monitor, map { [ "127.1.0.$_", $port ] } 1 .. 10);
wait_tally($monitor, '10/0/0', 'the last place can be used');

done_testing();

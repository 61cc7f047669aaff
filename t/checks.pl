# How a node is checked, and when it counts as healthy again, is what the nearest
# says: the node, its server, or the settings; and these may change at any time.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $fleet = Fleet->new(slow_ms => 30);
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '50ms',
	retry_delay => '10ms',
	timeout => '5s',
	max_retries => 0,
	'octopus.health_check_type' => 'tcp',
	'octopus.log_checks' => 'all');

sub sql { return $monitor->safe_psql('postgres', join '', @_); }

sub set
{
	my (%settings) = @_;
	configure($monitor, %settings);
	$monitor->reload;
	return;
}

# The checks of a node that are logged from now on: "reason phase", one a line.
my %checks;

sub read_checks
{
	my $log = new_log($monitor);

	while ($log =~ /LOG:  check of node "(\S*?)":\d+: (\w+), phase (\w+), /g)
	{
		push @{ $checks{$1} }, "$2 $3";
	}
	return;
}

sub checks_become
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $expected, $what) = @_;
	return wait_until(sub { read_checks(); ($checks{$node} // [''])->[-1] eq $expected }, $what);
}

# ---------- types ----------

# what the types of check come to is different for each
my $hedgehog = '127.18.1.1';
my %outcome = (
	tcp => 'ok connect',
	ping => 'ok auth',
	query => 'query_false query');

register($monitor, [ $hedgehog, $port ]);
checks_become($hedgehog, $outcome{tcp}, 'type by setting');
sql("ALTER SERVER octopus OPTIONS (ADD health_check_type 'ping')");
checks_become($hedgehog, $outcome{ping}, 'type by server');
sql("UPDATE octopus.node_options SET health_check_type = 'query'");
checks_become($hedgehog, $outcome{query}, 'type by node');
wait_health($monitor, $hedgehog, $port, 0, 'which is judged by it');
sql("ALTER SERVER octopus OPTIONS (SET health_check_type 'tcp')");
set('octopus.health_check_type' => 'ping');
my $n = @{ $checks{$hedgehog} };
wait_until(sub { read_checks(); @{ $checks{$hedgehog} } > $n + 4 }, 'other opinions');
is($checks{$hedgehog}[-1], $outcome{query}, 'do not count');
sql('UPDATE octopus.node_options SET health_check_type = NULL');
checks_become($hedgehog, $outcome{tcp}, "without the node's, the server's");
wait_health($monitor, $hedgehog, $port, 1, 'which is judged by it');
sql('ALTER SERVER octopus OPTIONS (DROP health_check_type)');
checks_become($hedgehog, $outcome{ping}, "without the server's, the setting");
set('octopus.health_check_type' => 'auto');
sql("CREATE USER MAPPING FOR CURRENT_USER SERVER octopus OPTIONS (user 'hans')");
checks_become($hedgehog, $outcome{query}, 'auto: a query with a mapping');
sql('DROP USER MAPPING FOR CURRENT_USER SERVER octopus');
checks_become($hedgehog, $outcome{ping}, 'auto: a ping without');
sql('TRUNCATE octopus.nodes');

# ---------- what is logged ----------

sub logged
{
	my ($how) = @_;
	my $seen = $fleet->count('127.1.1.1');

	set('octopus.log_checks' => $how);
	$monitor->poll_query_until('postgres', 'SHOW octopus.log_checks', $how);
	wait_until(sub { $fleet->count('127.1.1.1') > $seen + 3 }, "log_checks = $how");
	read_checks();
	%checks = ();
	$seen = $fleet->count('127.1.1.1');
	wait_until(sub { $fleet->count('127.1.1.1') > $seen + 6 && $fleet->count('127.3.1.1') > $seen + 6 },
		"log_checks = $how: probes go on");
	read_checks();
	return join ' ', map { $_->[0] } map { $checks{$_} // [''] } '127.1.1.1', '127.3.1.1', '127.10.1.1';
}

set('octopus.health_check_type' => 'ping');
register($monitor, map { [ $_, $port ] } '127.1.1.1', '127.3.1.1', '127.10.1.1');
is(logged('off'), '  ', 'no check is logged');
is(logged('failures'), ' connection_reset startup ', 'failures are logged');
is(logged('all'), 'ok auth connection_reset startup too_many_connections auth', 'all are logged');

# ---------- rise ----------

foreach my $threshold (1, 3)
{
	set('octopus.healthy_threshold' => $threshold);
	$monitor->poll_query_until('postgres', 'SHOW octopus.healthy_threshold', $threshold);
	$fleet->become('127.1.1.1', 'closing');
	wait_health($monitor, '127.1.1.1', $port, 0, "threshold $threshold: it dies");
	read_checks();
	%checks = ();
	my $log = '';
	$fleet->become('127.1.1.1', 'default');
	wait_until(sub { $log .= new_log($monitor); $log =~ /node "127.1.1.1":\d+ is healthy/ },
		"threshold $threshold: it recovers");
	$log =~ s/node "127.1.1.1":\d+ is healthy.*//s;
	is(scalar(() = $log =~ /check of node "127.1.1.1":\d+: ok/g),
		$threshold, "threshold $threshold: after so many successes");
}

# one that answers now and then does not rise
$fleet->become('127.1.1.1', 'closing');
wait_health($monitor, '127.1.1.1', $port, 0, 'it dies once more');
changes($monitor);
foreach (1 .. 10)
{
	$fleet->become('127.1.1.1', 'default');
	my $seen = $fleet->count('127.1.1.1');
	usleep(2_000) until $fleet->count('127.1.1.1') > $seen;
	$fleet->become('127.1.1.1', 'closing');
	usleep(2_000) until $fleet->count('127.1.1.1') > $seen + 3;
}
my @risen = grep { $_->{health} } changes($monitor);
cmp_ok(scalar @risen, '<=', 2, 'a single success does not count');
$fleet->become('127.1.1.1', 'default');
wait_health($monitor, '127.1.1.1', $port, 1, 'many do');
set('octopus.healthy_threshold' => 1, 'octopus.log_checks' => 'failures');

# ---------- all settings change all the time ----------

# Texts of settings move in memory whenever they change; a server of flesh and
# blood reads the queries, others take their time, so that some are under way.
sql('TRUNCATE octopus.nodes');
my $target = target('target');
my @fleet = (
	(map { [ "127.1.2.$_", $port ] } 1 .. 60),
	(map { [ "127.39.2.$_", $port ] } 1 .. 40));
set('octopus.health_check_type' => 'query', period => '20ms');
register($monitor, [ '127.0.0.1', $target->port ], @fleet);
wait_tally($monitor, '101/0/0', 'all have a verdict');
new_log($monitor);
my $prober = prober_pid($monitor);
my $conf = $monitor->data_dir . '/postgresql.conf';
my $before = slurp_file($conf);
foreach my $i (1 .. 300)
{
	my $query = 'SELECT /* ' . ('x' x (13 * $i % 2000)) . ' */ true';
	my @types = ('ping', 'connection', 'query', 'query', 'query');
	my $name = 'n' . ('y' x ($i % 40));

	# at once, for it is read all the time
	open my $file, '>', "$conf.new" or die $!;
	print $file $before, "
		octopus.application_name = '$name'
		octopus.health_check_query = '$query'
		octopus.health_check_type = $types[$i % 5]
		octopus.health_check_period = @{[ 10 + $i % 20 ]}
		octopus.keep_connections = @{[ $i % 7 < 3 ? 'on' : 'off' ]}
		octopus.health_check_jitter = @{[ $i % 50 ]}
		octopus.max_concurrent_checks = @{[ $i % 11 == 0 ? 5 : 0 ]}\n";
	close $file;
	rename "$conf.new", $conf or die $!;
	kill('HUP', $prober) or die "the prober is gone: $!";
	usleep(8_000);
}
my $seen = $fleet->count('127.1.2.1');
$monitor->reload;
wait_until(sub { $fleet->count('127.1.2.1') > $seen + 10 }, 'after 300 reloads probes go on');
is(tally($monitor), '101/0/0', 'with the same verdicts');
my $log = new_log($monitor);
is(join('', $log =~ /(check of node .*\n.*\n)/g), '', 'no check ever failed');
is(prober_pid($monitor), $prober, 'by the same prober');
unlike($target->logfile && slurp_file($target->logfile), qr/ERROR/, 'no query was broken');
ok( $target->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'nyyyy%'"),
	'the last name is the one in use');

done_testing();

# A stalled prober convicts nobody: stopped for longer than every timeout and
# continued, it finds no healthy node unhealthy.  And while it is stopped, readers
# and writers do not notice.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $fleet = Fleet->new(slow_ms => 200);
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '100ms',
	timeout => '1s',
	max_retries => 0,
	retry_delay => '0',
	'octopus.status_max_age' => -1);

# Many answer at once, some take a while, so that at any instant some tries are
# under way.
my @alive = (
	(map { [ "127.1.0.$_", $port ] } 1 .. 100),
	(map { [ "127.6.0.$_", $port ] } 1 .. 50));
my @dead = map { [ "127.2.0.$_", $port ] } 1 .. 20;
register($monitor, @alive, @dead);
wait_tally($monitor, '150/20/0', 'all nodes have a verdict');
changes($monitor);

my $prober = prober_pid($monitor);
my $guard = "SET statement_timeout = '20s'; SET lock_timeout = '20s';";

# The stops are longer than the timeout and begin at various instants of the
# schedule; how long each is, is what is tested.
foreach my $stop_ms (1200, 3000, 1500, 2000)
{
	my $new = '127.1.1.' . $stop_ms / 50;
	my $end = time + $stop_ms / 1000;

	freeze($prober);
	my ($ret, $stdout, $stderr) = $monitor->psql('postgres',
		"$guard SELECT count(*), sum(health_status) FROM octopus.nodes");
	is($stdout, '170|150', "stopped for $stop_ms ms: readers read");

	# registered now, to be seen when the prober goes on
	($ret, $stdout, $stderr) = $monitor->psql('postgres',
		"$guard INSERT INTO octopus.nodes VALUES ('$new', $port);
		SELECT health_status FROM octopus.nodes WHERE node_name = '$new'");
	is($stdout, '-1', "stopped for $stop_ms ms: writers write");

	usleep(10_000) while time < $end;
	thaw($prober);

	my $seen = $fleet->count('127.1.0.1');
	wait_until(
		sub { $fleet->count('127.1.0.1') > $seen + 3 },
		"continued after $stop_ms ms: probes go on");
	wait_health($monitor, $new, $port, 1,
		"continued after $stop_ms ms: the new node is probed");
	$monitor->safe_psql('postgres',
		"DELETE FROM octopus.nodes WHERE node_name = '$new'");
	is(tally($monitor), '150/20/0',
		"continued after $stop_ms ms: verdicts are as before");
}

my @wrong = grep { !($_->{node} =~ /^"127\.1\.1\./ && $_->{health}) } changes($monitor);
is(join(', ', map { "$_->{node}: $_->{cause}" } @wrong),
	'', 'no verdict changed at any time');
is(prober_pid($monitor), $prober, 'it was the same prober all the time');

# ---------- what happens during a stop is still found out ----------

freeze($prober);
$fleet->become('127.1.0.1', 'silent');
$fleet->become('127.2.0.1', 'healthy');
usleep(1_000_000);
thaw($prober);
wait_health($monitor, '127.1.0.1', $port, 0, 'a death during a stop is seen');
wait_health($monitor, '127.2.0.1', $port, 1, 'so is a recovery');

$fleet->become($_, 'default') foreach ('127.1.0.1', '127.2.0.1');
wait_health($monitor, '127.1.0.1', $port, 1, 'the one is back');
wait_health($monitor, '127.2.0.1', $port, 0, 'the other is gone');

# ---------- everything stops, as when a virtual machine is paused ----------

# The peers go on a little later than the prober: when it looks again, all
# deadlines are over and no answer is there.
configure($monitor, timeout => '3s');
$monitor->reload;
$monitor->poll_query_until('postgres', 'SHOW octopus.health_check_timeout', '3s')
  or die 'no reload';
wait_until(sub { $fleet->open_connections > 40 }, 'tries are under way');
changes($monitor);

my $end = time + 4;
freeze($fleet->{pid});
freeze($prober);
usleep(10_000) while time < $end;
thaw($prober);
usleep(300_000);
thaw($fleet->{pid});

my $seen = $fleet->count('127.6.0.1');
wait_until(sub { $fleet->count('127.6.0.1') > $seen + 3 },
	'after a pause of all probes go on');
is(tally($monitor), '150/20/0', 'after a pause of all verdicts are as before');

# ---------- peers lose patience with a stopped prober ----------

$fleet->become("127.1.0.$_", 'silent') foreach 1 .. 100;
wait_until(sub { $fleet->open_connections >= 120 }, 'tries are under way');
$end = time + 2;
freeze($prober);
$fleet->become("127.1.0.$_", 'reset') foreach 1 .. 100;
$fleet->become("127.1.0.$_", 'default') foreach 1 .. 100;
usleep(10_000) while time < $end;
thaw($prober);

$seen = $fleet->count('127.1.0.1');
wait_until(sub { $fleet->count('127.1.0.1') > $seen + 3 },
	'after broken connections probes go on');
is(tally($monitor), '150/20/0',
	'after broken connections verdicts are as before');
is(join(', ', map { "$_->{node}: $_->{cause}" } changes($monitor)),
	'', 'no verdict changed meanwhile');

# ---------- the whole table changes during a stop ----------

configure($monitor, period => '5s');
$monitor->reload;

freeze($prober);
my ($ret, $stdout, $stderr) = $monitor->psql('postgres',
	"$guard TRUNCATE octopus.nodes;
	INSERT INTO octopus.nodes SELECT '127.1.' || i / 250 || '.' || i % 250, $port FROM generate_series(1, 4000) i;
	DELETE FROM octopus.nodes WHERE node_name LIKE '127.1.1.%';
	SELECT count(*), sum(health_status) FROM octopus.nodes");
is($stdout, '3750|-3750', 'a stopped prober is no limit to what is written');
thaw($prober);
wait_tally($monitor, '3750/0/0', 'a continued prober catches up');
is(prober_pid($monitor), $prober, 'it is still the same prober');

done_testing();

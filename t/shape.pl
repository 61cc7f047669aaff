# The shape of the traffic that the prober makes: many nodes that come together
# are spread, no more are probed at once than may be, nobody starves, and periods
# are as long as they should be.

use strict;
use warnings;

use Octopus;
use Fleet;
use List::Util qw(max min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $fleet = Fleet->new(slow_ms => 100);
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '1h',
	timeout => '20s',
	max_retries => 0,
	'octopus.max_nodes' => 10000);

sub set
{
	my (%settings) = @_;
	configure($monitor, %settings);
	$monitor->reload;
	return;
}

# ---------- ten thousand at once ----------

# They take a while to answer, so what is begun in one instant shows.  What the
# spread must not be less than is known; what it is on a busy machine is not.
sub burst
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what) = @_;
	my ($first, $last);

	wait_until(
		sub {
			my $probes = $fleet->report->{probes};

			$first //= time if $probes > 0;
			$last //= time if $probes >= 10000;
			return defined $last;
		},
		"$what: all are probed");
	wait_tally($monitor, '10000/0/0', "$what: all have a verdict");
	my $report = $fleet->report;
	note(sprintf '%s: in flight %d at most, begun within %.0f ms',
		$what, $report->{peak_open}, ($last - $first) * 1000);
	cmp_ok($last - $first, '>', 0.7, "$what: spread over a second");
	cmp_ok($report->{peak_open}, '<', 9000, "$what: not all are in flight together");
	return;
}

$fleet->mark;
$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.6.' || i / 250 || '.' || i % 250, $port FROM generate_series(1, 10000) i");
burst('a bulk INSERT');

# switched off, which ends what is under way, and on again
set('octopus.enable_health_checks' => 'off');
wait_tally($monitor, '0/0/10000', 'switched off, nothing is known');
wait_until(sub { $fleet->open_connections == 0 }, 'and nothing under way');
$fleet->mark;
set('octopus.enable_health_checks' => 'on');
burst('switched on');

# ---------- no more at once than may be, and nobody starves ----------

set('octopus.enable_health_checks' => 'off');
wait_tally($monitor, '0/0/10000', 'switched off');
$monitor->safe_psql('postgres', 'TRUNCATE octopus.nodes');
wait_until(sub { $fleet->open_connections == 0 }, 'nothing is under way');
set(
	'octopus.enable_health_checks' => 'on',
	'octopus.max_concurrent_checks' => 10,
	'octopus.status_max_age' => -1,		# who waits his turn gets old
	period => '200ms',
	timeout => '100ms');
$monitor->poll_query_until('postgres', 'SHOW octopus.max_concurrent_checks', '10')
  or die 'no reload';
my @silent = map { "127.2.1.$_" } 1 .. 100;
my @healthy = map { "127.1.1.$_" } 1 .. 100;
$fleet->mark;
register($monitor, map { [ $_, $port ] } @silent, @healthy);
wait_tally($monitor, '100/100/0', 'ten at a time: all have a verdict');
wait_until(
	sub {
		return min(map { $fleet->count($_) } @silent, @healthy) >= 4;
	},
	'ten at a time: everybody has a turn');
my $report;
wait_until(
	sub {
		$fleet->mark;
		usleep(300_000);
		$report = $fleet->report;
		return $report->{peak_open} <= 12 && $report->{probes} > 20;
	},
	'ten at a time, but for what the fleet sees late');
my @counts = map { $fleet->count($_) } @silent, @healthy;
note("ten at a time: in flight $report->{peak_open} at most, turns " . min(@counts) . ' to ' . max(@counts));
cmp_ok(max(@counts) - min(@counts), '<=', 2, 'ten at a time: turns are fair');
is(tally($monitor), '100/100/0', 'ten at a time: the verdicts are right');

set('octopus.max_concurrent_checks' => 0);
wait_until(sub { $fleet->mark; usleep(300_000); $fleet->report->{peak_open} >= 40 },
	'without that limit there are more');

# ---------- periods ----------

# A window of whole periods on a machine that may be busy: sometime it is as it
# should be.
sub gaps
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($is_right, $what) = @_;
	my $gaps;

	wait_until(
		sub {
			$fleet->mark;
			usleep(1_500_000);
			$report = $fleet->report;
			$gaps = join ', ', map { "$_ $report->{\"gap_${_}_ms\"}" } 'min', 'median', 'p99', 'max';
			return $is_right->($report->{gap_min_ms}, $report->{gap_median_ms}, $report->{gap_p99_ms});
		},
		$what);
	note("$what, in ms: $gaps");
	return;
}

$monitor->safe_psql('postgres', "DELETE FROM octopus.nodes WHERE node_name LIKE '127.2.%'");
set('octopus.health_check_jitter' => 0);
gaps(
	sub {
		my ($min, $median, $p99) = @_;
		return $min > 190 && $median > 199 && $median < 202 && $p99 < 212;
	},
	'no jitter: a period is a period');
set('octopus.health_check_jitter' => 50);
gaps(
	sub {
		my ($min, $median, $p99) = @_;
		return $min >= 95 && $min < 125 && $median > 180 && $median < 220 && $p99 > 280 && $p99 < 320;
	},
	'much jitter: half a period to both sides');

# the unhealthy have a period of their own
set('octopus.health_check_jitter' => 0, 'octopus.health_check_down_period' => '2s', period => '50ms');
$fleet->become('127.1.1.1', 'reset');
wait_health($monitor, '127.1.1.1', $port, 0, 'one is unhealthy');
my @before = map { $fleet->count("127.1.1.$_") } 1, 2;
wait_until(sub { $fleet->count('127.1.1.2') - $before[1] >= 80 }, 'the others are probed');
my $turns = $fleet->count('127.1.1.1') - $before[0];
cmp_ok($turns, '>=', 1, 'so is that one');
cmp_ok($turns, '<=', 20, 'but less often');
$fleet->become('127.1.1.1', 'default');
wait_health($monitor, '127.1.1.1', $port, 1, 'and recovers');
@before = map { $fleet->count("127.1.1.$_") } 1, 2;
wait_until(sub { $fleet->count('127.1.1.1') - $before[0] >= 20 }, 'then it is probed as often as');
cmp_ok($fleet->count('127.1.1.2') - $before[1], '<=', 60, 'the others');

# ---------- two thousand nodes, a thousand descriptors ----------

$monitor->stop;
SKIP:
{
	skip 'needs prlimit', 1 if system('prlimit --version >/dev/null 2>&1');
	system_or_bail('prlimit', "--pid=$$", '--nofile=1024:1024');
	my $narrow = monitor('narrow', period => '1s', timeout => '900ms', max_retries => 0);
	my $prober = prober_pid($narrow);

	$narrow->safe_psql('postgres',
		"INSERT INTO octopus.nodes SELECT '127.' || CASE WHEN i % 10 = 0 THEN 2 ELSE 1 END || '.' || i / 250 || '.' || i % 250, $port FROM generate_series(1000, 2999) i");
	wait_tally($narrow, '1800/200/0', 'few descriptors: all verdicts are right');
	$fleet->mark;
	my $cpu = cpu_seconds($prober);
	my $took = elapsed(
		sub {
			wait_until(sub { $fleet->report->{gap_count} >= 1800 * 3 },
				'few descriptors: everybody is probed');
		});
	$cpu = cpu_seconds($prober) - $cpu;
	$report = $fleet->report;
	note(sprintf 'few descriptors: %d probes in %.1f s, %.2f s of processor time; in flight %d at most; gaps median %s, p99 %s',
		$report->{probes}, $took, $cpu, $report->{peak_open}, $report->{gap_median_ms}, $report->{gap_p99_ms});
	cmp_ok($cpu / $report->{probes}, '<', 0.0003, 'few descriptors: little processor time');
	cmp_ok($report->{peak_open}, '<', 1024, 'few descriptors: no more than there are');
	is(tally($narrow), '1800/200/0', 'few descriptors: the verdicts are as before');
	is(join('', grep { $_->{node} =~ /^"127\.1\./ && !$_->{health} } changes($narrow)),
		'', 'few descriptors: no healthy node ever was unhealthy');
	unlike(slurp_file($narrow->logfile), qr/could not probe/, 'few descriptors: but enough');
}

done_testing();

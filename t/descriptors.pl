# Having too few descriptors is our trouble and no node's: the healthy stay
# healthy, and everybody's turn comes.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs prlimit' if system('prlimit --version >/dev/null 2>&1');

# Limits the descriptors of a process, and of those it starts from then on.
sub limit
{
	my ($pid, $limit) = @_;
	system_or_bail('prlimit', "--pid=$pid", "--nofile=$limit");
	return;
}

# The fleet comes before the limit, the server after it.
my $fleet = Fleet->new;
my $port = $fleet->port;
limit($$, '256:256');
my $monitor = monitor(
	'monitor',
	period => '1s',
	timeout => '1s',
	max_retries => 0,
	retry_delay => '100ms');
my $prober = prober_pid($monitor);

# ---------- more tries than descriptors ----------

$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.2.' || i / 250 || '.' || i % 250, $port FROM generate_series(1, 300) i;
	INSERT INTO octopus.nodes SELECT '127.1.0.' || i, $port FROM generate_series(1, 200) i"
);
wait_tally($monitor, '200/300/0', 'all have a verdict');

# all take turns
$fleet->mark;
wait_until(
	sub {
		my $report = $fleet->report;
		return ($report->{probes_silent} // 0) >= 3 * 300
		  && $report->{gap_nodes} == 200
		  && $report->{gap_count} >= 3 * 200;
	},
	'everybody is probed again and again');
my $report = $fleet->report;
note("probes in flight: $report->{peak_open} at most; gaps between probes of a healthy node, in ms: "
	  . "median $report->{gap_median_ms}, max $report->{gap_max_ms}");
cmp_ok($report->{peak_open}, '<', 256, 'within the limit');
is(tally($monitor), '200/300/0', 'the verdicts are as before');

# ---------- none left at all ----------

# As if somebody had taken them away from the running prober: every try fails
# for want of a descriptor.
my $log = new_log($monitor);
unlike($log, qr/could not probe/, 'up to here there were enough');
limit($prober, '8:');
wait_until(
	sub {
		$log .= new_log($monitor);
		return $log =~ /could not probe node .* its health stays as it was\n.*DETAIL:  The probe could not be carried out here: (?:.*Too many open files|could not create socket)/;
	},
	'trouble of ours is logged');
$fleet->mark;
$monitor->safe_psql('postgres', 'SELECT pg_sleep(2.5)');
is($fleet->report->{probes}, 0, 'no probe goes out');
is(tally($monitor), '200/300/0', 'the verdicts stay as they were');
$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes VALUES ('127.1.1.1', $port), ('127.1.1.2', $port)");
is(tally($monitor), '200/300/2', 'a new node stays unknown');
$log .= new_log($monitor);
is(scalar(() = $log =~ /could not probe/g), 1, 'once, not for every try');

limit($prober, '256:');
wait_tally($monitor, '202/300/0', 'with descriptors everything goes on');
is(prober_pid($monitor), $prober, 'it was the same prober all the time');

my @wrong =
  $log =~ /LOG:  node ("127\.1\..*?":\d+ is unhealthy\n.*)/g;
is(join("\n", @wrong), '', 'no healthy node ever was unhealthy');

done_testing();

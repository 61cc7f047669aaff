# A thousand nodes, a hundred of which accept and stay silent: the healthy ones
# are probed in time nevertheless, and nobody confuses them.

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
	period => '1s',
	timeout => '900ms',
	max_retries => 1,
	retry_delay => '100ms');

# ---------- in bulk ----------

$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.1.' || i / 250 || '.' || i % 250, $port FROM generate_series(0, 899) i;
	INSERT INTO octopus.nodes SELECT '127.2.0.' || i, $port FROM generate_series(1, 100) i"
);
wait_tally($monitor, '900/100/0', 'all have a verdict');

# ---------- in time ----------

# whole periods of all nodes, however long that takes here
my $window = 5;
$fleet->mark;
wait_until(
	sub { $fleet->report->{gap_count} >= 900 * $window },
	"healthy nodes are probed, $window times each");
my $report = $fleet->report;

note("gaps between probes of a healthy node, in ms: median $report->{gap_median_ms}, "
	  . "p99 $report->{gap_p99_ms}, max $report->{gap_max_ms}; "
	  . "probes in flight: $report->{peak_open} at most");
is($report->{gap_nodes}, 900, 'every healthy node is probed');
cmp_ok($report->{gap_p99_ms}, '<', 1500, 'nearly every gap is about a period');
cmp_ok($report->{gap_median_ms}, '>', 900, 'none of them is too short');
cmp_ok($report->{probes_silent}, '>=', 100 * ($window - 2),
	'the silent ones are probed, too');
is($report->{ended_reset}, 0, 'no probe is broken off with a reset');

is(tally($monitor), '900/100/0', 'the verdicts are as before');
my @wrong =
  grep { $_->{node} =~ /^"127\.1\./ && !$_->{health} } changes($monitor);
is(join(', ', map { "$_->{node}: $_->{cause}" } @wrong),
	'', 'no healthy node ever was unhealthy');

# ---------- many die at once ----------

my @dying = map { "127.1.0.$_" } 0 .. 249;
$fleet->become($_, 'reset') foreach @dying;
wait_tally($monitor, '650/350/0', 'many die at once');
$fleet->become($_, 'default') foreach @dying;
wait_tally($monitor, '900/100/0', 'and come back');

# ---------- all go ----------

my $removed = $monitor->safe_psql('postgres',
	'WITH removed AS (DELETE FROM octopus.nodes RETURNING *) SELECT count(*) FROM removed'
);
is($removed, 1000, 'all are removed by one statement');
wait_until(
	sub { $fleet->open_connections == 0 },
	'tries under way are given up');
$fleet->mark;
$monitor->safe_psql('postgres', 'SELECT pg_sleep(1.5)');
is($fleet->report->{probes}, 0, 'what is removed is not probed any more');

$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.1.' || i / 250 || '.' || i % 250, $port FROM generate_series(0, 4095) i"
);
wait_tally($monitor, '4096/0/0', 'the table can be filled up');
$monitor->safe_psql('postgres', 'TRUNCATE octopus.nodes');
is(tally($monitor), '0/0/0', 'and emptied');

done_testing();

# A server stops as soon as it would without us, however many probes are under way.

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
	period => '10s',
	timeout => '60s',
	'octopus.health_check_jitter' => 0);

$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.2.' || i / 250 || '.' || i % 250, $port FROM generate_series(1, 1000) i"
);

sub stop_in
{
	my ($mode) = @_;
	return elapsed(sub { $monitor->stop($mode) });
}

foreach my $mode ('smart', 'fast', 'immediate')
{
	my $pid = prober_pid($monitor);

	wait_until(sub { $fleet->open_connections >= 1000 }, "$mode: a thousand probes are under way");
	my $with = stop_in($mode);
	ok(gone($pid), "$mode: the prober has ended");
	wait_until(sub { $fleet->open_connections == 0 }, "$mode: no connection is left");

	# without the library, from the same state
	$monitor->start;
	wait_prober($monitor);
	$monitor->stop('fast');
	$monitor->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
	$monitor->start;
	my $without = stop_in($mode);
	cmp_ok($with, '<=', $without + 1,
		sprintf('%s: it stops as soon as without us (%.2f s, %.2f s)', $mode, $with, $without));

	$monitor->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'octopus_fdw'");
	$monitor->start;
	wait_prober($monitor);
}

done_testing();

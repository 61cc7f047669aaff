# The server is shut down, in every mode, while a thousand probes are under way: it
# takes no longer than without them, and nobody is kept waiting: who waits for a
# node ends, too.

use strict;
use warnings;

use Octopus;
use Fleet;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $probes = 1000;
my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '1h',
	timeout => '10min',
	'octopus.max_concurrent_checks' => 2 * $probes,
	'octopus.log_status_changes' => 'off');
my @silent = map { [ $fleet->address('silent', $_), $port ] } 1 .. $probes;

# how long it took without probes, and with them
my (%alone, %busy);

# A test: so many probes are under way.
sub in_flight
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($n, $test) = @_;
	return ok($monitor->poll_query_until('postgres', "SELECT checks_in_flight = $n FROM octopus.monitor"), $test);
}

sub stop
{
	my ($mode) = @_;
	my $took = elapsed(sub { $monitor->stop($mode) });
	$monitor->start;
	wait_prober($monitor);
	return $took;
}

foreach my $mode ('smart', 'fast', 'immediate')
{
	in_flight(0, "$mode: nothing is under way");
	$alone{$mode} = stop($mode);
}

register($monitor, @silent);
foreach my $mode ('smart', 'fast', 'immediate')
{
	in_flight($probes, "$mode: $probes probes are under way");

	# a smart one waits for sessions to end of their own accord
	my ($out, $err) = ('', '');
	my $waits = $mode eq 'smart' ? undef : IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $monitor->connstr('postgres'), '-c',
			"SELECT octopus.wait_for_health('$silent[0][0]', $port)" ],
		'>', \$out, '2>', \$err);
	ok($monitor->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT octopus.wait_for_health%' AND wait_event_type = 'Extension'"),
		"$mode: and a session waits")
	  if $waits;
	$busy{$mode} = stop($mode);
	next unless $waits;
	$waits->finish;
	like($err, qr/terminat|closed the connection/, "$mode: who waited knows");
}

foreach my $mode (sort keys %busy)
{
	note(sprintf('%s: %.2f s, with nothing to do %.2f s', $mode, $busy{$mode}, $alone{$mode}));
	cmp_ok($busy{$mode}, '<', $alone{$mode} + 1, "$mode: the probes keep nobody");
}

done_testing();

# How many tries make a verdict, and when they come: 1 + max_retries failed ones
# in a row, retry_delay apart, and a single good one.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A period that never ends: then probes come only at registration, as retries,
# and soon after the prober's start.
my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => 2147483647,
	timeout => '500ms',
	max_retries => 3,
	retry_delay => '300ms');

# Has each node probed anew, by a new prober.
sub probe_anew
{
	my $prober = prober_pid($monitor);
	kill('TERM', $prober);
	wait_prober($monitor, $prober);
	return;
}

# ---------- nodes that are dead when they are registered ----------

# these fail at once, by timeout, by what they say
my @dead = ('127.3.0.1', '127.2.0.1', '127.5.0.1');
my $took = elapsed(
	sub {
		register($monitor, map { [ $_, $port ] } @dead);
		wait_tally($monitor, '0/3/0', 'the dead are found unhealthy');
	});
is($fleet->count($_), 4, "$_: after 1 + max_retries tries") foreach @dead;
cmp_ok($took, '>=', 3 * 0.3, 'which are retry_delay apart');
cmp_ok($took, '<', 30, 'and no more');

# ---------- a node that is well at once ----------

register($monitor, [ '127.1.0.1', $port ]);
wait_health($monitor, '127.1.0.1', $port, 1, 'the living is found healthy');
is($fleet->count('127.1.0.1'), 1, 'after one try');

# ---------- it dies ----------

$fleet->become('127.1.0.1', 'reset');
changes($monitor);
probe_anew();
wait_until(sub { $fleet->count('127.1.0.1') > 1 }, 'it is tried again');
wait_health($monitor, '127.1.0.1', $port, 0, 'a death is found');
is($fleet->count('127.1.0.1'), 1 + 4, 'after 1 + max_retries tries');

# ---------- it recovers ----------

$fleet->become('127.1.0.1', 'default');
probe_anew();
wait_health($monitor, '127.1.0.1', $port, 1, 'a recovery is found');
is($fleet->count('127.1.0.1'), 1 + 4 + 1, 'after one try');
is(join(' ', map { $_->{health} } grep { $_->{node} =~ /127\.1\.0\.1/ } changes($monitor)),
	'0 1', 'both were logged once');

# ---------- a failure that is not repeated ----------

sub failures
{
	return $monitor->safe_psql('postgres',
		"SELECT consecutive_failures FROM octopus.node_status WHERE node_name = '127.1.0.1'");
}

# it answers again before its tries are used up
configure($monitor, retry_delay => '2s');
$monitor->reload;
$fleet->become('127.1.0.1', 'reset');
probe_anew();
wait_until(sub { failures() > 0 }, 'a try fails');
is(health($monitor, '127.1.0.1', $port), '1', 'one failure is no verdict');
$fleet->become('127.1.0.1', 'default');
wait_until(sub { failures() == 0 }, 'it is tried again');
is(health($monitor, '127.1.0.1', $port), '1', 'and found well');
is(scalar(grep { $_->{node} =~ /127\.1\.0\.1/ } changes($monitor)),
	0, 'nothing is logged of it');

# its failures are forgiven: the next time all tries count again
my $seen = $fleet->count('127.1.0.1');
$fleet->become('127.1.0.1', 'reset');
configure($monitor, retry_delay => '10ms');
$monitor->reload;
probe_anew();
wait_health($monitor, '127.1.0.1', $port, 0, 'later it dies for good');
is($fleet->count('127.1.0.1') - $seen, 4, 'after 1 + max_retries tries');

# ---------- no retries ----------

configure($monitor, max_retries => 0);
$monitor->reload;
probe_anew();
register($monitor, [ '127.3.0.2', $port ]);
wait_health($monitor, '127.3.0.2', $port, 0, 'without retries');
is($fleet->count('127.3.0.2'), 1, 'the first failure counts');

done_testing();

# libpq and c-ares without memory, now and then or altogether: the prober and the
# server survive, and verdicts stay true.

use strict;
use warnings;

use Octopus;
use Dns;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $dns = Dns->new;
my $shim = "$ENV{TESTDIR}/build/memory.so";

$dns->set("n$_.test", "addresses 1 127.1.9.$_") foreach 1 .. 5;
$ENV{LD_PRELOAD} = $shim;
my $monitor = monitor(
	'monitor',
	period => '50ms',
	timeout => '2s',
	max_retries => 0,
	retry_delay => '0',
	'octopus.health_check_type' => 'connection',
	'octopus.dns_servers' => $dns->address,
	'octopus.dns_max_ttl' => 0,
	'octopus.status_max_age' => -1);
delete $ENV{LD_PRELOAD};
my $fault = $monitor->data_dir . '/memory';
my $hits = "$fault.hit";

# How many calls of either have failed?
sub failed
{
	my ($letter) = @_;
	return -e $hits ? scalar(() = slurp_file($hits) =~ /$letter/g) : 0;
}

register(
	$monitor,
	(map { [ "127.1.0.$_", $port ] } 1 .. 10),
	(map { [ "n$_.test", $port ] } 1 .. 5),
	(map { [ "127.2.0.$_", $port ] } 1 .. 3));
wait_tally($monitor, '15/3/0', 'all have a verdict');
my $prober = prober_pid($monitor);
changes($monitor);

# Each number lets other calls fail; 1 lets all of them.
foreach my $nth (1, 2, 3, 7, 31)
{
	my ($libpq, $cares) = (failed('p'), failed('c'));

	append_to_file($fault, $nth);
	wait_until(sub { failed('p') >= $libpq + 30 }, "one call in $nth of libpq fails");
	wait_until(sub { failed('c') >= $cares + 30 }, "one call in $nth of c-ares fails");
	unlink $fault or die "cannot remove $fault: $!";
	is(tally($monitor), '15/3/0', "one in $nth: verdicts are as before");

	my $seen = $fleet->count('127.1.9.1');
	wait_until(sub { $fleet->count('127.1.9.1') > $seen + 3 }, "one in $nth: probes go on");
}
is(join(', ', map { "$_->{node}: $_->{cause}" } changes($monitor)),
	'', 'no verdict changed at any time');
is(prober_pid($monitor), $prober, 'it was the same prober all the time');

$fleet->become($_, 'reset') foreach ('127.1.0.1', '127.1.9.1');
wait_tally($monitor, '13/5/0', 'deaths are still seen');

done_testing();

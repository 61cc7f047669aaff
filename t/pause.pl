# A machine that is paused, with all that runs on it, convicts nobody, in whatever
# order its processes go on; neither does a clock that somebody sets.

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
	retry_delay => '0');
my $prober = prober_pid($monitor);

# Many answer at once, some take a while, so that at any instant some tries are
# under way.
my @alive = (
	(map { [ "127.1.0.$_", $port ] } 1 .. 100),
	(map { [ "127.6.0.$_", $port ] } 1 .. 50));
my $seen;

# ---------- the whole machine stops ----------

# The processes of a server, the postmaster last.
sub processes
{
	my ($node) = @_;
	my $postmaster = postmaster_pid($node);

	return (split(/\n/, $node->safe_psql('postgres',
		'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()')), $postmaster);
}

# In the order given or in another one; each goes on a little after the last one.
sub pause
{
	my ($seconds, @pids) = @_;
	my $pause_end = time + $seconds;

	freeze($_) foreach @pids;
	usleep(10_000) while time < $pause_end;
	foreach my $pid (@pids)
	{
		thaw($pid);
		usleep(20_000);
	}
	return;
}

my $target = target('target');
my $real_port = $target->port;
$monitor->safe_psql('postgres', "
	CREATE SERVER asking FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_type 'query',
		health_check_query 'SELECT pg_sleep(0.05) IS NOT NULL');
	CREATE FOREIGN TABLE asking (node_name text, node_port int, health_status int) SERVER asking OPTIONS (table_name 'nodes');
	CREATE SERVER holding FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_type 'connection', keep_connections 'on');
	CREATE FOREIGN TABLE holding (node_name text, node_port int, health_status int) SERVER holding OPTIONS (table_name 'nodes');
	INSERT INTO asking VALUES ('127.0.0.1', $real_port), ('127.39.0.1', $port);
	INSERT INTO holding VALUES ('127.0.0.1', $real_port), ('127.1.0.1', $port)");
register($monitor, @alive, [ '127.0.0.1', $real_port ]);
my $all_well = 'SELECT (SELECT sum(health_status) FROM octopus.nodes) = 151 AND
	(SELECT sum(health_status) FROM asking) = 2 AND (SELECT sum(health_status) FROM holding) = 2';
ok($monitor->poll_query_until('postgres', $all_well), 'all are well');
changes($monitor);

my @ours = processes($monitor);
foreach my $order ('ours first', 'ours last', 'at random')
{
	my @theirs = ($fleet->{pid}, processes($target));
	my @pids =
		$order eq 'ours first' ? (@ours, @theirs)
	  : $order eq 'ours last' ? (@theirs, @ours)
	  : map { $_->[0] } sort { $a->[1] <=> $b->[1] } map { [ $_, rand ] } @ours, @theirs;

	pause(2.5, @pids);
	$seen = $fleet->count('127.6.0.1');
	wait_until(sub { $fleet->count('127.6.0.1') > $seen + 3 },
		"a paused machine, $order: probes go on");
	is(join(', ', map { "$_->{node}: $_->{cause}" } changes($monitor)),
		'', "a paused machine, $order: no verdict changed");
}
is($monitor->safe_psql('postgres', $all_well), 't', 'all are still well');
is(prober_pid($monitor), $prober, 'with the same prober');

# ---------- somebody sets the clock ----------

sub set_clock
{
	my ($seconds) = @_;
	my $file = $monitor->data_dir . '/clock';

	append_to_file("$file.new", $seconds);
	rename("$file.new", $file) or die "cannot rename: $!";
	return;
}

my $shim = "$ENV{TESTDIR}/build/clock.so";
{
	local $ENV{LD_PRELOAD} = $shim;
	$monitor->restart;
}
ok($monitor->poll_query_until('postgres', $all_well), 'all are well after a restart');
$prober = prober_pid($monitor);
changes($monitor);
foreach my $seconds (3600, 0, -3600, 86400 * 365, 0)
{
	set_clock($seconds);
	my $ahead = $monitor->safe_psql('postgres', 'SELECT extract(epoch FROM clock_timestamp())') - time;
	cmp_ok(abs($ahead - $seconds), '<', 60, "the clock is $seconds s ahead");

	$fleet->mark;
	my ($slow, $quick) = map { $fleet->count($_) } '127.6.0.1', '127.1.0.2';
	wait_until(
		sub { $fleet->count('127.6.0.1') > $slow + 5 && $fleet->count('127.1.0.2') > $quick + 5 },
		"$seconds s ahead: probes go on");
	cmp_ok($fleet->report->{gap_median_ms}, '>', 80, "$seconds s ahead: as often as before");
	is(join(', ', map { "$_->{node}: $_->{cause}" } changes($monitor)),
		'', "$seconds s ahead: no verdict changed");
}
$fleet->become('127.1.0.3', 'silent');
wait_health($monitor, '127.1.0.3', $port, 0, 'a death is still seen');
is(prober_pid($monitor), $prober, 'by the same prober');

done_testing();

# The prober ends in every way that a process can, and each time there is another
# one, or none where there should be none.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# what "promptly" may take on a machine that is busy with other things
my $prompt = 15;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '200ms',
	timeout => '1s',
	max_retries => 0);

# ---------- what it looks like ----------

my $prober = wait_prober($monitor);
is( $monitor->safe_psql(
		'postgres',
		"SELECT datid IS NULL, datname IS NULL, state IS NULL, backend_xmin IS NULL FROM pg_stat_activity WHERE pid = $prober"
	),
	't|t|t|t',
	'the prober can be seen, attached to no database');

# ---------- with nothing to do it does nothing ----------

# The window is the measurement.  Something else may rightly wake it once, such
# as the end of CREATE EXTENSION, so there is more than one window.
my $switches;
foreach (1 .. 3)
{
	my $before = proc_status($prober, 'voluntary_ctxt_switches');
	usleep(2_000_000);
	$switches = proc_status($prober, 'voluntary_ctxt_switches') - $before;
	last if $switches == 0;
}
is($switches, 0, 'an idle prober makes no wakeups');

# ---------- SIGINT ----------

my @healthy = map { [ "127.1.0.$_", $port ] } 1 .. 20;
my @dead = map { [ "127.3.0.$_", $port ] } 1 .. 5;
register($monitor, @healthy, @dead);
wait_tally($monitor, '20/5/0', 'all nodes have a verdict');

$monitor->safe_psql('postgres', "SELECT pg_cancel_backend($prober)");
kill('INT', $prober);
my $seen = $fleet->count('127.1.0.1');
wait_until(sub { $fleet->count('127.1.0.1') > $seen + 3 },
	'a cancelled prober goes on');
is(prober_pid($monitor), $prober, 'it is the same one');

# ---------- SIGTERM ----------

# Terminates the prober and looks at all verdicts, as often as it can, until its
# successor has had two seconds, which is time for all nodes several times.
$monitor->safe_psql(
	'postgres', q{
CREATE FUNCTION watch_takeover(OUT took_over bool, OUT looks int, OUT wrong int) AS $$
DECLARE
	old int := pid FROM pg_stat_activity WHERE backend_type = 'octopus_fdw prober';
	watch_until timestamptz := clock_timestamp() + interval '1 min';
BEGIN
	took_over := false;
	looks := 0;
	wrong := 0;
	CREATE TEMP TABLE verdicts ON COMMIT DROP AS SELECT * FROM octopus.nodes;
	PERFORM pg_terminate_backend(old);
	WHILE clock_timestamp() < watch_until LOOP
		PERFORM FROM verdicts v FULL JOIN octopus.nodes n USING (node_name, node_port)
			WHERE n.health_status IS DISTINCT FROM v.health_status;
		wrong := wrong + found::int;
		looks := looks + 1;
		PERFORM pg_stat_clear_snapshot();
		IF NOT took_over AND EXISTS (SELECT FROM pg_stat_activity
			WHERE backend_type = 'octopus_fdw prober' AND pid <> old) THEN
			took_over := true;
			watch_until := clock_timestamp() + interval '2 s';
		END IF;
		PERFORM pg_sleep(0.002);
	END LOOP;
END
$$ LANGUAGE plpgsql});

changes($monitor);
$seen = $fleet->count('127.1.0.1');
my ($took_over, $looks, $wrong) = split /\|/,
  $monitor->safe_psql('postgres', 'SELECT * FROM watch_takeover()');
is($took_over, 't', 'a terminated prober has a successor');
cmp_ok($looks, '>', 20, 'the verdicts were watched');
is($wrong, 0, 'and were the same at every look');
cmp_ok($fleet->count('127.1.0.1'), '>', $seen, 'the successor probes');
is(scalar(@{ [ changes($monitor) ] }), 0, 'no change was logged');

# nor does a change that comes with the takeover go unnoticed
$prober = prober_pid($monitor);
$fleet->become('127.1.0.1', 'reset');
$fleet->become('127.3.0.1', 'healthy');
kill('TERM', $prober);
wait_health($monitor, '127.1.0.1', $port, 0, 'a death around the takeover is seen');
wait_health($monitor, '127.3.0.1', $port, 1, 'so is a recovery');
$prober = wait_prober($monitor, $prober);
$fleet->become($_, 'default') foreach ('127.1.0.1', '127.3.0.1');
wait_tally($monitor, '20/5/0', 'all is as before');

my $log = slurp_file($monitor->logfile);
my @exits =
  $log =~ /background worker "octopus_fdw prober" \(PID \d+\) exited with exit code (\d+)/g;
is(join(',', @exits), '1,1', 'it exits so that it is started again');

# ---------- SIGKILL: the whole server restarts ----------

kill('KILL', $prober);
wait_until(
	sub {
		slurp_file($monitor->logfile) =~
		  /all server processes terminated; reinitializing.*ready to accept connections/s;
	},
	'the server recovers');
$prober = wait_prober($monitor, $prober);
ok($prober, 'and has a new prober');
$monitor->safe_psql('postgres', 'DELETE FROM octopus.nodes');
register($monitor, @healthy);
wait_tally($monitor, '20/0/0', 'that probes');

# ---------- the postmaster dies ----------

# Kills the postmaster and waits until all its children have left.
sub orphan
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what) = @_;
	my $pid = prober_pid($monitor);
	my $postmaster = postmaster_pid($monitor);
	my @pids = split /\n/, $monitor->safe_psql('postgres',
		'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');

	$monitor->kill9;
	my $took = elapsed(sub { wait_until(sub { gone($pid) }, "$what leaves with the postmaster") });
	cmp_ok($took, '<', $prompt, "$what leaves promptly");
	wait_until(sub { !grep { !gone($_) } @pids }, 'as do all others');

	# pg_ctl counts a dead process until somebody has collected it
	wait_until(sub { !kill(0, $postmaster) }, 'nothing is left');
	return;
}

orphan('a busy prober');

$monitor->start;
wait_prober($monitor);
$monitor->safe_psql('postgres', 'DELETE FROM octopus.nodes');
orphan('an idle prober');

# ---------- the server stops while tries are under way ----------

configure($monitor, timeout => '1h');
$monitor->start;
register($monitor, map { [ "127.2.0.$_", $port ] } 1 .. 50);
wait_until(sub { $fleet->open_connections >= 50 }, 'tries are under way');
my $took = elapsed(sub { $monitor->stop('fast') });
cmp_ok($took, '<', $prompt, 'the server stops promptly');
wait_until(sub { $fleet->open_connections == 0 }, 'no connection is left');

$log = slurp_file($monitor->logfile);
unlike(
	$log,
	qr/"octopus_fdw prober" \(PID \d+\) exited with exit code 0/,
	'no prober ever exited as if its work were done');
unlike($log, qr/PANIC|TRAP|ERROR:|WARNING:/, 'nothing else went wrong');

done_testing();

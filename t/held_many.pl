# Many held sessions (at most a quarter of 1024 descriptors): they cost next to nothing while nothing happens, and they
# leave enough descriptors to the probes of others.

use strict;
use warnings;

use Octopus;
use Fleet;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs prlimit' if system('prlimit --version >/dev/null 2>&1');

my $nodes = 2000;

sub cpu_ms
{
	my ($pid) = @_;
	my @stat = split ' ', slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr;
	return ($stat[11] + $stat[12]) * 1000 / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# What it has without memory that is shared.
sub own_kb
{
	my ($pid) = @_;
	return proc_status($pid, 'RssAnon');
}

my $fleet = Fleet->new;
my $port = $fleet->port;
system_or_bail('prlimit', "--pid=$$", '--nofile=1024:1024');
my $monitor = monitor(
	'monitor',
	period => '1h',
	timeout => '2s',
	max_retries => 0,
	'octopus.keep_connections' => 'on');
my $prober = prober_pid($monitor);

sub add
{
	my ($type, $from, $to) = @_;
	$monitor->safe_psql('postgres',
		"INSERT INTO octopus.node_options (node_name, node_port, health_check_type)
		SELECT '127.1.' || i / 250 || '.' || i % 250, $port, '$type' FROM generate_series($from, $to) i");
	return;
}

# ---------- 250 sessions at rest ----------

# measured by the second lot of each kind, when all that is needed once is there
add('ping', 1, 50);
wait_tally($monitor, '50/0/0', 'sessions by plain sockets');
my $kb = own_kb($prober);
add('ping', 51, 125);
wait_tally($monitor, '125/0/0', 'more of them');
note(sprintf 'a session by a plain socket: %.1f kB', (own_kb($prober) - $kb) / 75);
add('connection', 126, 175);
wait_tally($monitor, '175/0/0', 'sessions by libpq');
$kb = own_kb($prober);
add('connection', 176, 250);
wait_tally($monitor, '250/0/0', 'more of them');
note(sprintf 'a session by libpq: %.1f kB', (own_kb($prober) - $kb) / 75);
is($fleet->open_connections, 250, 'all are held');

my $cpu_ms = cpu_ms($prober);
$monitor->safe_psql('postgres', 'SELECT pg_sleep(2)');
cmp_ok(cpu_ms($prober) - $cpu_ms, '<=', 100, 'at rest they cost nothing');

# ---------- more nodes than descriptors ----------

$monitor->append_conf('postgresql.conf', "octopus.health_check_period = '1s'");
$monitor->reload;
add('ping', 251, $nodes - 400);
$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.2.' || i / 250 || '.' || i % 250, $port FROM generate_series(1, 200) i;
	INSERT INTO octopus.nodes SELECT '127.3.' || i / 250 || '.' || i % 250, $port FROM generate_series(1, 200) i");
my $tally = ($nodes - 400) . '/400/0';
wait_tally($monitor, $tally, 'all have a verdict');
$fleet->mark;
wait_until(
	sub {
		my $now = $fleet->report;
		return $now->{gap_nodes} == $nodes - 400 && $now->{gap_count} >= 3 * ($nodes - 400)
		  && ($now->{probes_silent} // 0) >= 400;
	},
	'everybody is probed again and again');
my $report = $fleet->report;
note("$report->{syncs} Syncs, $report->{probes} probes; $report->{peak_open} connections at most; gaps in ms: median $report->{gap_median_ms}, max $report->{gap_max_ms}");
is(tally($monitor), $tally, 'the verdicts are as before');
cmp_ok($report->{peak_open}, '<', 1024, 'within the limit');
cmp_ok($report->{syncs}, '>', 250, 'many by the sessions that are held');
unlike(new_log($monitor), qr/could not probe|127\.1\.\S+ is unhealthy/, 'without trouble');
is(prober_pid($monitor), $prober, 'by the same prober');

done_testing();

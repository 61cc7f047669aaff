# Ten thousand nodes registered and dropped again and again, while they are probed
# and read and settings change: memory stays as it is, and no node is wrong.
# CHURN_SECONDS says for how long.

use strict;
use warnings;

use Octopus;
use Fleet;
use List::Util qw(max);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '1s',
	timeout => '5s',
	max_retries => 2,
	'octopus.max_nodes' => 10050,
	'octopus.log_status_changes' => 'off',
	'octopus.status_max_age' => -1);
my $prober = prober_pid($monitor);

# nodes that stay
$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.1.200.' || i, $port FROM generate_series(1, 50) i");
wait_tally($monitor, '50/0/0', 'some stay');

my ($in, $out, $err) = ('', '', '');
my $reader = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $monitor->connstr('postgres'), '-f', '-' ],
	'<', \$in, '>', \$out, '2>', \$err);
$in = <<"SQL";
SELECT count(*) FILTER (WHERE health_status <> 1 AND node_name LIKE '127.1.200.%') FROM octopus.node_status
\\watch 0.2
SQL
$reader->pump_nb;

# Both are taken when all nodes have come and gone: what is used once is kept.
my (@rss, @shared);
my ($rounds, $probed) = (0, 0);
my $end = time + ($ENV{CHURN_SECONDS} // 12);
while (time < $end || $rounds < 4)
{
	my $count = $fleet->count('127.1.0.1');

	$monitor->safe_psql('postgres',
		"INSERT INTO octopus.nodes SELECT '127.1.' || i / 250 || '.' || i % 250, $port FROM generate_series(0, 9999) i");
	configure($monitor, 'octopus.health_check_jitter' => $rounds % 50,
		'octopus.dns_max_ttl' => $rounds . 's');
	$monitor->reload;
	$reader->pump_nb;
	wait_until(sub { $fleet->count('127.1.0.1') > $count }, "round $rounds: they are probed");
	$monitor->safe_psql('postgres', "DELETE FROM octopus.nodes WHERE node_name NOT LIKE '127.1.200.%'");
	push @rss, proc_status($prober, 'RssAnon');
	push @shared, $monitor->safe_psql('postgres',
		q{SELECT sum(allocated_size) FROM pg_shmem_allocations WHERE name LIKE 'octopus%'});
	$rounds++;
}
note("rounds: $rounds; the prober's own memory, in kB: @rss");
is($shared[-1], $shared[0], 'shared memory is as large as before');
# (a machine short of memory may have taken some of it away at any time)
cmp_ok($rss[-1], '<', max(@rss[ 0 .. 2 ]) * 1.25 + 512, 'the prober has not grown');
is(tally($monitor), '50/0/0', 'those who stay are well');
$reader->pump_nb;
my @wrong = grep { $_ ne '0' } ($out =~ /^(\d+)$/mg);
cmp_ok(scalar(() = $out =~ /^0$/mg), '>', 3, 'somebody has read all the time');
is("@wrong$err", '', 'and has never seen them otherwise');
is(prober_pid($monitor), $prober, 'it was the same prober all the time');
$in = '';
$reader->kill_kill;

done_testing();

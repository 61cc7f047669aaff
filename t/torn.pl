# A row is of one instant of its node: while the nodes of a fleet turn all the
# time, readers never see the health of one check beside the reason of another,
# nor counts and a histogram that disagree.

use strict;
use warnings;

use Octopus;
use Fleet;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $nodes = 30;
my $monitor = monitor(
	'monitor',
	period => '2ms',
	timeout => '5s',
	max_retries => 0,
	max_connections => 30,
	'octopus.log_status_changes' => 'off',
	wal_level => 'minimal',
	max_wal_senders => 0,
	autovacuum => 'off',
	'octopus.health_check_jitter' => 50);
my @addresses = map { "127.1.9.$_" } 1 .. $nodes;

# What a status may be like, and how many rows are like nothing of it.
$monitor->safe_psql(
	'postgres', q{
CREATE FUNCTION kind(s octopus.node_status) RETURNS text LANGUAGE sql AS $$
	SELECT CASE
		WHEN s.state = 'initializing' AND s.health_status = -1 AND s.reason IS NULL AND s.sqlstate IS NULL AND s.error_message IS NULL
			AND s.last_check_time IS NULL THEN 'initializing'
		WHEN s.state = 'healthy' AND s.health_status = 1 AND s.reason = 'ok' AND s.sqlstate IS NULL AND s.error_message IS NULL
			AND s.consecutive_failures = 0 AND s.consecutive_successes > 0 AND s.last_check_time = s.last_success_time THEN 'healthy'
		WHEN s.state = 'degraded' AND s.health_status = 1 AND s.reason = 'auth_failed' AND s.sqlstate = '28000' AND s.error_message ~ 'pg_hba'
			AND s.consecutive_failures = 0 AND s.consecutive_successes > 0 AND s.last_check_time = s.last_success_time THEN 'degraded'
		WHEN s.state = 'unhealthy' AND s.health_status = 0 AND s.reason = 'starting_up' AND s.sqlstate = '57P03' AND s.error_message ~ 'starting up'
			AND s.consecutive_failures > 0 AND s.consecutive_successes = 0 AND s.last_check_time = s.last_failure_time THEN 'unhealthy'
	END
$$;

-- Reads for so long; returns which kinds there were, and complains of others.
CREATE FUNCTION read_statuses(how_long interval) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + how_long;
	kinds text[] := '{}';
	seen text[];
	torn text;
BEGIN
	WHILE clock_timestamp() < until LOOP
		SELECT array_agg(DISTINCT kind(s)) FILTER (WHERE kind(s) IS NOT NULL), min(s::text) FILTER (WHERE kind(s) IS NULL)
			INTO seen, torn FROM octopus.node_status s;
		IF torn IS NOT NULL THEN
			RETURN 'torn: ' || torn;
		END IF;
		kinds := ARRAY(SELECT DISTINCT unnest(kinds || seen) ORDER BY 1);
	END LOOP;
	RETURN array_to_string(kinds, ' ');
END $$;

-- The histogram has what was counted before it was read, and after it no more.
CREATE FUNCTION read_latencies(how_long interval) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + how_long;
	before bigint;
	sum bigint;
	after bigint;
	first bigint;
	torn text;
BEGIN
	WHILE clock_timestamp() < until LOOP
		SELECT success_count INTO before FROM octopus.node_stats WHERE node_name = '127.1.9.1' AND node_port = current_setting('my.port')::int;
		SELECT coalesce(sum(l.count), 0) INTO sum FROM octopus.node_latency l WHERE node_name = '127.1.9.1' AND node_port = current_setting('my.port')::int;
		SELECT success_count INTO after FROM octopus.node_stats WHERE node_name = '127.1.9.1' AND node_port = current_setting('my.port')::int;
		IF sum NOT BETWEEN before AND after THEN
			RETURN format('torn: %s not between %s and %s', sum, before, after);
		END IF;
		first := coalesce(first, before);
		SELECT min(s::text) INTO torn FROM octopus.node_stats s
			WHERE success_count > 0 AND (abs(total_check_time / success_count - mean_check_time) > 0.001 * mean_check_time
				OR min_check_time > mean_check_time * 1.001 OR max_check_time < mean_check_time * 0.999
				OR abs(healthy_time + unhealthy_time + unknown_time - extract(epoch FROM clock_timestamp() - stats_reset)) > 30);
		IF torn IS NOT NULL THEN
			RETURN 'torn: ' || torn;
		END IF;
	END LOOP;
	RETURN CASE WHEN after > first THEN 'they agree' ELSE 'there was no success' END;
END $$});

register($monitor, map { [ $_, $port ] } @addresses);

# Nothing of all this is in WAL, nor is it a transaction.
sub traces
{
	return $monitor->safe_psql('postgres',
		'SELECT pg_current_wal_insert_lsn(), pg_snapshot_xmax(pg_current_snapshot())');
}
$monitor->safe_psql('postgres', 'VACUUM');
$monitor->safe_psql('postgres', $_)
  foreach "SELECT read_statuses('100 ms')", "SET my.port = $port; SELECT read_latencies('100 ms')", 'CHECKPOINT';
my $traces = traces();
my $flips = $monitor->safe_psql('postgres', 'SELECT sum(transition_count) FROM octopus.node_stats');

my %readers;
my $end = time + 60;
foreach my $call ("read_statuses('4 s')", "read_latencies('4 s')")
{
	my $reader = { out => '' };
	$reader->{handle} = IPC::Run::start(
		[   'psql', '-XAtq', '-d', $monitor->connstr('postgres'),
			'-c', "SET my.port = $port", '-c', "SELECT $call" ],
		'>', \$reader->{out}, '2>&1');
	$readers{$call} = $reader;
}

# the nodes turn, each time others
my @kinds = ('default', 'starting', 'refused');
my $turn = 0;
while (time < $end && grep { $_->{handle}->pumpable } values %readers)
{
	$fleet->become($addresses[ $turn % $nodes ], $kinds[ ($turn + int($turn / $nodes)) % 3 ]);
	$turn++;
	$_->{handle}->pump_nb foreach grep { $_->{handle}->pumpable } values %readers;
}
$_->{handle}->finish foreach values %readers;
cmp_ok($turn, '>', 3 * $nodes, "nodes have turned ($turn times)");
like($readers{"read_statuses('4 s')"}{out}, qr/^degraded healthy (initializing )?unhealthy\n$/, 'no status is torn');
is($readers{"read_latencies('4 s')"}{out}, "they agree\n", 'no numbers are torn');
$flips = $monitor->safe_psql('postgres', "SELECT sum(transition_count) - $flips FROM octopus.node_stats");
cmp_ok($flips, '>', $nodes, "health has flipped ($flips times)");
is(traces(), $traces, 'without a byte of WAL and without a transaction id');

done_testing();

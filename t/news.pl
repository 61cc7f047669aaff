# Who waits learns what no event tells, and events tell what is true: over stops and
# ends of the prober, other policies and other names.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;
use Time::HiRes qw(time usleep);

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '50ms',
	timeout => '500ms',
	max_retries => 1,
	retry_delay => '3s',
	'octopus.max_events' => 1000,
	'octopus.status_max_age' => '4s');
my $node = $fleet->address('healthy', 1);

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

# A test: a condition comes to hold for the rows of a dataset about the node.
sub becomes
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($dataset, $condition, $test) = @_;
	return ok(
		$monitor->poll_query_until('postgres',
			"SELECT EXISTS (SELECT FROM octopus.$dataset WHERE node_name = '$node' AND $condition)"),
		$test);
}

sub waiting
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(
		$monitor->poll_query_until('postgres',
			q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query LIKE '%octopus.wait_for_%' AND pid <> pg_backend_pid()}),
		'a session waits');
}

# Ends the prober; returns when there is the next one.
sub end_prober
{
	my $prober = prober_pid($monitor);
	sql("SELECT pg_terminate_backend($prober)");
	return wait_prober($monitor, $prober);
}

sql("INSERT INTO octopus.nodes VALUES ('$node', $port)");
wait_health($monitor, $node, $port, 1, 'a node is healthy');
my $session = session($monitor);

# ---------- news without an event ----------

# a verdict that had grown old is found to be true
my $prober = prober_pid($monitor);
foreach my $wait ("SELECT octopus.wait_for_health('$node', $port, 1, '1 hour');",
	q{SELECT node_name IS NOT NULL FROM octopus.wait_for_primary(timeout => '1 hour');})
{
	freeze($prober);
	becomes('node_status', q{state = 'stale'}, 'the prober is stopped, the verdict old');
	order($session, $wait);
	waiting();
	thaw($prober);
	is(hear($session), "t\n", "it goes on, and who waits is told: $wait");
}

# a role that is told again
sql('ALTER SERVER octopus OPTIONS (ADD health_check_type $$tcp$$)');
becomes('node_status', 'role IS NULL', 'checks that ask for no role');
order($session, q{SELECT node_name FROM octopus.wait_for_primary(timeout => '1 hour');});
waiting();
sql('ALTER SERVER octopus OPTIONS (DROP health_check_type)');
is(hear($session), "$node\n", 'they ask again, and who waits for a primary is told');

# ---------- the prober ends meanwhile ----------

my $began = time;
$fleet->become($node, 'stopping');
becomes('node_status', 'consecutive_failures = 1', 'one failure');
end_prober();
wait_health($monitor, $node, $port, 0, 'two, of which the second is the next prober\'s');
my $detection = sql('SELECT detection_time FROM octopus.node_events WHERE new_health_status = 0');
cmp_ok($detection, '>', 0, 'it knows when the first was');
cmp_ok($detection, '<', 1000 * (time - $began), 'as precisely as the first');
end_prober();
$fleet->become($node, 'default');
becomes('node_events', q{event_type = 'restart' AND reason = 'shutting_down'},
	'the next one notes that the node has been restarted');

sql('SELECT octopus.reset_stats()');
my $reset = sql('SELECT stats_reset FROM octopus.monitor');
my $last = sql('SELECT max(event_id) FROM octopus.node_events');
end_prober();
is(sql("SELECT octopus.wait_for_event($last) > $last"), 't', 'there is yet another one');
wait_health($monitor, $node, $port, 1, 'which works');
is(sql('SELECT stats_reset FROM octopus.monitor'), $reset, 'and begins to count anew only when asked to');

# ---------- those in doubt ----------

sql(q{ALTER SERVER octopus OPTIONS (ADD health_check_retry_delay '1h')});
becomes('node_status', q{state IN ('healthy', 'degraded')}, 'a node that is well');
$fleet->become($node, 'reset');
becomes('node_status', 'consecutive_failures = 1', 'it fails once');
is(sql("SELECT octopus.check_node('$node', $port, '200 ms') IS NULL FROM generate_series(1, 3)"), "t\nt\nt",
	'who asks whether it is dead has to wait for the next try');
becomes('node_status', q{state = 'failing'}, 'however many ask');
$fleet->become($node, 'default');
sql('ALTER SERVER octopus OPTIONS (DROP health_check_retry_delay)');
becomes('node_status', q{state IN ('healthy', 'degraded')}, 'it is well');

# ---------- names ----------

sql(qq{CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE east (node_name text, node_port int) SERVER east OPTIONS (table_name 'nodes');
	INSERT INTO east VALUES ('$node', $port)});
becomes('node_events', q{server_name = 'east' AND new_health_status = 1}, 'a node of another server');
sql('ALTER SERVER east RENAME TO orient');
sql('DELETE FROM east');
becomes('node_events', q{event_type = 'removed' AND server_name IN ('east', 'orient')}, 'it is removed');
is(sql(q{SELECT server_name FROM octopus.node_events WHERE event_type = 'removed'}), 'orient',
	'from a server that has been given another name');

$session->{run}->finish;
$monitor->stop;
done_testing();

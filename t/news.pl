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

# ---------- whatever else a session does ----------

sql("INSERT INTO octopus.nodes VALUES ('127.0.0.0', 1)");
wait_health($monitor, '127.0.0.0', 1, 0, 'a node that is dead');
is(sql('SELECT bool_and(octopus.wait_for_health(node_name, node_port, 0 + (node_name <> $$127.0.0.0$$)::int)) FROM octopus.nodes'),
	't', 'one wait a row');
is( sql("SELECT octopus.wait_for_health('$node', $port, 0, '10 ms'), octopus.wait_for_health('127.0.0.0', 1, 1, '10 ms'), octopus.wait_for_health('$node', $port)"),
	'f|f|t',
	'several waits in one statement');
is(sql("PREPARE w(interval) AS SELECT octopus.wait_for_health('$node', $port, 0, \$1);"
	  . join('', map { "EXECUTE w('$_');" } '-178000000 years', '-1 month', '1 month -31 days', '0', '1 us', '10 ms') x 2),
	join("\n", ('f') x 12), 'times that are short, or none');
is(sql("SELECT octopus.wait_for_health('$node', $port, 1, '178000000 years')"), 't', 'or long');
is(sql("BEGIN; DECLARE c CURSOR FOR SELECT octopus.wait_for_health('$node', $port) FROM generate_series(1, 3); FETCH 2 c; COMMIT"),
	"t\nt", 'a cursor');
is(sql("BEGIN; SAVEPOINT s; DELETE FROM octopus.nodes WHERE node_name = '$node'; ROLLBACK TO s; SELECT octopus.wait_for_health('$node', $port)"),
	't', 'a change that was undone');

# an error that is caught leaves nothing behind, not even in the middle of a sleep
order($session, qq{SET statement_timeout = '200 ms';
	DO \$\$ BEGIN PERFORM octopus.wait_for_health('$node', $port, 0, '1 hour'); EXCEPTION WHEN query_canceled THEN NULL; END \$\$;
	RESET statement_timeout;
	DO \$\$ BEGIN
		FOR i IN 1 .. 3 LOOP
			BEGIN
				PERFORM octopus.wait_for_health('$node', $port, 0, '10 ms'), octopus.wait_for_health('nowhere', 1);
			EXCEPTION WHEN undefined_object THEN NULL; END;
		END LOOP;
	END \$\$;
	SELECT octopus.wait_for_health('$node', $port, 0, '1 hour');});
waiting();

# one that is stopped while it waits holds nobody up
my $stopped = session($monitor);
my $pid = ask($stopped, 'SELECT pg_backend_pid();');
order($stopped, "LISTEN news; SELECT 1 + octopus.wait_for_health('$node', $port, 0, '1 hour')::int;");
ok($monitor->poll_query_until('postgres', "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid"),
	'another one waits');
freeze($pid);
$fleet->become($node, 'reset');
is(hear($session), "t\n", 'who has caught errors is told, though one is stopped');
wait_health($monitor, $node, $port, 0, 'so the prober goes on');
sql('NOTIFY news');
thaw($pid);
like(hear($stopped), qr/\A2\nAsynchronous notification "news"/, 'who was stopped learns all of it');
$stopped->{run}->finish;
$fleet->become($node, 'default');
wait_health($monitor, $node, $port, 1, 'it is well');

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

# What has happened to nodes, as octopus.node_events tells it: all of it, in order,
# and only to whom it concerns.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '50ms',
	timeout => '500ms',
	max_retries => 2,
	retry_delay => '100ms',
	'octopus.log_status_changes' => 'off',
	'octopus.max_events' => 500,
	wal_level => 'minimal',
	max_wal_senders => 0,
	autovacuum => 'off');

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

# The events about a node, or that a condition finds, a line each.
sub events
{
	my ($where, $columns) = @_;
	$columns //= q{event_type, old_health_status, new_health_status, old_role, new_role, reason};
	return sql("SELECT concat_ws(' ', $columns) FROM octopus.node_events WHERE $where ORDER BY event_id");
}

sub happens
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($where, $test) = @_;
	return ok($monitor->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM octopus.node_events WHERE $where)"),
		$test);
}

# ---------- a life ----------

my $node = $fleet->address('healthy', 1);
my $of_node = "node_name = '$node'";
like(events('node_name IS NULL'), qr/\Amonitor/, 'the first event is that of the prober');
sql("INSERT INTO octopus.nodes VALUES ('$node', $port)");
wait_health($monitor, $node, $port, 1, 'a node is healthy');
$fleet->become($node, 'reset');
wait_health($monitor, $node, $port, 0, 'it is not');
$fleet->become($node, 'standby');
wait_health($monitor, $node, $port, 1, 'it is again');
$fleet->become($node, 'default');
happens("$of_node AND new_role = 'primary' AND old_role = 'standby'", 'it is promoted');
sql("UPDATE octopus.node_options SET health_check_period = 40 WHERE node_name = '$node'");
happens("$of_node AND event_type = 'policy'", 'it gets an option');
sql("UPDATE octopus.node_options SET enabled = false WHERE node_name = '$node'");
happens("$of_node AND reason = 'disabled'", 'it is switched off');
sql("DELETE FROM octopus.nodes WHERE node_name = '$node'");
happens("$of_node AND event_type = 'removed'", 'it is removed');
is( events($of_node),
	join("\n",
		'registered -1',
		'health -1 1 ok',
		'role primary',
		'health 1 0 connection_reset',
		'health 0 1 ok',
		'role primary standby',
		'role standby primary',
		'policy',
		'health 1 -1 disabled',
		'policy',
		'removed -1'),
	'all that has happened, in order');

# ---------- how long it took ----------

my $took = sql("SELECT detection_time FROM octopus.node_events WHERE $of_node AND new_health_status = 0");
cmp_ok($took, '>=', 200, 'a death is detected after two retries');
cmp_ok($took, '<', 5000, 'and soon');
is(sql("SELECT count(*) FROM octopus.node_events WHERE $of_node AND new_health_status = 1 AND detection_time < 5000"),
	2, 'so is life');
is(sql("SELECT count(*) FROM octopus.node_events WHERE event_type <> 'health' AND detection_time IS NOT NULL"),
	0, 'nothing else is detected');

# ---------- a restart that can be seen ----------

$node = $fleet->address('healthy', 2);
$of_node = "node_name = '$node'";
sql("INSERT INTO octopus.nodes VALUES ('$node', $port)");
wait_health($monitor, $node, $port, 1, 'a node is healthy');
$fleet->become($node, 'stopping');
wait_health($monitor, $node, $port, 0, 'it shuts down');
$fleet->become($node, 'default');
happens("$of_node AND event_type = 'restart'", 'it comes back');
is(events("$of_node AND event_type = 'restart'", 'reason'), 'shutting_down', 'which was a restart');
is(events("$of_node AND new_health_status = 0", 'reason, sqlstate'), 'shutting_down 57P03',
	'its end is told with the error code');

# ---------- policies ----------

sql(qq{CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_period '60ms');
	CREATE FOREIGN TABLE east (node_name text, node_port int, health_status int) SERVER east OPTIONS (table_name 'nodes');
	CREATE FOREIGN TABLE east_events (node_name text, event_type text, event_id bigint) SERVER east OPTIONS (table_name 'node_events');
	INSERT INTO east SELECT '127.1.0.' || i, $port FROM generate_series(11, 20) i});
ok($monitor->poll_query_until('postgres', 'SELECT count(*) = 10 FROM east WHERE health_status = 1'), 'ten more');
sql(q{ALTER SERVER east OPTIONS (SET health_check_period '70ms')});
happens("server_name = 'east' AND event_type = 'policy'", 'they get another policy');
is(sql("SELECT count(*) || ' ' || count(node_name) FROM octopus.node_events WHERE server_name = 'east' AND event_type = 'policy'"),
	'1 0', 'which is one event, of their server');
is(sql('SELECT count(DISTINCT node_name) FROM east_events'), 10, "a server's own table shows what is about it");
is( sql(q{SELECT count(*) FROM east_events} ),
	sql(q{SELECT count(*) FROM octopus.node_events WHERE server_name = 'east'}),
	'and nothing else');
configure($monitor, 'octopus.healthy_threshold' => 2);
$monitor->reload;
happens("server_name IS NULL AND event_type = 'policy'", 'the settings change');

# ---------- whom it concerns ----------

$monitor->safe_psql('postgres', 'CREATE DATABASE other');
$monitor->safe_psql('other', 'CREATE EXTENSION octopus_fdw');
is($monitor->safe_psql('other', 'SELECT count(*) FROM octopus.node_events WHERE node_name IS NOT NULL'),
	0, 'another database learns of no node');
isnt($monitor->safe_psql('other', 'SELECT count(*) FROM octopus.node_events'), 0, 'only of the prober');
sql('CREATE ROLE stranger LOGIN; CREATE ROLE watcher LOGIN IN ROLE pg_monitor');
sql("INSERT INTO octopus.nodes VALUES ('127.0.0.0', 1)");
wait_health($monitor, '127.0.0.0', 1, 0, 'a node that is not there');
is(sql("SET ROLE watcher; SELECT bool_and(error_message IS NOT NULL) FROM octopus.node_events WHERE reason = 'connection_refused'"),
	't', 'who may read all statistics learns why');
sql('GRANT USAGE ON SCHEMA octopus TO stranger; GRANT SELECT ON octopus.node_events TO stranger');
is(sql("SET ROLE stranger; SELECT count(*) > 0 AND bool_and(error_message IS NULL) FROM octopus.node_events WHERE reason = 'connection_refused'"),
	't', 'others only what');
sql("DELETE FROM octopus.nodes WHERE node_name = '127.0.0.0'");

# ---------- a prober that ends ----------

my $last = sql('SELECT max(event_id) FROM octopus.node_events');
my $registered = sql("SELECT count(*) FROM octopus.node_events WHERE event_type = 'registered'");
my $prober = prober_pid($monitor);
sql("SELECT pg_terminate_backend($prober)");
wait_prober($monitor, $prober);
happens("event_id > $last AND event_type = 'monitor'", 'a new prober goes on');
is(sql("SELECT count(*) FROM octopus.node_events WHERE event_type = 'registered'"), $registered,
	'and registers nobody anew');

# ---------- many ----------

# nodes whose health flips all the time, faster than the ring forgets
sql('DELETE FROM octopus.nodes; DELETE FROM east');
my @flipping = map { $fleet->address('healthy', $_) } 101 .. 140;
sql('INSERT INTO octopus.node_options (node_name, node_port, health_check_period, health_check_max_retries, healthy_threshold) VALUES '
	  . join(', ', map { "('$_', $port, 20, 0, 1)" } @flipping));
wait_tally($monitor, '40/0/0', 'forty nodes');
my $lsn;
my $xid = sql('SELECT pg_snapshot_xmax(pg_current_snapshot())');
my $first = sql('SELECT max(event_id) FROM octopus.node_events');
my ($seen, $id, $gaps) = (0, $first, 0);
my $reader = $monitor->background_psql('postgres');

foreach my $round (1 .. 20)
{
	# catalogs that are read for the first time may be cleaned up by that
	$lsn = sql('CHECKPOINT; SELECT pg_current_wal_insert_lsn()') if $round == 5;

	my $what = $round % 2 ? 'reset' : 'default';
	my $tally = $round % 2 ? '0/40/0' : '40/0/0';
	$fleet->become($_, $what) foreach @flipping;

	# a reader that follows all the while
	while ($seen < 40 * $round)
	{
		my $next = $reader->query_safe("SELECT octopus.wait_for_event($id, '1 min')");
		last if $next eq '';
		$gaps++ if $next != $id + 1;
		$id = $next;
		$seen++;
	}
}
is("$seen $gaps", '800 0', 'who waits for one event after the other misses none');
is(sql('SELECT pg_snapshot_xmax(pg_current_snapshot())'), $xid, 'flips take no transaction ids');
is(sql("SELECT pg_current_wal_insert_lsn() - '$lsn'"), 0, 'and write nothing to WAL');
is( sql('SELECT count(*) || \' \' || max(event_id) - min(event_id) + 1 FROM octopus.node_events'),
	'500 500',
	'the ring holds as many as it should, without gaps');
is( sql('SELECT events_dropped > 0 FROM octopus.monitor'), 't', 'and tells that it has forgotten some');
is( sql("SELECT sum(transition_count) FROM octopus.node_stats"),
	800,
	'as many as the nodes have counted');
is( $reader->query_safe("SELECT octopus.wait_for_event(0, '1 min') = (SELECT min(event_id) FROM octopus.node_events)"),
	't', 'who asks for what is forgotten gets the oldest one');
$reader->quit;

# ten thousand flips
sql('DELETE FROM octopus.nodes');
my @crowd = map { $fleet->address('healthy', $_) } 1001 .. 1500;
sql('INSERT INTO octopus.node_options (node_name, node_port, health_check_period, health_check_max_retries, healthy_threshold) VALUES '
	  . join(', ', map { "('$_', $port, 50, 0, 1)" } @crowd));
wait_tally($monitor, '500/0/0', 'five hundred nodes');
$xid = sql('SELECT pg_snapshot_xmax(pg_current_snapshot())');
$lsn = sql('CHECKPOINT; SELECT pg_current_wal_insert_lsn()');
foreach my $round (1 .. 20)
{
	$fleet->become($_, $round % 2 ? 'reset' : 'default') foreach @crowd;
	ok( $monitor->poll_query_until('postgres',
			"SELECT count(*) = 500 FROM octopus.node_stats WHERE transition_count >= $round"),
		"all have turned $round times");
}
is(sql('SELECT sum(transition_count) FROM octopus.node_stats'), 10000, 'ten thousand flips');
is(sql("SELECT pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn() - '$lsn'"), "$xid|0",
	'no transaction ids, no WAL');

# ---------- none are kept ----------

configure($monitor, 'octopus.max_events' => 0);
$monitor->restart;
is(sql('SELECT count(*) FROM octopus.node_events'), 0, 'no ring, no events');
like(($monitor->psql('postgres', '\set VERBOSITY sqlstate' . "\nSELECT octopus.wait_for_event()"))[2], qr/55000/,
	'nobody can wait for one');
is(sql("SELECT octopus.wait_for_health('$crowd[0]', $port)"), 't', 'but for health');
cmp_ok($id, '<', sql('SELECT extract(epoch FROM pg_postmaster_start_time()) * 1000000'),
	'ids after a restart are greater than before');

$monitor->stop;
done_testing();

# A check at once, for whoever asks: of any node, enabled or not; and counts that
# begin anew.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;
use Time::HiRes qw(time usleep);

my $fleet = Fleet->new(slow_ms => 500);
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '1h',
	timeout => '20s',
	max_retries => 2,
	retry_delay => '100ms');
my $node = $fleet->address('healthy', 1);
my $off = $fleet->address('healthy', 2);
my $slow = $fleet->address('slow', 1);
my $silent = $fleet->address('silent', 1);

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

sub check
{
	my ($name, @more) = @_;
	return sql('SELECT octopus.check_node(' . join(', ', "'$name'", $port, @more) . ')');
}

sub bad
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($sql, $sqlstate, $pattern, $test) = @_;
	return refused($monitor, $sql, $sqlstate, $pattern, $test);
}

sub status
{
	my ($name, $columns) = @_;
	return sql("SELECT concat_ws(' ', $columns) FROM octopus.node_status WHERE node_name = '$name'");
}

sub checks_of
{
	my ($name) = @_;
	return sql("SELECT check_count FROM octopus.node_stats WHERE node_name = '$name'");
}

sql("INSERT INTO octopus.nodes VALUES ('$node', $port)");
wait_health($monitor, $node, $port, 1, 'a node');

# ---------- a node that is probed once an hour ----------

is(check($node), 1, 'it is well');
is($fleet->count($node), 2, 'as a check of its own has found');
$fleet->become($node, 'reset');
my $health;
my $took = elapsed(sub { $health = check($node) });
is($health, 0, 'it is not');
cmp_ok($took, '>=', 0.2, 'which took its retries');
cmp_ok($took, '<', 30, 'and no longer');
is(status($node, 'health_status, reason'), '0 connection_reset', 'and is its verdict from then on');
$fleet->become($node, 'default');
is(check($node), 1, 'it is well again');
is(check($node, 'NULL'), 1, 'whoever has time without end learns it');

# a held session is not asked for a sign of life
sql('ALTER SERVER octopus OPTIONS (ADD keep_connections $$on$$)');
is(check($node), 1, 'a node with a session that is held');
my $count = $fleet->count($node);
is(check($node), 1, 'is asked');
is($fleet->count($node), $count + 1, 'by a fresh one');
sql('ALTER SERVER octopus OPTIONS (DROP keep_connections)');

# ---------- nodes that are not probed ----------

sql("INSERT INTO octopus.node_options (node_name, node_port, enabled) VALUES ('$off', $port, false)");
is(check($off), 1, 'a node that is not enabled is checked');
is($fleet->count($off), 1, 'once');
is(status($off, 'health_status, state'), '-1 disabled', 'and is not enabled by it');
is(checks_of($off), 0, 'nor is it counted');
is(sql("SELECT count(*) FROM octopus.node_events WHERE node_name = '$off' AND event_type = 'health'"), 0, 'nor told');
$fleet->become($off, 'reset');
is(check($off), 0, 'it may be unhealthy');
is($fleet->count($off), 4, 'after as many tries as elsewhere');
is(status($off, 'health_status, state'), '-1 disabled', 'which is not its verdict');
$fleet->become($off, 'default');
sql('ALTER SERVER octopus OPTIONS (ADD enabled $$off$$)');
is(check($node), 1, 'a server that is not enabled');
sql('ALTER SERVER octopus OPTIONS (DROP enabled)');
wait_health($monitor, $node, $port, 1, 'it is again');
configure($monitor, 'octopus.enable_health_checks' => 'off');
$monitor->reload;
wait_health($monitor, $node, $port, -1, 'nobody is probed');
is(check($node), 1, 'but for who is asked for');
wait_health($monitor, $node, $port, -1, 'once');
configure($monitor, 'octopus.enable_health_checks' => 'on');
$monitor->reload;
wait_health($monitor, $node, $port, 1, 'all are');

# ---------- many who ask ----------

sql("INSERT INTO octopus.nodes VALUES ('$slow', $port)");
wait_health($monitor, $slow, $port, 1, 'a slow node');
my @sessions = map { session($monitor) } 1 .. 10;
$count = $fleet->count($slow);
order($_, "SELECT octopus.check_node('$slow', $port);") foreach @sessions;
is(scalar(grep { hear($_) =~ /^1$/ } @sessions), 10, 'ten ask for the same node');
cmp_ok($fleet->count($slow) - $count, '<=', 3, 'and share checks');

# ---------- what may come between ----------

sub waiting
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(
		$monitor->poll_query_until('postgres',
			q{SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Extension' AND query LIKE 'SELECT octopus.check%'}),
		'somebody waits');
}

my $session = $sessions[0];
is(check($slow, q{'50 ms'}), '', 'time is over');
sql("INSERT INTO octopus.node_options (node_name, node_port, enabled) VALUES ('$silent', $port, false)");
order($session, "SELECT octopus.check_node('$silent', $port);");
waiting();
sql("DELETE FROM octopus.nodes WHERE node_name = '$silent'");
like(hear($session), qr/ERROR:  42704: .* was removed while it was waited for/, 'the node is removed');

sql("INSERT INTO octopus.node_options (node_name, node_port, enabled) VALUES ('$silent', $port, false)");
order($session, "SELECT octopus.check_node('$silent', $port);");
waiting();
wait_until(sub { $fleet->open_connections($silent) == 1 }, 'a silent node is being checked');
$fleet->become($silent, 'healthy');		# for whoever comes from now on
sql("UPDATE octopus.node_options SET enabled = true WHERE node_name = '$silent'");
wait_health($monitor, $silent, $port, 1, 'it is enabled meanwhile');
is(hear($session), "1\n", 'and who has asked gets its verdict');
is($fleet->open_connections($silent), 0, 'nothing is left of the first check');

$fleet->become($silent, 'silent');
order($session, "SELECT octopus.check_node('$silent', $port);");
waiting();
wait_until(sub { $fleet->open_connections($silent) == 1 }, 'it is silent again');
$fleet->become($silent, 'healthy');
sql("UPDATE octopus.node_options SET enabled = false WHERE node_name = '$silent'");
is(hear($session), "1\n", 'a node that is switched off while it is checked is checked all the same');
is(status($silent, 'state'), 'disabled', 'and stays off');

$fleet->become($silent, 'silent');
my $prober = prober_pid($monitor);
order($session, "SELECT octopus.check_node('$silent', $port);");
waiting();
wait_until(sub { $fleet->open_connections($silent) == 1 }, 'one more check');
$fleet->become($silent, 'healthy');
sql("SELECT pg_terminate_backend($prober)");
is(hear($session), "1\n", 'a prober that ends leaves it to the next one');

order($session, "SELECT octopus.check_node('$silent', $port);");
is(hear($session), "1\n", 'which goes on');
ok( $monitor->poll_query_until('postgres',
		q{SELECT bool_and(next_check_time > now() + interval '1 min' AND NOT in_flight) FROM octopus.node_status WHERE state <> 'disabled'}),
	'it has been through all nodes, and leaves them alone for an hour');

# ---------- who and what ----------

bad("SELECT octopus.check_node('$node', 1);", '42704', 'does not exist', 'no such node');
bad("SELECT octopus.check_node('$node', $port, server_name => 'west');", '42704', 'server "west" does not exist', 'no such server');
bad("BEGIN; INSERT INTO octopus.nodes VALUES ('new', 1); SELECT octopus.check_node('new', 1);",
	'55000', 'by this transaction', 'a node of this transaction');
is(sql("SELECT octopus.check_node(NULL) IS NULL"), 't', 'nothing');
sql('CREATE ROLE watcher IN ROLE pg_monitor');
bad("SET ROLE watcher; $_;", '42501', 'permission denied for function', "who monitors may not: $_")
  foreach "SELECT octopus.check_node('$node')", 'SELECT octopus.reset_stats()';
sql('CREATE ROLE operator IN ROLE pg_monitor; GRANT EXECUTE ON FUNCTION octopus.check_node TO operator');
is(sql("SET ROLE operator; SELECT octopus.check_node('$node', $port)"), 1, 'unless he is allowed to');

# ---------- counts ----------

sql(qq{CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE east (node_name text, node_port int, health_status int) SERVER east OPTIONS (table_name 'nodes');
	INSERT INTO east VALUES ('$node', $port)});
ok($monitor->poll_query_until('postgres', 'SELECT health_status = 1 FROM east'), 'a server with a node');

sub counts
{
	return sql(q{SELECT string_agg((check_count > 0)::int::text, '' ORDER BY server_name, node_name) FROM octopus.node_stats WHERE node_name IN ('}
		  . "$node', '$slow')");
}

is(counts(), '111', 'all have been counted');
is(sql("SELECT octopus.reset_stats('$node', $port, 'octopus') BETWEEN now() - interval '1 min' AND clock_timestamp()"), 't',
	'one begins anew');
is(counts(), '101', 'and only that');
is(sql("SELECT stats_reset >= now() - interval '1 min' AND healthy_time < 60 AND p99_check_time IS NULL AND transition_count = 0 FROM octopus.node_stats WHERE server_name = 'octopus' AND node_name = '$node'"),
	't', 'in all respects');
is(status($node, 'health_status'), "1\n1", 'the verdict stays');
sql("SELECT octopus.reset_stats(server_name => 'east')");
is(counts(), '001', 'a server begins anew');
sql('SELECT octopus.reset_stats()');
is(counts(), '000', 'all do');
is(sql('SELECT checks_total < 10 AND stats_reset > now() - interval $$1 min$$ FROM octopus.monitor'), 't', 'even the prober');
is(check($slow), 1, 'and go on');
is(checks_of($slow), 1, 'to count');
bad("SELECT octopus.reset_stats('$node', 1);", '42704', 'does not exist', 'no such node');
bad("SELECT octopus.reset_stats('$node');", '22023', 'needs both a name and a port', 'half a node');
bad("SELECT octopus.reset_stats(server_name => 'west');", '42704', 'server "west" does not exist', 'no such server');

$prober = wait_prober($monitor);
freeze($prober);
like(attempt($monitor, 'SELECT octopus.reset_stats() IS NOT NULL;'), qr/WARNING:  55000: statistics have not been reset yet/,
	'a prober that does not answer');
thaw($prober);
ok($monitor->poll_query_until('postgres', 'SELECT sum(check_count) = 0 FROM octopus.node_stats'), 'does it later');

$_->{run}->finish foreach @sessions;
$monitor->stop;
done_testing();

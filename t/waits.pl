# Waiting for nodes: it ends when it should, whatever else happens, and costs
# nothing meanwhile.

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
	max_retries => 0,
	max_connections => 150,
	wal_level => 'replica',
	max_wal_senders => 4);
my $node = $fleet->address('healthy', 1);
my $other = $fleet->address('healthy', 2);
my $silent = $fleet->address('silent', 1);
my $wait = "SELECT octopus.wait_for_health('$node', $port, 0, '1 hour')";

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

# How many sessions wait, as the server tells.
sub waiting
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($n) = @_;
	return ok(
		$monitor->poll_query_until('postgres',
			"SELECT count(*) = $n FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Extension' AND query LIKE '%wait_for_%'"
			  . " AND pid <> pg_backend_pid()"),
		"$n wait");
}

sub told
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($session, $pattern, $test) = @_;
	return like(hear($session), $pattern, $test);
}

sub bad
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($sql, $sqlstate, $pattern, $test) = @_;
	return refused($monitor, $sql, $sqlstate, $pattern, $test);
}

sql("INSERT INTO octopus.nodes VALUES ('$node', $port), ('$other', $port)");
wait_tally($monitor, '2/0/0', 'two nodes');

# ---------- for health ----------

is(sql("SELECT octopus.wait_for_health('$node', $port)"), 't', 'what is so need not be waited for');
is(sql("SELECT octopus.wait_for_health('$node', $port, 0, '100 ms')"), 'f', 'nor what does not come, for ever');
is(sql("SELECT octopus.wait_for_health('$node', $port, 0, '0')"), 'f', 'no time is one look');
is(sql("SELECT octopus.wait_for_health('$node', $port, 0, '-1 day')"), 'f', 'less than none, too');
is(sql("SELECT octopus.wait_for_health('$node', $port, 1, '0')"), 't', 'which may find it so');
is(sql("SELECT octopus.wait_for_health(NULL, $port) IS NULL AND octopus.wait_for_health('$node', $port, NULL) IS NULL"),
	't', 'nothing about nothing');
bad("SELECT octopus.wait_for_health('$node', $port, 2);", '22023', 'invalid health status: 2', 'there is no such health');
bad("SELECT octopus.wait_for_health('$node', 1);", '42704', "node \"$node\":1 does not exist", 'there is no such node');
bad('SELECT octopus.wait_for_health(repeat($$x$$, 1000), 1);', '42704', 'does not exist', 'and can be none of that name');
bad("SELECT octopus.wait_for_health('$node', $port, server_name => 'west');",
	'42704', 'server "west" does not exist', 'there is no such server');
sql('CREATE FOREIGN DATA WRAPPER dummy; CREATE SERVER alien FOREIGN DATA WRAPPER dummy');
bad("SELECT octopus.wait_for_health('$node', $port, server_name => 'alien');",
	'42809', 'not one of octopus_fdw', 'nor one of ours');
bad("BEGIN; INSERT INTO octopus.nodes VALUES ('$silent', $port); SELECT octopus.wait_for_health('$silent', $port);",
	'55000', 'registered or changed by this transaction.*HINT:  Commit first', 'nobody waits for himself');
bad("BEGIN; DELETE FROM octopus.nodes WHERE node_name = '$other'; SELECT octopus.wait_for_health('$other', $port);",
	'55000', 'registered or changed by this transaction', 'by whatever change');
is(sql("BEGIN; INSERT INTO octopus.nodes VALUES ('$silent', $port); ROLLBACK; SELECT octopus.wait_for_health('$node', $port)"),
	't', 'what was rolled back is no change');

my $session = session($monitor);
order($session, "$wait;");
waiting(1);
$fleet->become($node, 'reset');
told($session, qr/^t$/, 'who waits for the end of a node learns of it');
order($session, "SELECT octopus.wait_for_health('$node', $port, timeout => NULL);");
waiting(1);
$fleet->become($node, 'default');
told($session, qr/^t$/, 'and of its return');

# verdicts that become too old are unknown, without any news
configure($monitor, 'octopus.status_max_age' => '3s');
$monitor->reload;
my $prober = wait_prober($monitor);
wait_tally($monitor, '2/0/0', 'two nodes');
freeze($prober);
order($session, "SELECT octopus.wait_for_health('$node', $port, -1, '1 hour');");
told($session, qr/^t$/, 'who waits for nothing to be known needs no prober for that');
thaw($prober);
configure($monitor, 'octopus.status_max_age' => '-1');
$monitor->reload;

# ---------- what ends it ----------

order($session, "$wait;");
waiting(1);
sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT octopus.wait%'});
told($session, qr/ERROR:  57014: canceling statement due to user request/, 'a cancel');
ask($session, "SET statement_timeout = '200ms';");
order($session, "$wait;");
told($session, qr/ERROR:  57014: canceling statement due to statement timeout/, 'statement_timeout');
ask($session, 'RESET statement_timeout;');

order($session, "$wait;");
waiting(1);
sql("DELETE FROM octopus.nodes WHERE node_name = '$node'");
told($session, qr/ERROR:  42704: .* was removed while it was waited for/, 'the end of the registration');
sql("INSERT INTO octopus.nodes VALUES ('$node', $port)");
wait_tally($monitor, '2/0/0', 'two nodes again');
order($session, "$wait;");
waiting(1);
sql("BEGIN; DELETE FROM octopus.nodes WHERE node_name = '$node'; INSERT INTO octopus.nodes VALUES ('$node', $port); COMMIT");
told($session, qr/ERROR:  42704: .* was removed while it was waited for/, 'even if there is another one at once');
wait_tally($monitor, '2/0/0', 'two nodes again');

sql(qq{CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE east (node_name text, node_port int) SERVER east OPTIONS (table_name 'nodes');
	INSERT INTO east VALUES ('$node', $port)});
order($session, "SELECT octopus.wait_for_health('$node', $port, 0, '1 hour', 'east');");
waiting(1);
sql('DROP SERVER east CASCADE');
told($session, qr/ERROR:  42704: .* was removed while it was waited for/, 'the end of the server');

order($session, "$wait;");
waiting(1);
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT octopus.wait%'});
ok($monitor->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'SELECT octopus.wait%'}), 'the end of the session');
eval { $session->{run}->finish };
$session = session($monitor);

# ---------- what does not ----------

order($session, "$wait;");
waiting(1);
$prober = prober_pid($monitor);
sql("SELECT pg_terminate_backend($prober)");
$prober = wait_prober($monitor, $prober);
freeze($prober);
is(sql("SELECT octopus.wait_for_health('$node', $port, 0, '50 ms')"), 'f', 'time passes without a prober');
thaw($prober);
$fleet->become($node, 'reset');
told($session, qr/^t$/, 'a new prober goes on to tell');
$fleet->become($node, 'default');
wait_tally($monitor, '2/0/0', 'two nodes again');

# ---------- for a primary ----------

is(sql("SELECT (octopus.wait_for_primary()).node_name IN ('$node', '$other')"), 't', 'there is a primary');
bad("SELECT octopus.wait_for_primary('west');", '42704', 'server "west" does not exist', 'no such server');
$fleet->become($_, 'standby') foreach $node, $other;
ok($monitor->poll_query_until('postgres',
		q{SELECT bool_and(role = 'standby') FROM octopus.node_status}), 'there is none any more');
is(sql("SELECT node_name IS NULL AND node_port IS NULL FROM octopus.wait_for_primary(timeout => '100 ms')"), 't',
	'who waits in vain gets nothing');
order($session, 'SELECT * FROM octopus.wait_for_primary();');
waiting(1);
$fleet->promote($other);
told($session, qr/^\Q$other\E\|$port$/, 'who waits gets the one that is promoted');
$fleet->become($node, 'default');

# ---------- for an event ----------

my $last = sql('SELECT max(event_id) FROM octopus.node_events');
is(sql("SELECT octopus.wait_for_event($last - 1)"), $last, 'an event that is there');
is(sql("SELECT octopus.wait_for_event(9223372036854775807, '50 ms') IS NULL"), 't', 'none comes after the last of all');
order($session, 'SELECT octopus.wait_for_event();');
waiting(1);
sql("INSERT INTO octopus.nodes VALUES ('$silent', $port)");
my $event = hear($session);
chomp $event;
is(sql("SELECT event_type || ' ' || node_name FROM octopus.node_events WHERE event_id = $event"), "registered $silent",
	'the next event');
sql("DELETE FROM octopus.nodes WHERE node_name = '$silent'");

# ---------- who may ----------

sql('CREATE ROLE stranger; CREATE ROLE watcher IN ROLE pg_monitor; GRANT USAGE ON SCHEMA octopus TO stranger');
bad("SET ROLE stranger; $_;", '42501', 'permission denied for function', "not everybody: $_")
  foreach "SELECT octopus.wait_for_health('$node')", 'SELECT octopus.wait_for_primary()', 'SELECT octopus.wait_for_event()';
is(sql("SET ROLE watcher; BEGIN READ ONLY; SELECT octopus.wait_for_health('$node', $port); COMMIT"), 't',
	'who monitors may, in a read-only transaction');

# ---------- a standby ----------

$monitor->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($monitor, 'copy', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', "SELECT octopus.wait_for_health('$node', $port)"), 't', 'a standby waits, too');
$standby->stop;

# ---------- a hundred ----------

my @sessions = map { session($monitor) } 1 .. 100;
order($_, "SELECT octopus.wait_for_health('$node', $port, 0, '1 hour');") foreach @sessions;
waiting(100);
my $used = cpu_seconds($prober);
my @pids = split /\n/, sql(q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT octopus.wait%'});
my $before = 0;
$before += cpu_seconds($_) foreach @pids;
my $count = $fleet->count($node);
wait_until(sub { $fleet->count($node) > $count + 20 }, 'the node is probed twenty times');
my $after = 0;
$after += cpu_seconds($_) foreach @pids;
cmp_ok($after - $before, '<', 0.05, 'a hundred that wait do nothing');
$fleet->become($node, 'reset');
is(scalar(grep { hear($_) =~ /^t$/ } @sessions), 100, 'all of them are told');

# the end of the server, in the usual way
order($_, "SELECT octopus.wait_for_health('$node', $port, 1, '1 hour');") foreach @sessions;
waiting(100);
my $took = elapsed(sub { $monitor->stop('fast') });
cmp_ok($took, '<', 20, 'the server stops at once');
eval { $_->{run}->finish } foreach @sessions;

done_testing();

# What a DBA asks, put in SQL, of real servers: a primary, its standby, one that is
# not there; and where to connect to, tried with what libpq makes of it.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $primary = target('primary');
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
configure($standby,
	listen_addresses => '127.0.0.1',
	primary_conninfo => 'host=127.0.0.1 port=' . $primary->port);
$standby->start;
my ($there, $here, $nobody) = ($primary->port, $standby->port, 1);

my $monitor = monitor('monitor', period => '50ms', timeout => '2s', max_retries => 1, retry_delay => '20ms');
my $other = PostgreSQL::Test::Utils::tempdir_short();

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

# As somebody who monitors.
sub ask_as
{
	my ($who, $question) = @_;
	return sql("SET ROLE $who; $question");
}

sql('CREATE ROLE watcher IN ROLE pg_monitor; CREATE ROLE stranger');
sql("INSERT INTO octopus.nodes VALUES ('127.0.0.1', $there), ('127.0.0.1', $here), ('127.0.0.1', $nobody)");
wait_tally($monitor, '2/1/0', 'a primary, a standby, nobody');

# ---------- questions ----------

is(ask_as('watcher', q{SELECT node_port FROM octopus.node_status WHERE role = 'primary' AND health_status = 1}),
	$there, 'which one is the primary?');
is(ask_as('watcher', q{SELECT node_port, reason, phase, now() - status_change_time < '1 hour' FROM octopus.node_status WHERE health_status = 0}),
	"$nobody|connection_refused|connect|t", 'which one is down, since when, and why?');
is(ask_as('watcher', qq{SELECT unhealthy_time > 0 AND unhealthy_time < 3600 FROM octopus.node_stats WHERE node_port = $nobody}),
	't', 'for how many seconds?');
is(ask_as('watcher', q{SELECT count(*) FROM octopus.node_events WHERE event_type = 'health' AND new_health_status = 0 AND event_time > now() - interval '1 day'}),
	1, 'who has failed today?');
is(ask_as('watcher', 'SELECT count(*) FROM octopus.node_stats WHERE transition_count > 2'), 0, 'who flaps? (nobody)');
is(ask_as('watcher', "SELECT p99_check_time > 0 AND p99_check_time >= p50_check_time FROM octopus.node_stats WHERE node_port = $there"),
	't', 'how long does it take, at the 99th percentile?');
is(ask_as('watcher', q{SELECT nodes, healthy, unhealthy, unknown, primaries, worst_reason FROM octopus.summary}),
	'3|2|1|0|1|connection_refused', 'all in all?');
like(ask_as('watcher', 'SELECT pid > 0 AND nodes = 3 AND NOT suspended FROM octopus.monitor'), qr/^t$/, 'is anybody looking at all?');

# ---------- in conditions ----------

is(ask_as('watcher', "SELECT octopus.is_healthy('127.0.0.1', $there), octopus.is_healthy('127.0.0.1', $nobody), octopus.is_healthy('127.0.0.1', 2) IS NULL, octopus.is_healthy(NULL) IS NULL"),
	't|f|t|t', 'yes, no, and nobody knows');
is(ask_as('watcher', "SELECT octopus.if_healthy('a'::text, '127.0.0.1', $there), octopus.if_healthy('b'::text, '127.0.0.1', $nobody) IS NULL"),
	'a|t', 'the key, or nothing');
sql("BEGIN; INSERT INTO octopus.nodes VALUES ('127.0.0.2', $there); SELECT pg_sleep(0.2); ROLLBACK");
refused($monitor, "SELECT octopus.is_healthy('127.0.0.1', $there, 'west');", '42704', 'server "west" does not exist', 'no such server');
is(sql("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	CREATE TABLE many AS SELECT i FROM generate_series(1, 20000) i;
	SELECT count(*) FROM many WHERE octopus.is_healthy('127.0.0.1', CASE WHEN i % 2 = 0 THEN $there ELSE $nobody END)"),
	10000, 'many times in parallel');
like(sql("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	EXPLAIN (COSTS off) SELECT count(*) FROM many WHERE octopus.is_healthy('127.0.0.1', i)"),
	qr/Parallel Seq Scan/, 'which it was');

# ---------- where to connect to ----------

sub nodes
{
	my ($attrs) = @_;
	return ask_as('watcher', "SELECT octopus.healthy_nodes(target_session_attrs => '$attrs')") =~ s/\n/ /gr;
}

is(nodes('any'), "127.0.0.1:$there 127.0.0.1:$here", 'any');
is(nodes('read-write'), "127.0.0.1:$there", 'read-write');
is(nodes('read-only'), "127.0.0.1:$here", 'read-only');
is(nodes('primary'), "127.0.0.1:$there", 'primary');
is(nodes('standby'), "127.0.0.1:$here", 'standby');
is(nodes('prefer-standby'), "127.0.0.1:$here 127.0.0.1:$there", 'prefer-standby');
refused($monitor, q{SELECT octopus.healthy_nodes('octopus', 'fastest');}, '22023',
	'invalid target_session_attrs value: "fastest"\n.*HINT:  Available values: any,', 'there is no such wish');
refused($monitor, q{SELECT octopus.conninfo('west');}, '42704', 'server "west" does not exist', 'no such server');

my $user = $primary->safe_psql('postgres', 'SELECT current_user');

# Where does psql come to by the string for a wish?
sub come_to
{
	my ($attrs, $server) = @_;
	my $conninfo = ask_as('watcher', "SELECT octopus.conninfo('" . ($server // 'octopus') . "', '$attrs')");
	my ($stdout, $stderr);
	run_command_in([ 'psql', '-XAtq', '-d', "$conninfo dbname=postgres user=$user", '-c', 'SHOW port' ], \$stdout, \$stderr);
	note($conninfo);
	return $stdout;
}

sub run_command_in
{
	my ($command, $stdout, $stderr) = @_;
	IPC::Run::run($command, '>', $stdout, '2>', $stderr);
	chomp $$stdout;
	return;
}

foreach my $case ([ 'any', $there ], [ 'read-write', $there ], [ 'read-only', $here ],
	[ 'primary', $there ], [ 'standby', $here ], [ 'prefer-standby', $here ])
{
	my ($attrs, $port) = @$case;
	is(come_to($attrs), $port, "psql comes to the right one: $attrs");
}
like(ask_as('watcher', 'SELECT octopus.conninfo()'), qr/port='$there,$here,$nobody'/, 'who is down comes last');

# names that want care
my $dir = "$other/it's \\here";
mkdir $dir or die "cannot make $dir: $!";
(my $quoted = $dir) =~ s/'/''/g;
(my $escaped = $quoted) =~ s/\\/\\\\/g;
$standby->append_conf('postgresql.conf', "unix_socket_directories = '" . $standby->host . ", \"$escaped\"'");
$standby->restart;
sql(q{CREATE SERVER odd FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE odd (node_name text, node_port int, hostaddr text) SERVER odd OPTIONS (table_name 'nodes')});
is(sql(q{SELECT octopus.conninfo('odd') IS NULL}), 't', 'a server without nodes has no string');
sql("INSERT INTO odd VALUES ('$quoted', $here, NULL), ('primary.test', $there, '127.0.0.1'), ('a,b', 1, '127.0.0.1'), ('::1', 1, NULL)");
ok($monitor->poll_query_until('postgres', q{SELECT count(*) = 2 FROM octopus.node_status WHERE server_name = 'odd' AND health_status = 1}),
	'nodes of odd names');
is(come_to('standby', 'odd'), $here, 'a directory with a quote and a backslash');
is(come_to('primary', 'odd'), $there, 'a name that only we know the address of');
unlike(sql(q{SELECT octopus.conninfo('odd')}), qr/a,b/, 'a name that would be two is left out');
is(sql(q{SELECT count(*) FROM octopus.healthy_nodes('odd') h WHERE h LIKE '[%'}), 0, 'who is not healthy is not told');
sql(q{DELETE FROM odd});

# ---------- who replicates ----------

foreach my $node ($primary, $standby)
{
	configure($node, shared_preload_libraries => 'octopus_fdw', period => '50ms');
	$node->restart;
}
$primary->safe_psql('postgres', "CREATE EXTENSION octopus_fdw; INSERT INTO octopus.nodes VALUES ('127.0.0.1', $there), ('127.0.0.1', $here)");
ok( $primary->poll_query_until('postgres',
		q{SELECT count(*) > 0 FROM octopus.replication_status WHERE direction = 'downstream' AND state = 'streaming' AND role = 'standby' AND health_status = 1}),
	'the primary has one that follows');
is($primary->safe_psql('postgres', q{SELECT DISTINCT node_port FROM octopus.replication_status WHERE role = 'standby'}),
	$here, 'which it is');

# the standby was told of the nodes by its file, which is no part of replication
$standby->stop;
write_bytes(registry_path($standby), read_bytes(registry_path($primary)));
$standby->start;
ok( $standby->poll_query_until('postgres',
		qq{SELECT count(*) = 1 FROM octopus.replication_status WHERE direction = 'upstream' AND state = 'streaming' AND node_port = $there AND role = 'primary'}),
	'the standby knows whom it follows');

# ---------- the look of it ----------

my @lines = split /\n/, sql(qq{\\pset format aligned\n\\pset tuples_only off\nSELECT * FROM octopus.dashboard});
shift @lines while @lines && $lines[0] !~ /node/;
cmp_ok(length($_ =~ s/[\x80-\xBF]//gr), '<=', 100, 'a line of the dashboard fits') foreach @lines[ 0 .. 4 ];
like($lines[2], qr/:$nobody +\| ! unhealthy \|.* x+$/, 'who is down stands first, its failures plain to see');
is(sql("SELECT length(octopus.recent_checks('127.0.0.1', $there)), octopus.recent_checks('127.0.0.1', $nobody) = repeat('x', 32), octopus.recent_checks('127.0.0.1', 2) IS NULL"),
	'32|t|t', 'the last 32 checks');

# ---------- who may ----------

foreach my $relation (split /\n/, sql(q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'octopus'::regnamespace AND relkind IN ('v', 'f')}))
{
	refused($monitor, "SET ROLE stranger; SELECT * FROM $relation;", '42501', 'permission denied', "not everybody: $relation");
	is(ask_as('watcher', "SELECT count(*) >= 0 FROM $relation"), 't', "who monitors may: $relation");
}

$monitor->stop;
$standby->stop;
$primary->stop;
done_testing();

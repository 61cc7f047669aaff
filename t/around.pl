# What else goes on in a server beside us: the extension is dropped under those who
# wait, all tables are published, standbys have standbys, queries are parallel,
# tables are read through cursors, rules and row security.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $fleet = Fleet->new;
my $port = $fleet->port;
my %often = (period => '100ms', timeout => '2s', max_retries => 0);
my $monitor = monitor(
	'monitor', %often,
	wal_level => 'logical',
	max_wal_senders => 8,
	max_replication_slots => 8);

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

# ---------- queries ----------

sql("INSERT INTO octopus.nodes SELECT '127.1.0.' || i, $port FROM generate_series(1, 50) i");
wait_tally($monitor, '50/0/0', 'all have a verdict');

# a parallel plan, with our table in the leader, beside one with workers below
sql('CREATE TABLE big AS SELECT (i % 60)::text AS i FROM generate_series(1, 60000) i; ANALYZE big');
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;';
my $join = q{SELECT count(*), sum(health_status) FROM big JOIN octopus.nodes ON node_name = '127.1.0.' || i};
like(sql("$parallel EXPLAIN (COSTS off) $join"), qr/Parallel Seq Scan on big/, 'a parallel plan');
unlike(sql("$parallel EXPLAIN (COSTS off) SELECT * FROM octopus.nodes"), qr/Gather/, 'our table is read by one process');
is(sql("$parallel $join"), '50000|50000', 'no row is missing or there twice');

# forwards, and a live view all the same; backwards where core materializes
is( sql('BEGIN; DECLARE c CURSOR FOR SELECT node_port FROM octopus.nodes; MOVE 10 c;
	DELETE FROM octopus.nodes; MOVE ALL c; SELECT count(*) FROM octopus.nodes; ROLLBACK'),
	'0', 'a cursor that is open while its rows go');
is( sql("BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT node_name FROM octopus.nodes ORDER BY 1;
	FETCH LAST c; FETCH FIRST c; COMMIT; FETCH NEXT c; CLOSE c"),
	"127.1.0.9\n127.1.0.1\n127.1.0.10", 'a cursor that scrolls and outlives its transaction');
refused($monitor,
	'BEGIN; DECLARE c CURSOR FOR SELECT * FROM octopus.nodes; FETCH c; DELETE FROM octopus.nodes WHERE CURRENT OF c;',
	'\w{5}', '', 'WHERE CURRENT OF is refused');
is(tally($monitor), '50/0/0', 'and deletes nothing');

# a rule that registers what a table gets
sql('CREATE TABLE wishes (name text); CREATE RULE wish AS ON INSERT TO wishes DO ALSO '
	  . "INSERT INTO octopus.nodes VALUES (NEW.name, $port)");
sql(q{INSERT INTO wishes VALUES ('127.1.1.1'), ('127.1.1.2')});
wait_tally($monitor, '52/0/0', 'a rule registers');
sql(q{BEGIN; INSERT INTO wishes VALUES ('127.1.1.3'); ROLLBACK});
is(tally($monitor), '52/0/0', 'in its transaction');

# row security, of a table that a view joins; of ours there is none
sql(q{CREATE ROLE reader; CREATE TABLE mine (name text, who name);
	INSERT INTO mine VALUES ('127.1.0.1', 'reader'), ('127.1.0.2', 'other');
	ALTER TABLE mine ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON mine USING (who = current_user);
	CREATE VIEW seen WITH (security_invoker) AS
		SELECT n.* FROM octopus.nodes n JOIN mine ON name = node_name;
	GRANT USAGE ON SCHEMA octopus TO reader; GRANT SELECT ON octopus.nodes, mine, seen TO reader});
is(sql('SET ROLE reader; SELECT node_name, health_status FROM seen'),
	'127.1.0.1|1', 'row security of a table beside ours');
refused($monitor, 'ALTER TABLE octopus.nodes ENABLE ROW LEVEL SECURITY;', '42809', '', 'ours can have none');

# ---------- all tables are published ----------

my $subscriber = monitor('subscriber', %often);
sql('CREATE TABLE t (a int PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES');
is(sql(q{SELECT count(*) FROM pg_publication_tables WHERE schemaname = 'octopus'}),
	0, 'our tables are not among all tables');
$subscriber->safe_psql('postgres',
	'CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE wishes (name text); CREATE TABLE mine (name text, who name);
	CREATE TABLE big (i text); CREATE SUBSCRIPTION s CONNECTION $$'
	  . $monitor->connstr('postgres')
	  . '$$ PUBLICATION everything WITH (copy_data = off)');
sql("BEGIN; INSERT INTO t VALUES (1); INSERT INTO octopus.nodes VALUES ('127.1.2.1', $port);
	UPDATE octopus.nodes SET node_name = '127.1.2.2' WHERE node_name = '127.1.2.1'; COMMIT");
$monitor->wait_for_catchup('s');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM t'), 1, 'a transaction that registers is replicated');
is(tally($subscriber), '0/0/0', 'without what it registers');
wait_tally($monitor, '53/0/0', 'which counts where it was done');
refused($monitor, 'CREATE PUBLICATION one FOR TABLE octopus.nodes;', '22023', '', 'nor can they be published by name');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION s');
$subscriber->stop;

# ---------- a standby of a standby ----------

$monitor->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($monitor, 'copy', has_streaming => 1);
$standby->start;
$standby->backup('copy');
my $cascade = PostgreSQL::Test::Cluster->new('cascade');
$cascade->init_from_backup($standby, 'copy', has_streaming => 1);
$cascade->start;
wait_prober($cascade);
wait_tally($cascade, '53/0/0', 'a cascading standby has what its base backup had, and probes it');
refused($cascade, "INSERT INTO octopus.nodes VALUES ('127.1.3.1');", '25006', '', 'it registers nothing');
sql("INSERT INTO t VALUES (2)");
ok($cascade->poll_query_until('postgres', 'SELECT count(*) = 1 FROM t WHERE a = 2'), 'it follows');
$standby->promote;
$standby->safe_psql('postgres', "INSERT INTO octopus.nodes VALUES ('127.1.3.1', $port)");
wait_tally($standby, '54/0/0', 'the one above it is promoted and registers');
$standby->safe_psql('postgres', 'INSERT INTO t VALUES (3)');
ok($cascade->poll_query_until('postgres', 'SELECT count(*) = 1 FROM t WHERE a = 3'), 'its standby follows that');
is(tally($cascade), '53/0/0', 'but not the registration');
$cascade->promote;
$cascade->safe_psql('postgres', "DELETE FROM octopus.nodes WHERE node_name LIKE '127.1.0.%'");
wait_tally($cascade, '3/0/0', 'promoted itself it registers');
$_->stop foreach ($cascade, $standby);

# ---------- the extension is dropped under those who wait ----------

my @waits = (
	"SELECT octopus.wait_for_health('127.1.0.1', $port, 0, '1 hour')",
	"SELECT octopus.wait_for_event(NULL, '1 hour')");
my $health = session($monitor);
my $event = session($monitor);
my $prober = prober_pid($monitor);
order($health, "$waits[0];");
order($event, "$waits[1];");
ok( $monitor->poll_query_until('postgres',
		q{SELECT count(*) = 2 FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query LIKE 'SELECT octopus.wait%'}),
	'two wait');
my $took = elapsed(sub { sql(q{SET client_min_messages = error; SET lock_timeout = '20s'; DROP EXTENSION octopus_fdw CASCADE}) });
cmp_ok($took, '<', 10, 'DROP EXTENSION waits for nobody');
like(hear($health), qr/ERROR:  42704: .* was removed while it was waited for/, 'who waits for a node is told');
like(hear($event), qr/^\d+$/, 'who waits for an event gets one');
is(sql('SELECT count(*) FROM pg_extension WHERE extname = $$octopus_fdw$$'), 0, 'it is gone');
my $seen = $fleet->count('127.1.0.1');
sql('CREATE EXTENSION octopus_fdw');
register($monitor, [ '127.1.0.2', $port ]);
wait_tally($monitor, '1/0/0', 'and can come back');
is($fleet->count('127.1.0.1'), $seen, 'without its nodes');
is(prober_pid($monitor), $prober, 'it was the same prober all the time');

done_testing();

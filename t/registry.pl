# Registrations are for good: what was committed survives every end of the
# server, what was not does not appear, and what hangs on a dropped object goes
# with it.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $monitor = monitor('monitor', 'octopus.max_nodes' => 20000);
my $path = registry_path($monitor);

sub sql
{
	my ($sql, $database) = @_;
	return $monitor->safe_psql($database // 'postgres', $sql);
}

# Registers on the default group.
sub add
{
	return register($monitor, map { [ $_, 5432 ] } @_);
}

# ---------- the file ----------

ok(!-e $path, 'there is no file before there is a node');
add('127.0.0.1');
my ($first) = read_bytes($path) =~ /^end\t\d+\t(\w+)$/m;
add('127.0.0.2');
my $system =
  sql('SELECT system_identifier FROM pg_control_system()');
my ($database, $server) = split /\|/,
  sql("SELECT d.oid, s.oid FROM pg_database d, pg_foreign_server s WHERE datname = 'postgres' AND srvname = 'octopus'");
my $text = read_bytes($path);
like(
	$text,
	qr/^octopus_fdw\ registry\t2\n
	system\t$system\n
	serial\t2\n
	xid\t\d+\n
	follows\t1\t$first\n
	counts\t1\t2\n
	group\t$database\tpostgres\t$server\toctopus\n
	node\t127\.0\.0\.1\t5432\t\d+\t\w+\n
	node\t127\.0\.0\.2\t5432\t\d+\t\w+\n
	end\t9\t[0-9a-f]{8}\n+\z/x,
	'the file can be read');
on_disk($monitor, [ '127.0.0.1', '127.0.0.2' ], 'and has the right checksum');
is(sprintf('%o', (stat $path)[2] & 07777), '600', 'by its owner only');
ok(!pending($monitor), 'nothing is pending');

sql("UPDATE octopus.nodes SET node_port = node_port WHERE false;
	DELETE FROM octopus.nodes WHERE node_name = 'nobody'");
is(read_bytes($path), $text, 'a statement that changes nothing does not write');

# ---------- every end of the server ----------

my %ends = (
	'1 a fast restart' => sub { $monitor->restart },
	'2 an immediate one' => sub { $monitor->stop('immediate'); $monitor->start },
	'3 the death of the postmaster' =>
	  sub { kill_everything($monitor, 1); $monitor->start },
	'4 the death of everything' =>
	  sub { kill_everything($monitor); $monitor->start },
	'5 the death of a session' => sub {
		$monitor->psql('postgres', q{COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'});
		crash_restarted($monitor);
	},
	'6 the death of the prober' => sub {
		my $prober = wait_prober($monitor);
		kill('KILL', $prober);
		wait_until(sub { gone($prober) }, 'the prober is dead');
		crash_restarted($monitor);
	});
my @names = ('127.0.0.1', '127.0.0.2');

foreach my $end (sort keys %ends)
{
	my $n = substr($end, 0, 1);

	add("127.0.1.$n");
	push @names, "127.0.1.$n";
	my $said = attempt($monitor,
		"BEGIN; INSERT INTO octopus.nodes VALUES ('127.0.2.$n'); ROLLBACK;
		DELETE FROM octopus.nodes WHERE node_name = '127.0.0.$n';");
	@names = grep { $_ ne "127.0.0.$n" } @names;
	$ends{$end}->();
	is_registered($monitor, join(' ', sort @names), 'after ' . substr($end, 2));
	on_disk($monitor, \@names, 'on disk, too');
}

# ---------- what is not committed ----------

$text = read_bytes($path);
sql("BEGIN; INSERT INTO octopus.nodes VALUES ('127.9.0.1'); ROLLBACK");
attempt($monitor, "BEGIN; INSERT INTO octopus.nodes VALUES ('127.9.0.2'); SELECT 1 / 0; COMMIT");

sql('CREATE TABLE deferred (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)');
refused($monitor,
	"BEGIN; INSERT INTO octopus.nodes VALUES ('127.9.0.3'); INSERT INTO deferred VALUES (1), (1); COMMIT;",
	'23505', 'deferred', 'a COMMIT fails early');

# Two transactions each read what the other writes: the second is told at its
# commit, after the pending file was written.
sql('CREATE TABLE skew (who int)');
my @sessions = (session($monitor), session($monitor));
ask($_, 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM skew;') foreach @sessions;
ask($sessions[$_], "INSERT INTO skew VALUES ($_);") foreach 0, 1;
ask($sessions[1], "INSERT INTO octopus.nodes VALUES ('127.9.0.4');");
is(ask($sessions[0], 'COMMIT;'), '', 'one of two transactions commits');
like(ask($sessions[1], 'COMMIT;'), qr/ERROR:  40001: /, 'the other fails late');

is(registered($monitor), join(' ', sort @names), 'what is not committed is not there');
is(read_bytes($path), $text, 'nor in the file');
ok(!pending($monitor), 'nor pending');
$_->{run}->finish foreach @sessions;

# ---------- synchronous_commit = off ----------

sql("ALTER SYSTEM SET synchronous_commit = off; ALTER SYSTEM SET wal_writer_delay = '10s'");
$monitor->reload;
$monitor->poll_query_until('postgres', "SELECT current_setting('synchronous_commit') = 'off'");
freeze(sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"));
sql("BEGIN; INSERT INTO octopus.nodes VALUES ('127.0.3.1'); INSERT INTO skew VALUES (7); COMMIT");
push @names, '127.0.3.1';
kill_everything($monitor);
$monitor->start;
is_registered($monitor, join(' ', sort @names), 'synchronous_commit = off changes nothing');
is(sql('SELECT count(*) FROM skew WHERE who = 7'), '1', 'nor for what was done beside it');
sql('ALTER SYSTEM RESET ALL');
$monitor->reload;

# ---------- servers ----------

sub group
{
	my ($name) = @_;
	return "CREATE SERVER $name FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE $name (node_name text, node_port int) SERVER $name OPTIONS (table_name 'nodes');
	INSERT INTO $name VALUES ('127.0.4.1', 5432);";
}

sub has_group
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($group, $expected, $test) = @_;
	my @found = grep { /^$group / } @{ parse(read_bytes($path))->{nodes} };
	return is(scalar @found, $expected, $test);
}

sql(group('east'));
has_group('postgres east', 1, 'a group of its own');
sql('BEGIN; DROP SERVER east CASCADE; ROLLBACK');
has_group('postgres east', 1, 'DROP SERVER rolled back');
is(registered($monitor, 'east'), '127.0.4.1', 'the table has it still');
sql('BEGIN; SAVEPOINT s; DROP SERVER east CASCADE; ROLLBACK TO s; COMMIT');
has_group('postgres east', 1, 'to a savepoint');

sql('ALTER SERVER east RENAME TO orient');
is(registered($monitor, 'east'), '127.0.4.1', 'ALTER SERVER RENAME keeps');
sql("INSERT INTO east VALUES ('127.0.4.2', 5432)");
has_group('postgres orient', 2, 'and the next image has the new name');
$monitor->restart;
is(registered($monitor, 'east'), '127.0.4.1 127.0.4.2', 'after a restart as well');

sql('DROP SERVER orient CASCADE');
has_group('postgres .*(orient|east)', 0, 'DROP SERVER removes');

sql("CREATE ROLE owner; GRANT USAGE ON FOREIGN DATA WRAPPER octopus_fdw TO owner;
	GRANT CREATE ON SCHEMA public TO owner; SET ROLE owner;" . group('owned'));
has_group('postgres owned', 1, 'a group of somebody else');
sql('BEGIN; DROP OWNED BY owner; ROLLBACK');
has_group('postgres owned', 1, 'DROP OWNED rolled back');
sql('DROP OWNED BY owner');
has_group('postgres owned', 0, 'DROP OWNED removes');

# ---------- databases ----------

sql('CREATE DATABASE other');
sql("CREATE EXTENSION octopus_fdw; INSERT INTO octopus.nodes VALUES ('127.0.5.1')", 'other');
is(registered($monitor, 'octopus.nodes', 'other'), '127.0.5.1', 'another database has its own');
is(registered($monitor), join(' ', sort @names), 'this one too');
my @all = (@names, 'other octopus 127.0.5.1 5432');
on_disk($monitor, \@all, 'one file has both');

sql('CREATE DATABASE copy TEMPLATE other');
is(registered($monitor, 'octopus.nodes', 'copy'), '', 'a copy of a database has none');
on_disk($monitor, \@all, 'not in the file either');
sql("INSERT INTO octopus.nodes VALUES ('127.0.5.2')", 'copy');
sql('ALTER DATABASE copy RENAME TO carbon');
is(registered($monitor, 'octopus.nodes', 'carbon'), '127.0.5.2', 'ALTER DATABASE RENAME keeps');
sql("INSERT INTO octopus.nodes VALUES ('127.0.5.3')", 'carbon');
has_group('carbon octopus', 2, 'and the next image has the new name');

sql('BEGIN; DROP EXTENSION octopus_fdw CASCADE; ROLLBACK', 'other');
on_disk($monitor, [ @all, map { "carbon octopus 127.0.5.$_ 5432" } 2, 3 ],
	'DROP EXTENSION rolled back');
sql('DROP EXTENSION octopus_fdw CASCADE', 'other');
has_group('other octopus', 0, 'DROP EXTENSION removes');
sql('DROP DATABASE carbon');
on_disk($monitor, \@names, 'DROP DATABASE removes');
sql('DROP DATABASE other');
$monitor->restart;
is(registered($monitor), join(' ', sort @names), 'after a restart as well');

# ---------- many, and then too many ----------

sql('DELETE FROM octopus.nodes');
is(scalar @{ parse(read_bytes($path))->{nodes} }, 0, 'no node, no group');
sql("INSERT INTO octopus.nodes SELECT '127.1.0.1', i FROM generate_series(1, 10000) i");
kill_everything($monitor);
$monitor->start;
is(sql('SELECT count(*), sum(node_port) FROM octopus.nodes'),
	'10000|50005000', '10,000 nodes survive');

sql("DELETE FROM octopus.nodes WHERE node_port > 5; ALTER SYSTEM SET octopus.max_nodes = 3");
$monitor->restart;
my $ports = 'SELECT string_agg(node_port::text, \' \' ORDER BY node_port) FROM octopus.nodes';
is(sql($ports), '1 2 3 4 5', 'with a lower max_nodes all are there');
refused($monitor, "INSERT INTO octopus.nodes VALUES ('127.1.0.1', 6)", '53400',
	'HINT:  .*max_nodes', 'but no more can be registered');
$monitor->restart;
is(sql($ports), '1 2 3 4 5', 'and again');
sql('DELETE FROM octopus.nodes WHERE node_port <= 2');
refused($monitor, "INSERT INTO octopus.nodes VALUES ('127.1.0.1', 6)", '53400', '',
	'it is full with three');
sql('DELETE FROM octopus.nodes WHERE node_port = 3');
sql("INSERT INTO octopus.nodes VALUES ('127.1.0.1', 6)");
is(sql($ports), '4 5 6', 'then there is room again');
$monitor->restart;
is(sql($ports), '4 5 6', 'for good');

# ---------- a server that was dropped behind our back ----------

sql('ALTER SYSTEM RESET octopus.max_nodes');
$monitor->restart;
sql("CREATE SERVER lost FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE lost (node_name text) SERVER lost OPTIONS (table_name 'nodes');
	INSERT INTO lost VALUES ('127.1.0.9')");
$monitor->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$monitor->restart;
sql('DROP SERVER lost CASCADE');
$monitor->append_conf('postgresql.conf', "shared_preload_libraries = 'octopus_fdw'");
$monitor->restart;
has_group('postgres lost', 1, 'its node is still registered');

is(sql("BEGIN READ ONLY; $ports; COMMIT"), '4 5 6', 'a read-only transaction');
has_group('postgres lost', 1, 'drops it in memory only');
sql("INSERT INTO octopus.nodes VALUES ('127.1.0.1', 7)");
has_group('postgres lost', 0, 'so the next image is without it');

# the same with the file, by whoever is the first to use the extension
sub lose_a_server
{
	sql("CREATE SERVER lost FOREIGN DATA WRAPPER octopus_fdw;
		CREATE FOREIGN TABLE lost (node_name text) SERVER lost OPTIONS (table_name 'nodes');
		INSERT INTO lost VALUES ('127.1.0.9')");
	$monitor->append_conf('postgresql.conf', "shared_preload_libraries = ''");
	$monitor->restart;
	sql('DROP SERVER lost CASCADE');
	$monitor->append_conf('postgresql.conf', "shared_preload_libraries = 'octopus_fdw'");
	$monitor->restart;
	has_group('postgres lost', 1, 'another one is lost');
	return;
}
lose_a_server();
is(sql($ports), '4 5 6 7', 'who reads');
has_group('postgres lost', 0, 'drops its nodes');
lose_a_server();
sql("BEGIN; CREATE SERVER fresh FOREIGN DATA WRAPPER octopus_fdw; DELETE FROM octopus.nodes WHERE node_port = 7; ROLLBACK");
has_group('postgres lost', 0, 'who writes as well, even if that is rolled back');
is(sql($ports), '4 5 6 7', 'which is');

# a server that the own transaction drops is not lost
sql("CREATE SERVER mine FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE mine (node_name text) SERVER mine OPTIONS (table_name 'nodes');
	INSERT INTO mine VALUES ('127.1.0.9')");
sql("BEGIN; DROP SERVER mine CASCADE; $ports; ROLLBACK");
is(registered($monitor, 'mine'), '127.1.0.9', 'dropping a server and rolling back loses nothing');

$monitor->stop;
done_testing();

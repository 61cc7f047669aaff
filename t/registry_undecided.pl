# What the registry makes of catalogs that are not committed, of many who come
# first at once, and of a first commit cut short beside another cluster's file.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $monitor = monitor('monitor', period => '1h');
my $path = registry_path($monitor);

sub sql { return $monitor->safe_psql('postgres', join '', @_); }

sub group
{
	my ($server, $n) = @_;
	return "CREATE SERVER $server FOREIGN DATA WRAPPER octopus_fdw;
		CREATE FOREIGN TABLE $server (node_name text, node_port int) SERVER $server OPTIONS (table_name 'nodes');
		INSERT INTO $server SELECT '127.0.0.1', i FROM generate_series(1, $n) i;";
}

# The file becomes another cluster's.
sub make_foreign
{
	write_bytes($path, image(read_bytes($path), system => 42));
	return;
}

# ---------- an uncommitted change of a role ----------

sql('CREATE ROLE alice; GRANT USAGE ON FOREIGN DATA WRAPPER octopus_fdw TO alice;', group('alices', 1),
	'ALTER SERVER alices OWNER TO alice');
like(read_bytes($path), qr/octopus\.owner=alice/, 'probes are bound to what the owner may do');
sql('BEGIN; ALTER ROLE alice SUPERUSER; SELECT count(*) FROM alices; ROLLBACK');
like(read_bytes($path), qr/octopus\.owner=alice/, 'more power for her that is rolled back does not free them');

# ---------- an uncommitted drop ----------

sql(group('s', 1));
$monitor->stop;
make_foreign();
$monitor->start;
my $dropper = session($monitor);
like(ask($dropper, 'BEGIN; DROP SERVER s CASCADE;'), qr/NOTICE/, 'a server is dropped');
sql('SELECT count(*) FROM octopus.nodes');	# finds servers for what waits, but not this one
is(ask($dropper, 'SELECT count(*) FROM octopus.nodes; ROLLBACK;'), "0\n", 'who has dropped it uses another one, and thinks better of it');
is(sql('SELECT count(*) FROM s'), '1', 'a drop that is undone takes no node away');
$monitor->restart;
is(sql('SELECT count(*) FROM s'), '1', 'nor from the file');

# ---------- many who come first at once ----------

sql(map { group("g$_", 5) } 1 .. 20);
foreach my $round (1 .. 3)
{
	$monitor->stop;
	make_foreign();
	$monitor->start;
	my @clients = map {
		IPC::Run::start([ 'psql', '-XAtq', '-d', $monitor->connstr('postgres'), '-c', 'SELECT count(*) FROM octopus.nodes' ],
			'>', \my $out, '2>', \my $err)
	} 1 .. 20;
	$_->finish foreach @clients;
	is(scalar @{ parse(read_bytes($path))->{nodes} }, 102, "round $round: all nodes are in the file");
	new_log($monitor);
	$monitor->restart;
	unlike(new_log($monitor), qr/cannot be used/, "round $round: which can be read");
	is(sql('SELECT count(*) FROM g7'), '5', "round $round: and tells of them");
}

# One who has seen what waits, and is kept from going on until another one has bound
# it all: he has to look up a server that he does not know yet, in a catalog that the
# other one has locked.
$monitor->stop;
make_foreign();
$monitor->start;
my ($first, $second) = (session($monitor), session($monitor));
my $octopus = sql(q{SELECT oid FROM pg_foreign_server WHERE srvname = 'octopus'});
ask($second, "SELECT pg_describe_object('pg_foreign_server'::regclass, $octopus, 0);");
ask($first, 'BEGIN; LOCK TABLE pg_foreign_server IN ACCESS EXCLUSIVE MODE;');
order($second, 'SELECT count(*) FROM octopus.nodes;');
my $waits = q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'pg_foreign_server'::regclass};
wait_until(sub { ask($first, "$waits;") eq "t\n" }, 'the second one waits');
like(read_bytes($path), qr/^system\t42$/m, 'nothing is bound yet');
new_log($monitor);
is(ask($first, 'SELECT count(*) FROM octopus.nodes; COMMIT;'), "0\n", 'the first one binds');
is(hear($second), "0\n", 'the second one goes on');
is(scalar @{ parse(read_bytes($path))->{nodes} }, 102, 'all nodes are in the file');
unlike(new_log($monitor), qr/could not|cannot/, 'nothing went wrong');
$_->{run}->finish foreach $first, $second;
$monitor->restart;
is(sql('SELECT count(*) FROM g7'), '5', 'nor does it later');

# ---------- a first commit that was cut short ----------

sql('CREATE DATABASE elsewhere');
$monitor->safe_psql('elsewhere', 'CREATE EXTENSION octopus_fdw');
$monitor->stop;
make_foreign();
my $foreign = read_bytes($path);
$monitor->start;
$monitor->safe_psql('elsewhere', "INSERT INTO octopus.nodes VALUES ('127.0.0.3', 3)");
my $ours = read_bytes($path);
kill_everything($monitor);

# the machine lost the last rename
write_bytes("$path.pending", $ours);
write_bytes($path, $foreign);
$monitor->start;
is( $monitor->safe_psql('elsewhere', 'SELECT node_name FROM octopus.nodes'),
	'127.0.0.3',
	'the commit that was reported has been');
is(sql('SELECT count(*) FROM g7'), '5', 'and what came from elsewhere is there');
$monitor->safe_psql('elsewhere', "INSERT INTO octopus.nodes VALUES ('127.0.0.4', 4)");

done_testing();

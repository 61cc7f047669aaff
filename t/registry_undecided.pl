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
ask($dropper, 'BEGIN; DROP SERVER s CASCADE');
sql('SELECT count(*) FROM octopus.nodes');	# finds servers for what waits, but not this one
ask($dropper, 'SELECT count(*) FROM octopus.nodes; ROLLBACK');
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

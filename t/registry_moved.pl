# The registry of another database system, copied by hand or beside pg_upgrade,
# is taken over: by the names of databases and servers, when somebody first uses
# the extension there, and until then nothing is probed and nothing is lost.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my @quick = (period => '50ms', retry_delay => '10ms', timeout => '5s');
my $target = target('target',
	listen_addresses => '127.0.0.1,127.0.0.2,127.0.0.9,127.0.1.1,127.0.2.1');
my $port = $target->port;
my $secret = 'Tr0ub4dor-and-3';

sub table
{
	my ($server) = @_;
	return "CREATE FOREIGN TABLE $server (node_name text, node_port int, health_status int, health_check_timeout int)
		SERVER $server OPTIONS (table_name 'nodes');";
}

sub group
{
	my ($server, $options) = @_;
	return "CREATE SERVER $server FOREIGN DATA WRAPPER octopus_fdw " . ($options // '') . ";" . table($server);
}

# ---------- where it comes from ----------

my $old = monitor('old', @quick);
# so that OIDs differ
$old->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(app gone);
foreach my $database (qw(app gone))
{
	$old->safe_psql($database,
		"CREATE EXTENSION octopus_fdw; INSERT INTO octopus.nodes VALUES ('127.0.2.1', $port)");
}
$old->safe_psql('postgres',
	"INSERT INTO octopus.node_options (node_name, node_port, health_check_timeout) VALUES ('127.0.0.1', $port, 4321), ('127.0.0.2', $port, NULL)");
$old->safe_psql('postgres', group($_)
	. "INSERT INTO $_ VALUES ('127.0.1.1', $port, 0, 1234)") foreach qw(east west north south);
$old->safe_psql('postgres',
	"CREATE USER MAPPING FOR CURRENT_USER SERVER east OPTIONS (user 'watch', password '$secret');
	ALTER SERVER east OPTIONS (ADD health_check_period '7s')");
$old->stop;
my $file = read_bytes(registry_path($old));
my @moved = @{ parse($file)->{nodes} };

# ---------- where it comes to ----------

my $new = monitor('new', @quick);
my $path = registry_path($new);
sub sql { return $new->safe_psql('postgres', shift); }

# The lines of groups in the file.
sub groups
{
	my ($what) = @_;
	return grep { /^group\t$what/ } split /\n/, read_bytes($path);
}

sql('CREATE DATABASE other');
$new->safe_psql('other', 'CREATE EXTENSION octopus_fdw');
sql(group('east', "OPTIONS (health_check_period '20ms')") . group('south') . group('north'));
$new->stop;
write_bytes($path, $file);
new_log($new);
$new->start;
my $log = new_log($new);
like($log,
	qr/LOG:  registry of octopus_fdw comes from another database system\n.*DETAIL:  7 groups with 8 nodes wait/,
	'the log tells of it');
is(read_bytes($path), $file, 'the file is left as it is');

# who uses another database sees nothing of it, and takes nothing away
$new->safe_psql('other', "INSERT INTO octopus.nodes VALUES ('127.0.0.9', $port)");
ok($new->poll_query_until('other', 'SELECT health_status = 1 FROM octopus.nodes'), 'the prober probes');
$log .= new_log($new);
unlike($log, qr/node "127\.0\.(?:0\.[12]|[12]\.1)":/, 'but nothing that came with the file');
on_disk($new, [ @moved, "other octopus 127.0.0.9 $port" ], 'which the next image has still');
is(scalar groups('0\t'), 7, 'in groups without OIDs');
$new->restart;
wait_prober($new);
is($new->safe_psql('other', 'SELECT count(*) FROM octopus.nodes'), '1', 'after a restart as well');

# ---------- first use ----------

is(registered($new), '127.0.0.1 127.0.0.2', 'who reads sees the nodes');
ok( $new->poll_query_until('postgres', 'SELECT bool_and(health_status = 1) FROM octopus.nodes'),
	'which are probed from then on');
is(sql('SELECT health_check_timeout FROM octopus.node_options ORDER BY node_name'),
	"4321\n", 'with their options');
my $oids = sql("SELECT concat_ws(E'\\t', d.oid, datname, s.oid, srvname) FROM pg_database d, pg_foreign_server s WHERE datname = 'postgres' AND srvname = 'octopus'");
is(scalar groups("$oids\$"), 1, 'the file has the new OIDs');
like((groups('\d+\tpostgres\t\d+\teast'))[0], qr/\teast\thealth_check_period=20$/,
	'and the policy that the server has here');
unlike(read_bytes($path), qr/\Q$secret\E|=watch/, 'not the credentials that it had there');
kill_everything($new);
$new->start;
is(registered($new), '127.0.0.1 127.0.0.2', 'the death of everything changes nothing');
is(registered($new, 'east'), '127.0.1.1', 'every server of a known name has its nodes');
is(scalar groups('0\t'), 3, 'the others wait');

# ---------- what cannot be bound yet ----------

sql("BEGIN;" . group('west') . "SELECT * FROM west; ROLLBACK");
is(scalar groups('0\tpostgres\t\d+\twest$'), 1, 'a server that is rolled back takes nothing over');
sql(group('west'));
sql('BEGIN; ALTER SERVER west RENAME TO occident; SELECT count(*) FROM west; ROLLBACK');
is(registered($new, 'west'), '127.0.1.1', 'one that stays does');

sql('CREATE DATABASE app');
$new->safe_psql('app', 'CREATE EXTENSION octopus_fdw');
my $before = read_bytes($path);
is($new->safe_psql('app', 'BEGIN READ ONLY; SELECT count(*) FROM octopus.nodes; COMMIT'),
	'1', 'a read-only transaction takes over');
is(read_bytes($path), $before, 'but does not write');
ok($new->poll_query_until('app', 'SELECT bool_and(health_status = 1) FROM octopus.nodes'), 'it is probed');
$new->restart;
is($new->safe_psql('app', 'SELECT count(*) FROM octopus.nodes'), '1', 'after a restart the next one does');
is(join("\n", groups('0\t')) =~ s/\t\d+\t(\w+)$/ $1/r, "group\t0\tgone octopus", 'and writes');

# ---------- names that change, servers that go, before the first use ----------

sub move_again
{
	$new->stop;
	write_bytes($path, $file);
	$new->start;
	return;
}

move_again();
sql('ALTER SERVER north RENAME TO polar');
is(registered($new, 'north'), '127.0.1.1', 'ALTER SERVER RENAME keeps the nodes');
sql('ALTER SERVER polar RENAME TO north');
move_again();
sql('BEGIN; DROP SERVER south CASCADE; ROLLBACK');
is(registered($new, 'south'), '127.0.1.1', 'DROP SERVER rolled back keeps them');
move_again();
sql('DROP SERVER south CASCADE');
sql(group('south'));
is(registered($new, 'south'), '', 'DROP SERVER removes them');

move_again();
$new->safe_psql('template1', 'ALTER DATABASE app RENAME TO application');
is(join("\n", groups('0\tapp')) =~ s/\t\d+\t(\w+)$/ $1/r, "group\t0\tapplication octopus", 'ALTER DATABASE RENAME takes what waits along');
$new->safe_psql('template1', 'BEGIN; ALTER DATABASE application RENAME TO another; ROLLBACK');
$new->safe_psql('template1', 'BEGIN; ALTER DATABASE application RENAME TO a; ALTER DATABASE a RENAME TO b; COMMIT');
is($new->safe_psql('b', 'SELECT count(*) FROM octopus.nodes'), '1', 'under its last name it is found');
$new->safe_psql('template1', 'ALTER DATABASE b RENAME TO app');
is($new->safe_psql('app', 'SELECT count(*) FROM octopus.nodes'), '1', 'and goes on from there');
sql('CREATE DATABASE gone');
sql('DROP DATABASE gone');
is(scalar groups('0\tgone'), 0, 'DROP DATABASE removes what waits for one of its name');

# ---------- what is there already stays ----------

move_again();
sql("DROP FOREIGN TABLE west; ALTER SERVER west RENAME TO occident");
sql('DROP SERVER occident CASCADE');
move_again();
sql(group('wild') . "INSERT INTO wild VALUES ('127.0.1.1', $port, 0, 99), ('127.0.1.2', $port, 0, 99)");
sql('ALTER SERVER wild RENAME TO west');
is(sql('SELECT node_name, health_check_timeout FROM wild ORDER BY 1'),
	"127.0.1.1|99\n127.0.1.2|99", 'a node that is registered here already stays as it is');
is(scalar groups('0\tpostgres\t\d+\twest'), 0, 'and its namesake is gone');

# ---------- not with a pending file ----------

$new->stop;
write_bytes($path, $file);
write_bytes("$path.pending", image($file, serial => 1000));
$new->start;
refused($new, "INSERT INTO octopus.nodes VALUES ('127.0.0.9');", 'XX001',
	'belongs to another database system, and a pending file is beside it',
	'a file that was copied together with a pending one is refused');
is(read_bytes($path), $file, 'and not touched');
$new->stop;
unlink "$path.pending";
$new->start;
is(registered($new), '127.0.0.1 127.0.0.2', 'without it all is well');
$new->stop;

# ---------- pg_upgrade ----------

my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');
$upgraded->init;
configure($upgraded, shared_preload_libraries => 'octopus_fdw', @quick);
my $bindir = $upgraded->config_data('--bindir');
my $cwd = PostgreSQL::Test::Utils::tempdir();
command_ok(
	[
		'sh', '-c', 'cd "$0" && exec "$@"', $cwd,
		'pg_upgrade', '--no-sync',
		'-d', $old->data_dir, '-D', $upgraded->data_dir, '-b', $bindir, '-B', $bindir,
		'-s', $old->host, '-p', $old->port, '-P', $upgraded->port
	],
	'pg_upgrade');
ok(!-e registry_path($upgraded), 'leaves the registry where it was');
write_bytes(registry_path($upgraded), $file);
$upgraded->start;
is(registered($upgraded), '127.0.0.1 127.0.0.2', 'a copy of the file gives back the nodes');
is(registered($upgraded, $_), '127.0.1.1', "those of server $_") foreach qw(east west north south);
is(registered($upgraded, 'octopus.nodes', $_), '127.0.2.1', "those of database $_") foreach qw(app gone);
ok( $upgraded->poll_query_until('postgres', 'SELECT bool_and(health_status = 1) FROM octopus.nodes'),
	'and they are probed');
like((grep { /\teast\t/ } split /\n/, read_bytes(registry_path($upgraded)))[0],
	qr/\tuser=watch/, 'with the credentials that came along in the catalogs');
$upgraded->stop;
$target->stop;
done_testing();

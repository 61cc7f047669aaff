# The registry goes where the data directory goes: into base backups, and with
# them into copies and standbys, which register after their promotion; pg_rewind
# takes it along.

use strict;
use warnings;

use IPC::Run;
use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
configure(
	$primary,
	shared_preload_libraries => 'octopus_fdw',
	listen_addresses => '127.0.0.1',
	max_connections => 30,
	autovacuum => 'off',
	wal_keep_size => '512MB',
	period => '200ms');
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION octopus_fdw');
register($primary, [ '127.0.0.1', $primary->port ], [ '127.0.0.1', 1 ]);

# ---------- a base backup while somebody writes ----------

my $script = PostgreSQL::Test::Utils::tempdir() . '/write.sql';
append_to_file($script,
	"\\set i random(2, 1000)
	INSERT INTO octopus.nodes VALUES ('127.0.0.2', :i) ON CONFLICT DO NOTHING;
	DELETE FROM octopus.nodes WHERE node_name = '127.0.0.2' AND node_port <> :i;");
my $said = '';
my $writer = IPC::Run::start(
	[ 'pgbench', '-n', '-T', 600, '-c', 2, '-f', $script, $primary->connstr('postgres') ],
	'>', \$said, '2>&1');
$primary->poll_query_until('postgres',
	"SELECT count(*) > 0 FROM octopus.nodes WHERE node_name = '127.0.0.2'");
$primary->backup('first');
ok($writer->pumpable, 'a base backup while somebody writes');
$writer->signal('TERM');
$writer->finish;

my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($primary, 'first');
$copy->start;
my $both = "SELECT count(*) FROM octopus.nodes WHERE node_name = '127.0.0.1'";
is($copy->safe_psql('postgres', $both), '2', 'a copy has what was registered before');
wait_health($copy, '127.0.0.1', $primary->port, 1, 'and probes it');
register($copy, [ '127.0.0.3', 1 ]);
wait_until(sub { !pending($copy) }, 'nothing is pending there');
ok(parse(read_bytes(registry_path($copy))), 'its file is in order');
ok(!-e registry_path($copy, '.unsettled'), 'nothing was unsettled');
kill_everything($copy);
$copy->start;
is( $copy->safe_psql('postgres',
		"SELECT count(*) FROM octopus.nodes WHERE node_name = '127.0.0.3'"),
	'1', 'registrations there are for good');
$copy->stop;

# ---------- a standby ----------

$primary->safe_psql('postgres', "DELETE FROM octopus.nodes WHERE node_name = '127.0.0.2'");
$primary->backup('second');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'second', has_streaming => 1);
$standby->start;
is(registered($standby), '127.0.0.1 127.0.0.1', 'a standby has what its base backup had');
wait_health($standby, '127.0.0.1', $primary->port, 1, 'and probes it');
wait_health($standby, '127.0.0.1', 1, 0, 'all of it');
refused($standby, 'SELECT octopus.registry_reset();', '25006', 'recovery', 'a standby resets nothing');

# a pending file is left undecided until it is promoted
my $xid = $primary->safe_psql('postgres', 'SELECT pg_current_xact_id()');
$primary->wait_for_catchup($standby);
$standby->stop;
my $file = read_bytes(registry_path($standby));
write_bytes(
	registry_path($standby, '.pending'),
	image($file, serial => parse($file)->{serial} + 1, xid => $xid, nodes => [ [ '127.0.0.4', 1 ] ]));
$standby->start;
wait_prober($standby);
wait_health($standby, '127.0.0.1', 1, 0, 'its prober works');
ok(-e registry_path($standby, '.pending'), 'a standby settles nothing');
is(registered($standby), '127.0.0.1 127.0.0.1', 'nor believes it');

# two that nobody can judge, as copies of long ago may be, and the other's newest one
my $images = parse($file)->{serial};
write_bytes(
	registry_path($standby, '.pending2'),
	image($file, serial => $images + 9, xid => 4, nodes => [ [ '127.1.0.4', 1 ] ]));
write_bytes(registry_path($standby, '.pending3'), 'cut');
write_bytes(
	registry_path($standby, '.pending4'),
	image(
		$file,
		serial => $images + 5,
		follows => ($images + 4) . "\t00000000",
		xid => $xid,
		nodes => [ [ '127.0.0.4', 1 ], [ '127.0.0.40', 1 ] ]));
$standby->promote;
is_registered($standby, '127.0.0.1 127.0.0.1 127.0.0.4 127.0.0.40', 'when promoted it does');
wait_until(sub { !pending_files($standby) }, 'nothing is pending');
$standby->safe_psql('postgres', "DELETE FROM octopus.nodes WHERE node_name = '127.0.0.40'");
register($standby, [ '127.0.0.5', 1 ]);
is_registered($standby, '127.0.0.1 127.0.0.1 127.0.0.4 127.0.0.5', 'and registers');
kill_everything($standby);
$standby->start;
is_registered($standby, '127.0.0.1 127.0.0.1 127.0.0.4 127.0.0.5', 'for good');

# ---------- pg_rewind ----------

register($primary, [ '127.0.0.6', 1 ]);
$primary->stop;
$standby->safe_psql('postgres', 'CHECKPOINT');
command_ok(
	[
		'pg_rewind', '--target-pgdata', $primary->data_dir,
		'--source-server', $standby->connstr('postgres')
	],
	'pg_rewind of the old primary');
is(read_bytes(registry_path($primary)), read_bytes(registry_path($standby)),
	'takes the registry along');
$standby->stop;

done_testing();

# A hot standby of the monitoring server probes, too, but registers nothing until
# it is promoted.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
configure(
	$primary,
	shared_preload_libraries => 'octopus_fdw',
	listen_addresses => '127.0.0.1',
	period => '200ms');
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION octopus_fdw');
$primary->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my $prober = wait_prober($standby);
ok($prober, 'a prober runs on the standby');
is( $standby->safe_psql('postgres', 'SELECT count(*) FROM octopus.nodes'),
	'0',
	'the table can be read there');

my %writes = (
	'INSERT' => "INSERT INTO octopus.nodes VALUES ('127.0.0.1')",
	'COPY' => "COPY octopus.nodes (node_name) FROM PROGRAM 'echo 127.0.0.1'",
	'UPDATE' => 'UPDATE octopus.nodes SET node_port = 1',
	'DELETE' => 'DELETE FROM octopus.nodes',
	'TRUNCATE' => 'TRUNCATE octopus.nodes');

# Tests that each way of writing is refused by a server, after some commands.
sub writes_refused
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $before, $where) = @_;

	foreach my $what (sort keys %writes)
	{
		my ($ret, $stdout, $stderr) = $node->psql('postgres',
			"\\set VERBOSITY verbose\n$before;\n$writes{$what};");
		like($stderr, qr/ERROR:  25006: /, "$what $where is refused");
	}
	return;
}

writes_refused($standby, 'SELECT 1', 'on the standby');
writes_refused($primary, 'BEGIN READ ONLY', 'in a read-only transaction');

# what is registered on the primary is the primary's
register($primary, [ '127.0.0.1', $primary->port ]);
wait_health($primary, '127.0.0.1', $primary->port, 1,
	'the primary probes itself');
$primary->wait_for_catchup($standby);
is(tally($standby), '0/0/0', 'the standby does not follow');

# a fresh start in the role of a standby
$standby->restart;
ok(wait_prober($standby, $prober), 'a restarted standby has a prober');
is( $standby->safe_psql('postgres',
		'SELECT pid, nodes, (SELECT count(*) FROM octopus.node_status), (SELECT count(*) FROM octopus.node_stats) FROM octopus.monitor'),
	prober_pid($standby) . '|0|0|0',
	'of which it tells, as of its nodes');

# ---------- promoted, it takes over ----------

$prober = prober_pid($standby);
$standby->promote;
register($standby, [ '127.0.0.1', $primary->port ]);
wait_health($standby, '127.0.0.1', $primary->port, 1,
	'the promoted server registers and probes');
ok(wait_prober($standby, $prober),
	'its prober began anew, to settle what recovery leaves undecided');

$primary->stop('immediate');
wait_health($standby, '127.0.0.1', $primary->port, 0,
	'it sees its old primary die');

done_testing();

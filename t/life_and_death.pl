# Real servers live, die, hang and come back; the verdicts follow, and the log
# tells each change once, with its cause.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# what a verdict may take: the schedule below allows 3.5 s, the machine may not
my $bound = 30;

my $primary = target('primary');
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
my $dead_port = PostgreSQL::Test::Cluster::get_free_port();

my $monitor = monitor(
	'monitor',
	period => '1s',
	timeout => '1s',
	max_retries => 1,
	retry_delay => '500ms');

my @primary = ('127.0.0.1', $primary->port);
my @standby = ('127.0.0.1', $standby->port);
my @dead = ('127.0.0.1', $dead_port);
my @socket = ($primary->host, $primary->port);

# Waits for a verdict and tests what it took and what the log says of it.
sub changes_to
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $health, $cause, $what) = @_;
	my $name = $node->[0];
	my $port = $node->[1];
	my $took = elapsed(
		sub { wait_health($monitor, $name, $port, $health, $what) });

	cmp_ok($took, '<', $bound, "$what: soon");

	# the verdict is to be seen a moment before it is logged
	my @changes;
	wait_until(
		sub {
			push @changes, changes($monitor);
			return grep { $_->{node} eq qq("$name":$port) } @changes;
		},
		"$what: logged");
	@changes = grep { $_->{node} eq qq("$name":$port) } @changes;
	is(scalar @changes, 1, "$what: one line in the log");
	is($changes[0]{health}, $health, "$what: the line tells the verdict");
	like($changes[0]{cause}, $cause, "$what: the line tells the cause");
	return;
}

# ---------- the first verdicts ----------

register($monitor, \@primary, \@standby, \@dead, \@socket);
wait_tally($monitor, '3/1/0', 'every node has its first verdict');
is(health($monitor, @primary), '1', 'the primary is healthy');
is(health($monitor, @standby), '1', 'the standby is healthy');
is(health($monitor, @socket), '1', 'the primary is healthy at its socket');
is(health($monitor, @dead), '0', 'where nothing listens, nothing is healthy');

my @logged = changes($monitor);
my %logged = map { $_->{node} => $_ } @logged;
is(scalar @logged, 4, 'each verdict is logged once');
is(scalar keys %logged, 4, 'each verdict is logged');
like(
	$logged{qq("127.0.0.1":$dead_port)}{cause},
	qr/^Nothing accepts connections there: Connection refused\.$/,
	'the cause is logged');
is($logged{qq("127.0.0.1":$primary[1])}{cause},
	'', 'life needs no explanation');

# ---------- a primary dies and comes back ----------

$monitor->safe_psql('postgres',
	"DELETE FROM octopus.nodes WHERE node_name = '$socket[0]'");
$primary->stop('immediate');
changes_to(\@primary, 0, qr/Connection refused/, 'the primary is killed');
$primary->start;
changes_to(\@primary, 1, qr/^$/, 'the primary is back');
is(health($monitor, @standby), '1', 'the standby was healthy all the time');

# ---------- a server hangs: the kernel answers, but nobody else ----------

my $postmaster = postmaster_pid($standby);
freeze($postmaster);
changes_to(\@standby, 0, qr/did not answer in time: no answer within 1000 ms/,
	'the standby hangs');
thaw($postmaster);
changes_to(\@standby, 1, qr/^$/, 'the standby goes on');

# ---------- another port is another node ----------

freeze(prober_pid($monitor));
$monitor->safe_psql('postgres',
	"UPDATE octopus.nodes SET node_port = $dead_port + 1 WHERE node_port = $dead_port;
	UPDATE octopus.nodes SET node_port = $dead_port WHERE node_port = $standby[1]"
);
is(health($monitor, @dead), '-1', 'a node with another port is unknown');
is(health($monitor, @standby), '', 'it is not at its old port any more');
thaw(prober_pid($monitor));
changes_to(\@dead, 0, qr/Connection refused/, 'it gets its own verdict');
$monitor->safe_psql('postgres',
	"UPDATE octopus.nodes SET node_port = $standby[1] WHERE node_port = $dead_port"
);
changes_to(\@standby, 1, qr/^$/, 'it moved back');

# ---------- nothing happens, nothing is logged ----------

changes($monitor);
my $sessions = "SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'";
my $before = $primary->safe_psql('postgres', $sessions);
ok( $primary->poll_query_until(
		'postgres', "SELECT ($sessions) > $before + 10"),
	'probes go on');
is(scalar(@{ [ changes($monitor) ] }), 0, 'what does not change is not logged');

# ---------- the monitor itself ----------

$monitor->restart;
ok(wait_prober($monitor), 'a prober runs after a restart');
like(tally($monitor), qr{^\d+/\d+/\d+$}, 'the table can be read');

done_testing();

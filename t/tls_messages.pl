# Messages of TLS itself, which libpq does not show: they keep nobody busy, are
# counted for each connection, and only while libpq reads.

use strict;
use warnings;

use Octopus;
use Tls;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = certificates();
make_ca('ours');
make_certificate('good', 'ours', 'db.test', 0, 'db.test');
my $target = tls_target('good', max_connections => 300);
admit($target, 'hostssl all all 127.0.0.1/32 trust');
my $monitor = monitor('monitor', period => '1h', timeout => '10s', max_retries => 0,
	'octopus.keep_connections' => 'on', 'octopus.log_checks' => 'all', log_statement => 'none');

# ---------- new keys without end ----------

# It never reads the answers, so in the end there is no room for one, and libpq would
# try again and again, within one step.
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $rekeying = open(my $requests, '-|', ($ENV{TESTDIR} // '.') . '/build/rekey', $port, "$dir/good.crt", "$dir/good.key")
  or die "cannot start rekey: $!";
is(scalar <$requests>, "ready\n", 'it listens');
$monitor->safe_psql('postgres', 'SELECT octopus.reset_stats()');
foreach my $mapping ('', "user 'watch', password 'secret'")
{
	check($monitor, 'keys without end' . ($mapping ? ', with a password' : ''), "sslmode 'require'", $mapping,
		$mapping ? '(?:tls_error|auth_failed)' : 'tls_error', 0,
		[ 'db.test', $port, '127.0.0.1' ], ['connection']);
	cmp_ok(scalar <$requests>, '<', 1000, 'it is soon cut off');
}
cmp_ok($monitor->safe_psql('postgres', 'SELECT max_lateness FROM octopus.monitor'),
	'<', 1000, 'the prober is not kept busy');
kill 'KILL', $rekeying;
waitpid $rekeying, 0;

# ---------- the ends of many sessions ----------

# Each takes some messages, too; they are nobody else's, who is in the middle of a login.
my $nodes = 200;
my $slow = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16) or die "cannot listen: $!";
my @go = map { my @pipe; pipe($pipe[0], $pipe[1]) or die "cannot make a pipe: $!"; \@pipe } 1 .. 2;
my $dawdling = spawn(sub {
	while (my $client = $slow->accept)
	{
		read $client, my $head, 4;
		read $client, my $body, unpack('N', $head) - 4;
		syswrite $client, "R\0\0\0\x08";
		syswrite $go[0][1], '.';
		sysread $go[1][0], my $go, 1;
		syswrite $client, "\0\0\0\0Z\0\0\0\x05I";
		sysread $client, $body, 1;
		close $client;
	}
});
$monitor->safe_psql('postgres', <<"END");
CREATE SERVER held FOREIGN DATA WRAPPER octopus_fdw OPTIONS (sslmode 'require', health_check_type 'connection');
CREATE FOREIGN TABLE held (node_name text, node_port int, hostaddr text, health_status int)
	SERVER held OPTIONS (table_name 'nodes');
CREATE SERVER slow FOREIGN DATA WRAPPER octopus_fdw OPTIONS (sslmode 'allow', health_check_type 'connection');
CREATE FOREIGN TABLE slow (node_name text, node_port int, hostaddr text, health_status int)
	SERVER slow OPTIONS (table_name 'nodes');
INSERT INTO held SELECT 'n' || i, ${\ $target->port}, '127.0.0.1' FROM generate_series(1, $nodes) i;
END
ok($monitor->poll_query_until('postgres', "SELECT count(*) = $nodes FROM held WHERE health_status = 1"),
	'many sessions are held');
new_log($monitor);
$monitor->safe_psql('postgres', "INSERT INTO slow VALUES ('slow', ${\ $slow->sockport}, '127.0.0.1')");
sysread $go[0][0], my $half, 1;
ok($monitor->poll_query_until('postgres', 'SELECT checks_in_flight = 1 FROM octopus.monitor'), 'one logs in');
$monitor->safe_psql('postgres', 'DELETE FROM held');
ok($monitor->poll_query_until('postgres', 'SELECT held_connections = 0 FROM octopus.monitor'), 'the others end');
syswrite $go[1][1], '.';
ok($monitor->poll_query_until('postgres', 'SELECT health_status <> -1 FROM slow'), 'its login goes on');
is($monitor->safe_psql('postgres', 'SELECT health_status FROM slow'), '1', 'and it is healthy');
kill 'KILL', $dawdling;
waitpid $dawdling, 0;

$monitor->stop('fast');
done_testing();

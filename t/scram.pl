# A server that has a password hashed millions of times, which libpq leaves to it:
# the prober stands still meanwhile, but wrongs nobody.

use strict;
use warnings;

use Octopus;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = 6_000_000;
my $target = target('target');

# The next message of the client, without its type if that is to be there.
sub hear
{
	my ($client, $has_type) = @_;
	my $head_size = $has_type ? 5 : 4;

	return '' if read($client, my $head, $head_size) != $head_size;
	read($client, my $body, unpack('N', substr($head, -4)) - 4);
	return $body;
}

sub say_to
{
	my ($client, $body) = @_;
	return syswrite($client, pack('a N a*', 'R', 4 + length $body, $body));
}

my $server = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	Listen => 5,
	Proto => 'tcp') or die "cannot listen: $!";
my $pid = fork() // die "cannot fork: $!";
if ($pid == 0)
{
	$SIG{PIPE} = 'IGNORE';
	while (my $client = $server->accept)
	{
		hear($client, 0);
		say_to($client, pack('N a*', 10, "SCRAM-SHA-256\0\0"));
		my ($nonce) = hear($client, 1) =~ /r=([^,]+)/;
		say_to($client, pack('N a*', 11, "r=${nonce}x,s=c2FsdA==,i=$rounds")) if defined $nonce;
		hear($client, 1);
		close $client;
	}
	POSIX::_exit(0);
}

my $monitor = monitor('monitor', period => '50ms', timeout => '1s', retry_delay => '10ms', max_retries => 0);
register($monitor, [ '127.0.0.1', $target->port ]);
wait_health($monitor, '127.0.0.1', $target->port, 1, 'a healthy node');
is($monitor->safe_psql('postgres', 'SELECT octopus.reset_stats() IS NOT NULL'), 't', 'counts begin anew');
new_log($monitor);
my $port = $server->sockport;
$monitor->safe_psql('postgres', "CREATE SERVER lured FOREIGN DATA WRAPPER octopus_fdw OPTIONS (sslmode 'disable');
	CREATE USER MAPPING FOR PUBLIC SERVER lured OPTIONS (user 'watch', password 'secret');
	CREATE FOREIGN TABLE lured (node_name text, node_port int, health_status int) SERVER lured OPTIONS (table_name 'nodes');
	INSERT INTO lured VALUES ('127.0.0.1', $port)");
ok( $monitor->poll_query_until('postgres',
		"SELECT void_count + failure_count > 0 FROM octopus.node_stats WHERE server_name = 'lured'"),
	'the hostile one has been probed');
$monitor->safe_psql('postgres', 'DELETE FROM lured');
ok( $monitor->poll_query_until('postgres',
		"SELECT last_check_time > now() - interval '1 s' AND health_status = 1 FROM octopus.node_status WHERE server_name = 'octopus' AND (SELECT checks_in_flight <= 1 FROM octopus.monitor)"),
	'the prober goes on');
my $lateness = $monitor->safe_psql('postgres', 'SELECT max_lateness FROM octopus.monitor');
cmp_ok($lateness, '>', 1000, 'it has stood still for longer than a timeout');
note "$rounds rounds took $lateness ms";
is(join(' ', grep { /:@{[$target->port]}$/ } map { $_->{node} } changes($monitor)), '', 'the healthy node was never taken for anything else');
is( $monitor->safe_psql('postgres',
		"SELECT failure_count FROM octopus.node_stats WHERE server_name = 'octopus'"),
	0, 'nor did a check of it fail');

kill 'TERM', $pid;
waitpid $pid, 0;
$monitor->stop;
done_testing();

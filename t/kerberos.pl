# Who asks for Kerberos gets none, and has nobody look up a name for it: that would
# wait for the DNS, and all other nodes with it.

use strict;
use warnings;

use Octopus;
use Tls;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $lookups = PostgreSQL::Test::Utils::tempdir() . '/lookups';
my $shim = ($ENV{TESTDIR} // '.') . '/build/lookup.so';
die "there is no $shim" unless -e $shim;
$ENV{LD_PRELOAD} = $shim;
$ENV{LOOKUPS} = $lookups;
my $monitor = monitor('monitor', timeout => '5s', max_retries => 0, 'octopus.log_checks' => 'all');
system('psql', '-XAtqc', 'SELECT 1', 'host=localhost port=1 dbname=postgres');
is(slurp_file($lookups), "localhost\n", 'lookups are noticed');
delete $ENV{LD_PRELOAD};
unlink $lookups;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16)
  or die "cannot listen: $!";
my $asking = spawn(sub {
	while (my $client = $listener->accept)
	{
		read $client, my $head, 4;
		read $client, my $body, unpack('N', $head) - 4;
		syswrite $client, pack('a N N', 'R', 8, 7);
		sysread $client, $body, 1;
		close $client;
	}
});
foreach my $mapping ('', "user 'watch', password 'secret'")
{
	check($monitor, 'Kerberos is asked for' . ($mapping ? ', beside a password' : ''),
		"sslmode 'disable'", $mapping, 'auth_failed', 0, [ 'db.example.net', $listener->sockport, '127.0.0.1' ],
		['connection']);
	ok(!-e $lookups, 'nobody looks up a name') or diag(slurp_file($lookups));
}
kill 'KILL', $asking;
waitpid $asking, 0;

$monitor->stop('fast');
done_testing();

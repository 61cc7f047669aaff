# Peers of every kind: what each comes to, what the log says of it, and that none
# of them harms the prober or whoever reads the log.

use strict;
use warnings;

use Octopus;
use Fleet;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A peer that lets everybody in, but never comes to the end of its greeting.
sub babble
{
	my ($server) = @_;
	my $chunk = join '', map {
		my $text = "S\0VNOTICE\0C00000\0Mthere is always more to say $_\0\0";
		pack('a N a*', 'N', 4 + length $text, $text)
	} 1 .. 1000;

	$SIG{PIPE} = 'IGNORE';
	while (my $client = $server->accept)
	{
		sysread($client, my $startup, 8192);
		syswrite($client, pack('a N N', 'R', 8, 0));
		1 while syswrite($client, $chunk);
	}
	return;
}

my $babbler = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	Listen => 5,
	Proto => 'tcp') or die "cannot listen: $!";
my $babbler_pid = spawn(sub { babble($babbler) });

my $fleet = Fleet->new(slow_ms => 200, dribble_ms => 1);
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '500ms',
	timeout => '3s',
	max_retries => 0);

# by second octet: what kind of peer, its health, the cause logged
my %peers = (
	1 => [ 'a healthy one', 1, qr/^$/ ],
	2 => [ 'a silent one', 0, qr/^The server did not answer in time: no answer within 3000 ms\.$/ ],
	3 => [ 'one that resets', 0, qr/^The connection was closed before the server answered: / ],
	4 => [ 'one that refuses the login', 1, qr/^The server answered, but refused the login: no pg_hba.conf entry .*\(SQLSTATE 28000\)\.$/ ],
	5 => [ 'one that starts up', 0, qr/^The server is starting up: the database system is starting up \(SQLSTATE 57P03\)\.$/ ],
	6 => [ 'a slow one', 1, qr/^$/ ],
	7 => [ 'one that dribbles', 1, qr/^$/ ],
	8 => [ 'one that talks garbage', 0, qr/^What answered does not speak the protocol of PostgreSQL: / ],
	9 => [ 'one that asks for a password', 1, qr/^$/ ],
	10 => [ 'a crowded one', 1, qr/^The server answered, but has no connection left: sorry, too many clients already \(SQLSTATE 53300\)\.$/ ],
	11 => [ 'one that shuts down', 0, qr/^The server is shutting down: the database system is shutting down \(SQLSTATE 57P03\)\.$/ ],
	12 => [ 'one in recovery', 0, qr/^The server is in recovery and takes no connections: .*\(SQLSTATE 57P03\)\.$/ ],
	13 => [ 'one that sends more than it was asked for', 1, qr/^$/ ],
	14 => [ 'one that announces a gigabyte', 0, qr/^What answered does not speak the protocol of PostgreSQL/ ],
	15 => [ 'one that closes at once', 0, qr/^The connection was closed before the server answered: / ],
	16 => [ 'a standby', 1, qr/^$/ ],
	17 => [ 'one that attacks the log', 1, qr/^The server answered, but refused the login: \\x1b\[2J\\x1b\]0;owned\\x07/ ],
	20 => [ 'one that answers no query', 1, qr/^$/ ],
	21 => [ 'one that talks bad TLS', 1, qr/^$/ ]);
my %address = map { $_ => "127.$_.0.1" } keys %peers;
my $healthy = grep { $_->[1] == 1 } values %peers;
my $unhealthy = keys(%peers) - $healthy;

my $prober = prober_pid($monitor);
register($monitor, map { [ $_, $port ] } values %address);
wait_tally($monitor, "$healthy/$unhealthy/0", 'all have a verdict');

my @changes;
wait_until(
	sub {
		push @changes, changes($monitor);
		return @changes >= keys %peers;
	},
	'all verdicts are logged');
is(scalar @changes, scalar keys %peers, 'each is logged once');

foreach my $octet (sort { $a <=> $b } keys %peers)
{
	my ($what, $health, $cause) = @{ $peers{$octet} };
	my ($change) = grep { $_->{node} eq qq("$address{$octet}":$port) } @changes;

	is(health($monitor, $address{$octet}, $port), $health, "$what: verdict");
	is($change->{health}, $health, "$what: verdict in the log");
	like($change->{cause}, $cause, "$what: cause in the log");
}

# ---------- what is no address of theirs ----------

# a peer that does not even answer the connection request
$fleet->become('127.1.1.1', 'deaf');
register($monitor, [ '127.1.1.1', $port ]);
wait_health($monitor, '127.1.1.1', $port, 0, 'a deaf one: verdict');
@changes = changes($monitor);
is($changes[-1]{cause},
	'The server did not answer in time: no connection within 3000 ms.',
	'a deaf one: cause in the log');

# names that are taken as they stand, and none of which is an address
foreach my $name (
	'x password=y', "127.1.0.1 port=$port",
	"127.1.0.1,127.1.0.2", "postgresql://127.1.0.1:$port/",
	'%s%n', '*', "/nonexistent/directory",
	'/' . 'x' x 250, 'x' x 255)
{
	register($monitor, [ $name, $port ]);
	wait_health($monitor, $name, $port, 0, "name $name: verdict");
	@changes = changes($monitor);
	isnt($changes[-1]{cause}, '', "name $name: cause in the log");
	is($changes[-1]{node}, qq("$name":$port), "name $name: as it stands in the log");
}
is($fleet->count('127.1.0.2'), 0, 'a list of addresses is no address');

# a name with several addresses lives if one of them does
SKIP:
{
	skip 'localhost is not in the hosts file', 1
	  unless -r '/etc/hosts' && slurp_file('/etc/hosts') =~ /^127\.0\.0\.1\s.*\blocalhost\b/m;
	register($monitor, [ 'localhost', $port ]);
	wait_health($monitor, 'localhost', $port, 1, 'name localhost: verdict');
	$healthy++;
}

# ---------- what all this did to us ----------

# a peer whose try lasts as long as tries may, and is busy all the time
my @babbler = ('127.0.0.1', $babbler->sockport);
my $before = proc_status($prober, 'VmRSS');
register($monitor, \@babbler);
wait_health($monitor, @babbler, 0, 'one that never comes to an end: verdict');
@changes = changes($monitor);
like(
	$changes[-1]{cause},
	qr/^(The server did not answer in time|What answered does not speak the protocol of PostgreSQL): /,
	'one that never comes to an end: cause in the log');
my $seen = $fleet->count($address{2});
wait_until(sub { $fleet->count($address{2}) > $seen + 1 }, 'tries go on');
my $after = proc_status($prober, 'VmRSS');
note("resident memory of the prober: $before kB, later $after kB");
cmp_ok(proc_status($prober, 'VmHWM'), '<', 100 * 1024, 'memory is bounded');
cmp_ok($after - $before, '<', 8 * 1024, 'and does not grow');
is(tally($monitor) =~ /^(\d+)/ && $1, $healthy, 'the others did not suffer');

is(prober_pid($monitor), $prober, 'the prober is the same all the time');
my $log = slurp_file($monitor->logfile);
unlike($log, qr/[^\t\n\x20-\x7e]/, 'the log has nothing but printable ASCII');
unlike($log, qr/PANIC|FATAL|ERROR:|WARNING:/, 'nothing went wrong');

# ---------- a node changes its ways ----------

foreach my $case ([ 'garbage', 0 ], [ 'healthy', 1 ], [ 'huge', 0 ], [ 'password', 1 ], [ 'closing', 0 ], [ 'standby', 1 ])
{
	$fleet->become('127.1.0.1', $case->[0]);
	wait_health($monitor, '127.1.0.1', $port, $case->[1], "now $case->[0]");
}

kill('KILL', $babbler_pid);
waitpid($babbler_pid, 0);
done_testing();

# a test that dies takes it along
END
{
	kill('KILL', $babbler_pid) if $babbler_pid;
}

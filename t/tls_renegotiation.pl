# A server that asks for a new handshake in the midst of the conversation, as TLS
# 1.2 lets it, and leaves it unfinished: what we have to send cannot be sent, and
# the prober must not wait for it.

use strict;
use warnings;

use Octopus;
use Tls;
use IO::Select;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $dir = certificates();
make_ca('ours');
make_certificate('good', 'ours', 'db.test', 0, 'db.test');

my $monitor = monitor('monitor', period => '100ms', timeout => '2s', max_retries => 0,
	'octopus.log_checks' => 'all', log_statement => 'none');
my $prober = wait_prober($monitor);

sub message
{
	my ($type, $body) = @_;
	return $type . pack('N', 4 + length $body) . $body;
}

# We would say goodbye to the one, which needs no password of ours, and who we are
# to the other.
my $let_in = message('R', pack 'N', 0) . message('Z', 'I');
my $asks = message('R', pack('N', 10) . "SCRAM-SHA-256\0\0");
foreach my $case (
	[ 'a server that lets us in', $let_in, "user 'watch'", 'ok, phase auth', 1 ],
	[ 'one that asks for a password', $asks, "user 'watch', password 'secret'",
		'(?:protocol_error|connection_reset), phase (?:startup|auth)', 0 ])
{
	my ($what, $says, $login, $outcome, $health) = @$case;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16)
	  or die "cannot listen: $!";
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $relay = spawn(sub { relay(scalar $listener->accept, $port, $says) });
	my $seen = check($monitor, $what, "sslmode 'require'", $login, $outcome, $health,
		[ 'db.test', $listener->sockport, '127.0.0.1' ], ['connection']);
	my ($took) = $seen =~ /check of node .*, ([\d.]+) ms/;
	cmp_ok($took, '<', 4000, "$what: its end does not depend on the server");
	kill 'KILL', $relay;
	waitpid $relay, 0;
}
is(prober_pid($monitor), $prober, 'the prober is the same all the time');

$monitor->stop('fast');
done_testing();

# Answers the demand for encryption and leaves the rest to s_server, which ends
# with us.  When the client has introduced itself it is asked for a new handshake
# and answered, and no word of it comes through any more.
sub relay
{
	my ($client, $port, $says) = @_;
	my ($server, $commands);
	my $said = '';

	sysread $client, $said, 8;
	syswrite $client, 'S';
	open($commands, '|-', 'openssl', 's_server', '-tls1_2', '-accept', "127.0.0.1:$port",
		'-cert', "$dir/good.crt", '-key', "$dir/good.key", '-naccept', 1)
	  or die "cannot run openssl: $!";
	until ($server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port))
	{
		usleep(10_000);
	}

	my $both = IO::Select->new($client, $server);
	my $asked = 0;
	while (1)
	{
		foreach my $from ($both->can_read)
		{
			return unless sysread $from, my $bytes, 8192;
			next if $asked && $from == $client;
			syswrite $from == $client ? $server : $client, $bytes;

			# two commands, the second of which is none and so goes to the client
			if ($from == $client)
			{
				$said .= $bytes;
				next unless count_records($said) > 0;
				syswrite $commands, "r\n";
				$asked = 1;
			}
			elsif ($asked && $says ne '')
			{
				syswrite $commands, $says;
				$says = '';
			}
		}
	}
	return;
}

# Servers that want a password hashed for minutes, which libpq would do, and nothing
# else meanwhile: their logins end there, in clear and under encryption, and nobody
# waits.

use strict;
use warnings;

use Octopus;
use Tls;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dear = 3_000_000;		# two seconds, where a password is hashed fast
my $too_dear = 'the server wants the password hashed more than 100000 times';

# ---------- a real server ----------

# What it keeps of a password that nobody knows.
sub verifier
{
	my ($rounds) = @_;
	my $key = 'A' x 43 . '=';
	return "SCRAM-SHA-256\$$rounds:c2FsdHNhbHRzYWx0c2FsdA==\$$key:$key";
}

make_ca('ours');
make_certificate('good', 'ours', 'db.test', 0, 'db.test', 'localhost');
my $target = tls_target('good');
my $port = $target->port;
$target->safe_psql('postgres', "CREATE ROLE watch LOGIN PASSWORD 'secret';
	CREATE ROLE dearest LOGIN PASSWORD '" . verifier(100_000) . "';
	CREATE ROLE dear LOGIN PASSWORD '" . verifier($dear) . "'");
admit($target, 'host all all 127.0.0.1/32 scram-sha-256');

my $monitor = monitor('monitor', timeout => '30s', max_retries => 0, 'octopus.log_checks' => 'all');
my @node = ('127.0.0.1', $port);

foreach my $mode ('disable', 'require')
{
	my @logs_in = ([@node], [qw(connection query)]);

	check($monitor, "sslmode $mode, a password as usual", "sslmode '$mode'",
		"user 'watch', password 'secret'", 'ok', 1, @logs_in);
	like(
		check($monitor, "sslmode $mode, one that is hashed as often as may be", "sslmode '$mode'",
			"user 'dearest', password 'secret'", 'auth_failed', 0, @logs_in),
		qr/password authentication failed/,
		'it is hashed');
	like(
		check($monitor, "sslmode $mode, one that is hashed too often", "sslmode '$mode'",
			"user 'dear', password 'secret'", 'auth_failed', 0, @logs_in),
		qr/\Q$too_dear\E/,
		'it is not');
}

# ---------- a hostile one ----------

# The next message of the client, without its type if that is to be there.
sub hear
{
	my ($client, $has_type) = @_;
	my $head_size = $has_type ? 5 : 4;

	return '' if read($client, my $head, $head_size) != $head_size;
	read($client, my $body, unpack('N', substr($head, -4)) - 4);
	return $body;
}

sub request
{
	my ($code, $rest) = @_;
	return pack('a N N a*', 'R', 8 + length $rest, $code, $rest);
}

sub dribble
{
	my ($client, $bytes) = @_;
	foreach my $byte (split //, $bytes)
	{
		syswrite($client, $byte);
		select(undef, undef, undef, 0.002);
	}
	return;
}

my $refusal = "SFATAL\0C28P01\0Mno\0\0";
my $error = pack('a N a*', 'E', 4 + length $refusal, $refusal);
my $offer = request(10, "SCRAM-SHA-256\0\0");

# Offers SCRAM and asks for so many rounds.
sub challenge
{
	my ($client, $rounds, $say) = @_;

	$say->($client, $offer);
	my ($nonce) = hear($client, 1) =~ /r=([^,]+)/ or return;
	$say->($client, request(11, "r=${nonce}x,s=c2FsdA==,i=$rounds"));
	hear($client, 1);
	return;
}

# How a challenge begins that is too dear, and its rest.
sub beginning
{
	return pack('a N N a*', 'R', 8 + length('r=') + 24 + length(ending('')), 11, 'r=');
}

sub ending
{
	return "$_[0]x,s=c2FsdA==,i=$dear";
}

# Says so much, and the rest of a challenge when the number is known.
sub foresee
{
	my ($client, $bytes, $answers) = @_;

	syswrite($client, $bytes);
	hear($client, 1) foreach 1 .. $answers // 0;
	my ($nonce) = hear($client, 1) =~ /r=([^,]+)/ or return;
	syswrite($client, ending($nonce));
	hear($client, 1);
	return;
}

my $say = sub { syswrite($_[0], $_[1]) };
my %behaviours = (

	# each byte for itself, of a login that is as it has to be
	dribbling => sub { challenge($_[0], 4096, \&dribble); dribble($_[0], $error) },
	dribbling_dearly => sub { challenge($_[0], $dear, \&dribble) },

	# the first time well, the second time, which is without encryption, too, not
	twofold => sub {
		my ($client, $times) = @_;
		challenge($client, $times == 1 ? 4096 : $dear, $say);
		$say->($client, $error);
	},

	# a message that goes on, as another one, behind what is read of it: the beginning
	# of a challenge, before the number is known that it has to repeat
	trailing => sub { foresee($_[0], request(10, "SCRAM-SHA-256\0\0" . beginning())) },
	trailing_late => sub { foresee($_[0], request(3, $offer . beginning()), 1) },

	# the same behind the answer to the wish for encryption
	ahead => sub { foresee($_[0], "\0" . beginning()) },

	# a challenge by another name
	finally => sub {
		my ($client) = @_;
		$say->($client, $offer);
		my ($nonce) = hear($client, 1) =~ /r=([^,]+)/ or return;
		$say->($client, request(12, 'r=' . ending($nonce)));
		hear($client, 1);
	},

	late => sub {
		my ($client) = @_;
		$say->($client, request(5, 'salt'));
		hear($client, 1);
		challenge($client, $dear, $say);
	},
	long => sub { $say->($_[0], pack('a N N', 'R', 2**31, 11)); hear($_[0], 1) },

	# honest ones: asks twice, as PAM may; an error in two parts, which could be taken for
	# a request
	asking_twice => sub {
		my ($client) = @_;
		foreach (1 .. 2)
		{
			$say->($client, request(3, ''));
			hear($client, 1);
		}
		$say->($client, $error);
	},
	cut => sub {
		my ($client) = @_;
		my $words = "SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0RRR\0\0";
		my ($head, $tail) = pack('a N a*', 'E', 4 + length $words, $words) =~ /^(.*)(RRR.*)$/s;
		$say->($client, $head);
		select(undef, undef, undef, 0.1);
		$say->($client, $tail);
	});

my $server = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	Listen => 5,
	Proto => 'tcp') or die "cannot listen: $!";
my $pid = spawn(sub {
	my %times;
	while (my $client = $server->accept)
	{
		my $hello = hear($client, 0);
		if ($hello !~ /user\0/)		# it would be encrypted
		{
			syswrite($client, 'N' . ($times{twofold} ? '' : substr($offer, 0, -1)));
			$hello = hear($client, 0);
		}
		my ($user) = $hello =~ /user\0(\w+)\0/ or next;
		$behaviours{$user}->($client, ++$times{$user});
		close $client;
	}
});
@node = ('127.0.0.1', $server->sockport);

# libpq 16 and later send a password by SCRAM only, and 17 and later do not come without
# encryption after a login has failed.
my $disorder = 'the server asks for a login as no server does';
my $only_scram = 'server requested a (?:hashed|cleartext) password';
foreach my $case (
	[ 'dribbling', 'auth_failed', 'refused the login: no ' ],
	[ 'dribbling_dearly', 'auth_failed', $too_dear ],
	[ 'trailing', 'protocol_error', $disorder ],
	[ 'trailing_late', 'protocol_error', $disorder ],
	[ 'ahead', 'auth_failed', $too_dear, "sslmode 'prefer'" ],
	[ 'twofold', 'auth_failed', "$too_dear|refused the login: no ", "sslmode 'allow'" ],
	[ 'finally', 'protocol_error', $disorder ],
	[ 'late', 'auth_failed', "$too_dear|$only_scram" ],
	[ 'long', 'protocol_error', $disorder ],
	[ 'asking_twice', 'auth_failed', "refused the login: no |$only_scram" ],
	[ 'cut', 'starting_up', 'the database system is starting up' ])
{
	my ($user, $outcome, $words, $options) = @$case;
	like(
		check($monitor, $user, $options // "sslmode 'disable'", "user '$user', password 'secret'",
			$outcome, 0, [@node], ['connection']),
		qr/$words/,
		'in these words');
}

cmp_ok($monitor->safe_psql('postgres', 'SELECT max_lateness FROM octopus.monitor'),
	'<', 1000, 'the prober has never stood still');

kill 'TERM', $pid;
waitpid $pid, 0;
$monitor->stop;
done_testing();

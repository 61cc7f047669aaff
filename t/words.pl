# What a node says, as readers in databases of several encodings see it: characters
# there where they are some, bytes as \xNN where they are not, and nothing that
# would command a terminal.

use strict;
use warnings;

use Octopus;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# By port: what a server says when it refuses everybody.
my %said = (
	plain => "nobody is let in here",
	latin1 => "caf\xe9 ferm\xe9",
	utf8 => "caf\xc3\xa9 ferm\xc3\xa9 \xe2\x82\xac",
	broken => "cut \xe2\x82 off \xff",
	terminal => "\e[2J\e]0;owned\a \x7f \xc2\x9b31m one\ttwo \\x41\r\nand a second line");
my %port;
my @pids;

foreach my $kind (sort keys %said)
{
	my $server = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1',
		Listen => 5,
		Proto => 'tcp') or die "cannot listen: $!";
	my $fields = "SFATAL\0VFATAL\0C28000\0M$said{$kind}\0\0";

	$port{$kind} = $server->sockport;
	push @pids, spawn(sub {
		while (my $client = $server->accept)
		{
			sysread($client, my $startup, 8192);
			syswrite($client, pack('a N a*', 'E', 4 + length $fields, $fields));
			close $client;
		}
	});
}

my $monitor = monitor('monitor', period => '200ms', timeout => '10s');
foreach my $encoding ('UTF8', 'LATIN1', 'SQL_ASCII')
{
	my $database = lc $encoding;
	$monitor->safe_psql('postgres',
		"CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'");
	$monitor->safe_psql($database, 'CREATE EXTENSION octopus_fdw; INSERT INTO octopus.nodes VALUES '
		  . join(', ', map { "('127.0.0.1', $_)" } values %port));
	ok( $monitor->poll_query_until($database,
			"SELECT bool_and(state = 'degraded' AND reason = 'auth_failed' AND sqlstate = '28000') FROM octopus.node_status"),
		"the nodes have answered, in $encoding");
}

# The text that a database shows, as its bytes in hex: whatever psql makes of it.
sub shown
{
	my ($database, $kind) = @_;
	my $hex = $monitor->safe_psql($database,
		"SELECT encode(convert_to(error_message, getdatabaseencoding()), 'hex') FROM octopus.node_status WHERE node_port = $port{$kind}");
	return pack('H*', $hex);
}

my $tamed = '\x1b[2J\x1b]0;owned\x07 \x7f %s31m one\x09two \x41';	# and the first line only
my %expected = (
	utf8 => {
		plain => $said{plain},
		latin1 => 'caf\xe9 ferm\xe9',
		utf8 => $said{utf8},
		broken => 'cut \xe2\x82 off \xff',
		terminal => sprintf($tamed, '\xc2\x9b') },
	latin1 => {
		plain => $said{plain},
		latin1 => $said{latin1},
		utf8 => "caf\xc3\xa9 ferm\xc3\xa9 \xe2\\x82\xac",
		broken => "cut \xe2\\x82 off \xff",
		terminal => sprintf($tamed, "\xc2\\x9b") },
	sql_ascii => {
		plain => $said{plain},
		latin1 => 'caf\xe9 ferm\xe9',
		utf8 => 'caf\xc3\xa9 ferm\xc3\xa9 \xe2\x82\xac',
		broken => 'cut \xe2\x82 off \xff',
		terminal => sprintf($tamed, '\xc2\x9b') });
foreach my $database (sort keys %expected)
{
	foreach my $kind (sort keys %said)
	{
		is(shown($database, $kind), $expected{$database}{$kind}, "$kind in $database");
	}
}

# who reads in an encoding that has the character gets it converted by core
is( $monitor->safe_psql('latin1',
		"SET client_encoding = 'UTF8'; SELECT error_message FROM octopus.node_status WHERE node_port = $port{latin1}"),
	"caf\xc3\xa9 ferm\xc3\xa9",
	'a client of another encoding');

# libpq says it in the same words as our own reader of answers
$monitor->safe_psql('utf8', "ALTER SERVER octopus OPTIONS (ADD health_check_type 'connection')");
ok( $monitor->poll_query_until('utf8',
		"SELECT bool_and(state = 'unhealthy') FROM octopus.node_status"),
	'a login that fails');
foreach my $kind (sort keys %said)
{
	is(shown('utf8', $kind), $expected{utf8}{$kind}, "$kind through libpq")
	  unless $kind eq 'terminal' || $kind eq 'broken';
}

kill 'TERM', @pids;
waitpid $_, 0 foreach @pids;
done_testing();

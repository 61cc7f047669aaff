# The fleet itself: that its nodes behave as the other tests take for granted.

use strict;
use warnings;

use File::Basename qw(dirname);
use IO::Select;
use IO::Socket::INET;
use Test::More;

use lib dirname(__FILE__) . '/../test/fleet';
use Fleet;

my $fleet = Fleet->new(slow_ms => 100);

sub message
{
	my ($type, $body) = @_;
	return pack('a N a*', $type, 4 + length $body, $body);
}

my $ssl_request = pack('N N', 8, 80877103);
my $startup = pack('N N a*', 8 + 15, 3 << 16, "user\0postgres\0\0");
my $terminate = message('X', '');
my $sync = message('S', '');

# A connection, or undef if it is refused.
sub dial
{
	my ($address, $port) = @_;
	return IO::Socket::INET->new(
		PeerAddr => $address,
		PeerPort => $port // $fleet->port,
		Proto => 'tcp',
		Timeout => 10);
}

# What comes within the time, up to the pattern or the end (then with a ".").
sub hear
{
	my ($socket, $pattern, $seconds) = @_;
	my $select = IO::Select->new($socket);
	my $heard = '';

	while ($heard !~ $pattern && $select->can_read($seconds // 10))
	{
		my $n = sysread $socket, $heard, 4096, length $heard;
		return "$heard." unless $n;
	}
	return $heard;
}

# The types of the messages in it.
sub types
{
	my ($data) = @_;
	my $types = '';

	while (length $data >= 5)
	{
		my ($type, $length) = unpack 'a N', $data;
		$types .= $type;
		substr($data, 0, 1 + $length) = '';
	}
	return $types . $data;
}

my $ready = qr/Z\x00\x00\x00\x05I/;

sub ask
{
	my ($socket, $data, $pattern, $seconds) = @_;
	syswrite $socket, $data;
	return types(hear($socket, $pattern // $ready, $seconds));
}

sub login
{
	my ($address, $port) = @_;
	my $socket = dial($address, $port) or return;
	like(ask($socket, $startup), qr/^R.*Z$/, "$address lets in");
	return $socket;
}

# ---------- queries ----------

my $query = message('Q', "SELECT true\0");
my $two = message('Q', "SET statement_timeout = 500; SELECT ';';\0");
my $extended = message('P', "\0SELECT true\0\0\0") . message('B', "\0" x 8)
  . message('D', "P\0") . message('E', "\0\0\0\0\0") . $sync;

my %answers = (
	healthy => [ 'TDCZ', 'CTDCZ', '12TDCZ' ],
	query_null => [ 'TDCZ', 'CTDCZ', '12TDCZ' ],
	query_no_rows => [ 'TCZ', 'CTCZ', '12TCZ' ],
	query_error => [ 'EZ', 'CEZ', '12TEZ' ],
	query_timeout => [ 'EZ', 'CEZ', '12TEZ' ],
	query_fatal => [ 'E.', 'CE.', '12TE.' ],
	query_close => [ '.', '.', '.' ],
	query_slow => [ 'TDCZ', 'CTDCZ', '12TDCZ' ],
	negotiate => [ 'TDCZ', 'CTDCZ', '12TDCZ' ]);
foreach my $name (sort keys %answers)
{
	my @data = ($query, $two, $extended);
	foreach my $i (0 .. 2)
	{
		my $socket = dial($fleet->address($name, 1));
		ask($socket, $startup);
		is(ask($socket, $data[$i]), $answers{$name}[$i], "$name: answer $i");
		last if $answers{$name}[$i] =~ /\.$/;
		is(ask($socket, $sync), 'Z', "$name: Sync");
		syswrite $socket, $terminate;
		is(hear($socket, qr/x/), '.', "$name: Terminate");
	}
}
is($fleet->queries('127.1.0.1'), 3, 'queries are counted');
is($fleet->syncs('127.1.0.1'), 3, 'bare Syncs too');
is($fleet->count('127.1.0.1'), 3, 'and connections');
is($fleet->open_connections('127.1.0.1'), 0, 'none is left');

# ---------- those that do not come to that ----------

my %greetings = (
	mute => [ 'N', '' ],
	hung_postmaster => [ '', '' ],
	halfway => [ 'N', 'RS' ],
	http => [ qr/^HTTP/, qr/^HTTP/ ],
	cannot_fork => [ qr/^Ecould not fork/, qr/^Ecould not fork/ ],
	stuffed => [ qr/^SE/, qr/^R.*Z$/ ],
	cleartext => [ 'N', 'R' ],
	bad_password => [ 'N', qr/^E/ ],
	no_database => [ 'N', qr/^E/ ],
	crash_recovery => [ 'N', qr/^E/ ],
	not_yet => [ 'N', qr/^E/ ],
	truncated => [ 'N', qr/^RS+S/ ],
	huge_parameter => [ 'N', qr/^RS/ ]);
foreach my $name (sort keys %greetings)
{
	foreach my $i (0, 1)
	{
		my $socket = dial($fleet->address($name, 1));
		syswrite $socket, $i ? $startup : $ssl_request;
		my $heard = hear($socket, qr/x/, 0.05);
		$heard = types($heard) if $i && $heard =~ /^R/;
		my $expected = $greetings{$name}[$i];
		like($heard, ref $expected ? $expected : qr/^\Q$expected\E$/, "$name: greeting $i");
	}
}

my $cleartext = dial($fleet->address('cleartext', 1));
ask($cleartext, $startup, qr/^R/);
like(ask($cleartext, message('p', "secret\0")), qr/^R.*Z$/, 'a password lets in');

my $babbler = dial($fleet->address('babbling', 1));
syswrite $babbler, $startup;
my $babble = '';
sysread $babbler, $babble, 65536, length $babble while length $babble < 1_000_000;
like(substr(types($babble), 0, 100), qr/^R[NS]+$/, 'babbling does not end');

# ---------- sessions ----------

my $held = login('127.1.1.1');
$fleet->sessions('127.1.1.1', 'notice');
is(types(hear($held, qr/./)), 'N', 'a notice out of the blue');
is(ask($held, $sync), 'Z', 'the session goes on');
$fleet->become('127.1.1.1', 'hung_postmaster');
is(ask($held, $sync), 'Z', 'a postmaster hangs, the session goes on');
is(ask(dial('127.1.1.1'), $startup, $ready, 0.05), '', 'but nobody is let in');
$fleet->become('127.1.1.1', 'silent');
is(ask($held, $sync, $ready, 0.05), '', 'all is silent');
$fleet->become('127.1.1.1', 'default');
is(ask($held, $sync), 'Z', 'and well again');
$fleet->sessions('127.1.1.1', 'hang');
is(ask($held, $sync, $ready, 0.05), '', 'the session hangs');
login('127.1.1.1');
is(ask(login($fleet->address('no_sync', 1)), $sync, $ready, 0.05), '', 'no answer to a Sync');

foreach my $case ([ 'close', '.' ], [ 'reset', '.' ], [ 'fatal', 'E.' ])
{
	my $session = login('127.1.1.2');
	$fleet->sessions('127.1.1.2', $case->[0]);
	is(types(hear($session, qr/x/)), $case->[1], "sessions end: $case->[0]");
}

$held = login('127.16.0.1');
$fleet->promote('127.16.0.1');
is(ask($held, $sync), 'SZ', 'a promotion is told');
is(ask($held, $sync), 'Z', 'once');

# ---------- death ----------

my $port = $fleet->mortal('127.1.2.1');
isnt($port, $fleet->port, 'a mortal node has another port');
$held = login('127.1.2.1', $port);
$fleet->kill_node('127.1.2.1');
is(hear($held, qr/x/), '.', 'its sessions end with it');
is(dial('127.1.2.1', $port), undef, 'nobody can connect');
ok($!{ECONNREFUSED}, 'for that is refused');
$fleet->revive('127.1.2.1');
login('127.1.2.1', $port);
is($fleet->mortal('127.1.2.2'), $port, 'mortal nodes share a port');

done_testing();

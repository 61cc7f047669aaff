# What a group must not fall for where it wants encryption: names in certificates
# that look like an answer, files without an end; and a server that breaks off
# after the handshake.

use strict;
use warnings;

use Octopus;
use Tls;
use IO::Select;
use IO::Socket::INET;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = certificates();

make_ca('ours');
make_certificate('good', 'ours', 'db.test', 0, 'db.test');
make_certificate('refused', 'ours', 'x:  28000: y', 0);
make_certificate('unforked', 'ours', 'could not fork', 0);
make_certificate('broken', 'ours', "x\nFATAL:  28000: y", 0);
make_certificate('failed', 'ours', ' failed: x:  28000: y', 0);

my $target = tls_target('good');
admit($target, 'hostssl all all 127.0.0.1/32 trust');
my $node = [ 'db.test', $target->port, '127.0.0.1' ];
my $monitor = monitor('monitor', period => '100ms', timeout => '5s', max_retries => 0,
	'octopus.log_checks' => 'all', log_statement => 'none');
my $full = "sslmode 'verify-full', sslrootcert '$dir/ours.crt'";

# ---------- names ----------

check($monitor, 'the right name', $full, '', 'ok, phase (?:auth|query)', 1, $node);
foreach my $name (qw(refused unforked broken failed))
{
	present($target, $name);
	check($monitor, "a name that says \"$name\"", $full, '', 'tls_error, phase tls', 0, $node);
}
present($target, 'good');

# ---------- files ----------

mkfifo("$dir/fifo", 0600) or die "cannot make a FIFO: $!";
truncate_to("$dir/long", 5 * 1024 * 1024);
foreach my $file ('/dev/zero', "$dir/fifo", $dir, "$dir/long")
{
	check($monitor, "authorities in $file", "sslmode 'verify-full', sslrootcert '$file'", '',
		'tls_error, phase tls', 0, $node);
}
check($monitor, 'a revocation list in a FIFO', "$full, sslcrl '$dir/fifo'", '',
	'tls_error, phase tls', 0, $node, ['connection']);
my $lists = "$dir/lists";
my $hash = `openssl x509 -noout -issuer_hash -in $dir/good.crt`;
chomp $hash;
mkdir $lists;
mkfifo("$lists/$hash.r0", 0600) or die "cannot make a FIFO: $!";
foreach my $directories ($lists, "$dir/none:$lists")
{
	check($monitor, "revocation lists in $directories", "$full, sslcrldir '$directories'", '',
		'tls_error, phase tls', 0, $node, ['connection']);
}
unlink "$lists/$hash.r0";
openssl_crl("$lists/$hash.r0");
check($monitor, 'a directory with a revocation list', "$full, sslcrldir '$lists'", '',
	'ok, phase (?:auth|query)', 1, $node);
check($monitor, 'the right name still', $full, '', 'ok, phase (?:auth|query)', 1, $node);

# ---------- the end of a connection ----------

# Between the two stands one that breaks off as soon as the client has said a
# second thing that is encrypted: the first ends the handshake of TLS 1.3.
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16)
  or die "cannot listen: $!";
my $relay = spawn(sub {
	while (my $client = $listener->accept)
	{
		relay($client);
	}
});
check($monitor, 'an end after the handshake', "sslmode 'require'", '',
	'connection_reset, phase (?:startup|auth)', 0, [ 'db.test', $listener->sockport, '127.0.0.1' ]);
kill 'KILL', $relay;
waitpid $relay, 0;

# ---------- a handshake that does not end ----------

# It says over and over that there may be another one, which nobody answers.
my $babbler = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16)
  or die "cannot listen: $!";
my $flood = (pack('H*', '1603034000') . "\0" x 16384) x 4;
my $babbling = spawn(sub {
	while (my $client = $babbler->accept)
	{
		my $end = time + 5;
		sysread $client, my $wish, 8;
		syswrite $client, 'S';
		sysread $client, my $hello, 8192;
		1 while time < $end && syswrite $client, $flood;
		close $client;
	}
});
$monitor->safe_psql('postgres', 'SELECT octopus.reset_stats()');
check($monitor, 'a handshake without end', "sslmode 'require'", '', 'tls_error', 0,
	[ 'db.test', $babbler->sockport, '127.0.0.1' ]);
cmp_ok($monitor->safe_psql('postgres', 'SELECT max_lateness FROM octopus.monitor'),
	'<', 1000, 'the prober does not listen to that');
kill 'KILL', $babbling;
waitpid $babbling, 0;

$monitor->stop('fast');
done_testing();

# A revocation list of ours that has nothing in it.
sub openssl_crl
{
	my ($path) = @_;
	append_to_file("$dir/index.txt", '');
	append_to_file("$dir/ca.cnf",
		"[ca]\ndefault_ca = ours\n[ours]\ndatabase = $dir/index.txt\ndefault_md = sha256\n");
	openssl(qw(ca -gencrl -crldays 30 -config), "$dir/ca.cnf", '-cert', "$dir/ours.crt",
		'-keyfile', "$dir/ours.key", '-out', $path);
	return;
}

sub truncate_to
{
	my ($path, $size) = @_;
	open(my $file, '>', $path) or die "cannot make $path: $!";
	truncate $file, $size;
	close $file;
	return;
}

sub relay
{
	my ($client) = @_;
	my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $target->port) or return;
	my $both = IO::Select->new($client, $server);
	my $said = '';

	while (1)
	{
		foreach my $from ($both->can_read)
		{
			return unless sysread $from, my $bytes, 8192;
			$said .= $bytes if $from == $client;
			return if count_records($said) >= 2;
			syswrite $from == $client ? $server : $client, $bytes;
		}
	}
}

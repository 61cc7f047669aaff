# Servers that let us in and then misbehave towards the session that is held:
# they are no cause of haste, of a hunger for memory or of a wrong verdict.

use strict;
use warnings;

use Octopus;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

sub message
{
	my ($type, $body) = @_;
	return pack('a N a*', $type, 4 + length $body, $body);
}

my $ready = message('Z', 'I');
my $login = message('R', pack('N', 0)) . message('S', "server_version\x0015.0\0")
  . message('S', "in_hot_standby\0off\0") . message('K', pack('NN', 1, 2)) . $ready;
my $notice = message('N', "SNOTICE\0VNOTICE\0C00000\0M" . 'x' x 3000 . "\0\0");
my $fatal = message('E',
	"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0");
my $error = message('E', "SERROR\0VERROR\0C42000\0Mno\0\0");
my $number = 0;

# What each does to a session: once it has let in, what it says at every tick
# from then on, and its answer to a Sync.  An undefined one closes.
my %ways = (
	good => { sync => sub { $ready } },
	bye => { in => sub { undef } },
	farewell => { in => sub { ($fatal, undef) } },
	fatal_only => { in => sub { $fatal } },
	garbage => { in => sub { "HTTP/1.0 400\r\n" x 10 } },
	unasked => { in => sub { $ready }, sync => sub { $ready } },
	half => { in => sub { substr($notice, 0, 100) } },
	huge => { in => sub { pack('a N', 'N', 0x3fffffff) . 'x' x 100 }, tick => sub { 'x' x 65536 } },
	notices => { tick => sub { $notice x 20 }, sync => sub { $ready } },
	parameters => { tick => sub {
		join '', map { message('S', 'p' . $number++ . "\0" . 'x' x 3000 . "\0") } 1 .. 20 },
		sync => sub { $ready } },
	notifications => { tick => sub { message('A', pack('N', 1) . "c\0" . 'x' x 3000 . "\0") x 20 },
		sync => sub { $ready } },
	pieces => { sync => sub { split //, message('N', "Mx\0\0") . $ready } },
	rubbish => { sync => sub { "HTTP/1.0 400\r\n" } },
	twice => { sync => sub { $ready x 2 } },
	refusal => { sync => sub { $error . $ready } },
	dismissal => { sync => sub { ($fatal, undef) } },
	parting => { sync => sub { ($ready . $fatal, undef) } },
	deaf => {});
my @names = sort keys %ways;

# Serves them all in one process, which writes a line per connection.
sub serve
{
	my ($journal, %way_of) = @_;
	my $select = IO::Select->new(map { $_->[0] } values %way_of);
	my (%way, %name, %in, %rest);

	$SIG{PIPE} = 'IGNORE';
	my $say = sub {
		my ($socket, @pieces) = @_;
		foreach my $piece (@pieces)
		{
			usleep(1000) if @pieces > 2;
			if (defined $piece)
			{
				# what finds no room goes before all else the next time
				$piece = ($rest{$socket} // '') . $piece;
				my $n = syswrite($socket, $piece);
				$n = 0 if !defined $n && $!{EAGAIN};
				$rest{$socket} = substr($piece, $n) if defined $n;
				next if defined $n;
			}
			$select->remove($socket);
			delete $_->{$socket} foreach \%way, \%in, \%rest;
			close $socket;
			last;
		}
	};
	while (1)
	{
		foreach my $socket ($select->can_read(0.005))
		{
			if (my $of = $way_of{$socket})
			{
				my $client = $socket->accept or next;
				$client->blocking(0);
				setsockopt($client, POSIX::IPPROTO_TCP(), 1, 1) if defined &POSIX::IPPROTO_TCP;
				$select->add($client);
				$way{$client} = $ways{ $of->[1] };
				$name{$client} = $of->[1] . ' ' . $of->[2];
				syswrite $journal, "$name{$client} connect " . time . "\n";
				next;
			}
			my $n = sysread($socket, my $data, 8192);
			if (!$n)
			{
				$select->remove($socket);
				delete $_->{$socket} foreach \%way, \%in, \%rest;
				close $socket;
				next;
			}
			my $way = $way{$socket};
			if (!$in{$socket}++)
			{
				$say->($socket, $login);
				$say->($socket, $way->{in}->()) if $way->{in};
			}
			elsif ($data =~ /^S\x00\x00\x00\x04/)
			{
				syswrite $journal, "$name{$socket} sync " . time . "\n";
				$say->($socket, $way->{sync}->()) if $way->{sync};
			}
		}
		foreach my $socket ($select->handles)
		{
			my $way = $way{$socket};
			$say->($socket, ($rest{$socket} // '') eq '' ? $way->{tick}->() : '')
			  if $way && $way->{tick} && $in{$socket};
		}
	}
	return;
}

my (%way_of, %port);
foreach my $name (@names)
{
	foreach my $address ('127.0.0.1', '127.0.0.2')
	{
		my $socket = IO::Socket::INET->new(
			LocalAddr => $address,
			LocalPort => $port{$name} // 0,
			Listen => 50,
			Proto => 'tcp') or die "cannot listen: $!";
		$port{$name} = $socket->sockport;
		$way_of{$socket} = [ $socket, $name, $address ];
	}
}
my $path = PostgreSQL::Test::Utils::tempdir() . '/journal';
open(my $journal, '>>', $path) or die;
my @pids;
foreach my $name (@names)
{
	push @pids, spawn(sub {
		serve($journal, map { $_ => $way_of{$_} } grep { $way_of{$_}[1] eq $name } keys %way_of);
	});
}
close $_->[0] foreach values %way_of;

# How often something was written of a node.
sub told
{
	my %told;
	$told{$_}++ foreach map { s/ [\d.]+$//r } split /\n/, slurp_file($path);
	return %told;
}

my $monitor = monitor(
	'monitor',
	period => '500ms',
	timeout => '1s',
	max_retries => 1,
	retry_delay => '50ms',
	'octopus.health_check_jitter' => 0,
	'octopus.keep_connections' => 'on');
my $prober = prober_pid($monitor);

# by plain sockets and by libpq
$monitor->safe_psql(
	'postgres', join ';',
	map {
		"INSERT INTO octopus.node_options (node_name, node_port, health_check_type) VALUES ('127.0.0.1', $port{$_}, 'ping'), ('127.0.0.2', $port{$_}, 'connection')"
	} @names);
wait_tally($monitor, 2 * @names . '/0/0', 'all let us in');

# ---------- what it takes of us ----------

# at first the waits double, so let them do that
$monitor->safe_psql('postgres', 'SELECT pg_sleep(1)');
my %before = told();
my $rss = proc_status($prober, 'VmRSS');
my $cpu = cpu_seconds($prober);
my $took = elapsed(sub { $monitor->safe_psql('postgres', 'SELECT pg_sleep(3)') });
my %after = told();
my $cpu_share = (cpu_seconds($prober) - $cpu) / $took;
my %told = map { $_ => $after{$_} - ($before{$_} // 0) } keys %after;

note("share of a processor $cpu_share, $rss kB at first, now " . proc_status($prober, 'VmRSS'));
cmp_ok($cpu_share, '<', 0.5, 'the prober has little to do');
cmp_ok(proc_status($prober, 'VmRSS'), '<', $rss + 20_000, 'and does not grow');
is(prober_pid($monitor), $prober, 'and lives');

foreach my $name (@names)
{
	foreach my $address ('127.0.0.1', '127.0.0.2')
	{
		my $connections = $told{"$name $address connect"} // 0;
		my $syncs = $told{"$name $address sync"} // 0;

		note("$name $address: $connections connections, $syncs Syncs");
		cmp_ok($connections, '<=', 6 * $took / 0.5, "$name $address: no haste");
		cmp_ok($syncs, '>', $connections, "$name $address: the session is kept")
		  if $name =~ /^(good|pieces)$/;
	}
}

# ---------- who answers badly is asked anew at once, not when time is up ----------

my %asked;
my %soonest;
foreach (split /\n/, slurp_file($path))
{
	my ($name, $address, $what, $time) = split / /;
	my $node = "$name $address";
	my $after = $time - ($asked{$node} // -1000);

	$asked{$node} = $time if $what eq 'sync';
	$soonest{$node} = $after if $what eq 'connect' && $after < ($soonest{$node} // 1000);
}
foreach my $name ('dismissal', 'refusal', 'rubbish')
{
	cmp_ok($soonest{"$name $_"}, '<', 0.4, "$name $_: at once")
	  foreach ('127.0.0.1', '127.0.0.2');
}
cmp_ok($soonest{"deaf $_"}, '>', 0.9, "deaf $_: when time is up")
  foreach ('127.0.0.1', '127.0.0.2');

# ---------- none of it is evidence against a server that lets us in ----------

# what comes together with the greeting is part of it for libpq
my @wrong = $monitor->safe_psql('postgres',
	"SELECT node_name, node_port FROM octopus.nodes WHERE health_status <> 1 AND (node_name, node_port) <> ('127.0.0.2', $port{garbage})"
);
is(join("\n", @wrong), '', 'all are healthy');
my $log = new_log($monitor);
my @unhealthy = grep { !/:$port{garbage} / } $log =~ /LOG:  (node \S+ is unhealthy.*)/g;
is(join("\n", @unhealthy), '', 'and have been all the time');

# ---------- an end that comes together with the greeting ----------

# The first connection to a crowded listener takes a while, so from then on the
# prober waits for connections as it does for those of other machines.
my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	Listen => 1,
	Proto => 'tcp') or die "cannot listen: $!";
my @crowd = map {
	IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $listener->sockport,
		Proto => 'tcp',
		Blocking => 0)
} 1 .. 4;
my $waiting = IO::Select->new($listener);

# The next connection on which something is said.
sub next_client
{
	while ($waiting->can_read($PostgreSQL::Test::Utils::timeout_default))
	{
		my $client = $listener->accept;
		return $client if sysread($client, my $data, 8192);
	}
	die 'nobody comes';
}

$monitor->safe_psql('postgres',
	"INSERT INTO octopus.node_options (node_name, node_port, health_check_type, health_check_period, health_check_timeout) VALUES ('127.0.0.1', "
	  . $listener->sockport
	  . ", 'ping', 3600000, 30000)");
usleep(300_000);
close $_ foreach @crowd;
my $client = next_client();
freeze($prober);
syswrite($client, $login);
close $client;
thaw($prober);
$client = next_client();
pass('is seen at once');

done_testing();

# a test that dies takes them along
END
{
	kill('KILL', @pids) if @pids;
}


=pod

=head1 NAME

Dns - a DNS server for tests, which lies, dawdles and dies as it is told

=head1 SYNOPSIS

  use Dns;

  my $dns = Dns->new;                                 # or at a port => ...
  configure($monitor, 'octopus.dns_servers' => $dns->address);

  $dns->set('a.test', 'addresses 5 127.1.0.1,::1');   # time to live, addresses
  $dns->set('a.test', 'slow 300 nxdomain');
  $dns->set4('a.test', 'servfail');                   # A only; set6: AAAA only
  $dns->all('silent');                                # whatever is asked
  $dns->all('none');                                  # as set again
  print $dns->count('a.test'), $dns->total;           # A questions so far
  $dns->quit;

=head1 DESCRIPTION

It serves UDP and TCP at a port of 127.0.0.1, as a process of its own that ends
with this object.  Names that were not set do not exist.  Ways to answer:

  addresses TTL LIST    those of the kind that was asked for, maybe none
  cname TTL NAME        an alias, with what was set for NAME
  loop                  an alias of itself
  empty                 no such record
  nxdomain servfail refused formerr notimp
  silent
  garbage               bytes that are no answer
  wrongid wrongquestion an answer to somebody else, with address 127.1.9.9
  forged                the same, and 50 ms later the NXDOMAIN that is true
  truncated WAY         by UDP, so that WAY is asked for by TCP
  slow MS WAY           after a while

Answers that are too long for UDP are truncated.  When run as a program this file
is the server, driven by lines on standard input; every answer ends with "ok" or
"error ...".

=cut

package Dns;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IPC::Open2;
use Socket qw(AF_INET6 inet_aton inet_pton);
use Time::HiRes qw(time);

use constant { A => 1, AAAA => 28, CNAME => 5, MAX_UDP => 512 };

my %rcode = (
	nxdomain => 3,
	servfail => 2,
	refused => 5,
	formerr => 1,
	notimp => 4);

# ---------- the test's side ----------

sub new
{
	my ($class, %option) = @_;
	my $self = bless {}, $class;

	$self->{pid} = open2($self->{out}, $self->{in}, $^X, __FILE__,
		$option{port} // 0);
	my $line = readline($self->{out});
	die 'Dns did not start' unless defined $line && $line =~ /^port (\d+)$/;
	$self->{port} = $1;
	return $self;
}

sub port
{
	my ($self) = @_;
	return $self->{port};
}

# As octopus.dns_servers takes it.
sub address
{
	my ($self) = @_;
	return "127.0.0.1:$self->{port}";
}

sub command
{
	my ($self, $command) = @_;
	my $in = $self->{in};
	my $value;

	local $SIG{PIPE} = 'IGNORE';
	print $in "$command\n";
	$in->flush;
	while (defined(my $line = readline($self->{out})))
	{
		chomp $line;
		return $value if $line eq 'ok';
		die "Dns: $line" if $line =~ /^error/;
		$value = $line;
	}
	die "Dns ended before it answered \"$command\"";
}

sub set
{
	my ($self, $name, $way) = @_;
	$self->set4($name, $way);
	$self->set6($name, $way);
	return;
}

sub set4
{
	my ($self, $name, $way) = @_;
	$self->command("set $name " . A . " $way");
	return;
}

sub set6
{
	my ($self, $name, $way) = @_;
	$self->command("set $name " . AAAA . " $way");
	return;
}

sub all
{
	my ($self, $way) = @_;
	$self->command("all $way");
	return;
}

sub count
{
	my ($self, $name) = @_;
	return $self->command("count $name");
}

sub total
{
	my ($self) = @_;
	return $self->command('total');
}

# End of file ends the program, so it also ends if the test dies.
sub quit
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;

	close $self->{in};
	close $self->{out};
	waitpid $pid, 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;

	# the test's own exit status is not ours to change
	local ($?, $!, $@);
	$self->quit;
	return;
}

# ---------- the server's side ----------

my %ways;        # by name and type
my $all = 'none';
my %count;       # by name
my $total = 0;
my @later;       # [when, sub], in no order

sub encode_name
{
	my ($name) = @_;
	return join('', map { pack('C/a', $_) } split(/\./, $name)) . "\0";
}

sub record
{
	my ($name, $type, $ttl, $data) = @_;
	return encode_name($name) . pack('nnNn/a', $type, 1, $ttl, $data);
}

# Records for a name as it was set; follows aliases.
sub records
{
	my ($name, $type, $way) = @_;

	return (record($name, CNAME, 60, encode_name($name))) if $way eq 'loop';
	if ($way =~ /^cname (\d+) (\S+)$/)
	{
		return (
			record($name, CNAME, $1, encode_name($2)),
			records($2, $type, $ways{$2}{$type} // 'empty'));
	}
	return () unless $way =~ /^addresses (\d+) (\S+)$/;
	my $ttl = $1;
	my @addresses = grep { ($type == AAAA) == (/:/ ? 1 : 0) } split /,/, $2;
	return map {
		record($name, $type, $ttl, /:/ ? inet_pton(AF_INET6, $_) : inet_aton($_))
	} @addresses;
}

sub message
{
	my ($id, $flags, $name, $type, @records) = @_;
	return pack('nnnnnn', $id, 0x8180 | $flags, 1, scalar(@records), 0, 0)
	  . encode_name($name)
	  . pack('nn', $type, 1)
	  . join('', @records);
}

# Answers a question in some way, by calling $send.
sub answer
{
	my ($send, $udp, $id, $name, $type, $way) = @_;
	my $fake = record($name, A, 60, inet_aton('127.1.9.9'));

	if ($way =~ /^slow (\d+) (.*)/)
	{
		my ($ms, $then) = ($1, $2);
		push @later,
		  [ time + $ms / 1000, sub { answer($send, $udp, $id, $name, $type, $then) } ];
		return;
	}
	if ($way =~ /^truncated (.*)/)
	{
		return answer($send, $udp, $id, $name, $type, $1) unless $udp;
		return $send->(message($id, 0x0200, $name, $type));
	}
	return if $way eq 'silent';
	return $send->("\xff" x 40) if $way eq 'garbage';
	return $send->(message($id, $rcode{$way}, $name, $type)) if $rcode{$way};
	if ($way eq 'wrongid' || $way eq 'forged')
	{
		$send->(message($id ^ $_, 0, $name, A, $fake)) foreach 1 .. 5;
	}
	if ($way eq 'wrongquestion' || $way eq 'forged')
	{
		$send->(message($id, 0, 'other.test', A, record('other.test', A, 60, inet_aton('127.1.9.9'))));
	}
	return if $way =~ /^wrong/;
	return answer($send, $udp, $id, $name, $type, 'slow 50 nxdomain')
	  if $way eq 'forged';

	my $message = message($id, 0, $name, $type, records($name, $type, $way));
	$message = message($id, 0x0200, $name, $type)
	  if $udp && length $message > MAX_UDP;
	return $send->($message);
}

sub question
{
	my ($send, $udp, $packet) = @_;
	my ($id, $flags, $nquestions) = unpack('nnn', $packet);
	my $at = 12;
	my @labels;

	return if length $packet < 17 || $nquestions != 1;
	while (my $length = unpack("x$at C", $packet))
	{
		push @labels, substr($packet, $at + 1, $length);
		$at += 1 + $length;
	}
	my $type = unpack("x$at x n", $packet);
	my $name = join('.', @labels);
	if ($type == A)
	{
		$count{ lc $name }++;
		$total++;
	}
	answer($send, $udp, $id, $name, $type,
		$all ne 'none' ? $all : $ways{ lc $name }{$type} // 'nxdomain');
	return;
}

# Obeys a command; false to end.
sub obey
{
	my ($command) = @_;

	if ($command =~ /^set (\S+) (\d+) (.+)$/)
	{
		$ways{ lc $1 }{$2} = $3;
	}
	elsif ($command =~ /^all (.+)$/)
	{
		$all = $1;
	}
	elsif ($command =~ /^count (\S+)$/)
	{
		print +($count{ lc $1 } // 0), "\n";
	}
	elsif ($command eq 'total')
	{
		print "$total\n";
	}
	else
	{
		print "error unknown command\n";
		return;
	}
	print "ok\n";
	return;
}

# A UDP and a TCP socket of the same number, any if that is 0; a certain one may
# for a while be the other end of somebody's connection.
sub sockets
{
	my ($port) = @_;

	foreach (1 .. 400)
	{
		my $udp = IO::Socket::INET->new(
			Proto => 'udp',
			LocalAddr => '127.0.0.1',
			LocalPort => $port);
		my $tcp = $udp && IO::Socket::INET->new(
			Proto => 'tcp',
			LocalAddr => '127.0.0.1',
			LocalPort => $udp->sockport,
			Listen => 64,
			ReuseAddr => 1);
		return ($udp, $tcp) if $tcp;
		select(undef, undef, undef, 0.05) if $port;
	}
	die "no port: $@";
}

sub serve
{
	my ($udp, $tcp) = sockets(@_);
	my $select = IO::Select->new($udp, $tcp, \*STDIN);
	my %partial;
	my $commands = '';

	$| = 1;
	local $SIG{PIPE} = 'IGNORE';
	print 'port ', $udp->sockport, "\n";
	for (;;)
	{
		my $now = time;
		my @due = grep { $_->[0] <= $now } @later;

		@later = grep { $_->[0] > $now } @later;
		$_->[1]->() foreach @due;
		foreach my $socket ($select->can_read(@later ? 0.005 : undef))
		{
			if ($socket == $udp)
			{
				my $peer = $udp->recv(my $packet, 4096) or next;
				question(sub { $udp->send($_[0], 0, $peer) }, 1, $packet);
			}
			elsif ($socket == $tcp)
			{
				$select->add(scalar $tcp->accept);
			}
			elsif ($socket == \*STDIN)
			{
				return unless sysread(STDIN, $commands, 65536, length $commands);
				obey($1) while $commands =~ s/^(.*)\n//;
			}
			elsif (!sysread($socket, $partial{$socket}, 4096, length($partial{$socket} // '')))
			{
				$select->remove($socket);
				delete $partial{$socket};
			}
			else
			{
				while ($partial{$socket} =~ s/^(..)//s)
				{
					my $length = unpack('n', $1);
					if (length $partial{$socket} < $length)
					{
						$partial{$socket} = $1 . $partial{$socket};
						last;
					}
					my $packet = substr($partial{$socket}, 0, $length, '');
					question(sub { syswrite $socket, pack('n/a', $_[0]) }, 0, $packet);
				}
			}
		}
	}
}

serve(@ARGV) unless caller;

1;


=pod

=head1 NAME

Fleet - drive a fleet of simulated PostgreSQL nodes from a test

=head1 SYNOPSIS

  use lib 'test/fleet';
  use Fleet;

  my $fleet = Fleet->new(slow_ms => 200);
  my $port = $fleet->port;

  $fleet->become('127.1.0.7', 'silent');     # ... 'default'
  $fleet->mark;                              # a measurement window begins
  my $report = $fleet->report;               # what was seen since
  print $report->{gap_p99_ms}, $report->{probes_healthy};
  print $fleet->count('127.1.0.7');          # its probes, from the start
  print $fleet->syncs('127.1.0.7');          # and those through a held session
  print $fleet->queries('127.1.0.7');
  print $fleet->open_connections;            # ... of ('127.1.0.7') alone
  my $address = $fleet->address('mute', 3);  # a node that behaves so: 127.23.0.3

  my $own_port = $fleet->mortal('127.1.0.8'); # the same node, on a port of its own,
  $fleet->kill_node('127.1.0.8');            # which refuses once it is dead
  $fleet->revive('127.1.0.8');
  $fleet->sessions('127.1.0.7', 'close');    # or reset, fatal, hang, notice: whom it let in
  $fleet->promote('127.16.0.1');             # a standby; its sessions are told
  $fleet->quit;

=head1 DESCRIPTION

Every address of 127.0.0.0/8 is a node on the fleet's port; the second octet is
its behaviour (test/fleet/behaviours.h).  The program is found by the environment
variable FLEET, else it is build/fleet.  It ends with this object, or with the
test.  A refused command dies.

=cut

package Fleet;

use strict;
use warnings;

use IPC::Open2;

sub new
{
	my ($class, %option) = @_;
	my @command = ($ENV{FLEET} || 'build/fleet');

	push @command, '-p', $option{port} if defined $option{port};
	push @command, '-s', $option{slow_ms} if defined $option{slow_ms};
	push @command, '-d', $option{dribble_ms} if defined $option{dribble_ms};

	my $self = bless {}, $class;
	$self->{pid} = open2($self->{out}, $self->{in}, @command);
	my $line = readline($self->{out});
	die "fleet did not start" unless defined $line && $line =~ /^port (\d+)$/;
	$self->{port} = $1;
	return $self;
}

sub port
{
	my ($self) = @_;
	return $self->{port};
}

# Send a command; returns the lines of its answer as a hash.
sub command
{
	my ($self, $command) = @_;
	my $in = $self->{in};
	my %answer;

	local $SIG{PIPE} = 'IGNORE';
	print $in "$command\n";
	$in->flush;
	while (defined(my $line = readline($self->{out})))
	{
		chomp $line;
		return \%answer if $line eq 'ok';
		die "fleet: $line" if $line =~ /^error/;
		my ($key, $value) = split / /, $line, 2;
		$answer{$key} = $value;
	}
	die "fleet ended before it answered \"$command\"";
}

sub become
{
	my ($self, $address, $behaviour) = @_;
	$self->command("become $address $behaviour");
	return;
}

sub mark
{
	my ($self) = @_;
	$self->command('mark');
	return;
}

sub report
{
	my ($self) = @_;
	return $self->command('report');
}

sub count
{
	my ($self, $address) = @_;
	return $self->command("count $address")->{count};
}

sub syncs
{
	my ($self, $address) = @_;
	return $self->command("count $address")->{syncs};
}

sub queries
{
	my ($self, $address) = @_;
	return $self->command("count $address")->{queries};
}

sub open_connections
{
	my ($self, $address) = @_;
	return $self->command(defined $address ? "count $address" : 'open')->{open};
}

# The n-th node (1 to 65535) of those that behave so.
sub address
{
	my ($self, $behaviour, $n) = @_;
	my $octet = $self->command("octet $behaviour")->{octet};
	return sprintf '127.%d.%d.%d', $octet, $n >> 8, $n & 255;
}

# Returns the port on which the node can be killed.
sub mortal
{
	my ($self, $address) = @_;
	return $self->command("mortal $address")->{port};
}

sub kill_node
{
	my ($self, $address) = @_;
	return $self->become($address, 'dead');
}

sub revive
{
	my ($self, $address) = @_;
	return $self->become($address, 'default');
}

sub sessions
{
	my ($self, $address, $what) = @_;
	$self->command("sessions $address $what");
	return;
}

sub promote
{
	my ($self, $address) = @_;
	$self->command("promote $address");
	return;
}

# End of file ends the program, so it also ends if the test dies.
sub quit
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;

	close $self->{in};
	close $self->{out};
	kill 'CONT', $pid;			# a test may have stopped it
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

1;


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
  print $fleet->open_connections;
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

sub open_connections
{
	my ($self) = @_;
	return $self->command('open')->{open};
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

1;

# Sessions register and roll back while everything is killed at random moments,
# again and again (KILL_ROUNDS times): what was acknowledged is there, what was
# rolled back is not, the server always starts.  KILL_NODES more nodes make the
# registry as large as you like: 35,000 are 2 MB.

use strict;
use warnings;

use IPC::Run;
use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;
use Time::HiRes qw(usleep);

my $rounds = $ENV{KILL_ROUNDS} || 5;
my $sessions = 3;
my $transactions = 3000;
my $seed = $ENV{KILL_SEED} || time;

note("KILL_SEED=$seed");
srand($seed);

my $monitor = monitor('monitor', 'octopus.max_nodes' => 100000, period => '1h');
my %known = (acknowledged => {}, removed => {});
my $more = $ENV{KILL_NODES} || 2000;

$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.0.0.1', i FROM generate_series(1, $more) i");
$known{acknowledged}{"127.0.0.1:$_"} = 1 foreach 1 .. $more;
note(-s registry_path($monitor), ' bytes');

# A session registers nodes of its own, one a transaction, and says so; some
# transactions are rolled back; every fourth node is removed again.
sub script
{
	my ($round, $session) = @_;
	my $name = sub { "127.$round.$session.$_[0]" };
	my $path = PostgreSQL::Test::Utils::tempdir() . "/$round.$session.sql";
	my $script = "\\set ON_ERROR_STOP on\n";

	foreach my $i (1 .. $transactions)
	{
		$script .= "INSERT INTO octopus.nodes VALUES ('" . $name->(1) . "', $i);\n\\echo + " . $name->(1) . ":$i\n";
		$script .= "BEGIN; INSERT INTO octopus.nodes VALUES ('" . $name->(2) . "', $i); ROLLBACK;\n"
		  if $i % 3 == 0;
		$script .= "\\echo ? " . $name->(1) . ":$i\nDELETE FROM octopus.nodes WHERE node_name = '" . $name->(1) . "' AND node_port = $i;\n\\echo - " . $name->(1) . ":$i\n"
		  if $i % 4 == 0;
	}
	write_bytes($path, $script);
	return $path;
}

foreach my $round (1 .. $rounds)
{
	my @runs;

	foreach my $session (1 .. $sessions)
	{
		my %run = (out => '', err => '');
		$run{handle} = IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $monitor->connstr('postgres'), '-f', script($round, $session) ],
			'>', \$run{out}, '2>', \$run{err});
		push @runs, \%run;
	}
	wait_until(
		sub {
			$_->{handle}->pump_nb foreach @runs;
			return !grep { $_->{out} !~ /\n.*\n/s } @runs;
		},
		"round $round: all register");
	usleep(int(rand(700_000)));
	kill_everything($monitor);
	$_->{handle}->finish foreach @runs;

	# What may be or not, because nobody was told.
	my %open;
	foreach my $run (@runs)
	{
		foreach my $line (split /\n/, $run->{out})
		{
			my ($what, $node) = split / /, $line;
			delete $open{$node};
			$known{acknowledged}{$node} = 1 if $what eq '+';
			$open{$node} = 1 if $what eq '?';
			delete $known{acknowledged}{$node} if $what ne '+';
			$known{removed}{$node} = 1 if $what eq '-';
		}
	}

	$monitor->start;
	wait_until(sub { !pending($monitor) },
		"round $round: all is settled");
	my %present = map { $_ => 1 } split /\n/,
	  $monitor->safe_psql('postgres', "SELECT node_name || ':' || node_port FROM octopus.nodes");
	my @lost = grep { !$present{$_} } keys %{ $known{acknowledged} };
	my @ghosts = grep { /^127\.\d+\.\d+\.2:/ || $known{removed}{$_} } keys %present;
	my @unknown = grep { !$known{acknowledged}{$_} && !$open{$_} } keys %present;

	note("round $round: " . keys(%present) . ' nodes');
	is("@lost", '', "round $round: nothing that was acknowledged is lost");
	is("@ghosts", '', "round $round: nothing that was undone is there");
	cmp_ok(scalar @unknown, '<=', $sessions,
		"round $round: of a session at most one was about to be acknowledged");
	is_deeply(
		[ sort map { "$_->[2]:$_->[3]" } map { [split] } @{ parse(read_bytes(registry_path($monitor)))->{nodes} } ],
		[ sort keys %present ],
		"round $round: file and table agree");

	# from now on they are known
	$known{acknowledged}{$_} = 1 foreach @unknown, grep { $present{$_} } keys %open;
}

done_testing();

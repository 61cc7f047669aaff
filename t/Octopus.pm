# What the TAP tests have in common: a server that monitors, servers to be
# monitored, waiting for verdicts, reading the log, stopping a process for a
# while.

package Octopus;

use strict;
use warnings;

use Exporter 'import';
use Errno;
use File::Basename qw(dirname);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use lib dirname(__FILE__) . '/../test/fleet';

our @EXPORT = qw(
  monitor configure target
  register health wait_health tally wait_tally new_log changes
  postmaster_pid prober_pid wait_prober gone wait_until elapsed
  freeze thaw proc_status cpu_seconds spawn
);

# settings that most tests give, by a short name
my %short = map { $_ => "octopus.health_check_$_" }
  qw(period timeout max_retries retry_delay);

# how much of each server's log was read
my %read;

# processes stopped by us; see the end of this file
my %frozen;

# ---------- servers ----------

# Gives settings to a server, by short or full name; they count from its next
# start or reload.
sub configure
{
	my ($node, %settings) = @_;
	foreach my $name (sort keys %settings)
	{
		$node->append_conf('postgresql.conf',
			($short{$name} // $name) . " = '$settings{$name}'");
	}
	return;
}

# Starts a server that has the extension, with the given settings.  Unlike
# others in tests it survives a crash of one of its processes. Its prober is there.
sub monitor
{
	my ($name, %settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	configure(
		$node,
		shared_preload_libraries => 'octopus_fdw',
		restart_after_crash => 'on',
		%settings);
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION octopus_fdw');
	wait_prober($node);
	return $node;
}

# Starts a server to be monitored, at 127.0.0.1 and its own port.
sub target
{
	my ($name, %settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 1);
	configure($node, listen_addresses => '127.0.0.1', %settings);
	$node->start;
	return $node;
}

# ---------- nodes and verdicts ----------

# register($monitor, [name, port], ...)
sub register
{
	my ($monitor, @nodes) = @_;
	$monitor->safe_psql('postgres',
		'INSERT INTO octopus.nodes VALUES '
		  . join(', ', map { "('$_->[0]', $_->[1])" } @nodes));
	return;
}

# The health of one node, '' if it is not registered.
sub health
{
	my ($monitor, $name, $port) = @_;
	return $monitor->safe_psql('postgres',
		"SELECT health_status FROM octopus.nodes WHERE node_name = '$name' AND node_port = $port"
	);
}

# A test: the node gets this health, sooner or later.
sub wait_health
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($monitor, $name, $port, $health, $test) = @_;
	return ok(
		$monitor->poll_query_until(
			'postgres',
			"SELECT health_status FROM octopus.nodes WHERE node_name = '$name' AND node_port = $port",
			$health),
		$test);
}

# How many nodes are healthy, unhealthy and unknown: "3/1/0".
my $tally_query =
  "SELECT concat_ws('/', count(*) FILTER (WHERE health_status = 1), count(*) FILTER (WHERE health_status = 0), count(*) FILTER (WHERE health_status = -1)) FROM octopus.nodes";

sub tally
{
	my ($monitor) = @_;
	return $monitor->safe_psql('postgres', $tally_query);
}

# A test: the tally becomes this.
sub wait_tally
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($monitor, $tally, $test) = @_;
	return ok($monitor->poll_query_until('postgres', $tally_query, $tally),
		$test);
}

# The changes of health that were logged since the last call for this server: a
# list of hashes with the node as "name":port, its new health, and the cause if
# there is one.
sub changes
{
	my ($monitor) = @_;
	my $log = new_log($monitor);
	my @changes;

	while ($log =~
		/LOG:  node (".*?":\d+) is (un)?healthy\n(?:[^\n]*?DETAIL:  ([^\n]*)\n)?/g)
	{
		push @changes, { node => $1, health => $2 ? 0 : 1, cause => $3 // '' };
	}
	return @changes;
}

# What was logged since the last call for this server, in whole lines.
sub new_log
{
	my ($node) = @_;
	my $log = slurp_file($node->logfile, $read{ $node->name } // 0);

	$log =~ s/[^\n]*\z//;
	$read{ $node->name } += length $log;
	return $log;
}

# ---------- processes ----------

sub postmaster_pid
{
	my ($node) = @_;
	return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
}

# The prober's process id, '' if there is none.
sub prober_pid
{
	my ($monitor) = @_;
	return $monitor->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'octopus_fdw prober'"
	);
}

# Waits for a prober, other than the one given if any; returns its process id.
sub wait_prober
{
	my ($monitor, $old) = @_;
	$old = 0 unless $old;
	$monitor->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'octopus_fdw prober' AND pid <> $old"
	) or die "there is no prober";
	return prober_pid($monitor);
}

# A line of /proc/PID/status, undef if there is none.
sub proc_status
{
	my ($pid, $key) = @_;
	open(my $file, '<', "/proc/$pid/status") or return undef;
	my ($line) = grep { /^$key:/ } <$file>;
	close $file;
	return defined $line && $line =~ /:\s*(\S+)/ ? $1 : undef;
}

# The processor time that a process has used.
sub cpu_seconds
{
	my ($pid) = @_;
	my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());
	my @fields = split ' ', slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr;

	return ($fields[11] + $fields[12]) / $ticks;
}

# Has the process ended?  (Nobody may have collected it yet.)
sub gone
{
	my ($pid) = @_;
	my $state = proc_status($pid, 'State');
	return !defined $state || $state eq 'Z';
}

# A test: the condition comes true, sooner or later.
sub wait_until
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($condition, $test) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		return ok(0, $test) if time > $end;
		usleep(20_000);
	}
	return ok(1, $test);
}

# How many seconds something takes.
sub elapsed
{
	my ($something) = @_;
	my $start = time;
	$something->();
	return time - $start;
}

# Stops a process, unless it has ended meanwhile, until it is thawed, at the
# latest when the test ends.
sub freeze
{
	my ($pid) = @_;
	$frozen{$pid} = 1;
	kill('STOP', $pid) or $!{ESRCH} or die "cannot stop process $pid: $!";
	usleep(5_000) until gone($pid) || (proc_status($pid, 'State') // 'T') =~ /T/i;
	return;
}

sub thaw
{
	my ($pid) = @_;
	delete $frozen{$pid};
	kill('CONT', $pid) or $!{ESRCH} or die "cannot continue process $pid: $!";
	return;
}

# Has a piece of a test done by a process of its own, whose number is returned.  What
# Cluster does when a test ends or is told to is not for that one.
sub spawn
{
	my ($work) = @_;
	my $pid = fork() // die "cannot fork: $!";
	return $pid if $pid;

	$SIG{$_} = 'DEFAULT' foreach qw(INT TERM __DIE__);
	$SIG{PIPE} = 'IGNORE';
	eval { $work->(); 1 } or print STDERR $@;
	POSIX::_exit(0);
}

# Before Cluster's own, which stops the servers: a stopped one would not obey.
END
{
	kill('CONT', $_) foreach keys %frozen;
}

1;

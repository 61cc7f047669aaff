# A random life of nodes, registrations, readers, waiters, reloads and deaths, for
# MINUTES; a violated invariant ends it with status 1.  To be run by script/soak.
#
# The invariants: what is registered is what the committed transactions say, in the
# table and in the file; a node that nobody touches is never unhealthy; a dead one
# is not shown healthy for longer than the policy allows; each transition that is
# counted is told as an event; ids of events have no gaps; the prober's memory and
# descriptors stay flat; the server's log tells of no trouble but that made here.

use strict;
use warnings;

use Octopus;
use Registry;
use Fleet;
use IPC::Run;
use List::Util qw(sum0);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $minutes = $ENV{MINUTES} || 5;
my $seed = $ENV{SEED} || int(rand(2**31));
srand($seed);
note("seed $seed, $minutes minutes");

# What a verdict may take: four periods with their jitter, since the session that is
# held may outlive what a node says to new ones; two tries, the delay between them,
# and the patience that a busy machine needs.
my ($timeout, $retry_delay, $patience) = (0.3, 0.05, 1.5);
my $longest_period = 0.2;
my $bound = 4 * $longest_period * 1.2 + 2 * $timeout + $retry_delay + $patience;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '100ms',
	timeout => '300ms',
	max_retries => 1,
	retry_delay => '50ms',
	max_connections => 40,
	'octopus.max_nodes' => 600,
	'octopus.max_events' => 1_000_000,
	log_statement => 'none',
	'octopus.log_status_changes' => 'off');

# Each foreign server of ours is a kind of probing; a table for each.
my %option = (octopus => '', held => "keep_connections 'on'", query => "health_check_type 'query'");
my %table = (octopus => 'octopus.nodes', held => 'held', query => 'query');
my @steady = map { "127.1.0.$_" } 1 .. 20;
my @fickle = map { "127.1.1.$_" } 1 .. 20;
my @behaviours = qw(default default default reset silent starting standby);

my %registered;		# "server name" of what is registered for good
my %dead_since;		# when a fickle node began to be so
my %done;			# what was done, how often
my $quiet_since = 0;	# nothing kept the prober from probing since then
my @background;		# psql processes that may take their time

# ---------- the server ----------

sub sql { return $monitor->safe_psql('postgres', join '', @_); }

# In the background; whatever comes of it.
sub start
{
	my ($what, $query) = @_;
	my %job = (what => $what, out => '', err => '');
	$job{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $monitor->connstr('postgres'), '-c', $query ],
		'<', '/dev/null', '>', \$job{out}, '2>', \$job{err});
	push @background, \%job;
	return \%job;
}

sub reap
{
	foreach my $job (@background)
	{
		$job->{run}->pump_nb if $job->{run}->pumpable;
		next if $job->{run}->pumpable;
		$job->{run}->finish;
		$job->{ended} = 1;
		fail_with("$job->{what} said: $job->{err}") if $job->{err} && !$job->{doomed};
	}
	@background = grep { !$_->{ended} } @background;
	return;
}

sub fail_with
{
	my ($what) = @_;
	diag("$what (seed $seed, after " . join(', ', map { "$done{$_} $_" } sort keys %done) . ')');
	exit 1;
}

# What the prober was doing is over, and so are counts and events.
sub restarted
{
	$_->{doomed} = 1 foreach @background;
	wait_prober($monitor);
	$quiet_since = time;
	return;
}

# ---------- registering ----------

sub insert { my ($key) = @_; my ($server, $name) = split / /, $key; return "INSERT INTO $table{$server} (node_name, node_port) VALUES ('$name', $port);"; }
sub delete_ { my ($key) = @_; my ($server, $name) = split / /, $key; return "DELETE FROM $table{$server} WHERE node_name = '$name';"; }

# Some changes of nodes that come and go, and what is registered after them.
sub changes_from
{
	my (%now) = @_;
	my $query = '';

	foreach (0 .. rand 6)
	{
		my $server = (sort keys %table)[ rand 3 ];
		my $key = "$server 127.1.2." . (1 + int rand 60);
		$query .= $now{$key} ? delete_($key) : insert($key);
		$now{$key} = !$now{$key};
	}
	return ($query, map { $_ => 1 } grep { $now{$_} } keys %now);
}

sub transaction
{
	my ($first, %after) = changes_from(%registered);
	my ($undone) = changes_from(%after);
	my ($last, %end) = changes_from(%after);
	my $commit = rand() < 0.7;

	sql("BEGIN; $first SAVEPOINT s; $undone ROLLBACK TO s; $last ", $commit ? 'COMMIT' : 'ROLLBACK');
	%registered = %end if $commit;
	return;
}

# Another session's transaction, which dies somewhere on its way.
sub killed_transaction
{
	my ($query, %after) = changes_from(%registered);
	my $job = start('a writer', "SET application_name = 'doomed'; BEGIN; $query COMMIT;");
	$job->{doomed} = 1;
	usleep(rand 30_000);
	my $pid = ($monitor->psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'doomed'"))[1];
	kill('KILL', $pid) if $pid;
	$job->{run}->finish;
	crash_restarted($monitor) if $pid;
	restarted();

	# all of it or nothing
	my %found = map { $_ => 1 } split /\n/, table_now();
	fail_with('half of a transaction is there')
	  if !same(\%found, \%registered) && !same(\%found, \%after);
	%registered = %found;
	return;
}

# ---------- other things that happen ----------

sub flip
{
	my $name = $fickle[ rand @fickle ];
	my $behaviour = $behaviours[ rand @behaviours ];
	my $dead = $behaviour !~ /default|standby/;

	$fleet->become($name, $behaviour);
	delete $dead_since{$name} unless $dead;
	$dead_since{$name} //= time if $dead;
	return;
}

sub reload
{
	configure($monitor,
		period => (50 + int rand(1000 * $longest_period - 50)) . 'ms',
		'octopus.max_concurrent_checks' => 20 + int rand 200,
		'octopus.health_check_jitter' => rand(20),
		'octopus.log_checks' => (rand() < 0.2 ? 'failures' : 'off'));
	$monitor->reload;
	return;
}

sub stop_prober
{
	my $pid = prober_pid($monitor) or return;
	freeze($pid);
	usleep(rand 2_000_000);
	thaw($pid);
	$quiet_since = time;
	return;
}

sub wait_for_something
{
	return if @background > 12;
	start('who waits for health', "SELECT octopus.wait_for_health('$fickle[rand @fickle]', $port, 1, '2s')") if rand() < 0.5;
	start('who waits for an event', "SELECT octopus.wait_for_event(timeout => '1s')") if rand() < 0.5;
	return;
}

sub check_now
{
	my $name = $steady[ rand @steady ];
	my $health = sql("SELECT octopus.check_node('$name', $port)");
	fail_with("check_node($name) is $health") if $health ne '1';
	return;
}

my @happens = (
	[ 30, 'flips', \&flip ],
	[ 25, 'transactions', \&transaction ],
	[ 10, 'waits', \&wait_for_something ],
	[ 10, 'orders', \&check_now ],
	[ 3, 'reloads', \&reload ],
	[ 2, 'stops of the prober', \&stop_prober ],
	[ 0.5, 'killed writers', \&killed_transaction ],
	[ 0.3, 'killed probers', sub { kill('KILL', prober_pid($monitor)); crash_restarted($monitor); restarted(); } ],
	[ 0.3, 'ends of the prober', sub { kill('TERM', my $old = prober_pid($monitor)); wait_prober($monitor, $old); $quiet_since = time; } ],
	[ 0.3, 'restarts', sub { $monitor->stop('immediate'); $monitor->start; restarted(); } ]);
my $weights = sum0(map { $_->[0] } @happens);

sub something
{
	my $at = rand $weights;
	foreach my $what (@happens)
	{
		next if ($at -= $what->[0]) > 0;
		$what->[2]->();
		$done{ $what->[1] }++;
		return;
	}
	return;
}

# ---------- the invariants ----------

sub same
{
	my ($one, $other) = @_;
	return join(',', sort keys %$one) eq join(',', sort keys %$other);
}

sub table_now
{
	return sql("SELECT server_name || ' ' || node_name FROM octopus.node_status");
}

# Table and file, when no transaction is under way.
sub check_registered
{
	my %table = map { $_ => 1 } split /\n/, table_now();
	fail_with('the table has: ' . join(', ', sort keys %table) . '; it should have: ' . join(', ', sort keys %registered))
	  unless same(\%table, \%registered);

	my %file = map { /^postgres (\S+) (\S+) $port$/ ? ("$1 $2" => 1) : ($_ => 1) }
	  @{ parse(read_bytes(registry_path($monitor)))->{nodes} };
	fail_with('the file has: ' . join(', ', sort keys %file) . '; it should have: ' . join(', ', sort keys %registered))
	  unless same(\%file, \%registered);
	return;
}

sub check_verdicts
{
	my $asked = time;
	foreach (split /\n/, sql('SELECT node_name, health_status, server_name, reason FROM octopus.node_status'))
	{
		my ($name, $health, $server, $reason) = split /\|/;
		fail_with("$server $name is unhealthy: $reason") if $health == 0 && $name !~ /^127\.1\.1\./;
		my $since = $dead_since{$name} // $asked;
		$since = $quiet_since if $quiet_since > $since;
		fail_with(sprintf('%s %s has been dead for %.1f s and is healthy', $server, $name, $asked - $since))
		  if $health == 1 && $asked - $since > $bound;
	}
	return;
}

# Counts and events are read one after the other, so they may differ for a moment.
sub check_events
{
	my $counts;
	my $tries = 50;
	my $those = "node_name NOT LIKE '127.1.2.%'";
	while ($tries--)
	{
		$counts = sql("SELECT (SELECT sum(transition_count) FROM octopus.node_stats WHERE $those),
			count(*) FILTER (WHERE $those AND event_type = 'health' AND old_health_status >= 0 AND new_health_status >= 0),
			max(event_id) - min(event_id) + 1 - count(*), (SELECT events_dropped FROM octopus.monitor)
			FROM octopus.node_events");
		return if $counts =~ /^(\d+)\|\1\|0?\|0$/;
		usleep(50_000);
	}
	fail_with("transitions counted, told as events, gaps of ids, events dropped: $counts");
}

my %rss;
sub check_prober
{
	my $pid = prober_pid($monitor) or return;
	my $rss = proc_status($pid, 'RssAnon');
	my $fds = () = glob("/proc/$pid/fd/*");
	return unless defined $rss && time - $quiet_since > 10;
	$rss{$pid} //= $rss;
	fail_with("the prober's memory has grown from $rss{$pid} kB to $rss kB") if $rss > $rss{$pid} + 4096;
	fail_with("the prober has $fds descriptors") if $fds > 400;
	return;
}

my %harmless = map { $_ => 1 } (
	'terminating connection due to administrator command',
	'terminating connection because of crash of another server process',
	'terminating connection due to unexpected postmaster exit',
	'terminating background worker "octopus_fdw prober" due to administrator command');
sub check_log
{
	foreach (split /\n/, new_log($monitor))
	{
		fail_with("the log says: $_") if /PANIC|TRAP|registry of octopus_fdw/;
		next unless /(?:FATAL|ERROR|WARNING):  (.*)/;
		fail_with("the log says: $_")
		  unless $harmless{$1} || $1 =~ /^the database system is/
		  || $1 =~ /node .* has been removed|is not registered/;
	}
	return;
}

# ---------- life ----------

foreach my $server (sort keys %option)
{
	sql("CREATE SERVER $server FOREIGN DATA WRAPPER octopus_fdw OPTIONS ($option{$server});
		CREATE FOREIGN TABLE $table{$server} (node_name text, node_port int) SERVER $server OPTIONS (table_name 'nodes')")
	  if $option{$server};
	foreach my $name (@steady, @fickle)
	{
		sql(insert("$server $name"));
		$registered{"$server $name"} = 1;
	}
}
$quiet_since = time;

my $end = time + 60 * $minutes;
my $rounds = 0;
while (time < $end)
{
	something() foreach 1 .. 3;
	reap();
	check_verdicts();
	next if ++$rounds % 10;
	check_registered();
	check_events();
	check_prober();
	check_log();
}

$_->{run}->finish foreach @background;
check_registered();
check_events();
check_log();
note sprintf "%d rounds in %s minutes (seed %d): %s; %s of checks and %s of transitions since the last restart; %s kB of memory",
  $rounds, $minutes, $seed, join(', ', map { "$done{$_} $_" } sort keys %done),
  split(/\|/, sql('SELECT checks_total, (SELECT sum(transition_count) FROM octopus.node_stats) FROM octopus.monitor')),
  proc_status(prober_pid($monitor), 'RssAnon');
ok(1, 'no invariant was violated');
done_testing();

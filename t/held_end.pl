# What becomes of sessions that are held: their end, the server's end, other
# roles, other settings, and stops of the prober.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

# A period that is never over: only the end of a session has a node checked.
my $fleet = Fleet->new(slow_ms => 300);
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	period => '1h',
	timeout => '5s',
	max_retries => 0,
	'octopus.keep_connections' => 'on');

sub sql { return $monitor->safe_psql('postgres', join '', @_); }

sub set
{
	my (%settings) = @_;
	configure($monitor, %settings);
	$monitor->reload;
	return;
}

# register_as(type, [name, port], ...), and a test that all are healthy
sub register_as
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($type, @nodes) = @_;
	sql('INSERT INTO octopus.node_options (node_name, node_port, health_check_type) VALUES ',
		join ', ', map { "('$_->[0]', $_->[1], '$type')" } @nodes);
	return wait_health($monitor, $_->[0], $_->[1], 1, "$type: $_->[0] is healthy")
	  foreach @nodes;
}

sub forget_all { sql('DELETE FROM octopus.nodes'); return; }

# ---------- the session ends, the server does not ----------

my %node = (ping => '127.1.0.1', connection => '127.1.0.2', query => '127.1.0.3');
register_as($_, [ $node{$_}, $port ]) foreach sort keys %node;
changes($monitor);
foreach my $type (sort keys %node)
{
	foreach my $end ('close', 'reset', 'fatal', 'close')
	{
		my $before = $fleet->count($node{$type});

		# the last one may not be let in yet
		wait_until(
			sub {
				$fleet->sessions($node{$type}, $end);
				usleep(100_000);
				return $fleet->count($node{$type}) > $before;
			},
			"$type, $end: another session");
	}
}
is(tally($monitor), '3/0/0', 'that convicts nobody');
is(scalar changes($monitor), 0, 'nor is it told in the log');
forget_all();
wait_until(sub { $fleet->open_connections == 0 }, 'who is not registered any more is left');

# ---------- the server ends ----------

foreach my $type (sort keys %node)
{
	my $own_port = $fleet->mortal($node{$type});
	register_as($type, [ $node{$type}, $own_port ]);
	$fleet->kill_node($node{$type});
	my $took = elapsed(
		sub { wait_health($monitor, $node{$type}, $own_port, 0, "$type: a death is seen") });
	cmp_ok($took, '<', 2, "$type: at once");
	$fleet->revive($node{$type});
}
forget_all();

# ---------- the server's process hangs, the session does not ----------

set(period => '200ms', timeout => '300ms');
register_as('ping', [ $node{ping}, $port ]);
register_as('connection', [ $node{connection}, $port ]);
changes($monitor);

# ---------- a server that is full takes no new session, but keeps the old one ----------

$fleet->become($node{ping}, 'crowded');
wait_until(
	sub {
		my $fresh = $fleet->count($node{ping});
		usleep(300_000);
		return $fleet->count($node{ping}) > $fresh;
	},
	'it is asked for one');
is($fleet->open_connections($node{ping}), 1, 'the session lives on');
is(health($monitor, $node{ping}, $port), 1, 'and the node is alive');
$fleet->become($node{ping}, 'default');

foreach my $type ('ping', 'connection')
{
	my $syncs = $fleet->syncs($node{$type});
	wait_until(sub { $fleet->syncs($node{$type}) > $syncs }, "$type: the session is asked");
	$fleet->become($node{$type}, 'hung_postmaster');
	wait_health($monitor, $node{$type}, $port, 0, "$type: a hung postmaster is found out");
	my $tries = $fleet->count($node{$type});
	wait_until(sub { $fleet->count($node{$type}) >= $tries + 2 }, "$type: it is tried again");
	is(scalar changes($monitor), 1, "$type: the verdict stands");
	$fleet->become($node{$type}, 'default');
	wait_health($monitor, $node{$type}, $port, 1, "$type: it goes on");

	# neither the session nor anybody else answers
	$syncs = $fleet->syncs($node{$type});
	wait_until(sub { $fleet->syncs($node{$type}) > $syncs }, "$type: the session is asked again");
	$fleet->become($node{$type}, 'silent');
	wait_health($monitor, $node{$type}, $port, 0, "$type: silence is found out");
	$fleet->become($node{$type}, 'default');
	wait_health($monitor, $node{$type}, $port, 1, "$type: it speaks again");

	# only the session does not answer
	changes($monitor);
	my $before = $fleet->count($node{$type});
	$fleet->sessions($node{$type}, 'hang');
	wait_until(sub { $fleet->count($node{$type}) > $before }, "$type: a session that hangs is replaced");
	is(scalar changes($monitor), 0, "$type: and convicts nobody");
}
forget_all();

# ---------- roles ----------

foreach my $case ([ '127.16.0.1', 'ping' ], [ '127.16.0.2', 'connection' ])
{
	my ($standby, $type) = @$case;
	my $log = '';
	register_as($type, [ $standby, $port ]);
	new_log($monitor);

	# while the session is asked, not while it is replaced
	my $before;
	my $seen = sub {
		$log .= new_log($monitor);
		return $log =~ /node "$standby":$port is now a primary/;
	};
	set(period => '500ms');
	$before = $fleet->count($standby);
	wait_until(sub { $fleet->count($standby) > $before }, "$type: a new session");
	$before = $fleet->count($standby);
	$fleet->promote($standby);
	wait_until($seen, "$type: a promotion is seen");
	is($fleet->count($standby), $before, "$type: on the session that is held");
	$fleet->become($standby, 'standby');
	set(period => '200ms');
	wait_until(
		sub {
			$log .= new_log($monitor);
			return $log =~ /node "$standby":$port is now a standby/;
		},
		"$type: so is the opposite");
	is(scalar(() = $log =~ /is now a/g), 2, "$type: and no other role");
}
forget_all();

# ---------- settings ----------

set(period => '1h');
register_as('ping', map { [ "127.1.1.$_", $port ] } 1 .. 5);
register_as('connection', map { [ "127.1.1.$_", $port ] } 6 .. 10);
is($fleet->open_connections, 10, 'all sessions are held');
$fleet->mark;
set('octopus.keep_connections' => 'off');
wait_until(sub { $fleet->open_connections == 0 }, 'they are not, when they shall not be');
is($fleet->report->{ended_terminate}, 10, 'each with a farewell');
set('octopus.keep_connections' => 'on', period => '200ms');
wait_until(sub { $fleet->open_connections == 10 }, 'and they are again');
sql('ALTER SERVER octopus OPTIONS (ADD keep_connections \'off\')');
wait_until(sub { $fleet->open_connections == 0 || $fleet->report->{ended_terminate} >= 30 }, 'an option of the server counts too');
sql('ALTER SERVER octopus OPTIONS (DROP keep_connections)');
wait_until(sub { $fleet->open_connections == 10 }, 'as long as there is one');
sql("UPDATE octopus.node_options SET enabled = false WHERE node_name IN ('127.1.1.1', '127.1.1.6')");
wait_until(sub { $fleet->open_connections == 8 }, 'who is not checked has no session');
sql("DELETE FROM octopus.nodes WHERE node_name IN ('127.1.1.2', '127.1.1.7')");
wait_until(sub { $fleet->open_connections == 6 }, 'nor has who is not registered');
my $report = $fleet->report;
is("$report->{ended_reset} $report->{ended_eof}", '0 0', 'all of them had a farewell');

# ---------- options that come while a check is under way ----------

# it takes a while to let in; who it was begun for must not go on as a session
my $slow = $fleet->address('slow', 1);
set(period => '1h', timeout => '10s');
sql("INSERT INTO octopus.nodes VALUES ('$slow', $port)");
wait_until(sub { $fleet->open_connections($slow) == 1 }, 'a check is under way');
sql("ALTER SERVER octopus OPTIONS (ADD application_name 'other')");
wait_health($monitor, $slow, $port, 1, 'it comes to its end');
is($fleet->count($slow), 2, 'and was begun anew');

my $asking = $fleet->address('mute', 1);
sql("INSERT INTO octopus.nodes VALUES ('$asking', $port)");
wait_until(sub { $fleet->count($asking) == 1 }, 'another check is under way');
sql("UPDATE octopus.node_options SET health_check_type = 'tcp' WHERE node_name = '$asking'");
wait_health($monitor, $asking, $port, 1, 'another type counts at once');
sql("DELETE FROM octopus.nodes WHERE node_name IN ('$slow', '$asking'); ALTER SERVER octopus OPTIONS (DROP application_name)");
set(period => '200ms');

# ---------- a stopped prober ----------

# the answers come late, so that there are always Syncs under way
register_as('ping', map { [ $fleet->address('query_slow', $_), $port ] } 1 .. 5);
register_as('connection', map { [ $fleet->address('query_slow', $_), $port ] } 6 .. 10);
set(timeout => '1s');
my $prober = prober_pid($monitor);
changes($monitor);
my @slow = map { $fleet->address('query_slow', $_) } 1 .. 10;
foreach my $stop_s (1.3, 2)
{
	my %before = map { $_ => $fleet->syncs($_) } @slow;
	wait_until(sub { !grep { $fleet->syncs($_) <= $before{$_} } @slow }, 'Syncs are under way');
	my %connections = map { $_ => $fleet->count($_) } @slow;
	freeze($prober);
	usleep($stop_s * 1e6);
	thaw($prober);
	%before = map { $_ => $fleet->syncs($_) } @slow;
	wait_until(sub { !grep { $fleet->syncs($_) <= $before{$_} } @slow }, 'they go on after a stop');
	cmp_ok($fleet->count($_) - $connections{$_}, '<=', 1, "$_: no more than its turn") foreach @slow;
}
is(scalar changes($monitor), 0, 'a stop convicts nobody');

# ---------- another prober ----------

sql("DELETE FROM octopus.nodes WHERE node_name LIKE '127.39.%'");
wait_until(sub { $fleet->open_connections == 6 }, 'six sessions');
$fleet->mark;
kill('TERM', $prober);
wait_prober($monitor, $prober);
wait_until(
	sub {
		my $now = $fleet->report;
		return $now->{ended_eof} + $now->{ended_terminate} >= 6;
	},
	'the sessions end with the prober');
is($fleet->report->{ended_reset}, 0, 'without a reset');
wait_until(sub { $fleet->open_connections == 6 }, 'another one has its own');
is(scalar changes($monitor), 0, 'and that convicts nobody');

done_testing();

# A pending file: only a transaction that committed makes it true, only who may
# settle it touches it, and one that nobody can judge is set aside.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

preload_faults();
my $monitor = monitor(
	'monitor',
	fsync => 'on',
	period => '1h',
	wal_level => 'replica',
	max_wal_senders => 2);
my $pending = registry_path($monitor, '.pending');
my $unsettled = registry_path($monitor, '.unsettled');

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

sub insert
{
	my ($name) = @_;
	return "INSERT INTO octopus.nodes VALUES ('$name');";
}

sub settled
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until(sub { !pending($monitor) }, 'nothing is pending');
}

# ---------- a prober starts while a transaction commits ----------

# after the pending file, before the commit record
my $session = session($monitor);
sql(insert('127.0.0.1'));
fault($monitor, 'fsync / 1 stop');
order($session, insert('127.0.0.2'));
wait_until(sub { fault_hit($monitor) ne '' }, 'a writer is stopped in the middle');
no_fault($monitor);
my ($writer) = split / /, fault_hit($monitor);
my $image = read_bytes(pending($monitor));
my $prober = wait_prober($monitor);
sql("SELECT pg_terminate_backend($prober)");
$prober = wait_prober($monitor, $prober);
is(registered($monitor), '127.0.0.1', 'its node is not there yet');
sql("SELECT pg_terminate_backend($prober)");
wait_prober($monitor, $prober);
is(read_bytes(pending($monitor) // '/'), $image, 'a new prober does not touch its pending file');
ok( $monitor->poll_query_until('postgres',
		"SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE backend_type = 'octopus_fdw prober'"),
	'and does not wait for it');
kill('CONT', $writer);
is(hear($session), '', 'it goes on');
is(registered($monitor), '127.0.0.1 127.0.0.2', 'and its node is there');
is(read_bytes(registry_path($monitor)), $image, 'in the file, too');
settled();

# after the commit record, while a standby that does not exist has to confirm
sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
$monitor->reload;
$monitor->poll_query_until('postgres', "SELECT current_setting('synchronous_standby_names') = 'nobody'");
order($session, insert('127.0.0.3'));
ok( $monitor->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"),
	'a writer waits for a synchronous standby');
$prober = wait_prober($monitor);
sql("SELECT pg_terminate_backend($prober)");
wait_prober($monitor, $prober);
ok(pending($monitor), 'a new prober does not touch its pending file');
is(registered($monitor), '127.0.0.1 127.0.0.2', 'its node is not there yet');
sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
like(hear($session), qr/WARNING:  01000: canceling wait/, 'it waits no longer');
is(registered($monitor), '127.0.0.1 127.0.0.2 127.0.0.3', 'and its node is there');
settled();

order($session, insert('127.0.0.4'));
ok( $monitor->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"),
	'another one waits');
kill_everything($monitor);
eval { $session->{run}->finish };
$monitor->append_conf('postgresql.auto.conf', "synchronous_standby_names = ''");
$monitor->start;
is_registered($monitor, '127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4',
	'the death of everything lets it come true, as of a table');
settled();

# ---------- forged ones ----------

my $committed = sql('CREATE TABLE t (a int); SELECT pg_current_xact_id()');
my $aborted = sql('BEGIN; SELECT pg_current_xact_id(); ROLLBACK');
my $next = sql('SELECT pg_snapshot_xmax(pg_current_snapshot())');
my $serial = parse(read_bytes(registry_path($monitor)))->{serial};
my @present = map { "127.0.0.$_" } 1 .. 4;

# Starts the server with a pending file that has one more node.
sub start_with
{
	my ($name, %change) = @_;
	my $file;

	$monitor->stop;
	new_log($monitor);
	$file = read_bytes(registry_path($monitor));
	$file = image(
		$file,
		serial => parse($file)->{serial} + 1,
		%change,
		nodes => [ [ $name, 5432 ] ]);
	$file = $change{bytes}->($file) if $change{bytes};
	write_bytes($pending, $file);
	$monitor->start;
	return $file;
}

my $registry = read_bytes(registry_path($monitor));
foreach my $case (
	[ 'older than the registry', serial => $serial - 1, xid => $committed ],
	[ 'as old as the registry', serial => $serial, xid => $committed ],
	[ 'of an aborted transaction', xid => $aborted ])
{
	my ($what, %change) = @$case;
	start_with('127.1.0.1', %change);
	settled();
	is(registered($monitor), "@present", "$what: it does not count");
	is(read_bytes(registry_path($monitor)), $registry, "$what: the registry is as it was");
	ok(!-e $unsettled, "$what: it is gone");
}

start_with('127.0.0.5', xid => $committed);
push @present, '127.0.0.5';
is_registered($monitor, "@present", 'of a committed transaction: it counts');
settled();
on_disk($monitor, \@present, 'and is the registry');

# two at once, by either name: who was stopped before his rename was durable, and who
# came after him
foreach my $case (
	[ 'the older one was committed', 1, $committed, $aborted ],
	[ 'the newer one was', 2, $aborted, $committed ],
	[ 'both were', 2, $committed, $committed ],
	[ 'neither was', 0, $aborted, $aborted ])
{
	my ($what, $counts, @xids) = @$case;
	foreach my $names ([ '.pending', '.pending2' ], [ '.pending2', '.pending' ])
	{
		$monitor->stop;
		my $file = read_bytes(registry_path($monitor));
		foreach my $i (1, 2)
		{
			write_bytes(
				registry_path($monitor, $names->[ $i - 1 ]),
				image(
					$file,
					serial => parse($file)->{serial} + $i,
					xid => $xids[ $i - 1 ],
					nodes => [ [ '127.9.0.' . $i, 5432 ] ]));
		}
		$monitor->start;
		settled();
		is(registered($monitor), join(' ', @present, $counts ? "127.9.0.$counts" : ()),
			"two files, $what: it counts, the other does not");
		on_disk($monitor, [ @present, $counts ? "127.9.0.$counts" : () ], "two files, $what: so it stands in the file");
		sql("DELETE FROM octopus.nodes WHERE node_name LIKE '127.9.%'");
	}
}

# The older of two is renamed, and the flush of that fails: it is not forgotten when
# the next attempt finds the newer one only.
{
	$monitor->stop;
	my $file = read_bytes(registry_path($monitor));
	foreach my $i (1, 2)
	{
		write_bytes(
			registry_path($monitor, $i == 1 ? '.pending' : '.pending2'),
			image(
				$file,
				serial => parse($file)->{serial} + $i,
				xid => $i == 1 ? $committed : $aborted,
				nodes => [ [ '127.9.0.' . $i, 5432 ] ]));
	}
	fault($monitor, 'rename .registry 1 stop');
	$monitor->start;
	wait_until(sub { fault_hit($monitor) ne '' }, 'the prober settles two files');
	my ($settler) = split / /, fault_hit($monitor);
	fault($monitor, 'fsync / 1 5 once');
	kill('CONT', $settler);
	wait_until(sub { fault_hit($monitor) =~ /fsync/ }, 'the flush of the first rename fails');
	no_fault($monitor);
	sql(insert('127.9.0.3'));
	is(registered($monitor), join(' ', @present, '127.9.0.1', '127.9.0.3'), 'what it made true is there');
	on_disk($monitor, [ @present, '127.9.0.1', '127.9.0.3' ], 'in the file, too');
	sql("DELETE FROM octopus.nodes WHERE node_name LIKE '127.9.%'");
}

# Tests that the file is set aside and nothing written before a reset.
sub set_aside
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what, $cause, $file) = @_;

	wait_until(sub { -e $unsettled }, "$what: set aside");
	settled();
	is(read_bytes($unsettled), $file, "$what: as it is");
	is(registered($monitor), join(' ', sort @present), "$what: what is registered is there");
	like(
		attempt($monitor, insert('127.1.0.2')),
		qr/ERROR:  XX001: .*\nDETAIL:  File "octopus_fdw\.registry\.unsettled", $cause\.\nHINT:/,
		"$what: writes are refused");
	like(new_log($monitor),
		qr/LOG:  registry of octopus_fdw cannot be used\n.*DETAIL:  File "octopus_fdw\.registry\.unsettled", $cause/,
		"$what: and it is logged");
	sql('SELECT octopus.registry_reset()');
	my $name = '127.0.0.' . (@present + 1);
	sql(insert($name));
	push @present, $name;
	on_disk($monitor, \@present, "$what: after a reset all goes on");
	return;
}

my $unknown = 'the commit log does not know the transaction that wrote it';
foreach my $case (
	[ 'of a future transaction', $unknown, xid => $next + 1_000_000 ],
	[ 'of one of a later epoch', $unknown, xid => $committed + 2**32 ],
	[ 'of one that the commit log has forgotten', $unknown, xid => 4 ],
	[ 'of a frozen transaction', $unknown, xid => 2 ],
	[ 'of no transaction', $unknown, xid => 0 ],
	[
		'torn', 'line \d+: the file ends within a line',
		xid => $committed, bytes => sub { $_[0] =~ s/.{20}\n+\z//sr }
	])
{
	my ($what, $cause, %change) = @$case;
	set_aside($what, $cause, start_with('127.1.0.3', %change));
}

# A file that was half written over, its header being that of a transaction that did
# not commit, or of an image that does not count any more.
sub torn
{
	return $_[0] =~ s/(.*\n)node\t.*/$1node\t127.0.0.1\t80\n/sr . "\n" x 9000;
}

my $serial_now = sub { parse(read_bytes(registry_path($monitor)))->{serial} };
foreach my $case (
	[ 'of a transaction that did not commit', xid => $aborted ],
	[ 'of an older image', serial => $serial_now->() - 1, xid => $committed ])
{
	my ($what, %change) = @$case;
	start_with('127.1.0.3', %change, bytes => \&torn);
	settled();
	wait_until(sub { !pending_files($monitor) }, "torn, $what: it goes");
	is(registered($monitor), join(' ', sort @present), 'what is registered is there');
	unlike(new_log($monitor), qr/cannot be used/, 'and nobody refuses anything');
}
set_aside('torn, of a transaction that did commit', 'line \d+: the line is no record',
	start_with('127.1.0.3', xid => $committed, bytes => \&torn));

# Any mixture of the sectors of two images, as a disk may leave it.
{
	my $file;
	my @mixed;
	foreach my $round (1 .. 8)
	{
		$monitor->stop;
		$file = read_bytes(registry_path($monitor));
		my $serial = parse($file)->{serial};
		my @nodes = map { [ "127.7.0.$_", 5432 ] } 1 .. 200;
		my $old = image($file, serial => $serial - 1, xid => $committed, nodes => [ @nodes[ 0 .. 150 ] ]);
		my $new = image($file, serial => $serial + 1, xid => $aborted, nodes => \@nodes);
		my $mixed = '';
		for (my $at = 0; $at < length $new; $at += 512)
		{
			my $from = ($round + 1) * ($at / 512 + 7) % 3 == 0 ? $old : $new;
			$mixed .= substr($from, $at, 512) if $at < length $from;
		}
		$mixed[ $mixed =~ /^serial\t\Q$serial\E/ ? 1 : 0 ]++;
		write_bytes($pending, $mixed);
		new_log($monitor);
		$monitor->start;
		wait_until(sub { !pending_files($monitor) }, "a mixture of sectors, number $round: it goes");
		is(registered($monitor), join(' ', sort @present), 'what is registered is there');
		unlike(new_log($monitor), qr/cannot be used/, 'and nobody refuses anything');
	}
}

# Who puts another registry in the place of the one that was there, after a crash,
# means that one, and not the images that would have come after the other.
{
	my $before = read_bytes(registry_path($monitor));
	my %copies;
	sql(insert("127.8.0.$_")) foreach 1 .. 2 * TURNS;
	kill_everything($monitor);
	my @files = pending_files($monitor);
	isnt(scalar(@files), 0, 'there are files left over');
	$copies{$_} = read_bytes($_) foreach registry_path($monitor), @files;
	my ($followed) = $copies{ registry_path($monitor) } =~ /^follows\t(\d+)/m;
	my $other = image($before, serial => $followed, nodes => [ [ '127.8.0.9', 1 ] ]);
	foreach my $case (
		[ 'an older one', $before, join(' ', sort @present) ],
		[ 'none', undef, '' ],
		[ 'one of the number of the one that is followed', $other, join(' ', sort @present, '127.8.0.9') ])
	{
		my ($what, $registry, $names) = @$case;
		write_bytes($_, $copies{$_}) foreach keys %copies;

		# the newest image waits under a name of the pending one
		write_bytes($pending, $copies{ registry_path($monitor) });
		unlink registry_path($monitor);
		write_bytes(registry_path($monitor), $registry) if defined $registry;
		new_log($monitor);
		$monitor->start;
		wait_until(sub { !pending_files($monitor) }, "$what: settled");
		is(registered($monitor), $names, "$what: it counts");
		like(new_log($monitor), qr/LOG:  pending file of octopus_fdw is set aside\n.*it does not follow the registry/, 'which is logged');
		ok(-e registry_path($monitor, '.bad'), 'the other one is set aside');
		sql(insert('127.8.0.7'));
		is(registered($monitor), join(' ', sort(split(/ /, $names), '127.8.0.7')), 'and all goes on');
		$monitor->stop;
		unlink glob registry_path($monitor, '.bad*');
	}
	write_bytes(registry_path($monitor), $before);
	$monitor->start;
}

# A young one, too, whose images are all there.
my $young = monitor('young', fsync => 'on', period => '1h');
$young->safe_psql('postgres', insert("127.0.0.$_")) foreach 1 .. 3;
kill_everything($young);
unlink registry_path($young);
$young->start;
wait_until(sub { !pending_files($young) }, 'without its registry a young server has nothing');
is(registered($young), '', 'whatever it has left over');
$young->stop;

# Not even its transaction makes true what another system wrote.
set_aside('of another system', 'it belongs to another database system',
	start_with('127.1.0.4', xid => $committed, system => 1));
sql('DELETE FROM octopus.nodes');

# What has nodes can be dropped while nothing can be registered.
sql("CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE east (node_name text) SERVER east OPTIONS (table_name 'nodes');
	INSERT INTO east VALUES ('127.0.0.1');" . insert('127.0.0.1'));
sql('CREATE DATABASE doomed');
$monitor->safe_psql('doomed', 'CREATE EXTENSION octopus_fdw;' . insert('127.0.0.1'));
start_with('127.1.0.5', xid => $next + 1_000_000);
wait_until(sub { -e $unsettled }, 'one is set aside');
unlike(attempt($monitor, 'DROP SERVER east CASCADE;'), qr/ERROR/, 'DROP SERVER goes through');
unlike(attempt($monitor, 'DROP DATABASE doomed;'), qr/ERROR/, 'DROP DATABASE, too');
unlike(attempt($monitor, 'DROP EXTENSION octopus_fdw CASCADE;'), qr/ERROR/, 'and DROP EXTENSION');
sql('CREATE EXTENSION octopus_fdw') if sql("SELECT count(*) FROM pg_extension WHERE extname = 'octopus_fdw'") eq '0';
sql('SELECT octopus.registry_reset()');

# The id was not handed out when the server started, and is by the time that the
# prober asks who has it.  Some transactions get theirs at the very last.
foreach my $command ('INSERT INTO t VALUES (1)', 'NOTIFY t')
{
	sql('DELETE FROM octopus.nodes');
	sql(insert('127.0.0.1'));
	$next = sql('SELECT pg_snapshot_xmax(pg_current_snapshot())');
	fault($monitor, 'open .pending ' . (1 + TURNS) . ' stop');
	start_with('127.1.0.6', xid => $next + 2);
	wait_until(sub { fault_hit($monitor) ne '' }, 'the prober is stopped before it asks');
	my ($stopped) = split / /, fault_hit($monitor);
	no_fault($monitor);
	sql($command) foreach 1 .. 10;
	cmp_ok(sql('SELECT pg_snapshot_xmax(pg_current_snapshot())'), '>', $next + 2, "$command: the id is used");
	kill('CONT', $stopped);
	settled();
	is(registered($monitor), '127.0.0.1', "$command: a transaction of the same id does not vouch for it");
	sql('SELECT octopus.registry_reset()');
}

$monitor->stop;
done_testing();

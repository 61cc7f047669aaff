# Faults at every step of a registration's way to disk: whatever fails before the
# commit record is an ordinary error, whatever dies after it comes true.

use strict;
use warnings;

use Errno qw(EACCES EIO EMFILE ENOSPC EROFS);
use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

preload_faults();
my $monitor = monitor('monitor', fsync => 'on', period => '1h');
my $data = $monitor->data_dir;
my $born = $monitor->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

sub insert
{
	my ($name) = @_;
	return "INSERT INTO octopus.nodes VALUES ('$name');";
}

sub add
{
	my ($name) = @_;
	return $monitor->safe_psql('postgres', insert($name));
}

# ---------- the steps ----------

# The calls that it takes to register a node.
sub steps_to_add
{
	my ($name) = @_;
	my @steps;

	fault($monitor, 'any * 1000000 kill');
	add($name);
	no_fault($monitor);
	@steps = calls($monitor);
	s{ /.*/}{ } foreach @steps;
	note(join("\n", @steps));
	return map { s/\d\z//r } @steps;
}

# Makes an image that says nothing new of nodes.
my $images = 0;
sub make_image
{
	$monitor->safe_psql('postgres',
		'ALTER SERVER octopus OPTIONS (SET health_check_retry_delay \'' . ++$images . 'ms\')');
	return;
}

# Comes to where it flushes the directory, since all names have had their turn.
sub prepare_flush
{
	my @calls;
	make_image() foreach 1 .. TURNS;
	do
	{
		fault($monitor, 'any * 1000000 kill');
		make_image();
		@calls = calls($monitor);
	} until $calls[0] =~ m{^fsync /$};
	no_fault($monitor);
	make_image() foreach 2 .. TURNS;
	return;
}

# Comes to where it writes over a file that is spare.
sub prepare_reuse
{
	prepare_flush();
	make_image();
	return;
}

# Comes to where it has to make a file, since the spare one is gone.
sub prepare_new
{
	prepare_reuse();
	unlink pending_files($monitor);
	return;
}

my @write = ('write octopus_fdw.registry.tmp', 'fsync octopus_fdw.registry.tmp');
my @new = (
	'unlink octopus_fdw.registry.tmp',
	'open octopus_fdw.registry.tmp',
	@write,
	'rename octopus_fdw.registry.pending',
	'fsync /');
my @reuse = ('open octopus_fdw.registry.pending', map { s/tmp/pending/r } @write);
my $swap = 'swap octopus_fdw.registry';

add('127.0.0.1');
$monitor->safe_psql('postgres', "ALTER SERVER octopus OPTIONS (ADD health_check_retry_delay '1s')");
is_deeply([ steps_to_add('127.0.0.2') ], [ @new, $swap ],
	'a temporary file is made, written, flushed, and becomes the pending file, durably, and at last the registry');
prepare_reuse();
is_deeply([ steps_to_add('127.0.0.3') ], [ @reuse, $swap ],
	'in the long run no file is made, nor given a name');
prepare_flush();
is_deeply([ steps_to_add('127.0.0.4') ], [ 'fsync /', @reuse, $swap ],
	'but for the registry\'s, which is flushed now and then');
prepare_new();
is_deeply([ steps_to_add('127.0.0.5') ], [ $reuse[0], @new, $swap ],
	'who finds no spare file makes one');

my %prepare = (new => \&prepare_new, reuse => \&prepare_reuse, flush => \&prepare_flush);
my %steps = (
	new => [ $reuse[0], @new, $swap ],
	reuse => [ @reuse, $swap ],
	flush => [ 'fsync /', @reuse, $swap ]);

# ---------- errors before the commit record ----------

my %faults = (
	new => [
		'open .tmp 1 ' . EACCES, 'open .tmp 1 ' . EROFS, 'open .tmp 1 ' . ENOSPC,
		'open .tmp 1 ' . EMFILE,
		'write .tmp 1 ' . ENOSPC, 'write .tmp 1 ' . EIO,
		'fsync .tmp 1 ' . EIO, 'fsync .tmp 1 ' . ENOSPC,
		'rename .pending 1 ' . EIO, 'rename .pending 1 ' . ENOSPC,
		'fsync / 1 ' . EIO
	],
	reuse => [
		'open * 1 ' . EMFILE,
		'write .pending 1 ' . EIO, 'write .pending 1 ' . ENOSPC,
		'fsync .pending 1 ' . EIO
	],
	flush => [ 'fsync / 1 ' . EIO ]);

foreach my $way (sort keys %faults)
{
	foreach my $fault (@{ $faults{$way} })
	{
		my $what = "$way: $fault";
		$prepare{$way}->();
		fault($monitor, $fault);
		like(attempt($monitor, insert('127.1.0.1')),
			qr/ERROR:  \w{5}: .*(could not (create|write|open|fsync|rename)|Too many open files)/, "$what: an error");
		no_fault($monitor);
		isnt(fault_hit($monitor), '', "$what: it was met");
		ok(!pending($monitor), "$what: nothing is pending");
		make_image();
	}
}
my @present = map { "127.0.0.$_" } 1 .. 5;
is(registered($monitor), "@present", 'nothing of all that was registered');
is($monitor->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $born, 'the server is the same');
unlike(new_log($monitor), qr/PANIC|terminated by signal/, 'nobody died');

# A savepoint's failure is not the transaction's; a second COMMIT works.
my $session = session($monitor);
prepare_reuse();
fault($monitor, 'write .pending 1 ' . ENOSPC);
like(ask($session, insert('127.1.0.2')), qr/ERROR:  53100: /, 'a full disk');
no_fault($monitor);
is(ask($session, insert('127.0.0.6')), '', 'the next one of the same session works');
push @present, '127.0.0.6';
on_disk($monitor, \@present, 'and stands in the file');

# DROP DATABASE cannot fail any more when it comes to the file, nor be cancelled
# where it warns of that.
$monitor->safe_psql('postgres', 'CREATE DATABASE doomed');
$monitor->safe_psql('doomed', 'CREATE EXTENSION octopus_fdw;' . insert('127.1.0.3'));
my $dropping = session($monitor);
prepare_new();
fault($monitor, 'write .tmp 1 stop');
order($dropping, 'DROP DATABASE doomed;');
wait_until(sub { fault_hit($monitor) ne '' }, 'DROP DATABASE is stopped at the file');
my ($dropper) = fault_hit($monitor) =~ /^(\d+)/;
fault($monitor, 'rename .pending 1 ' . EIO);
is($monitor->safe_psql('postgres', "SELECT pg_cancel_backend($dropper)"), 't', 'it is to be cancelled');
kill('CONT', $dropper);
like(hear($dropping), qr/^(?!.*ERROR).*WARNING:  58030: /s, 'but warns and goes on');
$dropping->{run}->finish;
no_fault($monitor);
is($monitor->safe_psql('postgres', "SELECT count(*) FROM pg_database WHERE datname = 'doomed'"),
	'0', 'and goes through');
like(read_bytes(registry_path($monitor)), qr/\tdoomed\t/, 'its nodes are orphans');
my $prober = wait_prober($monitor);
$monitor->safe_psql('postgres', "SELECT pg_terminate_backend($prober)");
wait_until(sub { read_bytes(registry_path($monitor)) !~ /\tdoomed\t/ }, 'which the next prober drops');

# ---------- the death of everything at every step ----------

my $settled = sub { !pending_files($monitor) };
my $deaths = 0;

foreach my $way (sort keys %steps)
{
	foreach my $n (1 .. @{ $steps{$way} })
	{
		my $step = $steps{$way}[ $n - 1 ] . '$';
		my $name = sprintf('127.2.0.%02d', ++$deaths);

		$prepare{$way}->();
		fault($monitor, "any * $n stop");
		my $victim = session($monitor);
		order($victim, insert($name));
		wait_until(sub { fault_hit($monitor) ne '' }, "$way: everything dies before: $step");
		like(fault_hit($monitor) =~ s{ /.+/}{ }r =~ s/\d\z//r, qr/$step/, 'there it is');
		kill_everything($monitor);
		eval { $victim->{run}->finish };
		no_fault($monitor);

		$monitor->start;
		push @present, $name if $step =~ /swap/;
		is_registered($monitor, join(' ', sort @present),
			$step =~ /swap/ ? 'what has its commit record is there' : 'what has not is not');
		wait_until($settled, 'nothing is pending');
		$name =~ s/^127\.2/127.3/;
		add($name);
		push @present, $name;
	}
}
is_registered($monitor, join(' ', sort @present), 'all that was acknowledged since is there');

# one process only, which takes the others down
my $victims = 0;
foreach my $case ([ new => 'write .tmp' ], [ new => 'fsync /' ], [ reuse => 'write .pending' ], [ reuse => 'rename .registry' ])
{
	my ($way, $what) = @$case;
	my $name = '127.4.0.' . ++$victims;

	$prepare{$way}->();
	fault($monitor, "$what 1 kill");
	attempt($monitor, insert($name));
	no_fault($monitor);
	crash_restarted($monitor);
	push @present, $name if $what =~ /registry/;
	is_registered($monitor, join(' ', sort @present), "a process dies before: $what");
	wait_until($settled, 'nothing is pending');
}
$monitor->safe_psql('postgres', 'DELETE FROM octopus.nodes');

# ---------- the rename at COMMIT fails ----------

# Registers a node while it does; tests that this works all the same.
sub add_unrenamed
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($name) = @_;
	fault($monitor, 'rename .registry 1 ' . EIO);
	is(attempt($monitor, insert($name)), '', "the rename fails: $name is registered all the same");
	isnt(fault_hit($monitor), '', 'it did fail');
	ok(pending($monitor), 'the pending file is there');
	return;
}

add_unrenamed('127.0.0.1');
is(registered($monitor), '127.0.0.1', 'who reads sees it');
like(attempt($monitor, insert('127.0.0.2')), qr/ERROR:  58030: .*could not rename/,
	'the next writer cannot settle it');
ok(pending($monitor), 'and leaves it there');
is(registered($monitor), '127.0.0.1', 'who reads goes on');
no_fault($monitor);
add('127.0.0.2');
ok(!pending($monitor), 'with the fault gone a writer can');
on_disk($monitor, [ '127.0.0.1', '127.0.0.2' ], 'and both are in the file');

add_unrenamed('127.0.0.3');
fault($monitor, 'write .tmp 1 ' . ENOSPC);
like(attempt($monitor, insert('127.0.0.4')), qr/ERROR:  53100: /, 'an aborting writer');
no_fault($monitor);
on_disk($monitor, [ map { "127.0.0.$_" } 1 .. 3 ], 'settles it before');
kill_everything($monitor);
$monitor->start;
is_registered($monitor, '127.0.0.1 127.0.0.2 127.0.0.3', 'nothing is lost by the death of everything');

add_unrenamed('127.0.0.4');
like(attempt($monitor, 'DELETE FROM octopus.nodes'), qr/ERROR:  58030: .*could not rename/,
	'nobody writes before it is settled');
kill_everything($monitor);
no_fault($monitor);
$monitor->start;
is_registered($monitor, '127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4', 'nor at once');
wait_until($settled, 'nothing is pending');

# ---------- the flush fails after what the catalogs say was put into the file ----------

# Changes the server as if by DDL while the library is not loaded; a reader notices,
# and amends the registry, but cannot flush its name.
sub amend_unflushed
{
	my $option = 'health_check_retry_delay=' . ++$images . 'ms';

	$monitor->safe_psql('postgres',
		"SET allow_system_table_mods = on; UPDATE pg_foreign_server SET srvoptions = ARRAY['$option'] WHERE srvname = 'octopus'");
	fault($monitor, 'fsync / 1 ' . EIO . ' once');
	$monitor->safe_psql('postgres', 'SELECT count(*) FROM octopus.nodes');
	like(read_bytes(registry_path($monitor)), qr/^xid\t0$/m, 'the registry is amended');
	isnt(fault_hit($monitor), '', 'but not flushed');
	no_fault($monitor);
	return;
}

amend_unflushed();
add_unrenamed('127.0.0.11');
no_fault($monitor);
add('127.0.0.12');
my $twelve = join(' ', sort map { "127.0.0.$_" } 1 .. 4, 11, 12);
is(registered($monitor), $twelve, 'what came after is there');

amend_unflushed();
my $amended = read_bytes(registry_path($monitor));
add('127.0.0.13');
kill_everything($monitor);
rename registry_path($monitor), registry_path($monitor, '.pending') or die "cannot rename: $!";
write_bytes(registry_path($monitor), $amended);
$monitor->start;
is_registered($monitor, join(' ', sort split(/ /, $twelve), '127.0.0.13'), 'even if the machine loses the last names');
wait_until($settled, 'nothing is pending');
$monitor->safe_psql('postgres', "DELETE FROM octopus.nodes WHERE node_name ~ '1[123]\$'");

# ---------- the unlink at ABORT fails ----------

# Of two transactions that each read what the other writes the second fails after
# its pending file was written.
sub abort_unlinked
{
	my ($name) = @_;
	my @sessions = (session($monitor), session($monitor));

	$monitor->safe_psql('postgres', 'DROP TABLE IF EXISTS skew; CREATE TABLE skew (who int)');
	ask($_, 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM skew;') foreach @sessions;
	ask($sessions[$_], "INSERT INTO skew VALUES ($_);") foreach 0, 1;
	ask($sessions[1], insert($name));
	ask($sessions[0], 'COMMIT;');
	fault($monitor, 'unlink .pending 1 ' . EIO);
	like(ask($sessions[1], 'COMMIT;'), qr/ERROR:  40001: /, 'a transaction fails late');
	isnt(fault_hit($monitor), '', 'and cannot remove its pending file');
	ok(pending($monitor), 'so that is left over');
	no_fault($monitor);
	$_->{run}->finish foreach @sessions;
	return;
}

my $four = join(' ', map { "127.0.0.$_" } 1 .. 4);
abort_unlinked('127.1.0.4');
is(registered($monitor), $four, 'its node is not there');
add('127.0.0.5');
ok(!pending($monitor), 'the next writer removes it');
is(registered($monitor), "$four 127.0.0.5", 'and its node only is there');

abort_unlinked('127.1.0.5');
kill_everything($monitor);
$monitor->start;
wait_until($settled, 'so does a start');
is(registered($monitor), "$four 127.0.0.5", 'which changes nothing else');

# ---------- what cannot be settled is not kept in memory ----------

$monitor->append_conf('postgresql.conf', 'octopus.max_nodes = 10000');
$monitor->restart;
$monitor->safe_psql('postgres', "INSERT INTO octopus.nodes SELECT '127.2.0.1', i FROM generate_series(1, 5000) i");
add_unrenamed('127.0.0.6');
my $patient = session($monitor);
my $memory = "SELECT substring(pg_read_file('/proc/self/status') FROM 'VmData:\\s+(\\d+)');";
my $failing = insert('127.0.0.7');
ask($patient, $failing) foreach 1 .. 10;
my ($before) = ask($patient, $memory) =~ /(\d+)/;
ask($patient, $failing) foreach 1 .. 50;
my ($after) = ask($patient, $memory) =~ /(\d+)/;
cmp_ok($after - $before, '<', 5000, 'who tries again and again needs no more memory, in kB');
like(ask($patient, $failing), qr/could not rename/, 'in vain');
$patient->{run}->finish;
no_fault($monitor);
$monitor->safe_psql('postgres', 'DELETE FROM octopus.nodes');
$monitor->stop;

done_testing();

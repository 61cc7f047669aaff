# The files that an image is written in are used again, but never under the eyes of
# somebody who has opened one as the registry, or has kept it.

use strict;
use warnings;

use Errno qw(EINPROGRESS EINVAL ENOSYS);
use IO::Select;
use Octopus;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

preload_faults();
my $monitor = monitor('monitor', fsync => 'on', period => '1h');
my $path = registry_path($monitor);
my $born = $monitor->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# A transaction for each number that is given.
sub commits
{
	$monitor->safe_psql('postgres', join('', map { "INSERT INTO octopus.nodes VALUES ('127.0.0.1', $_);" } @_));
	return;
}

# What is registered, as a text.
sub registered_ports
{
	return $monitor->safe_psql('postgres',
		"SELECT string_agg(node_port::text, ' ' ORDER BY node_port) FROM octopus.nodes");
}

sub inode
{
	return (stat $path)[1];
}

# ---------- they are ----------

my $port = 0;

# As many transactions, each of which makes an image.
sub images
{
	my ($n) = @_;
	commits($port + 1 .. $port + $n);
	$port += $n;
	return;
}

images(TURNS);
my %inodes;
foreach (1 .. 3 * TURNS)
{
	images(1);
	$inodes{ inode() }++;
}
is(scalar keys %inodes, TURNS + 1, 'all images were written in so many files as there are names');

# ---------- not while it may be the registry after a crash ----------

# A test: the next image is made in this way.
sub made_by
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($first, $what) = @_;
	fault($monitor, 'any .tmp 1000000 kill');
	images(1);
	no_fault($monitor);
	return is(scalar(calls($monitor)) ? 'a new file' : 'writing over', $first, $what);
}

# Who fails late removes his file.
$monitor->safe_psql('postgres', 'CREATE TABLE skew (who int)');
my @rivals = (session($monitor), session($monitor));
ask($_, 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM skew;') foreach @rivals;
ask($rivals[$_], "INSERT INTO skew VALUES ($_);") foreach 0, 1;
ask($rivals[1], "INSERT INTO octopus.nodes VALUES ('127.1.0.1');");
ask($rivals[0], 'COMMIT;');
like(ask($rivals[1], 'COMMIT;'), qr/ERROR:  40001: /, 'a transaction fails late');
$_->{run}->finish foreach @rivals;
made_by('a new file', 'the next one makes a file');
made_by('writing over', 'the one after writes over one');

# Comes to where the directory is flushed next.
sub before_flush
{
	foreach (0 .. TURNS)
	{
		fault($monitor, 'fsync / 1000000 kill');
		images(1);
		last if calls($monitor);
	}
	no_fault($monitor);
	images(TURNS - 1);
	return;
}

# A flush that failed may have lost the names for good, whatever the next one says.
before_flush();
fault($monitor, 'fsync / 1 5 once');
like(attempt($monitor, "INSERT INTO octopus.nodes VALUES ('127.1.0.1', 115);"), qr/ERROR:  58030: /, 'a flush fails');
no_fault($monitor);
made_by('a new file', "image $_ after it is not written over one of then") foreach 1 .. TURNS;
made_by('writing over', 'the next one is');

# The machine may lose the names of any time since the last flush, but no more.  The
# files of that time are there, since none of them was written over.
foreach my $lost (0 .. TURNS - 1)
{
	before_flush();
	images(1);
	my (%names, @times);
	foreach (1 .. TURNS)
	{
		push @times, { map { $_ => (stat $_)[1] } $path, pending_files($monitor) };
		images(1) if @times < TURNS;
	}
	my $all = registered_ports();
	kill_everything($monitor);
	$names{ (stat $_)[1] } = $_ foreach $path, pending_files($monitor);
	rename $_, "$_.moved" or die "cannot rename $_: $!" foreach values %names;
	while (my ($name, $inode) = each %{ $times[$lost] })
	{
		rename "$names{$inode}.moved", $name or die "cannot rename $names{$inode}: $!";
	}
	$monitor->start;
	wait_until(sub { !pending_files($monitor) }, "names of $lost transactions after a flush: settled");
	is(registered_ports(), $all, 'all is registered');
	is(scalar(() = glob "$path.*"), 0, 'nothing else is left');
	images(TURNS);
}
$born = $monitor->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# ---------- not while somebody reads ----------

# who began to read before it was replaced
my $before = read_bytes($path);
open(my $reader, '<:raw', $path) or die "cannot open $path: $!";
read $reader, my $first, 100;
images(2 * TURNS);
my $rest = do { local $/ = undef; <$reader> };
is($first . $rest, $before, 'a reader gets the image that he has opened');
close $reader;

# who has made a copy of the cheap kind
$before = read_bytes($path);
link $path, "$path.copy" or die "cannot link $path: $!";
images(2 * TURNS);
is(read_bytes("$path.copy"), $before, 'another name keeps its image');
unlink "$path.copy";

# what has a name of ours and is no file
unlink pending_files($monitor);
write_bytes("$path.elsewhere", 'of somebody');
symlink "$path.elsewhere", "$path.pending" or die "cannot link: $!";
POSIX::mkfifo("$path.pending2", 0600) or die "cannot make a fifo: $!";
images(2 * TURNS);
is(read_bytes("$path.elsewhere"), 'of somebody', 'links are not followed');
unlink "$path.elsewhere";

# ---------- who opens one while it is written over ----------

images(2 * TURNS);
fault($monitor, 'write .pending 1 stop');
my $session = session($monitor);
order($session, "INSERT INTO octopus.nodes VALUES ('127.0.0.1', " . ++$port . ');');
wait_until(sub { fault_hit($monitor) ne '' }, 'a writer is stopped');
no_fault($monitor);
my ($writer, undef, $file) = split / /, fault_hit($monitor);

pipe(my $from, my $to) or die "cannot make a pipe: $!";
my $child = spawn(sub {
	my $bytes = read_bytes($monitor->data_dir . '/' . ($file =~ s{.*/}{}r)) // 'nothing';
	syswrite $to, "opened\n" . (eval { parse($bytes)->{serial} } // 'torn');
});
wait_until(
	sub {
		open(my $wchan, '<', "/proc/$child/wchan") or return 0;
		return (<$wchan> // '') =~ /lease/;
	},
	'who opens the file waits');
ok(!IO::Select->new($from)->can_read(0), 'and has read nothing');
kill('CONT', $writer);
is(hear($session), '', 'the writer goes on');
waitpid $child, 0;
sysread $from, my $said, 100;
is($said, "opened\n" . parse(read_bytes($path))->{serial}, 'the other one gets a whole image');
is($monitor->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $born, 'nobody died of it');
is(registered_ports(), join(' ', 1 .. $port), 'all is registered');

# ---------- where names cannot be swapped ----------

foreach my $errno (EINVAL, ENOSYS)
{
	fault($monitor, "swap .registry 1 $errno");
	images(2 * TURNS);
	isnt(fault_hit($monitor), '', 'names cannot be swapped');
	no_fault($monitor);
	is(scalar(pending_files($monitor)), 0, 'no file is kept');
	is(registered_ports(), join(' ', 1 .. $port), 'all is registered');
	kill_everything($monitor);
	$monitor->start;
	is(registered_ports(), join(' ', 1 .. $port), 'for good');
}

# What is reported to have failed may have been done.
images(2 * TURNS);
fault($monitor, 'swap .registry 1 ' . EINPROGRESS . ' once');
images(1);
isnt(fault_hit($monitor), '', 'names are swapped, but that is reported to have failed');
no_fault($monitor);
is((parse(read_bytes($path))->{nodes})->[-1], "postgres octopus 127.0.0.1 $port", 'the new image is the registry');
images(1);
is(registered_ports(), join(' ', 1 .. $port), 'all is registered');
on_disk($monitor, [ map { "postgres octopus 127.0.0.1 $_" } 1 .. $port ], 'in the file, too');

# ---------- passwords are in the registry only ----------

images(2 * TURNS);
$monitor->safe_psql('postgres', "CREATE USER MAPPING FOR PUBLIC SERVER octopus OPTIONS (password 'Tr0ub4dor')");
foreach my $n (0 .. TURNS)
{
	my @holders = grep { read_bytes($_) =~ /Tr0ub4dor/ } glob "$path*";
	is("@holders", $path, "a password after $n more images");
	images(1);
}
$monitor->safe_psql('postgres', 'DROP USER MAPPING FOR PUBLIC SERVER octopus');
is(scalar(grep { read_bytes($_) =~ /Tr0ub4dor/ } glob "$path*"), 0, 'with its mapping it is gone');

# ---------- nothing is left behind ----------

foreach my $mode ('fast', 'immediate')
{
	images(2 * TURNS);
	isnt(scalar(pending_files($monitor)), 0, 'there are spare files');
	$monitor->safe_psql('postgres',
		"SET allow_system_table_mods = on; UPDATE pg_foreign_server SET srvoptions = '{enabled=false}' WHERE srvname = 'octopus'");
	is(registered_ports(), join(' ', 1 .. $port), 'the registry is amended');
	fault($monitor, 'any * 1000000 kill');
	$monitor->stop($mode);
	no_fault($monitor);
	is((calls($monitor))[0], 'fsync /', 'their names are flushed first');
	is(scalar(pending_files($monitor)), 0, "not after the end of the server, mode $mode");
	$monitor->start;
	is(registered_ports(), join(' ', 1 .. $port), 'all is registered');
}

$monitor->stop;
done_testing();

# The files that an image is written in are used again, but never under the eyes of
# somebody who has opened one as the registry, or has kept it.

use strict;
use warnings;

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

# As many transactions as numbers are given, each of which makes an image.
sub commits
{
	$monitor->safe_psql('postgres', join('', map { "INSERT INTO octopus.nodes VALUES ('127.0.0.1', $_);" } @_));
	return;
}

sub inode
{
	return (stat $path)[1];
}

# ---------- they are ----------

commits(1 .. 4);
my %inodes;
foreach my $port (11 .. 20)
{
	commits($port);
	$inodes{ inode() }++;
}
is(scalar keys %inodes, 3, 'ten images were written in three files');

# ---------- not while it may be the registry after a crash ----------

# Who fails late leaves a second name of what is still the registry.  The next one
# replaces that, by a rename that is durable with the flush of the one after only.
$monitor->safe_psql('postgres', 'CREATE TABLE skew (who int)');
my @rivals = (session($monitor), session($monitor));
ask($_, 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM skew;') foreach @rivals;
ask($rivals[$_], "INSERT INTO skew VALUES ($_);") foreach 0, 1;
ask($rivals[1], "INSERT INTO octopus.nodes VALUES ('127.1.0.1');");
ask($rivals[0], 'COMMIT;');
like(ask($rivals[1], 'COMMIT;'), qr/ERROR:  40001: /, 'a transaction fails late');
$_->{run}->finish foreach @rivals;

# A test: the next image is made in this way.
sub made_by
{
	my ($port, $first, $what) = @_;
	fault($monitor, 'any .tmp 1000000 kill');
	commits($port);
	no_fault($monitor);
	return like((calls($monitor))[0], qr/^$first /, $what);
}

made_by(101, 'open', 'the next one writes over a file');
made_by(102, 'unlink', 'the one after does not');

# A flush that failed may have lost the names for good, whatever the next one says.
commits(111 .. 114);
fault($monitor, 'fsync / 1 5 once');
like(attempt($monitor, "INSERT INTO octopus.nodes VALUES ('127.1.0.1', 115);"), qr/ERROR:  58030: /, 'a flush fails');
no_fault($monitor);
made_by(116, 'unlink', 'the next one does not write over a file');
made_by(117, 'unlink', 'nor does the one after');
$monitor->safe_psql('postgres', 'DELETE FROM octopus.nodes WHERE node_port > 100');

# ---------- not while somebody reads ----------

# who began to read before it was replaced
my $before = read_bytes($path);
open(my $reader, '<:raw', $path) or die "cannot open $path: $!";
read $reader, my $first, 100;
commits(21 .. 30);
my $rest = do { local $/ = undef; <$reader> };
is($first . $rest, $before, 'a reader gets the image that he has opened');
close $reader;

# who has made a copy of the cheap kind
$before = read_bytes($path);
link $path, "$path.copy" or die "cannot link $path: $!";
commits(31 .. 40);
is(read_bytes("$path.copy"), $before, 'another name keeps its image');
unlink "$path.copy";

# what has a name of ours and is no file
unlink "$path.tmp", "$path.tmp2";
write_bytes("$path.elsewhere", 'of somebody');
symlink "$path.elsewhere", "$path.tmp" or die "cannot link: $!";
POSIX::mkfifo("$path.tmp2", 0600) or die "cannot make a fifo: $!";
commits(41 .. 44);
is(read_bytes("$path.elsewhere"), 'of somebody', 'links are not followed');
unlink "$path.elsewhere";

# ---------- who opens one while it is written over ----------

commits(51 .. 54);
fault($monitor, 'write .tmp 1 stop');
my $session = session($monitor);
order($session, "INSERT INTO octopus.nodes VALUES ('127.0.0.1', 61);");
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
is($monitor->safe_psql('postgres', 'SELECT count(*) FROM octopus.nodes'), 4 + 10 + 10 + 10 + 4 + 4 + 1,
	'all is registered');

$monitor->stop;
done_testing();

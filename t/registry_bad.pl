# A registry file that cannot be believed: the server starts without it and
# leaves it as it is, nothing is registered until somebody has decided, and
# nothing else is in the way of anybody.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $monitor = monitor('monitor');
my $path = registry_path($monitor);

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

sub put
{
	my ($bytes) = @_;
	return sub { write_bytes($path, $bytes) };
}

sql("CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE east (node_name text) SERVER east OPTIONS (table_name 'nodes');
	INSERT INTO east VALUES ('127.0.0.1');
	INSERT INTO octopus.nodes VALUES ('127.0.0.1'), ('127.0.0.2');
	CREATE ROLE nobody LOGIN; GRANT USAGE ON SCHEMA octopus TO nobody");
refused($monitor, 'SELECT octopus.registry_reset();', '55000', 'in order',
	'a registry that is in order cannot be reset');

$monitor->stop;
my $filled = read_bytes($path);
(my $good = $filled) =~ s/\n+\z/\n/;
my $half = substr($good, 0, length($good) / 2);
(my $edited = $good) =~ s/127\.0\.0\.2/127.0.0.3/ or die;
(my $boastful = $good) =~ s/^(counts\t\d+\t)\d+$/${1}2000000000/m or die;
(my $newer = $good) =~ s/^(octopus_fdw registry\t)2/${1}3/ or die;
(my $noise = $good) =~ tr/\0-\377/\200-\377\0-\177/;

# What is done to the file, and the cause that is told.
my @cases = (
	[ 'torn', put($half), 'line \d+: the file ends within a line' ],
	[
		'of zeros since the middle',
		put($half . "\0" x (length($good) - length($half))),
		'line \d+: the file ends within a line'
	],
	[
		'without its last byte', put(substr($good, 0, -1)),
		'line \d+: the file ends within a line'
	],
	[ 'that goes on', put($filled . '#'), 'line \d+: the file goes on behind its last line' ],
	[ 'edited', put($edited), 'line \d+: the checksum does not match' ],
	[
		'that says it holds more than any memory would',
		put($boastful),
		'line \d+: the file has not the number of records that its header says'
	],
	[
		'of another version',
		put(image($newer)),
		'line 1: the file has a format that this version does not know'
	],
	[ 'empty', put(''), 'line 0: the file is empty' ],
	[ 'noise', put($noise), 'line 1: the file is no registry of octopus_fdw|line 1: the file ends within a line' ],
	[
		'unreadable', sub { put($good)->(); chmod 0000, $path },
		'could not read it: Permission denied'
	],
	[
		'a directory',
		sub { unlink $path; mkdir $path },
		'could not read it: Is a directory'
	],
	[
		'a link to itself',
		sub { unlink $path; symlink($path, $path) },
		'could not read it: Too many levels of symbolic links'
	]);

# What can be seen of the file from outside.
sub look
{
	my ($at) = @_;
	my @stat = lstat($at);
	return join(' ',
		-l $at, $stat[2], $stat[7],
		-l $at ? readlink $at : -f $at && $stat[2] & 0400 ? read_bytes($at) : '');
}

new_log($monitor);
foreach my $case (@cases)
{
	my ($what, $spoil, $cause) = @$case;

	rmdir $path if -d $path && !-l $path;
	unlink $path if -e $path || -l $path;
	$spoil->();
	my $before = look($path);

	$monitor->start;
	my $log = new_log($monitor);
	my $lines = () = $log =~ /LOG:  registry of octopus_fdw cannot be used\n/g;
	is($lines, 1, "$what: one line in the log");
	like(
		$log,
		qr/DETAIL:  File "octopus_fdw\.registry", (?:$cause)\.\n/,
		"$what: with the cause");
	is(registered($monitor), '', "$what: the table is empty");
	my $said = attempt($monitor, "INSERT INTO octopus.nodes VALUES ('127.0.0.1');");
	like(
		$said,
		qr/ERROR:  XX001: registry of octopus_fdw cannot be used\nDETAIL:  File "octopus_fdw\.registry", (?:$cause)\.\nHINT:  .*octopus\.registry_reset\(\)/,
		"$what: INSERT is refused");
	$said = attempt(
		$monitor, "
CREATE DATABASE d; DROP DATABASE d;
BEGIN; DROP SERVER east CASCADE; ROLLBACK;
CREATE SERVER west FOREIGN DATA WRAPPER octopus_fdw; DROP SERVER west;
BEGIN; DROP EXTENSION octopus_fdw CASCADE; ROLLBACK;
CREATE TABLE t (a int); DROP TABLE t;
COPY (SELECT * FROM octopus.nodes) TO STDOUT;");
	unlike($said, qr/ERROR/, "$what: all else goes through");
	$monitor->stop;
	is(look($path), $before, "$what: the file is as it was");
	new_log($monitor);
}
unlink $path;

# ---------- the good one comes back ----------

# A base backup fills up with zeros what became shorter.
write_bytes($path, $good . "\0" x 5000);
$monitor->start;
is(registered($monitor), '127.0.0.1 127.0.0.2', 'with the good file all is well');
is(registered($monitor, 'east'), '127.0.0.1', 'for every group');
unlike(new_log($monitor), qr/cannot be used/, 'and nothing is logged');

# ---------- with a pending file ----------

# Nobody judges it as long as what it would replace cannot be believed.
my $xid = sql('CREATE TABLE witness (a int); SELECT pg_current_xact_id()');
$monitor->stop;
my $left = image($good, serial => 100, xid => $xid, nodes => [ [ '127.0.0.8', 5432 ] ]);
write_bytes($path, $edited);
write_bytes("$path.pending", $left);
$monitor->start;
refused($monitor, "INSERT INTO octopus.nodes VALUES ('127.0.0.1');", 'XX001',
	'the checksum does not match', 'a bad file with a pending one beside it');
sql('CREATE DATABASE d');
sql('DROP DATABASE d');
wait_prober($monitor);
$monitor->restart;
is(registered($monitor), '', 'the table is empty');
is(read_bytes($path), $edited, 'the bad file is as it was');
is(read_bytes("$path.pending"), $left, 'the pending one, too');
$monitor->stop;
write_bytes($path, $good);
$monitor->start;
is_registered($monitor, '127.0.0.1 127.0.0.2 127.0.0.8', 'beside the good file it is settled');
wait_until(sub { !pending($monitor) }, 'and nothing is left of it');
$monitor->stop;
write_bytes($path, $good);
$monitor->start;

# ---------- reset ----------

# Tests that a reset sets aside what is there as the file of that name.
sub reset_works
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($kept, $what) = @_;
	my $before = look($path);

	$monitor->start;
	foreach my $granted (0, 1)
	{
		sql('GRANT EXECUTE ON FUNCTION octopus.registry_reset() TO nobody') if $granted;
		refused($monitor, 'SET ROLE nobody; SELECT octopus.registry_reset();', '42501', '',
			"$what: not for everybody" . ($granted ? ', even if granted' : ''));
	}
	sql('REVOKE EXECUTE ON FUNCTION octopus.registry_reset() FROM nobody');
	is(look($path), $before, "$what: nothing is done then");

	sql('SELECT octopus.registry_reset()');
	is(look(registry_path($monitor, $kept)), $before, "$what: it is kept");
	on_disk($monitor, [], "$what: the new one is empty");
	sql("INSERT INTO octopus.nodes VALUES ('127.0.0.7')");
	refused($monitor, 'SELECT octopus.registry_reset();', '55000', 'in order',
		"$what: once");
	kill_everything($monitor);
	$monitor->start;
	is(registered($monitor), '127.0.0.7', "$what: registrations are for good again");
	$monitor->stop;
	return;
}

$monitor->stop;
write_bytes($path, $edited);
reset_works('.bad', 'edited');
write_bytes($path, $half);
reset_works('.bad.1', 'torn');
unlink $path;
mkdir $path;
reset_works('.bad.2', 'a directory');
is(read_bytes(registry_path($monitor, '.bad')), $edited, 'the first is still kept');

# ---------- what hangs on dropped objects ----------

write_bytes($path, $edited);
$monitor->start;
unlike(
	attempt(
		$monitor, "
CREATE DATABASE d;
\\c d
CREATE EXTENSION octopus_fdw; DROP EXTENSION octopus_fdw;
CREATE EXTENSION octopus_fdw;
\\c postgres
DROP DATABASE d;
DROP SERVER east CASCADE; DROP EXTENSION octopus_fdw CASCADE;"),
	qr/ERROR/,
	'servers, extension and databases can be dropped');
is(read_bytes($path), $edited, 'which does not touch the file');

done_testing();

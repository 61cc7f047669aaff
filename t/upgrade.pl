# Another version comes: as SQL objects, which one database has already and
# another has not; and as a library, on disk beneath a server that runs on.

use strict;
use warnings;

use Octopus;
use Fleet;
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor('monitor', period => '100ms');
my $prober = prober_pid($monitor);
my @databases = ('postgres', 'other');

sub sql
{
	my ($database, $query) = @_;
	return $monitor->safe_psql($database, $query);
}

sub version
{
	my ($database) = @_;
	return sql($database, "SELECT extversion FROM pg_extension WHERE extname = 'octopus_fdw'");
}

# A test: in a database what is asked of it is as ever.
sub all_goes_on
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($database, $when) = @_;
	my $name = $database eq 'postgres' ? '127.1.0.1' : '127.1.0.2';

	sql($database, "INSERT INTO octopus.nodes VALUES ('127.1.9.9', $port)");
	sql($database, "DELETE FROM octopus.nodes WHERE node_name = '127.1.9.9'");
	is( sql($database, "SELECT node_name, health_status, octopus.is_healthy(node_name, node_port),
			(SELECT transition_count FROM octopus.node_stats) FROM octopus.node_status"),
		"$name|1|t|0", "$database $when: its node is healthy, and has been");
	is(sql($database, 'SELECT nodes FROM octopus.summary'), 1, "$database $when: a view");
	return;
}

sql('postgres', 'CREATE DATABASE other');
sql('other', 'CREATE EXTENSION octopus_fdw');
foreach my $i (0, 1)
{
	sql($databases[$i], "INSERT INTO octopus.nodes VALUES ('127.1.0." . ($i + 1) . "', $port)");
	ok($monitor->poll_query_until($databases[$i], 'SELECT health_status = 1 FROM octopus.nodes'),
		"$databases[$i]: a healthy node");
}

# ---------- the SQL objects ----------

# Whatever runs beside us has the same installation: what is put there does the
# others no harm, and goes in the end.
my $script = $monitor->config_data('--sharedir') . '/extension/octopus_fdw--1.0--test.sql';
my $library = $monitor->config_data('--pkglibdir') . '/octopus_fdw.so';

END
{
	unlink $script if $script;
}

append_to_file($script, <<'END');
CREATE FUNCTION octopus.what_is_new() RETURNS text LANGUAGE sql RETURN 'something';
DROP VIEW octopus.summary;
CREATE VIEW octopus.summary AS
	SELECT count(*) AS nodes, 'new' AS age FROM octopus.nodes;
END
my $update = "ALTER EXTENSION octopus_fdw UPDATE TO 'test'";

sql('postgres', "BEGIN; $update; ROLLBACK");
is(version('postgres'), '1.0', 'an update that is rolled back');
all_goes_on($_, 'after it') foreach @databases;

sql('postgres', $update);
is(join(' ', map { version($_) } @databases), 'test 1.0', 'one database is updated');
is(sql('postgres', 'SELECT octopus.what_is_new()'), 'something', 'and has what is new');
all_goes_on($_, 'with both versions side by side') foreach @databases;
is(prober_pid($monitor), $prober, 'one prober serves both');

# ---------- the library ----------

# As a package does it: a new file takes the name of the old one.  What is behind
# the end of a library nobody reads, but for us who ask whether it is another.
copy($library, "$library.new") or die "could not copy $library: $!";
append_to_file("$library.new", 'another version');
chmod 0755, "$library.new";
rename("$library.new", $library) or die "could not rename $library.new: $!";
like(slurp_file($library), qr/another version\z/, 'there is another library');

all_goes_on($_, 'with another library on disk') foreach @databases;
kill 'KILL', $prober;
ok(wait_prober($monitor, $prober), 'a prober that died is replaced by one of the old library');
ok($monitor->poll_query_until($_, 'SELECT bool_and(health_status = 1) FROM octopus.nodes'),
	"$_: its node is healthy again")
  foreach @databases;

$monitor->restart;
wait_prober($monitor);
ok($monitor->poll_query_until($_, 'SELECT bool_and(health_status = 1) FROM octopus.nodes'),
	"$_: and after a restart with the new one")
  foreach @databases;

# ---------- the end ----------

sql('postgres', 'DROP EXTENSION octopus_fdw CASCADE');
all_goes_on('other', 'without the other');

done_testing();

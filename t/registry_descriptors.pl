# A session that may open no more files when it commits: what registers fails
# cleanly or not at all, and DROP DATABASE, whose files are gone by then, never.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $hoard = ($ENV{TESTDIR} // '.') . '/build/hoard.so';
my $monitor = monitor('monitor', period => '1h');
configure($monitor, shared_preload_libraries => "octopus_fdw,$hoard");
$monitor->restart;
$monitor->safe_psql('postgres', 'CREATE DATABASE doomed');
$monitor->safe_psql('doomed',
	"CREATE EXTENSION octopus_fdw; INSERT INTO octopus.nodes VALUES ('127.0.0.9')");
my $born = $monitor->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# Does something as such a session.  What it says, but for core's complaints
# about files that are open at the end.
sub hoarding
{
	my $said = attempt($monitor, "SET hoard.descriptors = on;\n" . shift);
	return join("\n", grep { !/temporary files and directories not closed|^LOCATION/ } split /\n/, $said);
}

new_log($monitor);
is(hoarding("INSERT INTO octopus.nodes VALUES ('127.0.0.1');"), '', 'who may open no file can register');
like(new_log($monitor), qr/hoard: [1-9]\d+ files are open/, 'it had them open');
on_disk($monitor, [ '127.0.0.1', 'doomed octopus 127.0.0.9 5432' ], 'which is for good');
is(hoarding("ALTER SERVER octopus OPTIONS (ADD health_check_period '2h');"), '', 'or alter a server');
is(hoarding('DROP DATABASE doomed;'), '', 'or drop a database');
on_disk($monitor, ['127.0.0.1'], 'whose nodes go');
is($monitor->safe_psql('postgres', "SELECT count(*) FROM pg_database WHERE datname = 'doomed'"),
	'0', 'with it');
unlike(new_log($monitor), qr/PANIC|FATAL|terminated by signal/, 'nobody died');
is($monitor->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $born, 'the server is the same');

$monitor->stop;
done_testing();

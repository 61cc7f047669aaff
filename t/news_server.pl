# Who waits for a primary does not wait for himself, nor for a server that is gone.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor('monitor', period => '100ms', timeout => '500ms', max_retries => 0);
my $standby = $fleet->address('standby', 1);
my $session = session($monitor);

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

sub waits_for
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($server) = @_;
	order($session, "SELECT octopus.wait_for_primary('$server', '1 hour');");
	return ok(
		$monitor->poll_query_until('postgres',
			q{SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Extension' AND query LIKE 'SELECT octopus.wait%'}),
		"somebody waits for $server");
}

refused($monitor,
	"BEGIN; INSERT INTO octopus.nodes VALUES ('$standby', $port); SELECT octopus.wait_for_primary();",
	'55000', 'changed by this transaction.*HINT:  Commit first', 'nobody waits for the primary that he registers');
sql(qq{CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE east (node_name text, node_port int) SERVER east OPTIONS (table_name 'nodes');
	INSERT INTO east VALUES ('$standby', $port)});
waits_for('east');
sql('DROP SERVER east CASCADE');
like(hear($session), qr/ERROR:  42704: .*server "east" was dropped while it was waited for/, 'the end of the server ends it');
sql('CREATE SERVER west FOREIGN DATA WRAPPER octopus_fdw');
waits_for('west');
sql('DROP SERVER west');
like(hear($session), qr/ERROR:  42704: .*server "west" was dropped while it was waited for/, 'even if it has no nodes');
$session->{run}->finish;
$monitor->stop;
done_testing();

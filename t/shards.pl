# A table of two shards, foreign tables of postgres_fdw, one of which is down: who
# asks for what is healthy gets the rows of the other one, and nobody tries to
# connect to the dead one.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @shards = map { target("shard$_", log_connections => 'on') } 1, 2;
my @ports = map { $_->port } @shards;
$_->safe_psql('postgres', 'CREATE TABLE measures (shard int, value text)') foreach @shards;
$shards[ $_ - 1 ]->safe_psql('postgres', "INSERT INTO measures VALUES ($_, 'from $_')") foreach 1, 2;

my $monitor = monitor('monitor', period => '100ms', max_retries => 0, 'octopus.health_check_type' => 'tcp');
my $user = $monitor->safe_psql('postgres', 'SELECT current_user');

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

# as the README has it
sql(q{CREATE EXTENSION postgres_fdw;
	CREATE TABLE measures (shard int, value text) PARTITION BY LIST (shard)});
foreach my $n (1, 2)
{
	sql(qq{
		CREATE SERVER shard$n FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '$ports[$n - 1]', dbname 'postgres');
		CREATE USER MAPPING FOR CURRENT_USER SERVER shard$n OPTIONS (user '$user', password_required 'false');
		CREATE FOREIGN TABLE measures_$n PARTITION OF measures FOR VALUES IN ($n) SERVER shard$n OPTIONS (table_name 'measures');
		INSERT INTO octopus.nodes VALUES ('127.0.0.1', $ports[$n - 1])});
}
wait_tally($monitor, '2/0/0', 'two shards');

my $query = qq{SELECT shard, value FROM measures WHERE shard = ANY (ARRAY[
	octopus.if_healthy(1, '127.0.0.1', $ports[0]),
	octopus.if_healthy(2, '127.0.0.1', $ports[1])]) ORDER BY shard};
is(sql($query), "1|from 1\n2|from 2", 'both are there: rows of both');
is(sql('SELECT count(*) FROM octopus.foreign_server_status WHERE health_status = 1'), 2, 'no foreign server would fail');
sql("CREATE SERVER odd FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'a,b,c', port 'none,99999999999, 7 ')");
is(sql("SELECT host, port FROM octopus.foreign_server_status WHERE foreign_server = 'odd' ORDER BY 1"), "a|\nb|\nc|7",
	'ports that are none of one server keep nobody from seeing the others');
unlike(sql("EXPLAIN (COSTS off) $query"), qr/Removed/, 'nothing is left out');

$shards[1]->stop('immediate');
wait_tally($monitor, '1/1/0', 'one is dead');
# an attempt to connect to the dead one would be an error
is(sql($query), '1|from 1', 'rows of the one that lives');
like(sql("EXPLAIN (COSTS off) $query"), qr/Subplans Removed: 1/, 'the other one is pruned when execution begins');
like(($monitor->psql('postgres', 'SELECT * FROM measures'))[2], qr/could not connect to server "shard2"/,
	'who does not ask fails');
is(sql('SELECT foreign_server FROM octopus.foreign_server_status WHERE health_status = 0'), 'shard2', 'as he could have known');
is(sql("PREPARE q AS $query; SET plan_cache_mode = force_generic_plan; EXECUTE q; EXECUTE q"),
	"1|from 1\n1|from 1", 'the same of a plan that was made before');
my $prepared = $monitor->background_psql('postgres');
$prepared->query_safe("PREPARE q AS $query; SET plan_cache_mode = force_generic_plan");
is($prepared->query_safe('EXECUTE q'), '1|from 1', 'a plan');
sql('UPDATE octopus.node_options SET enabled = false');
ok($monitor->poll_query_until('postgres', 'SELECT bool_and(health_status = -1) FROM octopus.nodes'),
	'nobody is probed, so nobody knows');
is($prepared->query_safe('EXECUTE q'), '', 'and nobody is asked');
sql('UPDATE octopus.node_options SET enabled = true');
$shards[1]->start;
wait_tally($monitor, '2/0/0', 'it is back');
is($prepared->query_safe('EXECUTE q'), "1|from 1\n2|from 2", 'which is right later, too');
$prepared->quit;

$monitor->stop;
$_->stop foreach @shards;
done_testing();

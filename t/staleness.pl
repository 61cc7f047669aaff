# A verdict that has grown too old is not shown, whatever became of the prober; a
# short stop makes no verdict old.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $monitor = monitor(
	'monitor',
	period => '100ms',
	timeout => '1s',
	max_retries => 0,
	'octopus.health_check_jitter' => 0);
my $target = target('target');
my $port = $target->port;

# server, health and state of each node
my $seen =
  q{SELECT string_agg(concat_ws('/', server_name, health_status, state), ' ' ORDER BY server_name) FROM octopus.node_status};

sub ask
{
	my ($query) = @_;
	return $monitor->safe_psql('postgres', $query);
}

sub becomes
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($expected, $test) = @_;
	return ok($monitor->poll_query_until('postgres', $seen, $expected), $test);
}

# Sets the setting, and waits until sessions begin with it.
sub set_max_age
{
	my ($value) = @_;
	$monitor->safe_psql('postgres',
		"ALTER SYSTEM SET octopus.status_max_age = '$value'");
	$monitor->reload;
	$monitor->poll_query_until('postgres',
		"SELECT setting <> '' AND current_setting('octopus.status_max_age') = '$value' FROM pg_settings WHERE name = 'octopus.status_max_age'"
	) or die "setting did not change";
	return;
}

# one that is checked often, one that is checked seldom
ask(qq{CREATE SERVER often FOREIGN DATA WRAPPER octopus_fdw;
	CREATE SERVER seldom FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_period '1h');
	CREATE FOREIGN TABLE often_nodes (node_name text, node_port int, health_status int) SERVER often OPTIONS (table_name 'nodes');
	CREATE FOREIGN TABLE seldom_nodes (node_name text, node_port int) SERVER seldom OPTIONS (table_name 'nodes');
	INSERT INTO often_nodes VALUES ('127.0.0.1', $port);
	INSERT INTO seldom_nodes VALUES ('127.0.0.1', $port)});
my $alive = qr{^often/1/(healthy|degraded) seldom/1/(healthy|degraded)$};
ok($monitor->poll_query_until('postgres', "SELECT bool_and(health_status = 1) FROM octopus.node_status"),
	'both are healthy');
like(ask($seen), $alive, 'and say so');
my ($often) = ask($seen) =~ m{^often/1/(\w+)};

# by its period and timeout, 3.3 s are the most
my $pid = prober_pid($monitor);
freeze($pid);
becomes("often/-1/stale seldom/1/$often", 'with the prober stopped, one verdict is old soon');
is(ask('SELECT health_status FROM often_nodes'), '-1', 'so it is in octopus.nodes');
is(ask("SELECT health_status FROM often_nodes WHERE node_name = '127.0.0.1' AND node_port = $port"),
	'-1', 'and when looked up');
is(ask("SELECT state FROM octopus.node_status WHERE server_name = 'often' AND node_name = '127.0.0.1' AND node_port = $port"),
	'stale', 'in node_status, too');
is(ask("SELECT reason IS NOT NULL AND last_success_time IS NOT NULL FROM octopus.node_status WHERE server_name = 'often'"),
	't', 'what was found last is still there');
my ($healthy, $unknown) = split /\|/,
  ask("SELECT healthy_time, unknown_time FROM octopus.node_stats WHERE server_name = 'often'");
sleep 0.2;
my ($healthy_later, $unknown_later) = split /\|/,
  ask("SELECT healthy_time, unknown_time FROM octopus.node_stats WHERE server_name = 'often'");
is($healthy_later, $healthy, 'a node is not healthy while nobody knows');
cmp_ok($unknown_later, '>=', $unknown + 0.2, 'but unknown');
thaw($pid);
becomes("often/1/$often seldom/1/$often", 'it is known again when the prober goes on');
cmp_ok(ask("SELECT unknown_time FROM octopus.node_stats WHERE server_name = 'often'"),
	'>=', $unknown_later, 'the time between stays unknown');
is(ask("SELECT transition_count FROM octopus.node_stats WHERE server_name = 'often'"),
	'0', 'and nothing has changed');

# a stop that is shorter than the age
freeze($pid);
sleep 0.5;
is(ask($seen), "often/1/$often seldom/1/$often", 'a short stop makes no verdict old');
thaw($pid);

# what the setting says goes for all
set_max_age('300ms');
freeze($pid);
becomes('often/-1/stale seldom/-1/stale', 'the setting counts for all nodes');
set_max_age('-1');
is(ask($seen), "often/1/$often seldom/1/$often", 'with -1 no verdict is ever old');
set_max_age('0');
becomes("often/-1/stale seldom/1/$often", 'with 0 it is for the prober to say');
thaw($pid);
becomes("often/1/$often seldom/1/$often", 'and so it does');

# a longer period counts for the verdict that there is
ask("ALTER SERVER often OPTIONS (ADD health_check_period '1h')");
ok( $monitor->poll_query_until('postgres',
		"SELECT next_check_time > now() + interval '1 s' FROM octopus.node_status WHERE server_name = 'often'"),
	'checked seldom');
freeze($pid);
my $checked = ask("SELECT last_check_time FROM octopus.node_status WHERE server_name = 'often'");
sleep 4;
is(ask($seen), "often/1/$often seldom/1/$often", 'what was checked often is not old after a while');
thaw($pid);
ask("ALTER SERVER often OPTIONS (DROP health_check_period)");
ok( $monitor->poll_query_until('postgres',
		"SELECT last_check_time > '$checked' FROM octopus.node_status WHERE server_name = 'often'"),
	'checked often again');

# a prober that is gone, and comes back no sooner than after a second: within one
# statement, since connecting may take that long
my $gone = ask(q{
	CREATE FUNCTION end_prober() RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		deadline timestamptz := clock_timestamp() + interval '1 min';
	BEGIN
		PERFORM pg_terminate_backend(pid) FROM octopus.monitor;
		WHILE (SELECT pid IS NOT NULL FROM octopus.monitor) LOOP
			IF clock_timestamp() > deadline THEN
				RETURN 'it never went';
			END IF;
			PERFORM pg_sleep(0.001);
		END LOOP;
		RETURN (SELECT concat_ws(' ', bool_or(in_flight), count(next_check_time), count(backend_start))
			FROM octopus.node_status, octopus.monitor);
	END $$;
	SELECT end_prober()});
is($gone, 'f 0 0', 'without a prober nothing is under way or due');
wait_prober($monitor, $pid);
becomes("often/1/$often seldom/1/$often", 'a new one takes up the verdicts');
is(ask('SELECT pid FROM octopus.monitor'), prober_pid($monitor), 'and tells of itself');

# a disabled node is not stale but disabled
ask('CREATE FOREIGN TABLE often_options (node_name text, node_port int, enabled bool) SERVER often OPTIONS (table_name \'nodes\');
	UPDATE often_options SET enabled = false');
becomes("often/-1/disabled seldom/1/$often", 'disabled');
freeze(prober_pid($monitor));
sleep 4;
is(ask($seen), "often/-1/disabled seldom/1/$often", 'and so it stays');
thaw(prober_pid($monitor));

done_testing();

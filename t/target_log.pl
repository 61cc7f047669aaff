# Probes leave no trace in the log of a healthy target that can be avoided,
# whether it lets them in, asks for a password or is asked at its Unix socket:
# beside what log_connections brings there is nothing.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $probes = 50;

# nothing but connections is logged, and only probes connect
my $target = target(
	'target',
	log_connections => 'on',
	log_statement => 'none',
	log_checkpoints => 'off',
	autovacuum => 'off');
my $monitor = monitor('monitor', period => '20ms');
my $port = $target->port;
new_log($target);

sub log_of_probes
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what, $name) = @_;

	register($monitor, [ $name, $port ]);
	wait_health($monitor, $name, $port, 1, "$what: healthy");

	my $log = '';
	wait_until(
		sub {
			$log .= new_log($target);
			return (() = $log =~ /connection received/g) >= $probes;
		},
		"$what: probed $probes times");
	$monitor->safe_psql('postgres', 'DELETE FROM octopus.nodes');

	my @unexpected = grep { !/LOG:  connection (received|authenticated|authorized):/ }
	  split /\n/, $log;
	is(join("\n", @unexpected), '', "$what: nothing else is logged");
	return $log;
}

# ---------- logged in ----------

my $log = log_of_probes('a target that trusts', '127.0.0.1');
like(
	$log,
	qr/connection authorized: user=\S+ database=postgres application_name=octopus_fdw/,
	'a probe says who it is');
log_of_probes('a socket of a target that trusts', $target->host);

# ---------- asked for a password ----------

# each way of asking has messages of its own
foreach my $method ('scram-sha-256', 'md5', 'password')
{
	unlink($target->data_dir . '/pg_hba.conf');
	$target->append_conf('pg_hba.conf', "local all all $method");
	$target->append_conf('pg_hba.conf', "host all all all $method");
	$target->restart;
	new_log($target);

	$log = log_of_probes("a target that asks by $method", '127.0.0.1');
	unlike($log, qr/authorized/, "$method: nobody is let in");
}
log_of_probes('a socket of a target that asks', $target->host);

# ---------- a target that logs no connections logs nothing ----------

# Whatever it may have to complain of, it may say now.
unlink($target->data_dir . '/pg_hba.conf');
$target->append_conf('pg_hba.conf', "local all all trust\nhost all all all scram-sha-256");
configure($target, log_connections => 'off', log_min_messages => 'debug1');
$target->restart;
$target->safe_psql('postgres', q{
	SET password_encryption = 'scram-sha-256';
	CREATE ROLE watch LOGIN PASSWORD 'secret';
	CREATE DATABASE watched});
configure($monitor, 'octopus.log_checks' => 'all');
$monitor->reload;

# Has the target probed a hundred times; the checks must be of that reason and
# phase, all of them.
sub silence_of
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($server, $what, $expected) = @_;
	my $checks = '';

	$monitor->safe_psql('postgres', "
		CREATE FOREIGN TABLE $server (node_name text, node_port int) SERVER $server OPTIONS (table_name 'nodes')");
	new_log($monitor);
	new_log($target);
	$monitor->safe_psql('postgres', "INSERT INTO $server VALUES ('127.0.0.1', $port)");
	wait_until(
		sub {
			$checks .= join '', new_log($monitor) =~ /(check of node .*\n)/g;
			return ($checks =~ tr/\n//) >= 100;
		},
		"$what: probed a hundred times");

	# dropping it may cut a login short, which no check does
	my $said = join '', grep { !/autovacuum|checkpoint|DEBUG:  (?:snapshot of|forked new backend)/ } split /^/, new_log($target);
	$monitor->safe_psql('postgres', "DROP SERVER $server CASCADE");
	is(join('', grep { !/: $expected, / } split /^/, $checks), '', "$what: all come to $expected");
	is($said, '', "$what: not a word in the log");
	return;
}

sub server
{
	my ($server, $options) = @_;
	$monitor->safe_psql('postgres',
		"CREATE SERVER $server FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_period '4ms', $options);
		CREATE USER MAPPING FOR CURRENT_USER SERVER $server OPTIONS (user 'watch', password 'secret')");
	return $server;
}

silence_of(server('w1', "health_check_type 'tcp'"), 'tcp', 'ok, phase connect');
silence_of(server('w2', "health_check_type 'ping'"), 'ping', 'ok, phase auth');
silence_of(server('w3', "health_check_type 'ping', sslmode 'prefer'"), 'ping through libpq', 'ok, phase auth');
silence_of(server('w4', "health_check_type 'connection'"), 'connection', 'ok, phase auth');
silence_of(server('w5', "health_check_type 'query'"), 'query', 'ok, phase query');
silence_of(server('w6', "health_check_type 'query', health_check_query 'SELECT true FROM pg_class LIMIT 2'"),
	'query with two rows', 'query_failed, phase query');
silence_of(server('w7', "health_check_type 'connection', keep_connections 'on'"),
	'held session', 'ok, phase (auth|query)');
silence_of(server('w8', "health_check_type 'query', keep_connections 'on'"),
	'held session with queries', 'ok, phase query');

# ---------- nobody is kept from dropping a database ----------

server('w9', "health_check_type 'query', dbname 'watched'");
$monitor->safe_psql('postgres', "
	CREATE FOREIGN TABLE w9 (node_name text, node_port int, health_status int) SERVER w9 OPTIONS (table_name 'nodes');
	INSERT INTO w9 VALUES ('127.0.0.1', $port)");
ok($monitor->poll_query_until('postgres', 'SELECT health_status = 1 FROM w9'),
	'probes sit in a database');
my ($ret, $stdout, $stderr) = $target->psql('postgres', 'DROP DATABASE watched');
is($stderr, '', 'which can be dropped nevertheless');
ok($monitor->poll_query_until('postgres', 'SELECT health_status = 0 FROM w9'),
	'and is missed by them');

done_testing();

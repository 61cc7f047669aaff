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

done_testing();

# Memory runs short for libpq and c-ares, again and again at other places: that is
# our trouble and no node's, and it ends nobody.

use strict;
use warnings;

use Octopus;
use Dns;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $dns = Dns->new;
my $shim = ($ENV{TESTDIR} // '.') . '/build/famine.so';
die "there is no $shim" unless -e $shim;
$ENV{LD_PRELOAD} = $shim;
my $monitor = monitor(
	'monitor',
	period => '50ms',
	timeout => '2s',
	max_retries => 1,
	retry_delay => '10ms',
	'octopus.dns_servers' => $dns->address,
	'octopus.dns_max_ttl' => '1ms',
	'octopus.health_check_type' => 'query');
delete $ENV{LD_PRELOAD};
my $prober = prober_pid($monitor);
my $hits = $monitor->data_dir . '/famine.hit';

sub sql { return $monitor->safe_psql('postgres', shift); }

sub set_famine
{
	my ($every) = @_;
	my $path = $monitor->data_dir . '/famine';
	unlink $path if -e $path;
	append_to_file("$path.new", $every);
	rename("$path.new", $path) or die "cannot rename $path.new: $!" if $every;
	unlink "$path.new";
	return;
}

sub refusals { my ($who) = @_; return -e $hits ? scalar(() = slurp_file($hits) =~ /$who/g) : 0; }

# Twenty that live, half of them known by name and held; and as many that do not.
sql("CREATE SERVER held FOREIGN DATA WRAPPER octopus_fdw OPTIONS (keep_connections 'on');
	CREATE FOREIGN TABLE held (node_name text, node_port int) SERVER held OPTIONS (table_name 'nodes')");
foreach my $i (1 .. 10)
{
	$dns->set("live$i.test", "addresses 0 127.1.1.$i");
	$dns->set("dead$i.test", 'addresses 0 ' . $fleet->address('reset', $i));
	sql("INSERT INTO octopus.nodes VALUES ('127.1.0.$i', $port), ('live$i.test', $port), ('dead$i.test', $port);
		INSERT INTO held VALUES ('127.1.2.$i', $port), ('" . $fleet->address('reset', 100 + $i) . "', $port)");
}
my $right = q{SELECT bool_and(health_status = CASE WHEN node_name ~ '^(127\.1\.|live)' THEN 1 ELSE 0 END)
	FROM octopus.node_status};
ok($monitor->poll_query_until('postgres', $right), 'all are judged');
my $failures = q{SELECT sum(failure_count) FROM octopus.node_stats WHERE node_name ~ '^(127\.1\.|live)'};
is(sql($failures), 0, 'no check of one that lives has failed');

foreach my $every (1, 2, 3, 5, 11, 31)
{
	my %before = map { $_ => refusals($_) } 'p', 'c';
	my $checks = sql('SELECT checks_total FROM octopus.monitor');

	set_famine($every);
	foreach my $who ('p', 'c')
	{
		wait_until(sub { refusals($who) >= $before{$who} + 20 },
			"every request refused but " . ($every - 1) . ': ' . ($who eq 'p' ? 'libpq' : 'c-ares') . ' felt it');
	}
	set_famine(0);
	ok($monitor->poll_query_until('postgres', "SELECT checks_total > $checks + 40 FROM octopus.monitor"),
		'checks go on');
	ok($monitor->poll_query_until('postgres', $right), 'and say what is right');
}
is(sql($failures), 0, 'the living were never blamed');
cmp_ok(sql(q{SELECT sum(void_count) FROM octopus.node_stats}), '>', 0, 'what could not be done counts as that');
is(prober_pid($monitor), $prober, 'by the same prober');
unlike(slurp_file($monitor->logfile), qr/PANIC|terminated by signal|(?:127\.1\.\d+\.\d+|live\d+\.test)":\d+ is unhealthy/,
	'nobody fell');

done_testing();

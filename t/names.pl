# Nodes that are known by name: the DNS is asked now and then, never waited for,
# and its troubles are held against nobody.

use strict;
use warnings;
use feature 'state';

use Octopus;
use Dns;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $fleet = Fleet->new;
my $port = $fleet->port;
my $dns = Dns->new;
my $monitor = monitor(
	'monitor',
	period => '100ms',
	timeout => '2s',
	max_retries => 1,
	retry_delay => '100ms',
	'octopus.dns_servers' => $dns->address,
	'octopus.dns_max_ttl' => '1s');

# How often the prober has come to an address since it began.
sub probes
{
	my ($address) = @_;
	return $fleet->count($address);
}

# A test: an address is probed so many times more.
sub wait_probes
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($address, $more, $test) = @_;
	my $before = probes($address);
	return wait_until(sub { probes($address) >= $before + $more }, $test);
}

# A test: the name is asked for so many times more.
sub wait_questions
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($name, $more, $test) = @_;
	my $before = $dns->count($name);
	return wait_until(sub { $dns->count($name) >= $before + $more }, $test);
}

# A test: since the last call nobody has become unhealthy, except those named.
sub nobody_fell
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($test, @except) = @_;
	my %except = map { $_ => 1 } @except;
	my @fallen = grep { !$_->{health} && !$except{ $_->{node} =~ s/"(.*)".*/$1/r } }
	  changes($monitor);
	return is(join(', ', map { "$_->{node}: $_->{cause}" } @fallen), '', $test);
}

# ---------- answers of every kind ----------

my @good = (
	[ 'plain.test', 'addresses 60 127.1.0.1' ],
	[ 'both.test', 'addresses 60 127.1.0.2,2001:db8::1' ],
	[ 'alias.test', 'cname 60 plain.test' ],
	[ 'slow.test', 'slow 300 addresses 60 127.1.0.3' ],
	[ 'tcp.test', 'truncated addresses 60 127.1.0.4' ],
	[ 'big.test', 'addresses 60 ' . join(',', map { "127.1.1.$_" } 1 .. 100) ],
	[ 'many.test', 'addresses 60 127.3.0.1,127.3.0.2,127.3.0.3,127.1.0.5' ]);
my @absent = (
	[ 'nxdomain.test', 'nxdomain' ],
	[ 'forged.test', 'forged' ],
	[ 'empty.test', 'empty' ]);
my @trouble = map { [ "$_.test", $_ ] }
  qw(servfail refused silent garbage wrongid wrongquestion);
push @trouble, [ 'half.test', 'slow 100 empty' ];

$dns->set(@$_) foreach @good, @absent, @trouble;
$dns->set4('half.test', 'servfail');
register($monitor, map { [ $_->[0], $port ] } @good, @absent);
wait_health($monitor, $_->[0], $port, 1, "$_->[0] is found") foreach @good;
wait_health($monitor, $_->[0], $port, 0, "$_->[0] has no address")
  foreach @absent;

# apart, since newer versions of c-ares take garbage in answer to one question
# for the end of all that they asked by the same socket, and ask anew
register($monitor, map { [ $_->[0], $port ] } @trouble);
my %asked = map { $_->[0] => $dns->count($_->[0]) } @trouble;
foreach my $name (map { $_->[0] } @trouble)
{
	wait_until(sub { $dns->count($name) >= $asked{$name} + 2 }, "$name is asked for again");
}
is(health($monitor, $_->[0], $port), -1, "$_->[0]: trouble is no evidence")
  foreach @trouble;

# none of them is asked for any more
$monitor->safe_psql('postgres', 'TRUNCATE octopus.nodes');
nobody_fell('those that are found', map { $_->[0] } @absent);

# ---------- time to live ----------

$dns->set('moves.test', 'addresses 1 127.1.2.1');
$dns->set('stays.test', 'addresses 60 127.1.2.3');
register($monitor, [ 'moves.test', $port ], [ 'stays.test', $port ]);
wait_health($monitor, 'stays.test', $port, 1, 'stays.test is found');
wait_health($monitor, 'moves.test', $port, 1, 'moves.test is found');
my $questions = $dns->count('stays.test');
my $took = elapsed(sub { wait_probes('127.1.2.3', 30, 'it is probed') });
$questions = $dns->count('stays.test') - $questions;
cmp_ok($questions, '>=', 1, 'the DNS is asked again after dns_max_ttl');
my $asked = $dns->count('silent.test');     # what was under way has ended
cmp_ok($questions, '<=', $took + 1, '... but not for every probe');

$dns->set('moves.test', 'addresses 1 127.1.2.2');
wait_probes('127.1.2.2', 2, 'a name that has moved is found');
my $before = probes('127.1.2.1');
wait_probes('127.1.2.2', 5, '... and probed there');
is(probes('127.1.2.1'), $before, '... and nowhere else');
is($dns->count('silent.test'), $asked, 'names of dropped nodes are not asked for');

# ---------- several addresses ----------

$dns->set('pair.test', 'addresses 1 127.1.5.1,127.1.5.2');
register($monitor, [ 'pair.test', $port ]);
wait_health($monitor, 'pair.test', $port, 1, 'pair.test is found');
foreach my $alive ('127.1.5.1', '127.1.5.2')
{
	my $dead = $alive eq '127.1.5.1' ? '127.1.5.2' : '127.1.5.1';

	$fleet->become($alive, 'default');
	$fleet->become($dead, 'reset');
	wait_probes($alive, 3, "one of two addresses is enough: $alive");
}
nobody_fell('life at any of its addresses is life');

# ---------- a resolver in trouble ----------

$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.1.20.' || i, $port FROM generate_series(1, 100) i");
wait_tally($monitor, '103/0/0', 'a hundred other nodes');
nobody_fell('all is well');

foreach my $way (qw(silent servfail refused nxdomain empty garbage), 'slow 1500 servfail')
{
	$dns->all($way);
	wait_questions($_, 1, "$way: $_ is asked for") foreach qw(stays.test pair.test);
	wait_probes('127.1.2.3', 10, "$way: the last address is probed");
	$dns->all('none');
	wait_questions('stays.test', 1, 'the DNS is back');
	nobody_fell("$way: nobody is unhealthy");
}

# What dies meanwhile is noticed, and what is new is unknown.
$dns->all('silent');
$fleet->become('127.1.2.3', 'reset');
wait_health($monitor, 'stays.test', $port, 0, 'a node dies while the resolver is dead');
$fleet->become('127.1.2.3', 'default');
wait_health($monitor, 'stays.test', $port, 1, '... and comes back');

$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT 'new' || i || '.test', $port FROM generate_series(1, 400) i");
$fleet->mark;
wait_until(sub { $fleet->report->{gap_count} >= 100 * 20 },
	'the others are probed while 400 names wait for the resolver');
my $report = $fleet->report;
note("gaps between probes, in ms: median $report->{gap_median_ms}, p99 $report->{gap_p99_ms}, max $report->{gap_max_ms}");
cmp_ok($report->{gap_median_ms}, '<', 300, '... in time');
cmp_ok($report->{gap_p99_ms}, '<', 1000, '... nearly always');
is(tally($monitor), '103/0/400', 'who has no address yet is unknown');
nobody_fell('nobody else is unhealthy', 'stays.test');

$dns->set("new$_.test", 'addresses 60 127.1.30.' . $_ % 250) foreach 1 .. 400;
$dns->all('none');
wait_tally($monitor, '503/0/0', 'with the resolver back all are found');
$monitor->safe_psql('postgres', q{DELETE FROM octopus.nodes WHERE node_name LIKE 'new%'});

# No resolver at all: refused at once, by ICMP.
my $dns_port = $dns->port;
$dns->quit;
wait_probes('127.1.2.3', 20, 'without a resolver the last address is probed');
wait_until(sub {
	state $log = '';
	$log .= slurp_file($monitor->logfile);
	return $log =~ /LOG:  could not look up "[a-z.]+", its last known addresses stay in use\n.*DETAIL:  /;
}, 'the log says so');
nobody_fell('nobody is unhealthy');
$dns = Dns->new(port => $dns_port);
$dns->set('pair.test', 'addresses 1 127.1.5.3');
wait_probes('127.1.5.3', 2, 'a resolver that comes back is asked');
$monitor->safe_psql('postgres', q{DELETE FROM octopus.nodes WHERE node_name LIKE '127.1.20.%'});

# ---------- a resolver that lies ----------

$dns->set('stays.test', 'addresses 1 127.1.2.3');
$dns->set('moves.test', 'addresses 1 127.1.2.2');
foreach my $lie ('127.3.3.1', '127.2.3.1', '127.3.3.2,127.2.3.2')
{
	$dns->set('stays.test', "addresses 1 $lie");
	my ($first) = split /,/, $lie;
	wait_probes($first, 3, "a false address is tried: $lie");
	wait_probes('127.1.2.3', 3, '... and the last good one after it');
}
nobody_fell('a lie alone makes nobody unhealthy');
$fleet->become('127.1.2.3', 'reset');
wait_health($monitor, 'stays.test', $port, 0, 'the former address is probed, not believed');
$fleet->become('127.1.2.3', 'default');
wait_health($monitor, 'stays.test', $port, 1, '... in either direction');
changes($monitor);

# ---------- a failed try has the name looked up ----------

configure($monitor, 'octopus.dns_max_ttl' => '1d');
$monitor->reload;
$dns->set('late.test', 'addresses 3600 127.1.4.1');
register($monitor, [ 'late.test', $port ]);
wait_health($monitor, 'late.test', $port, 1, 'late.test is found');
wait_probes('127.1.4.1', 2, '... and probed');
$dns->set('late.test', 'addresses 3600 127.1.4.2');
$questions = $dns->count('late.test');
wait_probes('127.1.4.1', 15, 'its address is good for long');
is($dns->count('late.test'), $questions, '... so the DNS is not asked');
$fleet->become('127.1.4.1', 'reset');
wait_probes('127.1.4.2', 3, 'when nobody answers there, it is');
nobody_fell('soon enough');

# ---------- settings ----------

configure($monitor, 'octopus.dns_servers' => 'no such server');
$monitor->reload;
wait_until(sub { new_log($monitor) =~ /LOG:  invalid value for parameter "octopus.dns_servers": "no such server"/ },
	'servers that make no sense are refused');
wait_questions('moves.test', 2, '... and those before them are asked');

my $other = Dns->new;
$other->set('moves.test', 'addresses 1 127.1.2.9');
$other->set('late.test', 'addresses 1 127.1.4.9');
configure($monitor, 'octopus.dns_servers' => $other->address);
$monitor->reload;
wait_probes('127.1.2.9', 2, 'a reload has other servers asked');
wait_probes('127.1.4.9', 2, '... for all names, however fresh');

configure($monitor, 'octopus.dns_stale_ttl' => '0', 'octopus.dns_max_ttl' => '1s');
$monitor->reload;
$other->all('nxdomain');
wait_health($monitor, 'moves.test', $port, 0, 'without dns_stale_ttl a denial counts');
$other->all('servfail');
my ($log) = map { $_->{cause} } grep { $_->{node} =~ /moves/ } changes($monitor);
is($log, 'The name has no known address: Domain name not found.', '... and is logged');

ok(prober_pid($monitor), 'the prober is alive');
done_testing();

# Every reason and phase there is, for each type of check, from simulated servers
# and from real ones in every state; and the health that follows.

use strict;
use warnings;

use Octopus;
use Fleet;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @types = ('tcp', 'ping', 'connection', 'query');
my $fleet = Fleet->new(slow_ms => 100, dribble_ms => 1);
my $port = $fleet->port;
my $monitor = monitor(
	'monitor',
	timeout => '1500ms',
	max_retries => 0,
	'octopus.log_checks' => 'all');

foreach my $type (@types)
{
	$monitor->safe_psql(
		'postgres', "
		CREATE SERVER $type FOREIGN DATA WRAPPER octopus_fdw
			OPTIONS (health_check_type '$type', health_check_period '1h');
		CREATE FOREIGN TABLE $type (node_name text, node_port int, health_status int)
			SERVER $type OPTIONS (table_name 'nodes')");
}

# What was logged of the checks, by node and port: the last "reason phase", its
# cause, and all there were.
my (%check, %cause, %all);

sub read_checks
{
	my $log = new_log($monitor);

	while ($log =~
		/LOG:  check of node "(\S*?)":(\d+): (\w+), phase (\w+), [\d.]+ ms\n(?:[^\n]*?DETAIL:  ([^\n]*)\n)?/g)
	{
		$check{"$1:$2"} = "$3 $4";
		$cause{"$1:$2"} = $5 // '';
		$all{"$1:$2"} .= "$3 $4, ";
	}
	return;
}

sub register_for
{
	my ($type, @nodes) = @_;
	$monitor->safe_psql('postgres',
		"INSERT INTO $type VALUES " . join(', ', map { "('$_->[0]', $_->[1])" } @nodes));
	return;
}

# The health that all nodes have with a type, by name.
sub healths
{
	my ($type) = @_;
	return map { split /=/ } split /\n/, $monitor->safe_psql('postgres',
		"SELECT node_name || '=' || health_status FROM $type");
}

# ---------- peers that are no servers ----------

# what they come to: for ping, connection, query; all accept connections
my @peers = (
	[ 'healthy', '1 ok auth', '1 ok auth', '1 ok query' ],
	[ 'standby', '1 ok auth', '1 ok auth', '1 ok query' ],
	[ 'slow', '1 ok auth', '1 ok auth', '1 ok query' ],
	[ 'dribbling', '1 ok auth', '1 ok auth', '1 ok query' ],
	# it says too much, but comes to the point before
	[ 'endless', '1 ok auth', '1 ok auth', '0 timeout query' ],

	# silent after the connection, after the start-up, after being let in
	[ 'silent', ('0 timeout startup') x 3 ],
	[ 'mute', ('0 timeout startup') x 3 ],
	[ 'halfway', ('0 timeout auth') x 3 ],
	[ 'query_silent', '1 ok auth', '1 ok auth', '0 timeout query' ],

	# lost
	[ 'reset', ('0 connection_reset startup') x 3 ],
	[ 'closing', ('0 connection_reset startup') x 3 ],
	[ 'truncated', ('0 connection_reset auth') x 3 ],
	[ 'query_close', '1 ok auth', '1 ok auth', '0 connection_lost query' ],

	# strangers
	[ 'garbage', ('0 protocol_error startup') x 3 ],
	[ 'http', ('0 protocol_error startup') x 3 ],
	[ 'huge', ('0 protocol_error startup') x 3 ],
	[ 'huge_parameter', '0 protocol_error auth', ('0 protocol_error (startup|auth)') x 2 ],
	[ 'babbling', '0 protocol_error auth', ('0 (timeout|protocol_error) auth') x 2 ],

	# life, but no login
	[ 'password', '1 ok auth', ('0 auth_failed auth') x 2 ],
	[ 'cleartext', '1 ok auth', ('0 auth_failed auth') x 2 ],
	[ 'refused', '1 auth_failed auth', ('0 auth_failed auth') x 2 ],
	[ 'bad_password', '1 auth_failed auth', ('0 auth_failed auth') x 2 ],
	[ 'no_database', '1 auth_failed auth', ('0 auth_failed auth') x 2 ],
	[ 'hostile', '1 auth_failed auth', ('0 auth_failed auth') x 2 ],
	[ 'crowded', '1 too_many_connections auth', ('0 too_many_connections auth') x 2 ],
	[ 'cannot_fork', '1 too_many_connections auth', ('0 too_many_connections auth') x 2 ],

	# life that takes no work
	[ 'starting', ('0 starting_up auth') x 3 ],
	[ 'not_yet', ('0 starting_up auth') x 3 ],
	[ 'recovery', ('0 in_recovery auth') x 3 ],
	[ 'crash_recovery', ('0 in_recovery auth') x 3 ],
	[ 'stopping', ('0 shutting_down auth') x 3 ],

	# the query
	[ 'query_slow', '1 ok auth', '1 ok auth', '1 ok query' ],
	[ 'query_false', '1 ok auth', '1 ok auth', '0 query_false query' ],
	[ 'query_null', '1 ok auth', '1 ok auth', '0 query_false query' ],
	[ 'query_text', '1 ok auth', '1 ok auth', '0 query_false query' ],
	[ 'query_no_rows', '1 ok auth', '1 ok auth', '0 query_failed query' ],
	[ 'query_error', '1 ok auth', '1 ok auth', '0 query_failed query' ],
	[ 'query_timeout', '1 ok auth', '1 ok auth', '0 query_failed query' ],
	[ 'query_fatal', '1 ok auth', '1 ok auth', '0 shutting_down query' ]);

# Each type has addresses of its own, for the log does not tell the type.
sub peer_address
{
	my ($behaviour, $i) = @_;
	return $fleet->address($behaviour, ($i + 1) << 8 | 1);
}

foreach my $i (0 .. 3)
{
	register_for($types[$i], map { [ peer_address($_->[0], $i), $port ] } @peers);
}
wait_until(sub { read_checks(); keys %check >= 4 * @peers }, 'all peers are checked');
foreach my $i (0 .. 3)
{
	my %health = healths($types[$i]);

	foreach my $peer (@peers)
	{
		my $address = peer_address($peer->[0], $i);
		my $expected = $i == 0 ? '1 ok connect' : $peer->[$i];

		like("$health{$address} " . $check{"$address:$port"},
			qr/^$expected$/, "$peer->[0], $types[$i]");
	}
}
like($cause{ peer_address('query_error', 3) . ":$port" },
	qr/^The query of the check failed: .*\(SQLSTATE 42883\)\.$/, 'an error of the query in words');
like($cause{ peer_address('password', 2) . ":$port" },
	qr/^The server asks for a password, and there is none\.$/, 'a missing password in words');

# ---------- places where nobody is ----------

my $deaf = $fleet->address('healthy', 7);
$fleet->become($deaf, 'deaf');
my $free = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1, Proto => 'tcp');
my $closed_port = $free->sockport;
close $free;

# no directory of a socket, one without a socket, one that is locked
my $dir = PostgreSQL::Test::Utils::tempdir_short();
mkdir "$dir/empty";
mkdir "$dir/locked", 0;
my $prober = prober_pid($monitor);
my $stdin = readlink("/proc/$prober/fd/0");

my @nowhere = (
	[ '127.0.0.1', 'connection_refused connect' ],
	[ $deaf, 'timeout connect' ],
	[ '255.255.255.255', 'host_unreachable connect' ],
	[ '/nonexistent', 'connection_refused connect' ],
	[ "$dir/empty", 'connection_refused connect' ],
	[ "$dir/locked", 'host_unreachable connect' ],
	[ '/' . 'x' x 200, 'host_unreachable connect' ]);
sub place
{
	my ($name) = @_;
	return [ $name, $name eq $deaf ? $port : $closed_port ];
}
my $too_long = place($nowhere[-1][0]);
foreach my $type ('connection', 'ping', 'query', 'tcp')
{
	register_for($type, $too_long);
	wait_until(sub { read_checks(); delete $all{ join ':', @$too_long } },
		"$type: a socket with too long a path");
}
is(readlink("/proc/$prober/fd/0"), $stdin, 'what was not opened is not closed');
foreach my $type (@types)
{
	$monitor->safe_psql('postgres', "DELETE FROM $type WHERE node_name = '$too_long->[0]'");
	register_for($type, map { place($_->[0]) } @nowhere);
}
foreach my $place (@nowhere)
{
	my ($name, $expected) = @$place;
	my $node = join ':', @{ place($name) };

	wait_until(sub { read_checks(); ($all{$node} // '') =~ /(\w+ \w+, ){4}/ },
		"$name: checked in every way");
	is($all{$node}, "$expected, " x 4, "$name: all say the same");
}
foreach my $type (@types)
{
	my %health = healths($type);
	is(join(' ', map { $health{ $_->[0] } } @nowhere), '0 0 0 0 0 0 0',
		"$type: all of them are unhealthy");
}
rmdir "$dir/locked";
$fleet->become($deaf, 'default');

# ---------- real servers in every state ----------

foreach my $type (@types)
{
	$monitor->safe_psql('postgres',
		"TRUNCATE $type; ALTER SERVER $type OPTIONS (SET health_check_period '100ms', ADD health_check_timeout '1s')");
}

my $target = target(
	'target',
	listen_addresses => join(',', map { "127.0.0.$_" } 1 .. 4),
	max_connections => 8,
	superuser_reserved_connections => 0,
	max_wal_senders => 0,
	restart_after_crash => 'on',
	password_encryption => 'scram-sha-256');
my @address = map { '127.0.0.' . ($_ + 1) . ':' . $target->port } 0 .. 3;
$target->safe_psql('postgres', "CREATE ROLE watch LOGIN PASSWORD 'secret'");
register_for($types[$_], [ '127.0.0.' . ($_ + 1), $target->port ]) foreach 0 .. 3;

# The last check of each type comes to this, sooner or later; the first one may
# have begun before.
sub comes_to
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what, @expected) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	my $found;

	%check = %all = ();
	do
	{
		Time::HiRes::usleep(50_000);
		read_checks();
		my @health = split /\n/, $monitor->safe_psql('postgres',
			join ' UNION ALL ', map { "SELECT health_status FROM $_" } @types);
		$found = join ', ', map { "$health[$_] " . ($check{ $address[$_] } // '') } 0 .. 3;
	  } until time > $end
	  || ($found eq join(', ', @expected) && 4 == grep { ($all{$_} // '') =~ /, \w/ } @address);
	return is($found, join(', ', @expected), $what);
}

# Who may come in, and how.
sub admit
{
	my ($method) = @_;
	unlink($target->data_dir . '/pg_hba.conf');
	$target->append_conf('pg_hba.conf', "local all all trust\nhost all all all $method");
	$target->reload;
	return;
}

sub options
{
	my ($options, @servers) = @_;
	$monitor->safe_psql('postgres',
		join '; ', map { "ALTER SERVER $_ OPTIONS ($options)" } @servers);
	return;
}

sub mapping
{
	my ($command) = @_;
	$monitor->safe_psql('postgres', join '; ',
		map { $command =~ s/THEM/USER MAPPING FOR CURRENT_USER SERVER $_/r } @types);
	return;
}

my @up = ('1 ok connect', '1 ok auth', '1 ok auth', '1 ok query');
comes_to('a server', @up);

# who is refused
admit('reject');
comes_to('rejected by pg_hba.conf', '1 ok connect', '1 auth_failed auth', ('0 auth_failed auth') x 2);
like($cause{ $address[2] }, qr/pg_hba.conf rejects connection .*\(SQLSTATE 28000\)/, 'in words');
foreach my $method ('scram-sha-256', 'md5', 'password')
{
	admit($method);
	comes_to("asked for a password by $method",
		'1 ok connect', '1 ok auth', ('0 auth_failed auth') x 2);
}
mapping("CREATE THEM OPTIONS (user 'watch', password 'wrong')");
admit('scram-sha-256');
comes_to('a wrong password', '1 ok connect', '1 ok auth', ('0 auth_failed auth') x 2);
like($cause{ $address[3] }, qr/password authentication failed .*\(SQLSTATE 28P01\)/, 'in words');
mapping("ALTER THEM OPTIONS (SET password 'secret')");
comes_to('the right password', @up);
mapping("ALTER THEM OPTIONS (SET user 'nobody')");
comes_to('an unknown role', '1 ok connect', '1 ok auth', ('0 auth_failed auth') x 2);
mapping('DROP THEM');
admit('trust');
options("ADD dbname 'nowhere'", @types);
comes_to('no such database', '1 ok connect', '1 auth_failed auth', ('0 auth_failed auth') x 2);
like($cause{ $address[1] }, qr/database "nowhere" does not exist \(SQLSTATE 3D000\)/, 'in words');
options('DROP dbname', @types);
comes_to('let in again', @up);

# the query
my @queries = (
	[ 'SELECT true', '1 ok query' ],
	[ 'SELECT 1 = 1;', '1 ok query' ],
	[ 'SELECT true -- indeed', '1 ok query' ],
	[ 'SET work_mem = 64; SELECT true', '1 ok query' ],
	[ 'VALUES (true)', '1 ok query' ],
	[ 'TABLE pg_class LIMIT 0', '0 query_failed query' ],
	[ 'SELECT false', '0 query_false query' ],
	[ 'SELECT NULL::boolean', '0 query_false query' ],
	[ 'SELECT 1', '0 query_failed query' ],
	[ q{SELECT 't'}, '0 query_failed query' ],
	[ 'SELECT true, true', '0 query_failed query' ],
	[ 'SELECT', '0 query_failed query' ],
	[ 'SELECT true WHERE false', '0 query_failed query' ],
	[ 'SELECT true FROM generate_series(1, 2)', '0 query_failed query' ],
	[ 'SELECT true FROM generate_series(1, 100000)', '0 query_failed query' ],
	[ 'SELECT true; SELECT true', '0 query_failed query' ],
	[ 'SELECT true; SELECT 1/0', '0 query_failed query' ],
	[ 'CHECKPOINT', '0 query_failed query' ],
	[ ';', '0 query_failed query' ],
	[ 'COPY (SELECT true) TO STDOUT', '0 query_failed query' ],
	[ 'COPY pg_class FROM STDIN', '0 query_failed query' ],
	[ 'nonsense', '0 query_failed query' ],
	[ 'SELECT 1/0 = 1', '0 query_failed query' ],
	[ 'SELECT pg_sleep(600) IS NOT NULL', '0 timeout query' ],
	[ 'SELECT pg_terminate_backend(pg_backend_pid())', '0 shutting_down query' ]);
options("ADD health_check_query 'SELECT true'", 'query');
foreach my $case (@queries)
{
	my ($query, $expected) = @$case;

	options('SET health_check_query ' . ("'" . ($query =~ s/'/''/gr) . "'"), 'query');
	comes_to("query \"$query\"", @up[ 0 .. 2 ], $expected);
}

# what is slow ends there by itself
options(q{SET health_check_query 'SELECT pg_sleep(600) IS NOT NULL'}, 'query');
comes_to('a query that is slow', @up[ 0 .. 2 ], '0 timeout query');
my $sleeping = q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()};
ok($target->poll_query_until('postgres', "SELECT ($sleeping) > 0"), 'it runs on the server');
options(q{SET health_check_query 'SELECT true'}, 'query');
comes_to('a query that is quick', @up);
ok($target->poll_query_until('postgres', "SELECT ($sleeping) = 0"), 'and does not stay there');

# the session is lost under the query: a process of the server is killed
options(q{SET health_check_query 'SELECT pg_sleep(0.9) IS NOT NULL', SET health_check_timeout '5s'}, 'query');
comes_to('a query that takes its time', @up);
options(q{SET health_check_query 'SELECT pg_sleep(601) IS NOT NULL', SET health_check_timeout '10min'}, 'query');
$target->poll_query_until('postgres', $sleeping =~ s/600/601/r, '1');
%all = ();
kill('KILL', $target->safe_psql('postgres',
	q{SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(601)%' AND pid <> pg_backend_pid() LIMIT 1}));
wait_until(
	sub {
		read_checks();
		return ($all{ $address[3] } // '') =~ /connection_lost query/;	# others may have followed
	},
	'a session that is killed');
options(q{SET health_check_query 'SELECT true', SET health_check_timeout '1s'}, 'query');
comes_to('the server is back', @up);

# crash recovery, as long as a process does not obey the postmaster
my $stuck = $target->background_psql('postgres');
my $victim = $target->background_psql('postgres');
my $stuck_pid = $stuck->query_safe('SELECT pg_backend_pid()');
my $victim_pid = $victim->query_safe('SELECT pg_backend_pid()');
freeze($stuck_pid);
kill('KILL', $victim_pid);
comes_to('crash recovery', '1 ok connect', ('0 in_recovery auth') x 3);
kill('KILL', $stuck_pid);
thaw($stuck_pid);
comes_to('recovered', @up);
$_->{run}->finish foreach $stuck, $victim;

# a postmaster that does not answer
my $postmaster = postmaster_pid($target);
freeze($postmaster);
comes_to('a stopped postmaster', '1 ok connect', ('0 timeout startup') x 3);
thaw($postmaster);
comes_to('a continued one', @up);

# no connection left
my @guests;
while (@guests < 8)
{
	# probes may have been faster
	eval { push @guests, $target->background_psql('postgres', on_error_stop => 0) };
}
comes_to('too many clients', '1 ok connect', '1 too_many_connections auth', ('0 too_many_connections auth') x 2);
like($cause{ $address[1] }, qr/\(SQLSTATE 53300\)/, 'in words');

# shutting down, as long as there are guests
system_or_bail('pg_ctl', '-D', $target->data_dir, '-m', 'smart', '-W', '-s', 'stop');
comes_to('shutting down', '1 ok connect', ('0 shutting_down auth') x 3);
$_->quit foreach @guests;
comes_to('shut down', ('0 connection_refused connect') x 4);
wait_until(sub { !-e $target->data_dir . '/postmaster.pid' }, 'it is down');
$target->_update_pid(0);

# starting up, as long as the first piece of WAL does not come
sub start
{
	my ($hot_standby, $restore) = @_;
	$target->append_conf('postgresql.conf',
		"hot_standby = $hot_standby\nrestore_command = '$restore'");
	$target->set_standby_mode();
	system_or_bail('pg_ctl', '-D', $target->data_dir, '-l', $target->logfile, '-W', '-s', 'start');
	return;
}

sub stop
{
	system_or_bail('pg_ctl', '-D', $target->data_dir, '-m', 'immediate', '-s', 'stop');
	return;
}

start('on', 'while test ! -e go; do sleep 0.1; done; false');
comes_to('starting up', '1 ok connect', ('0 starting_up auth') x 3);
$target->append_conf('go', '');
comes_to('a standby', @up);
stop();
start('off', 'false');
comes_to('in recovery without hot standby', '1 ok connect', ('0 in_recovery auth') x 3);
stop();
comes_to('gone', ('0 connection_refused connect') x 4);

is(prober_pid($monitor), $prober, 'the prober is the same all the time');
unlike(slurp_file($monitor->logfile), qr/PANIC|FATAL|WARNING:/, 'nothing went wrong');
done_testing();

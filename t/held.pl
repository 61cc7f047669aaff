# Sessions that are held with real servers: how they are asked for a sign of
# life, how they are replaced, and what their end brings about.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $target = target(
	'target',
	log_connections => 'on',
	log_disconnections => 'on',
	log_min_messages => 'debug1',
	autovacuum => 'off');
my $monitor = monitor(
	'monitor',
	period => '100ms',
	timeout => '5s',
	max_retries => 0,
	'octopus.health_check_jitter' => 0,
	'octopus.keep_connections' => 'on',
	'octopus.log_checks' => 'all');
my $host = '127.0.0.1';
my $port = $target->port;

# Our sessions on a target, each with what there is to know of it.
sub sessions
{
	my ($columns, $server) = @_;
	return split /\n/,
	  ($server // $target)->safe_psql('postgres',
		"SELECT $columns FROM pg_stat_activity WHERE application_name = 'octopus_fdw' ORDER BY backend_start"
	  );
}

# A test: there is one session, other than the one given if any, for which the
# columns are as expected; returns its pid.
sub one_session
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($test, $old, $columns, $expected) = @_;
	my @sessions;
	$columns //= 'true';
	$expected //= 'true';
	wait_until(
		sub {
			@sessions = sessions("pid || '|' || $columns");
			return @sessions == 1 && $sessions[0] =~ /^(\d+)\|\Q$expected\E$/
			  && $1 != ($old // 0);
		},
		$test);
	return $sessions[0] =~ s/\|.*//r;
}

# A test: there is no session.
sub no_session
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($test) = @_;
	return wait_until(sub { return !sessions('pid') }, $test);
}

sub sql { return $monitor->safe_psql('postgres', join '', @_); }

sub set_and_reload
{
	my ($name, $value) = @_;
	configure($monitor, $name => $value);
	$monitor->reload;
	return;
}

# What the target is not to log.
my $trouble = qr/unexpected EOF|reset by peer|could not|Broken pipe|FATAL|ERROR/;

register($monitor, [ $host, $port ]);
wait_health($monitor, $host, $port, 1, 'the target is healthy');
sql("ALTER SERVER octopus OPTIONS (ADD health_check_type 'ping')");

# ---------- a sign of life, and every fourth time a new session ----------

my $session = one_session('there is a session');
foreach my $type ('ping', 'connection', 'query')
{
	sql("ALTER SERVER octopus OPTIONS (SET health_check_type '$type')");
	one_session("$type: another session", $session) if $type ne 'ping';
	new_log($monitor);
	new_log($target);

	# a session that was made just before the type changed may come in between
	my %seen;
	my $phases = '';
	my $rhythm = $type eq 'query' ? qr/q{9}$/ : qr/aqqqaqqqa$/;
	wait_until(
		sub {
			$seen{$_} = 1 foreach grep { $type ne 'query' || !/\|$/ }
			  sessions("concat_ws('|', pid, query_start, query)");
			$phases .= join '', new_log($monitor) =~ /check of node \S+: ok, phase (\w)/g;
			return $phases =~ $rhythm;
		},
		"$type: three of four checks are on the held session, neither more nor less");

	# a session that is about to be replaced may be seen with the one after it
	my %pids = map { s/\|.*//r => 1 } keys %seen;
	is(scalar keys %seen, scalar keys %pids, "$type: no session has a query between its checks");
	cmp_ok(scalar keys %pids, '>=', 2, "$type: sessions are replaced");
	my $log = new_log($target);
	my $received = () = $log =~ /connection received: host=127/g;
	cmp_ok($received, '<=', length($phases) / 4 + 2, "$type: every fourth time");
	unlike($log, $trouble,
		"$type: all of them ended with Terminate");
	$session = one_session("$type: there is one session");
}

# ---------- whose session, and where ----------

$target->safe_psql('postgres',
	'CREATE DATABASE other; CREATE ROLE one LOGIN; CREATE ROLE two LOGIN');
set_and_reload(period => '500ms');
my $user = $target->safe_psql('postgres', 'SELECT current_user');

sql("ALTER SERVER octopus OPTIONS (ADD dbname 'other')");
$session = one_session('options of the server count at once',
	$session, "concat_ws(' ', datname, usename)", "other $user");
my ($ret, $out, $err) = $target->psql('postgres', 'DROP DATABASE other');
like($err, qr/is being accessed by other users/, 'a session that is held holds its database');

sql("CREATE USER MAPPING FOR CURRENT_USER SERVER octopus OPTIONS (user 'one')");
$session = one_session('so does a user mapping',
	$session, "concat_ws(' ', datname, usename)", 'other one');
sql("ALTER USER MAPPING FOR CURRENT_USER SERVER octopus OPTIONS (SET user 'two')");
$session = one_session('and another user in it',
	$session, "concat_ws(' ', datname, usename)", 'other two');
sql('ALTER SERVER octopus OPTIONS (DROP dbname)');
$session = one_session('and a database less',
	$session, "concat_ws(' ', datname, usename)", 'postgres two');
$target->safe_psql('postgres', 'DROP DATABASE other');
sql('DROP USER MAPPING FOR CURRENT_USER SERVER octopus');
$session = one_session('and no user mapping',
	$session, "concat_ws(' ', datname, usename)", "postgres $user");
sql("ALTER SERVER octopus OPTIONS (SET health_check_type 'ping')");
$session = one_session('and another type', $session);

# ---------- encrypted ----------

SKIP:
{
	skip 'openssl is missing', 6
	  if system('openssl version >/dev/null 2>&1');
	my $dir = $target->data_dir;
	system_or_bail("openssl req -new -x509 -nodes -days 10 -subj /CN=target -keyout $dir/server.key -out $dir/server.crt 2>/dev/null");
	chmod 0600, "$dir/server.key";
	configure($target, ssl => 'on');
	$target->reload;
	wait_until(sub { $target->safe_psql('postgres', 'SHOW ssl') eq 'on' }, 'encryption is on');
	sql("ALTER SERVER octopus OPTIONS (ADD sslmode 'require')");
	set_and_reload(period => '100ms');
	foreach my $type ('ping', 'query')
	{
		my $log = '';
		sql("ALTER SERVER octopus OPTIONS (SET health_check_type '$type')");
		$session = one_session("encrypted, $type: a session", $session,
			'(SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_stat_activity.pid)', 'true');
		new_log($monitor);
		new_log($target);
		wait_until(sub { $log .= new_log($monitor); return (() = $log =~ /check of node/g) >= 9 },
			"encrypted, $type: checks go on");
		unlike($log, qr/check of node \S+: (?!ok)/, "encrypted, $type: all are good");
		$log = new_log($target);
		unlike($log, $trouble, "encrypted, $type: nothing else is logged");
		cmp_ok(scalar(() = $log =~ /connection received: host=127/g), '<=', 5, "encrypted, $type: three of four are on the session");
	}
	sql("ALTER SERVER octopus OPTIONS (DROP sslmode, SET health_check_type 'ping')");
	set_and_reload(period => '500ms');
	$session = one_session('in clear again', $session,
		'(SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_stat_activity.pid)', 'false');
}

# ---------- a target that asks for a password ----------

# nothing can be held, and nothing is lost by that
new_log($monitor);
unlink($target->data_dir . '/pg_hba.conf');
$target->append_conf('pg_hba.conf', "local all all trust\nhost all all all scram-sha-256");
$target->reload;
$target->safe_psql('postgres', "SELECT pg_terminate_backend($session)");
set_and_reload(period => '50ms');
my $log = '';
wait_until(
	sub {
		$log .= new_log($monitor);
		return $log =~ /(?:.*check of node \S+: ok, phase auth.*\n){8}\z/;
	},
	'a target that asks for a password: all checks are new ones, and good');
unlike($log, qr/unhealthy/, 'the end of the last session is no reason to doubt');
no_session('there is no session');

done_testing();

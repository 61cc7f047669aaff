# Whose identity a probe may use: a server's owner who is not superuser has but
# his own, with a password that is really asked for, and nothing makes a target
# take his probes for the user that the monitor runs as.

use strict;
use warnings;

use Octopus;
use Tls;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $os_user = getpwuid($<);
my $target = target('target', log_connections => 'on', log_statement => 'none',
	password_encryption => 'scram-sha-256');
my $port = $target->port;
$target->safe_psql('postgres',
	"CREATE ROLE watch LOGIN PASSWORD 'secret'; CREATE ROLE alice LOGIN; CREATE ROLE trusted LOGIN;
	CREATE DATABASE other");
unlink $target->data_dir . '/pg_hba.conf';
$target->append_conf('pg_hba.conf', "local all all peer
	host all watch 127.0.0.1/32 scram-sha-256
	host all all 127.0.0.1/32 trust");
$target->reload;

my $monitor = monitor('monitor', period => '50ms', retry_delay => '10ms', timeout => '5s',
	max_retries => 0, 'octopus.log_checks' => 'all', log_statement => 'none');
sub sql { return $monitor->safe_psql('postgres', join '', @_); }
sql('CREATE ROLE alice; CREATE ROLE bob SUPERUSER;
	GRANT USAGE ON FOREIGN DATA WRAPPER octopus_fdw TO alice;
	GRANT USAGE ON SCHEMA octopus TO alice; GRANT CREATE ON SCHEMA public TO alice');

my $tcp = [ 'db.test', $port, '127.0.0.1' ];
my $socket = [ $target->host, $port, undef ];
my @logins = qw(connection query);
my $up = 'ok, phase (?:auth|query)';
my $no = 'auth_failed, phase auth';

# As whom the target has let probes in since the last time: names in order.
sub let_in
{
	my %names = map { $_ => 1 } new_log($target) =~
	  /connection authorized: user=(\S+) .*application_name=octopus_fdw/g;
	return join ' ', sort keys %names;
}
new_log($target);

# ---------- a superuser ----------

check($monitor, 'a superuser, no mapping', '', '', $up, 1, $tcp);
check($monitor, 'the same by the socket', '', '', $up, 1, $socket);
is(let_in(), $os_user, 'his probes are the user of the monitor');
check($monitor, 'a superuser, a mapping with no name', '', "user ''", $up, 1, $tcp);
is(let_in(), $os_user, 'which is none');
check($monitor, 'a superuser, a mapping', '', "user 'trusted'", $up, 1, $tcp);
is(let_in(), 'trusted', 'his probes are whom it says, a ping too');

# ---------- what only libpq can do ----------

check($monitor, 'a database', "dbname 'other'", '', $up, 1, $tcp);
check($monitor, 'a database that is none', "dbname 'nowhere'", '', $no, 1, $tcp, ['ping']);
check($monitor, 'options', "options '-c search_path=x'", '', $up, 1, $tcp);
check($monitor, 'options that are none', "options '-c nonsense=x'", '', $no, 1, $tcp, ['ping']);
check($monitor, 'sslmode disable', "sslmode 'disable'", '', $up, 1, $tcp);
check($monitor, 'encryption that is not to be had', "sslmode 'require'", '', 'tls_error, phase tls', 0, $tcp);
check($monitor, 'the user who runs the server', "requirepeer '$os_user'", '', $up, 1, $socket);
foreach my $peer ('nobody', 'authentication', 'GSSAPI')
{
	check($monitor, "a server that is to be run by \"$peer\"", "requirepeer '$peer'", '', $no, 0, $socket);
}
new_log($target);

# ---------- somebody else ----------

$Tls::owner = 'alice';
foreach my $node ($tcp, $socket)
{
	my $where = $node == $tcp ? 'TCP' : 'a socket';
	foreach my $mapping ('', "user 'trusted'", "user '$os_user'", "password ''", "user '$os_user', password ''")
	{
		like(
			check($monitor, "$where, mapping ($mapping)", '', $mapping, $no, 0, $node, \@logins),
			qr/The probe has no right to log in: a password is required/,
			'no password, no login');
	}
}
is(new_log($target), '', 'the target has not been bothered');

# where libpq has require_auth (16 and later), it is who notices first
like(
	check($monitor, 'a password that is not asked for', '', "user 'trusted', password 'x'", $no, 0, $tcp, \@logins),
	qr/the server did not ask for the password|"scram-sha-256" failed: server did not complete authentication/,
	'trust is no credential');
new_log($target);
foreach my $mapping ("user '$os_user', password 'x'", "user '', password 'x'", "password 'x'")
{
	check($monitor, "a socket, mapping ($mapping)", '', $mapping, $no, 0, $socket, \@logins);
}
check($monitor, 'ping, no mapping', '', '', $no, 1, $socket, ['ping']);
check($monitor, 'ping, the name of the user', '', "user '$os_user', password 'x'", $no, 1, $socket, ['ping']);
check($monitor, 'ping, no name', '', "user '', password 'x'", $no, 1, $socket, ['ping']);
is(let_in(), '', 'through a socket nobody is let in');
check($monitor, 'ping', '', '', $up, 1, $tcp, ['ping']);
check($monitor, 'ping, as watch', '', "user 'watch', password 'secret'", $up, 1, $tcp, ['ping']);
is(let_in(), 'alice', 'a ping asks for the role of the owner');
check($monitor, 'a password that is asked for', '', "user 'watch', password 'secret'", $up, 1, $tcp, \@logins);
is(let_in(), 'watch', 'she logs in as whom she has the password of');
check($monitor, 'encryption that she wants and that is not to be had', "sslmode 'require'", '', 'tls_error, phase tls', 0, $tcp, ['ping']);
check($monitor, 'what else she says, without credentials', "options '-c nonsense=x', dbname 'nowhere'", '', $up, 1, $tcp, ['ping']);
undef $Tls::owner;

# ---------- the owner changes ----------

sql("CREATE SERVER s FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_type 'connection');
	CREATE FOREIGN TABLE s (node_name text, node_port int, health_status int) SERVER s OPTIONS (table_name 'nodes');
	INSERT INTO s VALUES ('127.0.0.1', $port)");

sub becomes
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($health, $what) = @_;
	return ok($monitor->poll_query_until('postgres', "SELECT health_status = $health FROM s"), $what);
}
becomes(1, 'a superuser');
sql('ALTER SERVER s OWNER TO alice');
becomes(0, 'no superuser any more');
sql('BEGIN; ALTER SERVER s OWNER TO bob; ROLLBACK');
sql('ALTER SERVER s OPTIONS (ADD enabled \'true\')');
is(sql('SELECT health_status FROM s'), 0, 'what is rolled back does not count');
sql('ALTER SERVER s OWNER TO bob');
becomes(1, 'another superuser');
sql('REASSIGN OWNED BY bob TO alice');
becomes(0, 'reassigned');
sql("CREATE USER MAPPING FOR alice SERVER s OPTIONS (user 'trusted', password_required 'false')");
becomes(1, 'a superuser lets her do without a password');
my ($ret, $out, $err) = $monitor->psql('postgres', "SET ROLE alice; ALTER USER MAPPING FOR alice SERVER s OPTIONS (SET user '$os_user')");
like($err, qr/permission denied to set option "password_required"/, 'but not as somebody else');
sql("ALTER USER MAPPING FOR alice SERVER s OPTIONS (SET password_required 'true')");
becomes(0, 'not any more');
sql('ALTER SERVER s OWNER TO bob');
becomes(1, 'a superuser again');
sql('ALTER ROLE bob NOSUPERUSER; ALTER SERVER s OPTIONS (DROP enabled)');
becomes(0, 'a role that has lost it, with the next change');

# ---------- the mapping that counts ----------

sql("ALTER ROLE bob SUPERUSER; CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (user 'watch', password 'wrong')");
becomes(0, 'the mapping of PUBLIC');
sql("CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'watch', password 'secret')");
becomes(1, "the owner's counts before it");
sql('DROP USER MAPPING FOR bob SERVER s');
becomes(0, 'and that of PUBLIC again');

unlike(slurp_file($monitor->logfile) . slurp_file($target->logfile), qr/secret/, 'no password is in a log');
$monitor->stop('fast');
done_testing();

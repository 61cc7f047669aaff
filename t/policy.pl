# The options of a server and its user mapping: they count from the commit that
# sets them, for all nodes of the group; passwords show nowhere; and nobody's
# probes log in as somebody whom he could not be himself.

use strict;
use warnings;

use File::Find;
use Octopus;
use Registry;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $secret = 'Tr0ub4dor-and-3';
my $target = target('target');
my $monitor = monitor('monitor', period => '50ms', retry_delay => '10ms',
	timeout => '5s', max_retries => 0);
$monitor->append_conf('postgresql.conf',
	"log_statement = none\nlog_min_error_statement = panic\nmax_prepared_transactions = 2");
$monitor->restart;
my $port = $target->port;
my $path = registry_path($monitor);

sub sql { return $monitor->safe_psql('postgres', join '', @_); }

sub becomes
{
	my ($status, $name) = @_;
	return ok(
		$monitor->poll_query_until('postgres',
			"SELECT bool_and(health_status = $status) FROM east"), $name);
}

# The group's line in the file.
sub group
{
	my ($server) = @_;
	my ($line) = grep { /^group\t.*\t\Q$server\E(\t|$)/ } split /\n/, read_bytes($path);
	return $line // '';
}

# Fails, with the error, or says "accepted".
sub outcome
{
	my ($ret, $out, $err) = $monitor->psql('postgres', shift);
	return $ret == 0 ? 'accepted' : $err;
}

sql(
	"CREATE SERVER east FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_period '20ms');
	CREATE FOREIGN TABLE east (node_name text, node_port int, health_status int) SERVER east OPTIONS (table_name 'nodes');
	INSERT INTO east VALUES ('127.0.0.1', $port)");
becomes(1, 'a node is healthy');
like(group('east'), qr/\teast\thealth_check_period=20$/, 'the file has the option');

# ---------- with the transaction ----------

sql("BEGIN; ALTER SERVER east OPTIONS (enabled 'false'); ROLLBACK");
sql("BEGIN; SAVEPOINT s; ALTER SERVER east OPTIONS (enabled 'false'); ROLLBACK TO s; COMMIT");
unlike(group('east'), qr/enabled/, 'what is rolled back does not count');
sql("ALTER SERVER east OPTIONS (enabled 'false')");
becomes(-1, 'a disabled server is not probed from the commit on');
sql('ALTER SERVER east OPTIONS (DROP enabled)');
becomes(1, 'and probed again when it is not disabled any more');
like(
	outcome("BEGIN; ALTER SERVER east OPTIONS (SET health_check_period '1s'); PREPARE TRANSACTION 'x'"),
	qr/cannot PREPARE/,
	'PREPARE TRANSACTION is refused after ALTER SERVER');
sql("ALTER SERVER east OPTIONS (ADD enabled 'off')");
becomes(-1, 'disabled');
$monitor->stop('immediate');
$monitor->start;
sql("SELECT 1");
like(group('east'), qr/enabled=false/, 'a crash keeps the policy');
is(sql('SELECT health_status FROM east'), '-1', 'and it is obeyed');
sql('ALTER SERVER east OPTIONS (DROP enabled)');
becomes(1, 'enabled again');
sql('ALTER SERVER east RENAME TO orient');
like(group('orient'), qr/health_check_period=20$/, 'a new name is in the file at once');
sql('ALTER SERVER orient RENAME TO east');
is(sql('SELECT count(*) FROM east'), '1', 'and renaming keeps the nodes');
$monitor->safe_psql('template1', 'ALTER DATABASE postgres RENAME TO renamed');
like(group('east'), qr/\trenamed\t/, 'so it is with the name of the database');
$monitor->safe_psql('template1', 'ALTER DATABASE renamed RENAME TO postgres');

# ---------- without us ----------

my $conf = $monitor->data_dir . '/postgresql.conf';
my $before = read_bytes($conf);
$monitor->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$monitor->restart;
sql("ALTER SERVER east OPTIONS (ADD healthy_threshold '2')");
write_bytes($conf, $before);
$monitor->restart;
unlike(group('east'), qr/threshold/, 'what was altered without the library is not known');
my $stale = read_bytes($path);
sql('BEGIN READ ONLY; SELECT * FROM east; COMMIT');
is(read_bytes($path), $stale, 'a read-only transaction does not write it');
$monitor->restart;
sql('SELECT * FROM east');
like(group('east'), qr/healthy_threshold=2/, 'until a statement uses the server');
sql('ALTER SERVER east OPTIONS (DROP healthy_threshold)');

# of one server the policy, of another one the nodes
sql("BEGIN; INSERT INTO octopus.nodes VALUES ('127.0.0.77', 1);
	CREATE USER MAPPING FOR CURRENT_USER SERVER east OPTIONS (user 'somebody'); COMMIT");
like(group('east'), qr/user=somebody/, 'a transaction that registers elsewhere puts a mapping into force');
sql("BEGIN; DELETE FROM octopus.nodes WHERE node_name = '127.0.0.77'; DROP USER MAPPING FOR CURRENT_USER SERVER east; COMMIT");
unlike(group('east'), qr/user=somebody/, 'and out of it');

# what is too long together, and was made without us
$monitor->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$monitor->restart;
sql("ALTER SERVER east OPTIONS (ADD application_name '" . ('x' x 3000) . "');
	CREATE USER MAPPING FOR CURRENT_USER SERVER east OPTIONS (user '" . ('y' x 2000) . "')");
write_bytes($conf, $before);
$monitor->restart;
like(attempt($monitor, 'SELECT count(*) FROM east;'),
	qr/^1\D.*WARNING:  54000: options of foreign server "east" and its user mapping are too long/s,
	'a policy that is too long is a warning for who reads');
unlike(group('east'), qr/xxx/, 'and the group keeps the one that it has');
like(attempt($monitor, "INSERT INTO east VALUES ('127.0.0.9', 1);"), qr/ERROR:  54000: options of foreign server/,
	'nobody registers a node with it');
unlike(attempt($monitor, 'DROP USER MAPPING FOR CURRENT_USER SERVER east; ALTER SERVER east OPTIONS (DROP application_name);'),
	qr/ERROR/, 'but it can be repaired');
sql('SELECT * FROM east');

# ---------- credentials ----------

$target->safe_psql('postgres',
	"SET password_encryption = 'scram-sha-256'; CREATE ROLE watch LOGIN PASSWORD '$secret'");
my $hba = $target->data_dir . '/pg_hba.conf';
my $trusting = read_bytes($hba);
write_bytes($hba, "local all all peer\nhost all watch all scram-sha-256\nhost all all all reject\n");
$target->reload;
sql("ALTER SERVER east OPTIONS (ADD health_check_type 'connection')");
becomes(0, 'type connection: a refused login is a failure');
sql("ALTER SERVER east OPTIONS (DROP health_check_type)");
becomes(1, 'type auto without a mapping: it is life');
sql("CREATE USER MAPPING FOR PUBLIC SERVER east OPTIONS (user 'watch', password 'wrong-$secret')");
becomes(0, 'a wrong password');
sql("CREATE USER MAPPING FOR CURRENT_USER SERVER east OPTIONS (user 'watch', password '$secret')");
becomes(1, "the owner's mapping counts before that of PUBLIC");
$monitor->restart;
becomes(1, 'a restart keeps it');
sql("DROP USER MAPPING FOR PUBLIC SERVER east; DROP USER MAPPING FOR CURRENT_USER SERVER east");
unlike(read_bytes($path), qr/\Q$secret\E/, 'a dropped mapping leaves nothing in the file');
sql("CREATE USER MAPPING FOR CURRENT_USER SERVER east OPTIONS (user 'watch', password '$secret')");
becomes(1, 'healthy with the password');
like(
	outcome("CREATE USER MAPPING FOR PUBLIC SERVER east OPTIONS (user 'watch', password '$secret', pasword '$secret')"),
	qr/invalid option "pasword"\s+HINT:  Perhaps you meant the option "password"/,
	'a mistyped option');
like(
	outcome("CREATE USER MAPPING FOR PUBLIC SERVER east OPTIONS (password '" . ($secret x 300) . "')"),
	qr/options are too long/,
	'too much of them');
sql("EXPLAIN (VERBOSE) SELECT * FROM east; TABLE east");

# ---------- an owner who is not superuser ----------

sql("CREATE ROLE alice; GRANT USAGE ON FOREIGN DATA WRAPPER octopus_fdw TO alice;
	GRANT USAGE ON SCHEMA octopus TO alice; GRANT CREATE ON SCHEMA public TO alice");
my $dir = $target->host;
my $os_user = getpwuid($<);
sub alice { return sql("SET ROLE alice;\n", @_); }
sub refused_to_alice { return outcome("SET ROLE alice;\n" . shift); }

$target->append_conf('postgresql.conf', "log_connections = on");
$target->reload;
alice("CREATE SERVER alices FOREIGN DATA WRAPPER octopus_fdw OPTIONS (health_check_type 'connection');
	CREATE FOREIGN TABLE alices (node_name text, node_port int, health_status int) SERVER alices OPTIONS (table_name 'nodes');
	INSERT INTO alices VALUES ('$dir', $port)");
ok( $monitor->poll_query_until('postgres', 'SELECT health_status = 0 FROM alices'),
	'a socket, no mapping: she does not get in');
foreach my $mapping (
	"(user '$os_user')",
	"(user '$os_user', password 'x')",
	"(user '$os_user', password '')")
{
	my $log = -s $monitor->logfile;
	alice("DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER alices;
		TRUNCATE alices;
		CREATE USER MAPPING FOR CURRENT_USER SERVER alices OPTIONS $mapping;
		INSERT INTO alices VALUES ('$dir', $port)");
	ok( $monitor->poll_query_until('postgres', 'SELECT health_status = 0 FROM alices'),
		"a socket, mapping $mapping: neither");
	like(slurp_file($monitor->logfile, $log), qr/refused the login|has no right to log in/, 'the log says why');
}
like(refused_to_alice("ALTER USER MAPPING FOR CURRENT_USER SERVER alices OPTIONS (ADD password_required 'false')"),
	qr/permission denied to set option "password_required"/, 'she cannot do without a password');
like(refused_to_alice("ALTER SERVER alices OPTIONS (ADD sslkey '/etc/shadow')"),
	qr/permission denied to set option "sslkey"/, 'nor name files of ours');
unlike(slurp_file($target->logfile), qr/connection authorized: user=\Q$os_user\E .*octopus_fdw/,
	'the target never let a probe in as the user of the server');

alice("DROP USER MAPPING FOR CURRENT_USER SERVER alices; TRUNCATE alices;
	CREATE USER MAPPING FOR CURRENT_USER SERVER alices OPTIONS (user 'watch', password '$secret');
	INSERT INTO alices VALUES ('127.0.0.1', $port)");
ok( $monitor->poll_query_until('postgres', 'SELECT health_status = 1 FROM alices'),
	'with a password that is asked for she gets in');
write_bytes($hba, $trusting);
$target->reload;
ok( $monitor->poll_query_until('postgres', 'SELECT health_status = 0 FROM alices'),
	'a password that is not asked for is no credential');
sql('ALTER SERVER alices OWNER TO CURRENT_USER;
	CREATE USER MAPPING FOR CURRENT_USER SERVER alices OPTIONS (user \'watch\')');
ok( $monitor->poll_query_until('postgres', 'SELECT health_status = 1 FROM alices'),
	'a superuser needs none');

# ---------- the password ----------

is(sql("SELECT string_agg(n::text, ' ') FROM octopus.node_options n") =~ /\Q$secret\E/, '',
	'the password is in no table of ours');
my $catalog = sql("SELECT pg_relation_filepath('pg_user_mapping')");
sql('CHECKPOINT');
$monitor->stop;
$target->stop;
foreach my $log ($monitor->logfile, $target->logfile)
{
	my $text = slurp_file($log);
	$text =~ s/^.*(?:CREATE ROLE watch|statement: ).*$//mg;
	unlike($text, qr/\Q$secret\E/, "the password is not in $log");
}

# In the data directory it is where core keeps it, and in the registry.
my %files;
my $data = $monitor->data_dir;
File::Find::find(
	{
		no_chdir => 1,
		wanted => sub {
			$files{ substr($_, length($data) + 1) } = 1
			  if -f $_ && read_bytes($_) =~ /\Q$secret\E/;
		}
	},
	$data);
ok(delete $files{'octopus_fdw.registry'}, 'the password is in the registry');
is((stat $path)[2] & 07777, 0600, 'which nobody else may read');
ok(delete $files{$catalog}, 'and in pg_user_mapping');
is(join(' ', grep { !m{^pg_wal/} } sort keys %files), '', 'but for WAL it is in no other file');
done_testing();

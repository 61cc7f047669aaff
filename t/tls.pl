# Encrypted probes: whom they trust, who they are, and what becomes of those
# that come to no encrypted connection.  The environment has no say in it.

use strict;
use warnings;

use Octopus;
use Fleet;
use Tls;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = certificates();
my $trap = PostgreSQL::Test::Utils::tempdir();

# ---------- certificates ----------

make_ca('ours');
make_ca('theirs');
make_certificate('good', 'ours', 'db.test', 0, 'db.test', 'localhost');
make_certificate('expired', 'ours', 'db.test', 1, 'db.test');
make_certificate('watch', 'ours', 'watch', 0);
make_certificate('stranger', 'theirs', 'watch', 0);
openssl(qw(ec -aes256 -passout pass:open-sesame -in), "$dir/watch.key", '-out', "$dir/locked.key");
chmod 0600, "$dir/locked.key";

# ---------- servers ----------

my $target = tls_target('good');
my $port = $target->port;
$target->safe_psql('postgres', "CREATE ROLE watch LOGIN PASSWORD 'secret'; CREATE ROLE certified LOGIN; CREATE ROLE trusted LOGIN;
	CREATE ROLE plain LOGIN PASSWORD 'secret'; SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'secret'");
admit(
	$target,
	'hostssl all certified 127.0.0.1/32 cert map=any',
	'hostssl all trusted 127.0.0.1/32 trust',
	'hostssl all old 127.0.0.1/32 md5',
	'hostssl all plain 127.0.0.1/32 password',
	'hostssl all all 127.0.0.1/32 scram-sha-256');
$target->append_conf('pg_ident.conf', 'any watch certified');
$target->reload;

# What libpq would take from the environment, all of it wrong.
$ENV{HOME} = $trap;
mkdir "$trap/.postgresql";
append_to_file("$trap/.postgresql/root.crt", slurp_file("$dir/theirs.crt"));
append_to_file("$trap/.pgpass", "*:*:*:*:wrong\n");
chmod 0600, "$trap/.pgpass";
my %environment = (
	PGPASSWORD => 'wrong',
	PGSSLMODE => 'verify-full',
	PGSSLROOTCERT => "$dir/theirs.crt",
	PGSSLCERT => "$dir/good.crt",
	PGSERVICE => 'nowhere',
	PGSERVICEFILE => "$trap/none",
	PGPASSFILE => "$trap/.pgpass",
	PGREQUIRESSL => '1',
	PGUSER => 'nobody',
	PGDATABASE => 'nowhere',
	PGOPTIONS => '-c nonsense=1',
	PGREQUIREAUTH => 'none',
	PGGSSENCMODE => 'require',
	PGCHANNELBINDING => 'require',
	KRB5CCNAME => "$trap/none",
	KRB5_CLIENT_KTNAME => "$trap/keytab",
	SSL_CERT_FILE => "$dir/ours.crt",
	SSL_CERT_DIR => $trap);
mkfifo("$trap/keytab", 0600) or die "cannot make a FIFO: $!";	# who reads it waits
my $monitor = PostgreSQL::Test::Cluster->new('monitor');
$monitor->init;
configure($monitor, shared_preload_libraries => 'octopus_fdw', period => '100ms', retry_delay => '50ms',
	timeout => '5s', max_retries => 0, 'octopus.log_checks' => 'all', log_statement => 'none');

# It is started by hand, by somebody who says nothing at its standard input.
pipe(my $silence, my $nobody) or die "cannot make a pipe: $!";
my $postmaster = fork;
if (!$postmaster)
{
	@ENV{ keys %environment } = values %environment;
	open(STDIN, '<&', $silence);
	open(STDOUT, '>>', $monitor->logfile);
	open(STDERR, '>&', \*STDOUT);
	exec 'postgres', '-D', $monitor->data_dir, '--cluster-name=monitor';
	die "cannot start postgres: $!";
}
wait_until(
	sub { run_log([ 'pg_isready', '-q', '-h', $monitor->host, '-p', $monitor->port ]) },
	'the monitor has started');
$monitor->_update_pid(1);
$monitor->safe_psql('postgres', 'CREATE EXTENSION octopus_fdw');
my $fleet = Fleet->new;

# As check() of Tls.pm; the node is the target unless it is said.
sub check_target
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what, $options, $mapping, $outcome, $health, $types, $node) = @_;
	return check($monitor, $what, $options, $mapping, $outcome, $health,
		$node // [ 'db.test', $port, '127.0.0.1' ], $types);
}

my $login = "user 'watch', password 'secret'";
my @logins = qw(connection query);

# ---------- who is trusted ----------

check_target('sslmode require', "sslmode 'require'", $login, 'ok, phase (?:auth|query)', 1);
check_target('an authority that is ours', "sslmode 'verify-ca', sslrootcert '$dir/ours.crt'", $login,
	'ok, phase (?:auth|query)', 1);
check_target('another authority', "sslmode 'verify-ca', sslrootcert '$dir/theirs.crt'", $login,
	'tls_error, phase tls', 0);
check_target('the right name', "sslmode 'verify-full', sslrootcert '$dir/ours.crt'", $login,
	'ok, phase (?:auth|query)', 1);
check_target('the wrong name', "sslmode 'verify-full', sslrootcert '$dir/ours.crt'", $login,
	'tls_error, phase tls', 0, undef, [ 'db2.test', $port, '127.0.0.1' ]);
check_target('a name with several addresses', "sslmode 'verify-full', sslrootcert '$dir/ours.crt'", $login,
	'ok, phase (?:auth|query)', 1, undef, [ 'localhost', $port, undef ]);
check_target('the authorities of the system', "sslmode 'verify-full', sslrootcert 'system'", $login,
	'tls_error, phase tls', 0);
check_target('no authority at all', "sslmode 'verify-full', sslrootcert '$dir/none.crt'", $login,
	'tls_error, phase tls', 0);

# ---------- who is let in ----------

check_target('no password', "sslmode 'require'", '', 'auth_failed, phase auth', 0, \@logins);
check_target('no password', "sslmode 'require'", '', 'ok, phase auth', 1, ['ping']);
check_target('a wrong password', "sslmode 'require'", "user 'watch', password 'open'",
	'auth_failed, phase auth', 0, \@logins);
check_target('a certificate', "sslmode 'require'",
	"user 'certified', sslcert '$dir/watch.crt', sslkey '$dir/watch.key'", 'ok, phase (?:auth|query)', 1);
check_target('a locked key', "sslmode 'require'",
	"user 'certified', sslcert '$dir/watch.crt', sslkey '$dir/locked.key', sslpassword 'open-sesame'",
	'ok, phase (?:auth|query)', 1, \@logins);
check_target('a locked key that stays so', "sslmode 'require'",
	"user 'certified', sslcert '$dir/watch.crt', sslkey '$dir/locked.key', sslpassword 'open'",
	'tls_error, phase tls', 0, \@logins);
check_target('a locked key, and nobody who knows how to open it', "sslmode 'require'",
	"user 'certified', sslcert '$dir/watch.crt', sslkey '$dir/locked.key'", 'tls_error, phase tls', 0);
check_target('the certificate of a stranger', "sslmode 'require'",
	"user 'certified', sslcert '$dir/stranger.crt', sslkey '$dir/stranger.key'", 'tls_error, phase tls', 0);
check_target('a password bound to the connection', "sslmode 'require', channel_binding 'require'", $login,
	'ok, phase (?:auth|query)', 1, \@logins);
check_target('nothing that could be bound to it', "sslmode 'require', channel_binding 'require'", "user 'trusted'",
	'auth_failed, phase auth', 0, \@logins);
check_target('no certificate', "sslmode 'require'", "user 'certified'", 'auth_failed, phase auth', 0, \@logins);
check_target('encryption that is not wanted', "sslmode 'disable'", $login, 'auth_failed, phase auth', 0, \@logins);
check_target('auto with a mapping', "health_check_query 'SELECT false', sslmode 'require'", $login,
	'query_false, phase query', 0, ['auto']);
check_target('auto without', "health_check_query 'SELECT false', sslmode 'require'", '', 'ok, phase auth', 1, ['auto']);

# A password goes over the line as the group wants it, which is up to libpq 16.
SKIP:
{
	my ($refused) = $monitor->psql('postgres',
		"CREATE SERVER probe FOREIGN DATA WRAPPER octopus_fdw OPTIONS (require_auth 'none'); DROP SERVER probe");
	skip 'this libpq has no require_auth', 1 if $refused;
	foreach my $method (qw(md5 password))
	{
		my $mapping = "user '" . ($method eq 'md5' ? 'old' : 'plain') . "', password 'secret'";
		check_target("$method, unasked", "sslmode 'require'", $mapping, 'auth_failed, phase auth', 0, \@logins);
		check_target("$method, as it is wanted", "sslmode 'require', require_auth '$method'", $mapping,
			'ok, phase (?:auth|query)', 1, \@logins);
	}
}

# ---------- not a word in the target's log ----------

new_log($target);
check_target('sslmode require, once more', "sslmode 'require'", $login, 'ok, phase (?:auth|query)', 1);
check_target('a ping without credentials', "sslmode 'require'", '', 'ok, phase auth', 1, ['ping']);
is(new_log($target), '', 'encrypted probes leave no trace');
check_target('a ping of a group that says nothing of encryption', '', '', 'auth_failed, phase auth', 1, ['ping']);
like(new_log($target), qr/no pg_hba\.conf entry .* no encryption/, 'which the target notes');

# ---------- servers that cannot do it ----------

check_target('garbage in place of encryption', "sslmode 'require'", $login, 'tls_error, phase tls', 0, undef,
	[ $fleet->address('bad_tls', 1), $fleet->port, $fleet->address('bad_tls', 1) ]);
check_target('no encryption to be had', "sslmode 'require'", $login, 'tls_error, phase tls', 0, undef,
	[ '127.1.0.1', $fleet->port, '127.1.0.1' ]);
check_target('none needed', "sslmode 'prefer'", "user 'watch'", 'ok, phase (?:auth|query)', 1, undef,
	[ '127.1.0.1', $fleet->port, '127.1.0.1' ]);

check_target('nothing said of it', '', "user 'watch'", 'ok, phase (?:auth|query)', 1, undef,
	[ '127.1.0.1', $fleet->port, '127.1.0.1' ]);
check_target('encryption by Kerberos, which is not to be had', "gssencmode 'require'", $login,
	'tls_error, phase tls', 0, undef, [ '127.1.0.1', $fleet->port, '127.1.0.1' ]);
check_target('a mode that is none', "sslmode 'sometimes'", $login, 'tls_error, phase tls', 0);

present($target, 'expired');
check_target('an expired certificate', "sslmode 'verify-full', sslrootcert '$dir/ours.crt'", $login,
	'tls_error, phase tls', 0);

# ---------- what is known of it ----------

present($target, 'good');
$monitor->safe_psql('postgres', qq{
	CREATE SERVER seen FOREIGN DATA WRAPPER octopus_fdw OPTIONS (sslmode 'require');
	CREATE USER MAPPING FOR PUBLIC SERVER seen OPTIONS ($login);
	CREATE FOREIGN TABLE seen_nodes (node_name text, node_port int) SERVER seen OPTIONS (table_name 'nodes');
	INSERT INTO seen_nodes VALUES ('127.0.0.1', $port)});
ok( $monitor->poll_query_until('postgres',
		"SELECT health_status = 1 AND ssl AND role = 'primary' AND NOT read_only AND server_version IS NOT NULL FROM octopus.node_status WHERE server_name = 'seen'"),
	'a row says that the connection was encrypted');

unlike(slurp_file($monitor->logfile), qr/secret|open-sesame/, 'no secret is in the log');

$fleet->quit;
$monitor->stop('fast');
waitpid $postmaster, 0;
done_testing();

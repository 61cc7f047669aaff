# Encrypted probes: whom they trust, who they are, and what becomes of those
# that come to no encrypted connection.  The environment has no say in it.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $trap = PostgreSQL::Test::Utils::tempdir();

# ---------- certificates ----------

sub try_openssl
{
	my ($out, $err);
	return (IPC::Run::run([ 'openssl', @_ ], '>', \$out, '2>', \$err), $err);
}

sub openssl
{
	my ($done, $err) = try_openssl(@_);
	die "openssl @_: $err" unless $done;
	return;
}

sub make_key
{
	my ($name) = @_;
	openssl(qw(ecparam -name prime256v1 -genkey -noout -out), "$dir/$name.key");
	chmod 0600, "$dir/$name.key";
	return;
}

sub make_ca
{
	my ($name) = @_;
	make_key($name);
	openssl(qw(req -x509 -new -days 30 -subj), "/CN=$name", '-key', "$dir/$name.key",
		'-out', "$dir/$name.crt");
	return;
}

# make_certificate(name, ca, common name, expired): of a server or a client
sub make_certificate
{
	my ($name, $ca, $cn, $expired) = @_;
	make_key($name);
	append_to_file("$dir/$name.ext", "subjectAltName=DNS:$cn\n");
	openssl(qw(req -new -subj), "/CN=$cn", '-key', "$dir/$name.key", '-out', "$dir/$name.csr");
	my @sign = (qw(x509 -req -in), "$dir/$name.csr", '-CA', "$dir/$ca.crt",
		'-CAkey', "$dir/$ca.key", '-CAcreateserial', '-extfile', "$dir/$name.ext",
		'-out', "$dir/$name.crt");

	# versions before 3.4 have no dates, later ones no negative number of days
	return openssl(@sign, qw(-days 30)) unless $expired;
	my ($done) = try_openssl(@sign, qw(-not_before 20200101000000Z -not_after 20200102000000Z));
	openssl(@sign, qw(-days -1)) unless $done;
	return;
}

make_ca('ours');
make_ca('theirs');
make_certificate('good', 'ours', 'db.test');
make_certificate('expired', 'ours', 'db.test', 1);
make_certificate('watch', 'ours', 'watch');
openssl(qw(ec -aes256 -passout pass:open-sesame -in), "$dir/watch.key", '-out', "$dir/locked.key");
chmod 0600, "$dir/locked.key";

# ---------- servers ----------

my $target = target(
	'target',
	ssl => 'on',
	ssl_cert_file => "$dir/good.crt",
	ssl_key_file => "$dir/good.key",
	ssl_ca_file => "$dir/ours.crt",
	log_statement => 'none',
	password_encryption => 'scram-sha-256');
my $port = $target->port;
$target->safe_psql('postgres', "CREATE ROLE watch LOGIN PASSWORD 'secret'; CREATE ROLE certified LOGIN");

sub admit
{
	unlink $target->data_dir . '/pg_hba.conf';
	$target->append_conf('pg_hba.conf', join "\n", 'local all all trust', @_);
	$target->reload;
	return;
}
admit('hostssl all certified 127.0.0.1/32 cert map=any', 'hostssl all all 127.0.0.1/32 scram-sha-256');
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
	KRB5CCNAME => "$trap/none");
my $monitor = PostgreSQL::Test::Cluster->new('monitor');
$monitor->init;
configure($monitor, shared_preload_libraries => 'octopus_fdw', period => '100ms', retry_delay => '50ms',
	timeout => '5s', max_retries => 0, 'octopus.log_checks' => 'all', log_statement => 'none');
system_or_bail('env', (map { "$_=$environment{$_}" } sort keys %environment),
	'pg_ctl', '-w', '-D', $monitor->data_dir, '-l', $monitor->logfile, '-o', '--cluster-name=monitor', 'start');
$monitor->_update_pid(1);
$monitor->safe_psql('postgres', 'CREATE EXTENSION octopus_fdw');
my $fleet = Fleet->new;

my $n = 0;

# A node of a new group comes to that outcome and health, by every type of check:
# check(what, server options, mapping options or '', reason and phase, health,
# types, [name, port, address])
sub check
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what, $options, $mapping, $outcome, $health, $types, $node) = @_;
	my ($name, $at, $address) = @{ $node // [ 'db.test', $port, '127.0.0.1' ] };

	foreach my $type (@{ $types // [qw(ping connection query)] })
	{
		my $server = 's' . ++$n;
		my $seen = '';
		$monitor->safe_psql('postgres',
			"CREATE SERVER $server FOREIGN DATA WRAPPER octopus_fdw OPTIONS ("
			  . join(', ', "health_check_type '$type'", grep { $_ } $options) . ");"
			  . ($mapping ? "CREATE USER MAPPING FOR PUBLIC SERVER $server OPTIONS ($mapping);" : '')
			  . "CREATE FOREIGN TABLE $server (node_name text, node_port int, hostaddr text, health_status int) SERVER $server OPTIONS (table_name 'nodes')");
		new_log($monitor);
		$monitor->safe_psql('postgres', "INSERT INTO $server VALUES ('$name', $at, '$address')");
		wait_until(
			sub { $seen .= new_log($monitor); $seen =~ /check of node .*\n/ },
			"$what, $type: it is probed");
		like($seen, qr/check of node \S+: $outcome,/, "$what, $type: $outcome");
		ok( $monitor->poll_query_until('postgres', "SELECT health_status = $health FROM $server"),
			"$what, $type: its health is $health");
		$monitor->safe_psql('postgres', "DROP SERVER $server CASCADE");
	}
	return;
}

my $login = "user 'watch', password 'secret'";
my @logins = qw(connection query);

# ---------- who is trusted ----------

check('sslmode require', "sslmode 'require'", $login, 'ok, phase (?:auth|query)', 1);
check('an authority that is ours', "sslmode 'verify-ca', sslrootcert '$dir/ours.crt'", $login,
	'ok, phase (?:auth|query)', 1);
check('another authority', "sslmode 'verify-ca', sslrootcert '$dir/theirs.crt'", $login,
	'tls_error, phase tls', 0);
check('the right name', "sslmode 'verify-full', sslrootcert '$dir/ours.crt'", $login,
	'ok, phase (?:auth|query)', 1);
check('the wrong name', "sslmode 'verify-full', sslrootcert '$dir/ours.crt'", $login,
	'tls_error, phase tls', 0, undef, [ 'db2.test', $port, '127.0.0.1' ]);
check('no authority at all', "sslmode 'verify-full', sslrootcert '$dir/none.crt'", $login,
	'tls_error, phase tls', 0);

# ---------- who is let in ----------

check('no password', "sslmode 'require'", '', 'auth_failed, phase auth', 0, \@logins);
check('no password', "sslmode 'require'", '', 'ok, phase auth', 1, ['ping']);
check('a wrong password', "sslmode 'require'", "user 'watch', password 'open'",
	'auth_failed, phase auth', 0, \@logins);
check('a certificate', "sslmode 'require'",
	"user 'certified', sslcert '$dir/watch.crt', sslkey '$dir/watch.key'", 'ok, phase (?:auth|query)', 1);
check('a locked key', "sslmode 'require'",
	"user 'certified', sslcert '$dir/watch.crt', sslkey '$dir/locked.key', sslpassword 'open-sesame'",
	'ok, phase (?:auth|query)', 1, \@logins);
check('a locked key that stays so', "sslmode 'require'",
	"user 'certified', sslcert '$dir/watch.crt', sslkey '$dir/locked.key', sslpassword 'open'",
	'tls_error, phase tls', 0, \@logins);
check('no certificate', "sslmode 'require'", "user 'certified'", 'auth_failed, phase auth', 0, \@logins);
check('encryption that is not wanted', "sslmode 'disable'", $login, 'auth_failed, phase auth', 0, \@logins);
check('auto with a mapping', "health_check_query 'SELECT false', sslmode 'require'", $login,
	'query_false, phase query', 0, ['auto']);
check('auto without', "health_check_query 'SELECT false', sslmode 'require'", '', 'ok, phase auth', 1, ['auto']);

# ---------- not a word in the target's log ----------

new_log($target);
check('sslmode require, once more', "sslmode 'require'", $login, 'ok, phase (?:auth|query)', 1);
is(new_log($target), '', 'encrypted probes leave no trace');

# ---------- servers that cannot do it ----------

check('garbage in place of encryption', "sslmode 'require'", $login, 'tls_error, phase tls', 0, undef,
	[ $fleet->address('bad_tls', 1), $fleet->port, $fleet->address('bad_tls', 1) ]);
check('no encryption to be had', "sslmode 'require'", $login, 'tls_error, phase tls', 0, undef,
	[ '127.1.0.1', $fleet->port, '127.1.0.1' ]);
check('none needed', "sslmode 'prefer'", "user 'watch'", 'ok, phase (?:auth|query)', 1, undef,
	[ '127.1.0.1', $fleet->port, '127.1.0.1' ]);

configure($target, ssl_cert_file => "$dir/expired.crt", ssl_key_file => "$dir/expired.key");
$target->reload;
check('an expired certificate', "sslmode 'verify-full', sslrootcert '$dir/ours.crt'", $login,
	'tls_error, phase tls', 0);

unlike(slurp_file($monitor->logfile), qr/secret|open-sesame/, 'no secret is in the log');

$fleet->quit;
$monitor->stop('fast');
done_testing();

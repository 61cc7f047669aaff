# What the tests of encrypted probes have in common: certificates of authorities
# of their own, a server that demands encryption, and groups that are probed by
# every type of check.

package Tls;

use strict;
use warnings;

use Exporter 'import';
use Octopus;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(certificates openssl make_ca make_certificate
  tls_target present admit check count_records);

my $dir;
my $n = 0;

# who owns the groups that are checked, if not the superuser
our $owner;

# Where they are.
sub certificates
{
	return $dir //= PostgreSQL::Test::Utils::tempdir();
}

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
	certificates();
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

# make_certificate(name, ca, common name, expired, alternative names): of a server
# or a client
sub make_certificate
{
	my ($name, $ca, $cn, $expired, @names) = @_;
	make_key($name);
	append_to_file("$dir/$name.ext",
		@names ? 'subjectAltName=' . join(',', map { "DNS:$_" } @names) . "\n" : "\n");
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

# ---------- servers ----------

# Starts a server to be monitored that shows this certificate.
sub tls_target
{
	my ($certificate, %settings) = @_;
	return target(
		'target',
		ssl => 'on',
		ssl_cert_file => "$dir/$certificate.crt",
		ssl_key_file => "$dir/$certificate.key",
		ssl_ca_file => "$dir/ours.crt",
		log_statement => 'none',
		password_encryption => 'scram-sha-256',
		%settings);
}

# It shows another one from now on.
sub present
{
	my ($target, $certificate) = @_;
	configure($target, ssl_cert_file => "$dir/$certificate.crt",
		ssl_key_file => "$dir/$certificate.key");
	$target->reload;
	return;
}

# It lets in who comes by its socket, and by these lines of pg_hba.conf.
sub admit
{
	my ($target, @lines) = @_;
	unlink $target->data_dir . '/pg_hba.conf';
	$target->append_conf('pg_hba.conf', join "\n", 'local all all trust', @lines);
	$target->reload;
	return;
}

# How many records of application data are in what a client has sent, behind its
# demand for encryption.
sub count_records
{
	my ($bytes) = @_;
	my ($at, $n) = (8, 0);

	while (length($bytes) >= $at + 5)
	{
		my ($type, $length) = unpack 'x' . $at . 'C x2 n', $bytes;
		$n++ if $type == 0x17;
		$at += 5 + $length;
	}
	return $n;
}

# ---------- checks ----------

# A node of a new group comes to that outcome and health, by every type of check.
# It is checked once, so that dropping it cuts no other check short.
#
# check(monitor, what, server options, mapping options or '', reason and phase,
# health, [name, port, address], types); returns what was logged of the last type.
sub check
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($monitor, $what, $options, $mapping, $outcome, $health, $node, $types) = @_;
	my ($name, $port, $address) = @$node;
	my $as = $owner ? "SET ROLE $owner; " : '';
	my $seen;

	foreach my $type (@{ $types // [qw(ping connection query)] })
	{
		my $server = 's' . ++$n;
		$seen = '';
		$monitor->safe_psql('postgres',
			$as . "CREATE SERVER $server FOREIGN DATA WRAPPER octopus_fdw OPTIONS ("
			  . join(', ', "health_check_type '$type'", "health_check_period '1h'", grep { $_ } $options) . ");"
			  . ($mapping ? "CREATE USER MAPPING FOR PUBLIC SERVER $server OPTIONS ($mapping);" : '')
			  . "CREATE FOREIGN TABLE $server (node_name text, node_port int, hostaddr text, health_status int) SERVER $server OPTIONS (table_name 'nodes')");
		new_log($monitor);
		$monitor->safe_psql('postgres',
			$as . "INSERT INTO $server VALUES ('$name', $port, " . (defined $address ? "'$address'" : 'NULL') . ')');
		wait_until(
			sub { $seen .= new_log($monitor); $seen =~ /check of node .*\n(?!\z)/ || $seen =~ /check of node .*: ok,.*\n/ },
			"$what, $type: it is probed");
		like($seen, qr/check of node "\Q$name\E":\d+: $outcome,/, "$what, $type: $outcome");
		ok( $monitor->poll_query_until('postgres', "SELECT health_status = $health FROM $server"),
			"$what, $type: its health is $health");
		$monitor->safe_psql('postgres', "DROP SERVER $server CASCADE");
	}
	return $seen;
}

1;

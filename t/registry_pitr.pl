# A point-in-time recovery has the registry of its base backup: what was
# registered later is not there, whatever the target.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, has_archiving => 1);
configure(
	$primary,
	shared_preload_libraries => 'octopus_fdw',
	period => '1h');
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION octopus_fdw; CREATE TABLE t (a text)');

# A node, and a row of a table beside it.
sub add
{
	my ($name) = @_;
	$primary->safe_psql('postgres',
		"BEGIN; INSERT INTO octopus.nodes VALUES ('$name'); INSERT INTO t VALUES ('$name'); COMMIT");
	return;
}

add('127.0.0.1');
$primary->backup('base');
$primary->safe_psql('postgres', "SELECT pg_create_restore_point('before')");
add('127.0.0.2');
$primary->safe_psql('postgres', "SELECT pg_create_restore_point('after'); SELECT pg_switch_wal()");
add('127.0.0.3');
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
$primary->stop;
my $file = read_bytes(registry_path($primary));

# Recovers to a point, with a pending file if one is given.
sub recover
{
	my ($name, $point, $pending) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init_from_backup($primary, 'base', has_restoring => 1, standby => 0);
	configure(
		$node,
		archive_mode => 'off',
		recovery_target_timeline => 'current',
		recovery_target_name => $point,
		recovery_target_action => 'promote');
	write_bytes(registry_path($node, '.pending'), $pending) if $pending;
	$node->start;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
	return $node;
}

my $before = recover('before', 'before');
is($before->safe_psql('postgres', 'SELECT count(*) FROM t'), '1', 'to before a registration');
is(registered($before), '127.0.0.1', 'has what the base backup had');
register($before, [ '127.0.0.4', 1 ]);
kill_everything($before);
$before->start;
is(registered($before), '127.0.0.1 127.0.0.4', 'and registers for good');
$before->stop;

my $after = recover('after', 'after');
is($after->safe_psql('postgres', 'SELECT count(*) FROM t'), '2', 'to after it');
is(registered($after), '127.0.0.1', 'has it not either, since it is not in WAL');
$after->stop;

# The pending file of a transaction that is not part of this history any more.
my $undone = recover('undone', 'before', $file);
wait_prober($undone);
wait_until(sub { !pending($undone) }, 'a pending file of the lost future is not left');
is(registered($undone), '127.0.0.1', 'and does not count');
$undone->stop;

done_testing();

# The table in shared memory: its size, and many who write and read it at once
# while the prober works on it.

use strict;
use warnings;

use Octopus;
use Fleet;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor('monitor', period => '100ms', max_connections => 30);

is($monitor->safe_psql('postgres', 'SHOW octopus.max_nodes'),
	'4096', 'the table is of the default size');
my $size = $monitor->safe_psql('postgres',
	"SELECT allocated_size FROM pg_shmem_allocations WHERE name = 'octopus_fdw nodes'"
);
note("4096 nodes take $size bytes");
cmp_ok($size, '<', 12 * 1024 * 1024, 'which is less than 12 MB');
cmp_ok($size, '>', 4096 * 256, 'and more than their names');

# ---------- writers and readers at once ----------

# Each writer has nodes of its own, some of which it registers, moves and removes
# in each transaction; some roll back; two groups are written.  A reader must
# never see half of a transaction: every writer's nodes come in pairs.
$monitor->safe_psql(
	'postgres', qq{
CREATE SERVER other FOREIGN DATA WRAPPER octopus_fdw;
CREATE FOREIGN TABLE other (node_name text, node_port int, health_status int)
	SERVER other OPTIONS (table_name 'nodes');
CREATE FUNCTION check_pairs() RETURNS void AS \$\$
DECLARE
	lonely text;
BEGIN
	SELECT string_agg(pair, ' ') INTO lonely FROM
		(SELECT left(node_name, -1) AS pair FROM octopus.nodes GROUP BY 1 HAVING count(*) <> 2) p;
	IF lonely IS NOT NULL THEN
		RAISE EXCEPTION 'half a transaction is seen: %', lonely;
	END IF;
	PERFORM FROM octopus.nodes WHERE health_status NOT IN (-1, 1);
	IF FOUND THEN
		RAISE EXCEPTION 'a verdict is wrong';
	END IF;
END
\$\$ LANGUAGE plpgsql});

my $transactions = 150;
my $writers = 4;
my %write = (
	'write_pair' => qq{
\\set i random(10, 24)
BEGIN;
DELETE FROM octopus.nodes WHERE node_name LIKE '127.1.' || :client_id || '.' || :i || '_';
INSERT INTO octopus.nodes VALUES ('127.1.' || :client_id || '.' || :i || '1', $port), ('127.1.' || :client_id || '.' || :i || '2', $port);
COMMIT;
},
	'write_other' => qq{
\\set i random(1, 200)
INSERT INTO other SELECT '127.1.' || :client_id || '.' || i, $port FROM generate_series(:i, :i + 20) i ON CONFLICT DO NOTHING;
DELETE FROM other WHERE node_name = '127.1.' || :client_id || '.' || :i AND node_port = $port;
},
	'roll_back' => qq{
BEGIN;
INSERT INTO octopus.nodes SELECT 'never', i FROM generate_series(1, 100) i ON CONFLICT DO NOTHING;
SAVEPOINT s;
UPDATE octopus.nodes SET node_name = 'neither' WHERE node_name = 'never';
ROLLBACK TO s;
ROLLBACK;
});

# readers as long as there are writers
my $script = PostgreSQL::Test::Utils::tempdir() . '/read.sql';
append_to_file($script,
	"SELECT check_pairs();
	SELECT health_status FROM other WHERE node_name = '127.1.0.20' AND node_port = $port;"
);
my ($stdout, $stderr);
my $readers = IPC::Run::start(
	[
		'pgbench', '-n', '-c', 3, '-T', 600, '-f', $script,
		$monitor->connstr('postgres')
	],
	'>', \$stdout, '2>', \$stderr);

$monitor->pgbench(
	"-n -c $writers -t $transactions",
	0,
	[qr{processed: (\d+)/\1\n}],
	[qr{^$}],
	'writers at once',
	\%write);

ok($readers->pumpable, 'readers went on all the time');
$readers->signal('TERM');
$readers->finish;
is($stderr, '', 'no reader met an error');

# ---------- the end of it ----------

$monitor->safe_psql('postgres', 'SELECT check_pairs()');
is( $monitor->safe_psql('postgres',
		"SELECT count(*) FROM octopus.nodes WHERE node_name IN ('never', 'neither')"),
	'0',
	'what was rolled back is not there');
is( $monitor->safe_psql('postgres',
		'SELECT count(*) = count(DISTINCT (node_name, node_port)) AND count(*) > 0 FROM other'),
	't',
	'there are no duplicates');
ok( $monitor->poll_query_until(
		'postgres',
		'SELECT bool_and(health_status = 1) FROM (TABLE octopus.nodes UNION ALL TABLE other) n'
	),
	'every node that is left is probed');
is( $monitor->safe_psql(
		'postgres',
		'SELECT count(*) FROM octopus.nodes a JOIN octopus.nodes b USING (node_name, node_port)'
	),
	$monitor->safe_psql('postgres', 'SELECT count(*) FROM octopus.nodes'),
	'every node is found by its key');

# all places come back
$monitor->safe_psql('postgres', 'TRUNCATE octopus.nodes; TRUNCATE other');
$monitor->safe_psql('postgres',
	"INSERT INTO octopus.nodes SELECT '127.1.' || i / 250 || '.' || i % 250, $port FROM generate_series(1, 4096) i"
);
my ($ret, $out, $err) = $monitor->psql('postgres',
	"\\set VERBOSITY sqlstate\nINSERT INTO other VALUES ('127.1.20.1', $port)");
like($err, qr/ERROR:  53400/, 'a full table is full');
$monitor->safe_psql('postgres',
	"UPDATE octopus.nodes SET node_name = '127.1.20.1' WHERE node_name = '127.1.0.1';
	BEGIN;
	DELETE FROM octopus.nodes WHERE node_name LIKE '127.1.1.%';
	INSERT INTO octopus.nodes SELECT '127.1.21.' || i, $port FROM generate_series(1, 250) i;
	COMMIT");
wait_tally($monitor, '4096/0/0', 'but its nodes can be exchanged');

done_testing();

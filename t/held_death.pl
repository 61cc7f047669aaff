# Real servers with sessions that are held: how soon their death is seen, and how
# soon another role.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $host = '127.0.0.1';
my $target = target('target', autovacuum => 'off');
my $port = $target->port;
my $monitor = monitor(
	'monitor',
	log_line_prefix => '%n ',
	period => '1h',
	timeout => '5s',
	max_retries => 0,
	'octopus.keep_connections' => 'on');

sub sql { return $monitor->safe_psql('postgres', join '', @_); }

sub set
{
	my (%settings) = @_;
	configure($monitor, %settings);
	$monitor->reload;
	return;
}

sub sessions
{
	my ($server) = @_;
	return split /\n/,
	  $server->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE application_name = 'octopus_fdw'");
}

# Registers a target anew, and a test that it is healthy with a session.
sub begin
{
	my ($type, $server) = @_;
	sql("DELETE FROM octopus.nodes; INSERT INTO octopus.node_options (node_name, node_port, health_check_type) VALUES ('$host', ",
		$server->port, ", '$type')");
	wait_health($monitor, $host, $server->port, 1, "$type: healthy");
	wait_until(sub { sessions($server) == 1 }, "$type: there is a session");
	new_log($monitor);
	return;
}

# How many seconds after "start" a line was logged.
sub logged_after
{
	my ($start, $pattern, $test) = @_;
	my $log = '';
	wait_until(sub { $log .= new_log($monitor); return $log =~ $pattern }, $test);
	return $log =~ /^([\d.]+) LOG:  $pattern/m ? $1 - $start : undef;
}

# The processes of a server, the postmaster first.
sub processes
{
	my ($server) = @_;
	my $postmaster = postmaster_pid($server);
	return ($postmaster, split ' ', `pgrep -P $postmaster`);
}

# ---------- somebody terminates the session ----------

foreach my $type ('ping', 'connection')
{
	begin($type, $target);
	my ($old) = sessions($target);
	$target->safe_psql('postgres', "SELECT pg_terminate_backend($old)");
	wait_until(
		sub {
			my @now = sessions($target);
			return @now == 1 && $now[0] != $old;
		},
		"$type: terminated, it is followed by another");
	is(health($monitor, $host, $port), '1', "$type: and the target is healthy");
	unlike(new_log($monitor), qr/ healthy|unhealthy/, "$type: as it was all the time");
}

# ---------- the server dies ----------

my @processes;
my %ways = (
	'immediate shutdown' => sub { $target->stop('immediate') },
	'death of all processes' => sub { kill('KILL', @processes) });
my $rounds = $ENV{ROUNDS} // 1;
foreach my $retries (0, 2)
{
	set(max_retries => $retries, retry_delay => '100ms', timeout => $retries ? '500ms' : '5s');
	foreach my $way (sort keys %ways)
	{
		my $type = $way =~ /^i/ ? 'ping' : 'connection';
		my @took;
		foreach (1 .. $rounds)
		{
			begin($type, $target);
			@processes = processes($target);
			my $start = time;
			$ways{$way}->();
			push @took, logged_after($start, qr/node "$host":$port is unhealthy/, "$type: $way is seen");
			if ($way =~ /^d/)
			{
				# as Cluster does it, which is not told of it
				usleep(20_000) until gone($processes[0]);
				$target->{_pid} = undef;
				unlink($target->data_dir . '/postmaster.pid');
			}
			$target->start;
		}
		@took = sort { $a <=> $b } @took;
		note(sprintf '%s, %d retries: %.0f ms at the median, %.0f at most', $way, $retries, 1000 * $took[ $#took / 2 ], 1000 * $took[-1]);
		cmp_ok($took[ $#took / 2 ], '<', $retries ? 2 : 1.5, "$type: $way is seen at once");
	}
}

# ---------- all of its processes stop ----------

set(period => '200ms', timeout => '300ms', max_retries => 1);
begin('ping', $target);
@processes = processes($target);
freeze($_) foreach @processes;
wait_health($monitor, $host, $port, 0, 'a silent host is found out');
thaw($_) foreach @processes;
wait_health($monitor, $host, $port, 1, 'and when it goes on');

# ---------- another role ----------

$target->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($target, 'backup', has_streaming => 1);
$standby->start;
set(period => '1s', timeout => '5s');
begin('connection', $standby);
sql("INSERT INTO octopus.node_options (node_name, node_port, health_check_type) VALUES ('$host', $port, 'ping')");
wait_health($monitor, $host, $port, 1, 'the primary is healthy');

# promoted when the session is new, so that it is not replaced meanwhile
my ($old) = sessions($standby);
my $session = $old;
wait_until(sub { ($session) = sessions($standby); return $session != $old }, 'a new session');
new_log($monitor);
$standby->promote;
my $took = logged_after(time, qr/node "$host":${\$standby->port} is now a primary/,
	'a promotion is seen');
is(join(' ', sessions($standby)), $session, 'on the session that is held');
cmp_ok($took, '<', 3, 'within a period');
unlike(new_log($monitor), qr/is now a/, 'that was the only one');

done_testing();

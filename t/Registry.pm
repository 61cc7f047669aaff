# What the tests of the registry file have in common: the file as bytes, what a
# server says that it holds, faults in its making, the death of everything.

package Registry;

use strict;
use warnings;

use Exporter 'import';
use Fcntl;
use IPC::Run;
use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(
  TURNS registry_path pending_files pending read_bytes write_bytes seal image parse on_disk
  registered is_registered refused attempt kill_everything crash_restarted
  session ask order hear
  preload_faults fault no_fault fault_hit calls
);

# how many names the pending file has
use constant TURNS => 8;

# ---------- the file ----------

# registry_path($node): the registry; with a suffix, one that stands beside it.
sub registry_path
{
	my ($node, $suffix) = @_;
	return $node->data_dir . '/octopus_fdw.registry' . ($suffix // '');
}

# The files that have a name of the pending one; they may be spare.
sub pending_files
{
	my ($node) = @_;
	return grep { -e } map { registry_path($node, $_) } '.pending', map { ".pending$_" } 2 .. TURNS;
}

# The serial number of an image, 0 if there is none or it is just being written.
sub serial_of
{
	my ($path) = @_;
	sysopen(my $file, $path, O_RDONLY | O_NONBLOCK) or return 0;
	sysread $file, my $header, 512;
	close $file;
	return $header =~ /^serial\t(\d+)$/m ? $1 : 0;
}

# The path of the pending file that there is, or undef: one that is newer than the
# registry.
sub pending
{
	my ($node) = @_;
	my $serial = serial_of(registry_path($node));
	return (grep { serial_of($_) > $serial } pending_files($node))[0];
}

# undef if there is no such file
sub read_bytes
{
	my ($path) = @_;
	open(my $file, '<:raw', $path) or return undef;
	local $/ = undef;
	my $bytes = <$file> // '';
	close $file;
	return $bytes;
}

sub write_bytes
{
	my ($path, $bytes) = @_;
	open(my $file, '>:raw', $path) or die "cannot create $path: $!";
	print $file $bytes;
	close $file or die "cannot write $path: $!";
	return;
}

my @crc_table;

sub crc32c
{
	my ($bytes) = @_;
	my $crc = 0xffffffff;

	foreach my $byte (@crc_table ? () : 0 .. 255)
	{
		my $c = $byte;
		$c = $c & 1 ? ($c >> 1) ^ 0x82f63b78 : $c >> 1 for 1 .. 8;
		push @crc_table, $c;
	}
	$crc = $crc_table[ ($crc ^ $_) & 0xff ] ^ ($crc >> 8)
	  foreach unpack('C*', $bytes);
	return $crc ^ 0xffffffff;
}

# Lines with a last one that is true of them, and filling behind it.
sub seal
{
	my ($lines) = @_;
	$lines .= sprintf("end\t%d\t%08x\n", $lines =~ tr/\n//, crc32c($lines));
	return $lines . "\n" x (-length($lines) % 8192);
}

# A changed copy of a good file, which it is to follow: image($bytes, serial => 7,
# xid => 800, nodes => [[$name, $port], ...]), the nodes being added to those of the
# last group.
sub image
{
	my ($bytes, %change) = @_;

	$bytes =~ s/^end\t\d+\t(\w+)\n+\z//m or die "no registry: $bytes";
	$change{follows} //= parse_header($bytes)->{serial} . "\t$1";
	foreach my $key (qw(system serial xid follows))
	{
		next unless defined $change{$key};
		$bytes =~ s/^$key\t.*$/$key\t$change{$key}/m;
	}
	$bytes .= "node\t$_->[0]\t$_->[1]\t0\tsomebody\n" foreach @{ $change{nodes} // [] };
	my ($ngroups, $nnodes) = (0, 0);
	$ngroups++ while $bytes =~ /^group\t/mg;
	$nnodes++ while $bytes =~ /^node\t/mg;
	$bytes =~ s/^counts\t.*$/counts\t$ngroups\t$nnodes/m;
	return seal($bytes);
}

# The fields of a header.
sub parse_header
{
	my ($bytes) = @_;
	return { $bytes =~ /^(system|serial|xid|follows)\t(.*)$/mg };
}

# What a file holds: its header's fields, and its nodes as "database server name
# port".  Dies if the file is not in order.
sub parse
{
	my ($bytes) = @_;
	my %file = (nodes => []);
	my $group;

	(my $body = $bytes) =~ s/^end\t.*\n+\z//m or die "it has no end: $bytes";
	die "the end is wrong: $bytes" if seal($body) ne $bytes;
	foreach my $line (split /\n/, $body)
	{
		my ($keyword, @fields) = split /\t/, $line;
		$group = "$fields[1] $fields[3]" if $keyword eq 'group';
		push @{ $file{nodes} }, "$group $fields[0] $fields[1]"
		  if $keyword eq 'node';
		$file{$keyword} = $fields[0];
	}
	return \%file;
}

# A test: the registry of a server holds these nodes of its default group (or
# of whatever group, if they are given as "database server name port"), in any
# order.
sub on_disk
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $nodes, $test) = @_;
	my @expected = map { / / ? $_ : "postgres octopus $_ 5432" } @$nodes;

	return is(join("\n", sort @{ parse(read_bytes(registry_path($node)))->{nodes} }),
		join("\n", sort @expected), $test);
}

# ---------- the table ----------

# The names of the nodes in a table, sorted.
sub registered
{
	my ($node, $table, $database) = @_;
	return $node->safe_psql($database // 'postgres',
		"SELECT coalesce(string_agg(node_name, ' ' ORDER BY node_name COLLATE \"C\"), '') FROM "
		  . ($table // 'octopus.nodes'));
}

# A test: the default group comes to consist of these nodes.
sub is_registered
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $names, $test) = @_;
	my $seen;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	do
	{
		usleep(20_000) if defined $seen;
		$seen = registered($node);
	} until $seen eq $names || time > $end;
	return is($seen, $names, $test);
}

# Runs SQL as a session of its own; returns all that it said, errors with their
# SQLSTATE.
sub attempt
{
	my ($node, $sql, $database, %params) = @_;
	my ($ret, $stdout, $stderr) = $node->psql($database // 'postgres',
		"\\set VERBOSITY verbose\n$sql", on_error_stop => 0, %params);
	return $stdout . $stderr;
}

# A test: SQL fails with this SQLSTATE, saying what the pattern says.
sub refused
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $sql, $sqlstate, $pattern, $test) = @_;
	return like(attempt($node, $sql), qr/ERROR:  $sqlstate: .*$pattern/s, $test);
}

# ---------- sessions ----------

# A session that stays.
sub session
{
	my ($node, $database) = @_;
	my %session = (in => '', out => '', err => '');

	$session{run} = IPC::Run::start(
		[
			'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d',
			$node->connstr($database // 'postgres'), '-f', '-'
		],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

# Has a session do something, without waiting for it.
sub order
{
	my ($session, $sql) = @_;
	$session->{in} .= "$sql\n\\echo <done>\n";
	$session->{run}->pump_nb;
	return;
}

# Waits for it; returns all that the session said.
sub hear
{
	my ($session) = @_;
	$session->{run}->pump until $session->{out} =~ /<done>\n/;
	(my $said = $session->{out} . $session->{err}) =~ s/<done>\n//;
	$session->{out} = $session->{err} = '';
	return $said;
}

sub ask
{
	my ($session, $sql) = @_;
	order($session, $sql);
	return hear($session);
}

# ---------- death ----------

sub children
{
	my ($pid) = @_;
	my @children;
	foreach my $stat (glob '/proc/[0-9]*/stat')
	{
		open(my $file, '<', $stat) or next;
		my $line = <$file> // '';
		close $file;
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S $pid /;
	}
	return @children;
}

# Kills all processes of a server, or its postmaster only, which the others do
# not survive either.
sub kill_everything
{
	my ($node, $postmaster_only) = @_;
	my $postmaster = postmaster_pid($node);

	kill('STOP', $postmaster);
	my @pids = ($postmaster, children($postmaster));
	kill('KILL', $postmaster_only ? $postmaster : @pids);
	foreach my $pid (@pids)
	{
		usleep(5_000) until gone($pid);
	}
	$node->kill9;		# for it to know
	return;
}

# how often each server has begun anew after a crash, as far as we know
my %reinitialized;

# Waits until a server of which a process was killed has noticed and lets us in
# again.  It is not psql that asks, to which a query is sent that it may not live to
# read.
sub crash_restarted
{
	my ($node) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;
	my $times = ++$reinitialized{ $node->name };

	until ((() = slurp_file($node->logfile) =~ /processes terminated; reinitializing/g) >= $times
		&& system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) == 0)
	{
		die 'the server does not come back' if time > $end;
		usleep(50_000);
	}
	return;
}

# ---------- faults; see test/shim/fault.c ----------

# From now on servers are started with what makes faults, which is without
# effect until one is ordered.
sub preload_faults
{
	my $shim = ($ENV{TESTDIR} // '.') . '/build/fault.so';
	die "there is no $shim" unless -e $shim;
	$ENV{LD_PRELOAD} = $shim;
	return;
}

# fault($node, 'rename .pending 1 28'): what shall happen from now on.
sub fault
{
	my ($node, $fault) = @_;
	my $path = $node->data_dir . '/fault';

	unlink "$path.calls", "$path.hit";
	write_bytes("$path.new", "$fault\n");
	rename "$path.new", $path or die "cannot rename $path.new: $!";
	return;
}

sub no_fault
{
	my ($node) = @_;
	unlink $node->data_dir . '/fault';
	return;
}

# Who met the fault and where, '' if nobody did yet: "PID FUNCTION FILE".
sub fault_hit
{
	my ($node) = @_;
	my $hit = read_bytes($node->data_dir . '/fault.hit') // '';
	return (split /\n/, $hit)[0] // '';
}

# The calls that were counted since the fault was ordered.
sub calls
{
	my ($node) = @_;
	return split /\n/, read_bytes($node->data_dir . '/fault.calls') // '';
}

1;

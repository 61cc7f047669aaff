# octopus.metrics(): what it says is OpenMetrics, by a strict reading of the text
# format, and agrees with the tables.

use strict;
use warnings;

use Octopus;
use Fleet;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Registry;
use Test::More;

my $fleet = Fleet->new;
my $port = $fleet->port;
my $monitor = monitor('monitor', period => '50ms', timeout => '500ms', max_retries => 0);

sub sql
{
	return $monitor->safe_psql('postgres', shift);
}

my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $label = qr/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"/;
my $number = qr/[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?/;
my %suffixes = (gauge => [''], counter => ['_total'], summary => [ '', '_sum', '_count' ]);

# Reads the text, or dies; returns its samples, "name{label=value,...}" => number.
sub parse_metrics
{
	my ($text) = @_;
	my (%families, %samples, $family);

	$text =~ s/^# EOF\n\z//m or die 'it does not end';
	$text !~ /\n\n|\A\n/ or die 'an empty line';
	foreach my $line (split /\n/, $text)
	{
		if ($line =~ /^# (TYPE|UNIT|HELP) ($name) (.+)$/)
		{
			my ($what, $of, $says) = ($1, $2, $3);
			if ($what eq 'TYPE')
			{
				die "family twice: $of" if $families{$of};
				die "unknown type: $says" unless $suffixes{$says};
				$family = $of;
				$families{$of} = { type => $says };
			}
			die "out of its family: $line" if !defined $family || $of ne $family;
			die "behind samples: $line" if $families{$of}{samples};
			die "twice: $line" if $what ne 'TYPE' && $families{$of}{$what}++;
			die "wrong unit: $line" if $what eq 'UNIT' && $of !~ /_\Q$says\E$/;
			die "bad escape: $line" if $what eq 'HELP' && $says =~ /\\(?![\\n"])/;
			next;
		}
		$line =~ /^(?<sample>$name)(?:\{(?<labels>(?:$label(?:,(?!\})|(?=\})))*)\})? (?<value>$number)$/
		  or die "no sample: $line";
		my ($sample, $labels, $value) = ($+{sample}, $+{labels} // '', $+{value});
		(my $suffix = $sample) =~ s/^\Q$family\E// or die "out of its family: $line";
		die "wrong suffix: $line" unless grep { $_ eq $suffix } @{ $suffixes{ $families{$family}{type} } };
		die "negative: $line" if $families{$family}{type} ne 'gauge' && $value < 0;
		my %labels;
		while ($labels =~ /$label/g)
		{
			die "label twice: $line" if defined $labels{$1};
			($labels{$1} = $2) =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ge;
		}
		die "quantile out of place: $line" if defined $labels{quantile} && ($suffix ne '' || $families{$family}{type} ne 'summary');
		my $key = $sample . '{' . join(',', map { "$_=$labels{$_}" } sort keys %labels) . '}';
		die "sample twice: $line" if defined $samples{$key};
		$samples{$key} = $value;
		$families{$family}{samples}++;
	}
	foreach my $of (keys %families)
	{
		die "no help: $of" unless $families{$of}{HELP};
		die "a unit that is not told: $of" if $of =~ /_seconds$/ && !$families{$of}{UNIT};
	}
	return \%samples;
}

# A test: it can be read; returns what it says.
sub metrics
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($test, $prepare) = @_;
	my $text = sql(($prepare // '') . 'SELECT octopus.metrics()') =~ s/\n*\z/\n/r;	# psql adds one
	my $samples = eval { parse_metrics($text) };

	is($@, '', $test);
	return $samples // {};
}

# what would not pass
foreach my $bad ("octopus_x 1\n# EOF\n", "# TYPE a gauge\n# HELP a x\na 1", "# TYPE a gauge\n# HELP a x\na{b=\"c\"d\"} 1\n# EOF\n",
	"# TYPE a counter\n# HELP a x\na 1\n# EOF\n", "# TYPE a gauge\n# HELP a x\na 1\na 1\n# EOF\n",
	"# TYPE a_seconds gauge\n# HELP a_seconds x\na_seconds 1\n# EOF\n", "# TYPE a gauge\n# HELP a x\na NULL\n# EOF\n")
{
	ok(!eval { parse_metrics($bad); 1 }, 'the reader is strict: ' . ($@ =~ s/ at .*//sr));
}

# ---------- nobody ----------

my $samples = metrics('without nodes');
is($samples->{'octopus_prober_up{}'}, 1, 'there is a prober');
is($samples->{'octopus_prober_nodes{}'}, 0, 'and nothing to do');

# ---------- some ----------

my $up = $fleet->address('healthy', 1);
my $down = $fleet->address('reset', 1);
sql(qq{INSERT INTO octopus.nodes VALUES ('$up', $port), ('$down', $port);
	CREATE SERVER "odd ""one""\\ of
two lines" FOREIGN DATA WRAPPER octopus_fdw;
	CREATE FOREIGN TABLE odd (node_name text, node_port int) SERVER "odd ""one""\\ of
two lines" OPTIONS (table_name 'nodes');
	INSERT INTO odd VALUES ('a"b\\c', 1), ('$up', $port)});
ok($monitor->poll_query_until('postgres', 'SELECT min(check_count) > 2 FROM octopus.node_stats WHERE node_port > 1'), 'checks');
freeze(wait_prober($monitor));
$samples = metrics('with nodes of all kinds');
my $of_up = "node=$up,port=$port,server=octopus";
my $of_down = "node=$down,port=$port,server=octopus";
is($samples->{"octopus_node_health_status{$of_up}"}, 1, 'one is well');
is($samples->{"octopus_node_health_status{$of_down}"}, 0, 'one is not');
is($samples->{"octopus_node_role{node=$up,port=$port,role=primary,server=octopus}"}, 1, 'and primary');
is($samples->{"octopus_node_role{node=$up,port=$port,role=standby,server=octopus}"}, 0, 'not standby');
is($samples->{"octopus_node_checks_total{$of_up}"}, sql("SELECT check_count FROM octopus.node_stats WHERE server_name = 'octopus' AND node_name = '$up'"),
	'checks are counted');
is($samples->{"octopus_node_check_failures_total{$of_down}"}, sql("SELECT failure_count FROM octopus.node_stats WHERE node_name = '$down'"),
	'failures, too');
cmp_ok(abs($samples->{"octopus_node_check_duration_seconds{node=$up,port=$port,quantile=0.99,server=octopus}"}
		  - sql("SELECT p99_check_time / 1000 FROM octopus.node_stats WHERE server_name = 'octopus' AND node_name = '$up'")),
	'<', 1e-9, 'times are in seconds');
ok(!exists $samples->{"octopus_node_check_duration_seconds{node=$down,port=$port,quantile=0.99,server=octopus}"},
	'who never answered has no quantiles');
ok(defined $samples->{"octopus_node_health_status{node=a\"b\\c,port=1,server=odd \"one\"\\ of\ntwo lines}"},
	'names of whatever kind come through');
is($samples->{'octopus_prober_nodes{}'}, 4, 'four nodes');
metrics('whatever digits floats have', 'SET extra_float_digits = 0; ');
metrics('whatever the search path is', 'SET search_path = pg_temp; CREATE TEMP VIEW node_status AS SELECT 1; ');
thaw(prober_pid($monitor));

# ---------- who may ----------

sql('CREATE ROLE stranger; CREATE ROLE watcher IN ROLE pg_monitor');
metrics('who monitors may', 'SET ROLE watcher; ');
refused($monitor, 'SET ROLE stranger; SELECT octopus.metrics();', '42501', 'permission denied', 'others may not');

$monitor->stop;
done_testing();

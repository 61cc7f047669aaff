# doc/reference.md has a line for everything that has a name.

use strict;
use warnings;

use Octopus;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $monitor = monitor('monitor');
my $reference = slurp_file('doc/reference.md');

sub names
{
	return split /\n/, $monitor->safe_psql('postgres', shift);
}

# what is said of a relation is in its own section
my %sections = map { /^`octopus\.(\w+)`/ ? ($1 => $_) : () } split /^###? /m, $reference;
my @relations = names(q{SELECT relname FROM pg_class WHERE relnamespace = 'octopus'::regnamespace AND relkind IN ('f', 'v')});
cmp_ok(scalar @relations, '>=', 11, 'there are relations');
foreach my $relation (@relations)
{
	my @missing = grep { ($sections{$relation} // '') !~ /^\| `\Q$_\E` \| .+ \| .+ \|$/m }
	  names("SELECT attname FROM pg_attribute WHERE attrelid = 'octopus.$relation'::regclass AND attnum > 0 AND NOT attisdropped");
	is("@missing", '', "all columns of $relation");
}
is_deeply([ sort keys %sections ], [ sort @relations ], 'and no relation that there is not');

my @functions = names(q{SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'octopus'::regnamespace});
is(join(' ', grep { $reference !~ /^\| `\Q$_\E\(.*\)` \| .+ \| .+ \|$/m } @functions), '', 'all functions');
my @settings = names(q{SELECT name FROM pg_settings WHERE name LIKE 'octopus.%'});
is(join(' ', grep { $reference !~ /^\| `\Q$_\E` \| .+ \| .+ \|$/m } @settings), '', 'all settings');

$monitor->stop;
done_testing();

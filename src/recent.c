/*-------------------------------------------------------------------------
 *
 * recent.c
 *	  SQL function that draws the last checks of a node: octopus.dashboard shows
 *	  it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "nodeargs.h"
#include "statusset.h"

PG_FUNCTION_INFO_V1(octopus_recent_checks);

/* Steps of height, and what stands for a failure and for no check. */
typedef struct OctGlyphs
{
	const char *steps[8];
	const char *failure;
	const char *nothing;
} OctGlyphs;

static const OctGlyphs blocks = {
	{"\xE2\x96\x81", "\xE2\x96\x82", "\xE2\x96\x83", "\xE2\x96\x84",
	"\xE2\x96\x85", "\xE2\x96\x86", "\xE2\x96\x87", "\xE2\x96\x88"}, "x", " "
};
static const OctGlyphs plain = {{"_", ".", ",", "-", "=", "+", "*", "#"}, "x", " "};

/* the two ends of the scale, each step of which is the same factor */
#define OCT_LOWEST_US	64
#define OCT_STEP_BUCKETS	16	/* two doublings */

static const char *
glyph_of(const OctGlyphs *glyphs, uint8 what)
{
	int			step;

	if (what == OCT_RECENT_NONE)
		return glyphs->nothing;
	if (what == OCT_RECENT_FAILURE)
		return glyphs->failure;
	step = (what - 1 - oct_latency_bucket(OCT_LOWEST_US)) / OCT_STEP_BUCKETS;
	return glyphs->steps[Max(0, Min(step, (int) lengthof(glyphs->steps) - 1))];
}

/*
 * octopus.recent_checks(node_name, node_port, server_name): the last checks,
 * oldest first, as a bar each, or "x" for a failure; NULL if there is no such node
 */
Datum
octopus_recent_checks(PG_FUNCTION_ARGS)
{
	const OctGlyphs *glyphs = GetDatabaseEncoding() == PG_UTF8 ? &blocks : &plain;
	OctNodeSpec key;
	OctStatusQuery query = {
		.group = oct_nodeargs_group(fcinfo, 2),
		.node = &key,
		.depth = OCT_STATUS_TALLY,
	};
	OctStatusSet *set;
	OctStatusRow *row = NULL;
	const OctTally *tally;
	Size		position = 0;
	StringInfoData line;

	if (!oct_nodeargs_key(fcinfo, 0, &key))
		PG_RETURN_NULL();
	set = oct_statusset_read(&query);
	row = oct_statusset_next(set, &position);
	if (row == NULL)
		PG_RETURN_NULL();

	tally = &row->copy.status.tally;
	initStringInfo(&line);
	for (uint32 i = 0; i < OCT_RECENT_CHECKS; i++)
		appendStringInfoString(&line,
							   glyph_of(glyphs,
										tally->recent[(tally->nrecent + i) % OCT_RECENT_CHECKS]));
	PG_RETURN_TEXT_P(cstring_to_text(line.data));
}

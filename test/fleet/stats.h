/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  What the fleet saw: per node when it was last probed and how often,
 *	  and the gaps between successive probes of healthy nodes.
 *
 * A node comes into being when it is first addressed.  Nodes are kept in
 * pages of 256 by the second and third octet of their address, so that
 * finding one costs two array lookups.  All times are monotonic microseconds
 * and given by the caller.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FLEET_STATS_H
#define FLEET_STATS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Gaps kept in one window; those beyond are counted as dropped. */
#define MAX_GAPS	(4 * 1024 * 1024)

typedef struct Node
{
	int16_t		override;		/* behaviour told by "become", or -1 */
	uint32_t	probes;			/* connections accepted since start */
	uint32_t	syncs;			/* bare ones since start */
	uint32_t	queries;
	int			open;			/* connections that are open now */
	uint64_t	last_us;		/* last probe within the window, or 0 */
} Node;

static Node *node_pages[256][256];
static uint32_t *gaps_us;
static size_t ngaps;
static size_t gaps_dropped;

/* The node of an address in host byte order; made if need be. */
static Node *
node_of(uint32_t addr)
{
	Node	  **page = &node_pages[(addr >> 16) & 255][(addr >> 8) & 255];

	if (*page == NULL)
	{
		*page = calloc(256, sizeof(Node));
		if (*page == NULL)
		{
			fprintf(stderr, "fleet: out of memory\n");
			exit(1);
		}
		for (int i = 0; i < 256; i++)
			(*page)[i].override = -1;
	}
	return &(*page)[addr & 255];
}

static void
gap_add(uint64_t gap_us)
{
	/* untouched pages of this cost nothing */
	if (gaps_us == NULL)
		gaps_us = malloc(MAX_GAPS * sizeof(*gaps_us));
	if (gaps_us == NULL || ngaps == MAX_GAPS)
		gaps_dropped++;
	else
		gaps_us[ngaps++] = gap_us > UINT32_MAX ? UINT32_MAX : (uint32_t) gap_us;
}

/* A probe of that moment; with_gap says whether the time since the last one counts. */
static void
node_probed(Node *node, uint64_t at_us, int with_gap)
{
	if (!with_gap)
	{
		node->last_us = 0;
		return;
	}
	if (node->last_us != 0)
		gap_add(at_us - node->last_us);
	node->last_us = at_us;
}

/* A new window: gaps that began before it do not count. */
static void
stats_mark(void)
{
	ngaps = gaps_dropped = 0;
	for (int i = 0; i < 256; i++)
		for (int j = 0; j < 256; j++)
			for (int k = 0; node_pages[i][j] != NULL && k < 256; k++)
				node_pages[i][j][k].last_us = 0;
}

static int
compare_gaps(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a;
	uint32_t	y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

static double
gap_quantile_ms(double q)
{
	return ngaps == 0 ? 0 : gaps_us[(size_t) (q * (double) (ngaps - 1) + 0.5)] / 1000.0;
}

/* Print the gaps of the window; a node that fell silent shows as stalest. */
static void
stats_print(uint64_t at_us)
{
	int			nodes = 0;
	uint64_t	oldest_us = at_us;

	for (int i = 0; i < 256; i++)
		for (int j = 0; j < 256; j++)
			for (int k = 0; node_pages[i][j] != NULL && k < 256; k++)
			{
				uint64_t	last_us = node_pages[i][j][k].last_us;

				if (last_us == 0)
					continue;
				nodes++;
				if (last_us < oldest_us)
					oldest_us = last_us;
			}
	if (ngaps > 0)
		qsort(gaps_us, ngaps, sizeof(*gaps_us), compare_gaps);
	printf("gap_nodes %d\n", nodes);
	printf("gap_count %zu\n", ngaps);
	printf("gap_dropped %zu\n", gaps_dropped);
	printf("gap_min_ms %.3f\n", gap_quantile_ms(0));
	printf("gap_median_ms %.3f\n", gap_quantile_ms(0.5));
	printf("gap_p99_ms %.3f\n", gap_quantile_ms(0.99));
	printf("gap_max_ms %.3f\n", gap_quantile_ms(1));
	printf("stalest_ms %.3f\n", (double) (at_us - oldest_us) / 1000.0);
}

#endif							/* FLEET_STATS_H */

/*-------------------------------------------------------------------------
 *
 * fuzz_regfile.c
 *	  The decoder of registry files against bytes of any kind.
 *
 * What decodes must, encoded again, give the same bytes: there is one way only
 * to write a registry.  Since mutations seldom come with the right checksum,
 * each input is tried twice, as it is and with a trailer that is true of what
 * is above it.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "regfile.h"

#define MAX_BYTES	(1024 * 1024)

static const char special[] = "\t\n\r\\\0" "0129ntre";

const FuzzTarget fuzz_target = {
	.corpus = "test/fuzz/corpus-regfile",
	.special = special,
	.nspecial = sizeof(special) - 1,
	.good = "registries but for the trailer",
};

uint64		fuzz_ngood;

/* the file, encoded again */
typedef struct Again
{
	OctRegEncoder encoder;
	size_t		size;
	char		bytes[MAX_BYTES];
} Again;

static Again again;

static bool
store(void *arg, const char *bytes, size_t nbytes)
{
	if (again.size + nbytes > MAX_BYTES)
		abort();
	memcpy(again.bytes + again.size, bytes, nbytes);
	again.size += nbytes;
	return true;
}

static void
put_group(void *arg, const OctGroup *group)
{
	(void) oct_regfile_put_group(&again.encoder, group);
}

static void
put_node(void *arg, const OctNodeSpec *spec)
{
	(void) oct_regfile_put_node(&again.encoder, spec);
}

static void
encode_again(const char *data, size_t size, const OctRegHeader *header)
{
	OctRegSink	sink = {put_group, put_node, NULL};
	OctRegHeader seen;
	pg_crc32c	crc;
	OctRegError error;

	again.size = 0;
	(void) oct_regfile_put_header(&again.encoder, store, NULL, header);
	if (!oct_regfile_decode(data, size, &seen, &sink, &error))
		abort();
	(void) oct_regfile_put_end(&again.encoder, &crc);
}

/* Returns whether it is a registry. */
static bool
check(const char *data, size_t size)
{
	OctRegHeader header = {0};
	OctRegError error = {PG_UINT32_MAX, NULL};

	if (!oct_regfile_decode(data, size, &header, NULL, &error))
	{
		if (error.cause == NULL || error.line > size + 1)
			abort();
		return false;
	}
	encode_again(data, size, &header);
	if (again.size != size || memcmp(again.bytes, data, size) != 0)
		abort();
	return true;
}

/* The same with a last line that is true. */
static bool
check_sealed(const char *data, size_t size)
{
	char	   *sealed = malloc(size + 100);
	char	   *exact;
	size_t		body = size;
	int			nlines = 0;
	pg_crc32c	crc;
	bool		good;

	/* what comes after the last line but one */
	if (body > 0)
		body--;
	while (body > 0 && data[body - 1] != '\n')
		body--;
	memcpy(sealed, data, body);
	for (size_t i = 0; i < body; i++)
		nlines += sealed[i] == '\n';
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, sealed, body);
	FIN_CRC32C(crc);
	body += snprintf(sealed + body, 100, "end\t%d\t%08x\n", nlines, crc);

	/* in memory of just that size, so that reading too far is seen */
	exact = malloc(body);
	memcpy(exact, sealed, body);
	free(sealed);
	good = check(exact, body);
	free(exact);
	return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > MAX_BYTES / 2)
		return 0;
	(void) check((const char *) data, size);
	fuzz_ngood += check_sealed((const char *) data, size);
	return 0;
}

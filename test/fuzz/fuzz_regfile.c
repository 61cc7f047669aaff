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
 * With libFuzzer:  make fuzz SECONDS=600
 *
 * With STANDALONE defined this is a program of its own, which mutates the files
 * of the corpus for two seconds, always the same way; the directory, the
 * seconds and the seed may be given as arguments.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include <dirent.h>
#include <stdint.h>
#include <time.h>

#include "regfile.h"

#define MAX_BYTES	(1024 * 1024)

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
	OctRegError error;

	again.size = 0;
	(void) oct_regfile_put_header(&again.encoder, store, NULL, header);
	if (!oct_regfile_decode(data, size, &seen, &sink, &error))
		abort();
	(void) oct_regfile_put_end(&again.encoder);
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
	sealed = realloc(sealed, body);
	good = check(sealed, body);
	free(sealed);
	return good;
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > MAX_BYTES / 2)
		return 0;
	(void) check((const char *) data, size);
	(void) check_sealed((const char *) data, size);
	return 0;
}

#ifdef STANDALONE

#define MAX_FILES	64
#define INPUT_SIZE	8192

static struct
{
	char		bytes[INPUT_SIZE];
	size_t		size;
}			corpus[MAX_FILES];

static int	nfiles;
static uint64 seed = 1;

/* A number below "limit"; the generator is Marsaglia's xorshift64. */
static size_t
draw(size_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % limit;
}

static void
read_corpus(const char *directory)
{
	DIR		   *dir = opendir(directory);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL && nfiles < MAX_FILES)
	{
		char		path[MAXPGPATH];
		FILE	   *file;

		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] == '.' || (file = fopen(path, "rb")) == NULL)
			continue;
		corpus[nfiles].size = fread(corpus[nfiles].bytes, 1, INPUT_SIZE, file);
		fclose(file);
		nfiles++;
	}
	if (dir != NULL)
		closedir(dir);
}

/* Makes a change to an input, which has room for INPUT_SIZE bytes. */
static size_t
mutate(char *bytes, size_t size)
{
	static const char special[] = "\t\n\r\\\0" "0129ntre";
	size_t		at = draw(size + 1);
	size_t		len = draw(24) + 1;

	len = Min(len, size - at);
	switch (draw(7))
	{
		case 0:
			if (at < size)
				bytes[at] ^= 1 << draw(8);
			return size;
		case 1:
			if (at < size)
				bytes[at] = special[draw(sizeof(special) - 1)];
			return size;
		case 2:					/* cut out */
			memmove(bytes + at, bytes + at + len, size - at - len);
			return size - len;
		case 3:					/* repeat */
			if (size + len > INPUT_SIZE)
				return size;
			memmove(bytes + at + len, bytes + at, size - at);
			return size + len;
		case 4:					/* insert */
			if (size == INPUT_SIZE)
				return size;
			memmove(bytes + at + 1, bytes + at, size - at);
			bytes[at] = draw(4) ? special[draw(sizeof(special) - 1)] : (char) draw(256);
			return size + 1;
		case 5:					/* cut off */
			return draw(8) ? size : at;
		default:				/* go on with another one */
			{
				int			other = draw(nfiles);
				size_t		from = draw(corpus[other].size + 1);
				size_t		more = Min(corpus[other].size - from, INPUT_SIZE - at);

				memcpy(bytes + at, corpus[other].bytes + from, more);
				return at + more;
			}
	}
}

int
main(int argc, char **argv)
{
	const char *directory = argc > 1 ? argv[1] : "test/fuzz/corpus-regfile";
	int			seconds = argc > 2 ? atoi(argv[2]) : 2;
	time_t		end = time(NULL) + seconds;
	uint64		ninputs = 0;
	uint64		ngood = 0;

	if (argc > 3)
		seed = (uint64) atoi(argv[3]) | 1;
	read_corpus(directory);
	if (nfiles == 0)
	{
		fprintf(stderr, "no corpus in \"%s\"\n", directory);
		return 1;
	}
	for (int i = 0; i < nfiles; i++)
		(void) LLVMFuzzerTestOneInput((const uint8_t *) corpus[i].bytes, corpus[i].size);

	while (time(NULL) < end)
	{
		char		bytes[INPUT_SIZE];
		int			which = draw(nfiles);
		size_t		size = corpus[which].size;

		memcpy(bytes, corpus[which].bytes, size);
		for (int n = draw(4) + 1; n > 0; n--)
			size = mutate(bytes, size);
		(void) check(bytes, size);
		ngood += check_sealed(bytes, size);
		ninputs++;
	}
	printf("%llu inputs, %llu of them registries but for the trailer\n",
		   (unsigned long long) ninputs, (unsigned long long) ngood);
	return ngood > 0 ? 0 : 1;
}

#endif							/* STANDALONE */

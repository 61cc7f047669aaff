/*-------------------------------------------------------------------------
 *
 * standalone.c
 *	  Fuzzing without libFuzzer: mutations of a target's corpus.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <dirent.h>
#include <time.h>

#define MAX_FILES	64

static struct
{
	char		bytes[FUZZ_INPUT_SIZE];
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

/* In the order of their names, so that it is the same everywhere. */
static void
read_corpus(const char *directory)
{
	struct dirent **entries;
	int			nentries = scandir(directory, &entries, NULL, alphasort);

	for (int i = 0; i < nentries; i++)
	{
		char		path[MAXPGPATH];
		FILE	   *file;

		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && nfiles < MAX_FILES &&
			(file = fopen(path, "rb")) != NULL)
		{
			corpus[nfiles].size = fread(corpus[nfiles].bytes, 1, FUZZ_INPUT_SIZE, file);
			fclose(file);
			nfiles++;
		}
		free(entries[i]);
	}
	if (nentries >= 0)
		free(entries);
}

/* Makes a change to an input, which has room for FUZZ_INPUT_SIZE bytes. */
static size_t
mutate(char *bytes, size_t size)
{
	const char *special = fuzz_target.special;
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
				bytes[at] = special[draw(fuzz_target.nspecial)];
			return size;
		case 2:					/* cut out */
			memmove(bytes + at, bytes + at + len, size - at - len);
			return size - len;
		case 3:					/* repeat */
			if (size + len > FUZZ_INPUT_SIZE)
				return size;
			memmove(bytes + at + len, bytes + at, size - at);
			return size + len;
		case 4:					/* insert */
			if (size == FUZZ_INPUT_SIZE)
				return size;
			memmove(bytes + at + 1, bytes + at, size - at);
			bytes[at] = draw(4) ? special[draw(fuzz_target.nspecial)] : (char) draw(256);
			return size + 1;
		case 5:					/* cut off */
			return draw(8) ? size : at;
		default:				/* go on with another one */
			{
				int			other = draw(nfiles);
				size_t		from = draw(corpus[other].size + 1);
				size_t		more = Min(corpus[other].size - from, FUZZ_INPUT_SIZE - at);

				memcpy(bytes + at, corpus[other].bytes + from, more);
				return at + more;
			}
	}
}

int
main(int argc, char **argv)
{
	int			seconds = argc > 1 ? atoi(argv[1]) : 2;
	time_t		end = time(NULL) + seconds;
	uint64		ninputs = 0;

	if (argc > 2)
		seed = (uint64) atoi(argv[2]) | 1;
	read_corpus(fuzz_target.corpus);
	if (nfiles == 0)
	{
		fprintf(stderr, "no corpus in \"%s\"\n", fuzz_target.corpus);
		return 1;
	}
	for (int i = 0; i < nfiles; i++)
		(void) LLVMFuzzerTestOneInput((const uint8_t *) corpus[i].bytes, corpus[i].size);

	fuzz_ngood = 0;
	while (time(NULL) < end)
	{
		char		bytes[FUZZ_INPUT_SIZE];
		int			which = draw(nfiles);
		size_t		size = corpus[which].size;

		memcpy(bytes, corpus[which].bytes, size);
		for (int n = draw(4) + 1; n > 0; n--)
			size = mutate(bytes, size);
		(void) LLVMFuzzerTestOneInput((const uint8_t *) bytes, size);
		ninputs++;
	}
	printf("%llu inputs, %llu of them %s\n", (unsigned long long) ninputs,
		   (unsigned long long) fuzz_ngood, fuzz_target.good);
	return fuzz_ngood > 0 ? 0 : 1;
}

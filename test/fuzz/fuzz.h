/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What a target of fuzzing is to the program that feeds it.
 *
 * A target is one file, fuzz_<name>.c, and calls abort() when it finds fault.
 * With libFuzzer:  make fuzz SECONDS=600
 *
 * Linked with standalone.c it is a program of its own, which mutates the files
 * of the corpus for two seconds, always the same way; the seconds and the seed
 * may be given as arguments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "octypes.h"

#include <stdint.h>

/* the longest input that mutations make */
#define FUZZ_INPUT_SIZE	8192

/* What is specific to a target, for standalone.c. */
typedef struct FuzzTarget
{
	const char *corpus;			/* directory */
	const char *special;		/* bytes worth trying */
	size_t		nspecial;
	const char *good;			/* what an input is that came through */
} FuzzTarget;

extern const FuzzTarget fuzz_target;

/* counted by the target */
extern uint64 fuzz_ngood;

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif							/* FUZZ_H */

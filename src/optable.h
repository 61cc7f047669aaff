/*-------------------------------------------------------------------------
 *
 * optable.h
 *	  The table of options that say how to probe: their names, kinds and
 *	  ranges, and which member of an OctPolicy each one is.
 *
 * A setting octopus.*, an option of a server and an option of a node with the
 * same name mean the same.  Values are kept as numbers; the text of one is a
 * plain number, true or false, or a name.
 *
 * Pure: nothing throws, nothing allocates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OPTABLE_H
#define OPTABLE_H

#include "octypes.h"

#include "pairs.h"

typedef enum OctOptionKind
{
	OCT_OPTION_MS,				/* a time in milliseconds */
	OCT_OPTION_NUMBER,
	OCT_OPTION_BOOL,
	OCT_OPTION_CHECK_TYPE
} OctOptionKind;

typedef struct OctOption
{
	const char *name;
	OctOptionKind kind;
	int			min;
	int			max;
	int			also;			/* another valid value, or OCT_INHERIT */
	bool		per_node;		/* may a node have its own? */
	size_t		offset;			/* in OctPolicy */
} OctOption;

/* the text of a value takes no more */
#define OCT_OPTION_TEXT_SIZE	16

extern const OctOption *oct_optable_get(int i);
extern const OctOption *oct_optable_find(const char *name);
extern bool oct_optable_is_valid(const OctOption *option, int value);
extern const char *oct_optable_check_type_name(int check_type);
extern bool oct_optable_parse(const OctOption *option, const char *string,
							  int *value);
extern void oct_optable_format(const OctOption *option, int value,
							   char string[OCT_OPTION_TEXT_SIZE]);

extern void oct_optable_set_inherit(OctPolicy *policy);
extern bool oct_optable_inherits_all(const OctPolicy *policy);
extern void oct_optable_inherit(OctPolicy *policy, const OctPolicy *from);
extern void oct_optable_read_pairs(OctPolicy *policy, const OctPairs *pairs);

static inline int *
oct_optable_field(OctPolicy *policy, const OctOption *option)
{
	return (int *) ((char *) policy + option->offset);
}

static inline int
oct_optable_value(const OctPolicy *policy, const OctOption *option)
{
	return *(const int *) ((const char *) policy + option->offset);
}

#endif							/* OPTABLE_H */

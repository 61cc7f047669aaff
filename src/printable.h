/*-------------------------------------------------------------------------
 *
 * printable.h
 *	  Bytes from outside, made fit to be shown or logged.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PRINTABLE_H
#define PRINTABLE_H

#include "octypes.h"

extern bool oct_is_printable_ascii(const char *str);
extern void oct_printable(char *dst, size_t dst_size, const char *src);

#endif							/* PRINTABLE_H */

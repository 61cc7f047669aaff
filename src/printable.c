/*-------------------------------------------------------------------------
 *
 * printable.c
 *	  Bytes from outside, made fit to be shown or logged.
 *
 * The log has one encoding only that is safe whatever the databases use, and
 * terminals obey escape sequences; so what is not printable ASCII is shown as
 * \xNN.  isprint() is not asked: its answer depends on the locale.
 *
 *-------------------------------------------------------------------------
 */
#include "octypes.h"

#include "printable.h"

static bool
is_printable(unsigned char c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* Is every byte of the string printable ASCII? */
bool
oct_is_printable_ascii(const char *str)
{
	while (is_printable((unsigned char) *str))
		str++;
	return *str == '\0';
}

/*
 * Writes "src" to "dst" with all but printable ASCII as \xNN, cut where
 * dst_size (at least 1) ends; always terminated.
 */
void
oct_printable(char *dst, size_t dst_size, const char *src)
{
	static const char hex[] = "0123456789abcdef";
	char	   *end = dst + dst_size - 1;

	for (; *src != '\0'; src++)
	{
		unsigned char c = (unsigned char) *src;

		if (is_printable(c))
		{
			if (dst + 1 > end)
				break;
			*dst++ = (char) c;
		}
		else
		{
			if (dst + 4 > end)
				break;
			*dst++ = '\\';
			*dst++ = 'x';
			*dst++ = hex[c >> 4];
			*dst++ = hex[c & 0x0f];
		}
	}
	*dst = '\0';
}

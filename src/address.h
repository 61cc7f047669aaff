/*-------------------------------------------------------------------------
 *
 * address.h
 *	  Addresses of the Internet, ready to connect to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "octypes.h"

#include <netinet/in.h>
#include <sys/socket.h>

typedef struct OctAddress
{
	socklen_t	len;			/* 0: there is none */
	union
	{
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
} OctAddress;

/* the text of one, with its scope */
#define OCT_ADDRESS_TEXT_SIZE	80

extern bool oct_address_parse(OctAddress *address, const char *string);
extern void oct_address_set_port(OctAddress *address, int port);
extern void oct_address_store(const OctAddress *address, OctNodeAddress *to);
extern bool oct_address_format(const OctAddress *address,
							   char string[OCT_ADDRESS_TEXT_SIZE]);

#endif							/* ADDRESS_H */

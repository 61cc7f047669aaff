/*-------------------------------------------------------------------------
 *
 * address.c
 *	  Addresses of the Internet, ready to connect to.
 *
 * Does not throw, and asks nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <netdb.h>

#include "address.h"

/*
 * Reads the text of an address, in any of the forms that libpq would take in
 * hostaddr; false if it is none.  The port is 0.
 */
bool
oct_address_parse(OctAddress *address, const char *string)
{
	struct addrinfo hints = {0};
	struct addrinfo *found;
	bool		fits;

	hints.ai_flags = AI_NUMERICHOST;
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(string, NULL, &hints, &found) != 0)
		return false;
	fits = (found->ai_family == AF_INET || found->ai_family == AF_INET6) &&
		found->ai_addrlen <= sizeof(OctAddress) - offsetof(OctAddress, sa);
	if (fits)
	{
		memset(address, 0, sizeof(OctAddress));
		address->len = found->ai_addrlen;
		memcpy(&address->sa, found->ai_addr, found->ai_addrlen);
	}
	freeaddrinfo(found);
	return fits;
}

void
oct_address_set_port(OctAddress *address, int port)
{
	if (address->sa.sa_family == AF_INET)
		address->in.sin_port = htons(port);
	else
		address->in6.sin6_port = htons(port);
}

/* What is worth keeping of an address, which may be none. */
void
oct_address_store(const OctAddress *address, OctNodeAddress *to)
{
	to->size = 0;
	if (address->len == 0)
		return;
	if (address->sa.sa_family == AF_INET)
	{
		to->size = sizeof(address->in.sin_addr);
		memcpy(to->bytes, &address->in.sin_addr, to->size);
	}
	else
	{
		to->size = sizeof(address->in6.sin6_addr);
		memcpy(to->bytes, &address->in6.sin6_addr, to->size);
	}
}

/* Writes an address as libpq takes it in hostaddr; false if that is not to be. */
bool
oct_address_format(const OctAddress *address, char string[OCT_ADDRESS_TEXT_SIZE])
{
	return getnameinfo(&address->sa, address->len, string, OCT_ADDRESS_TEXT_SIZE,
					   NULL, 0, NI_NUMERICHOST) == 0;
}

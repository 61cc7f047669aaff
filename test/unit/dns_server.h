/*-------------------------------------------------------------------------
 *
 * dns_server.h
 *	  A DNS server within a test.  What it answers the name says, by how it
 *	  begins: ok (an address), no (there is no such name), fail, mute; else that
 *	  there is no address.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DNS_SERVER_H
#define DNS_SERVER_H

#include <arpa/inet.h>
#include <sys/socket.h>

static int	dns;
static char servers[64];
static bool mute;				/* is the DNS server silent, whatever is asked? */
static uint8 answer_octet = 1;	/* the last one of its answers */
static int	nquestions;			/* for A records */

static void
open_dns(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t	len = sizeof(sin);
	int			size = 4 * 1024 * 1024;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	dns = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	setsockopt(dns, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (dns < 0 || bind(dns, (struct sockaddr *) &sin, sizeof(sin)) < 0 ||
		getsockname(dns, (struct sockaddr *) &sin, &len) < 0)
		abort();
	snprintf(servers, sizeof(servers), "127.0.0.1:%d", ntohs(sin.sin_port));
}

/* Makes the answer of a question; returns its length, 0 for none. */
static int
answer(unsigned char *packet, int len)
{
	static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 1, 0};
	const char *label = (const char *) packet + 13;
	int			end = 12;
	bool		a;

	while (end < len && packet[end] != 0)
		end += packet[end] + 1;
	end += 5;
	a = packet[end - 3] == 1;
	nquestions += a;
	if (mute || strncmp(label, "mute", 4) == 0)
		return 0;
	packet[2] = 0x81;
	packet[3] = strncmp(label, "no", 2) == 0 ? 0x83 :
		strncmp(label, "fail", 4) == 0 ? 0x82 : 0x80;
	memset(packet + 6, 0, 6);
	if (strncmp(label, "ok", 2) != 0 || !a)
		return end;
	packet[7] = 1;
	memcpy(packet + end, record, sizeof(record));
	packet[end + sizeof(record)] = answer_octet;
	return end + sizeof(record) + 1;
}

static void
serve_dns(void)
{
	unsigned char packet[2048];
	struct sockaddr_in peer;
	socklen_t	peer_len = sizeof(peer);
	int			len;

	while ((len = recvfrom(dns, packet, 1024, 0, (struct sockaddr *) &peer, &peer_len)) > 0)
	{
		len = answer(packet, len);
		if (len > 0)
			(void) sendto(dns, packet, len, 0, (struct sockaddr *) &peer, peer_len);
	}
}

#endif							/* DNS_SERVER_H */

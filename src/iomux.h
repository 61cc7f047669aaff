/*-------------------------------------------------------------------------
 *
 * iomux.h
 *	  Waiting for many sockets, for the process latch and for the death of the
 *	  postmaster, all at once.
 *
 * Each socket has an owner, an int, by which its readiness is told.  A socket
 * leaves the set by being closed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IOMUX_H
#define IOMUX_H

#include "octypes.h"

/* What a socket is waited for. */
#define OCT_IO_READ		0x01
#define OCT_IO_WRITE	0x02

extern void oct_iomux_init(void);
extern int	oct_iomux_max_sockets(void);
extern bool oct_iomux_add(pgsocket sock, bool connected, int owner);
extern bool oct_iomux_watch(pgsocket sock, int events, int owner);
extern int	oct_iomux_wait(int64 timeout_ms, int *owners, int max_owners);

#endif							/* IOMUX_H */

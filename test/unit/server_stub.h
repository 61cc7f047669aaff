/*-------------------------------------------------------------------------
 *
 * server_stub.h
 *	  What tests see of server_stub.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SERVER_STUB_H
#define SERVER_STUB_H

extern int	stub_chunks;		/* pieces of memory in use */
extern char stub_log[1024];		/* the last message */

extern bool stub_wait(int other, int timeout_ms);

#if PG_VERSION_NUM >= 160000
#define STUB_EXCEPTION_PARAMETERS \
	const char *condition, const char *file, int line
#else
#define STUB_EXCEPTION_PARAMETERS \
	const char *condition, const char *type, const char *file, int line
#endif

#endif							/* SERVER_STUB_H */

/*-------------------------------------------------------------------------
 *
 * rekey.c
 *	  A node that lets in under TLS 1.3, and then asks for new keys without end.
 *
 *	  rekey PORT CERTIFICATE KEY
 *
 * Each request is to be answered, and no answer is read, so sooner or later there
 * is no room for the next one.  The socket takes little at a time, lest that be
 * late.  Says how many there were, a line for each connection.  Ends with its parent.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

/* requests at a time, and the time between, in microseconds */
#define BATCH	20
#define PAUSE	8000

/* AuthenticationOk */
static const char let_in[] = {'R', 0, 0, 0, 8, 0, 0, 0, 0};

static int
listen_at(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int			listener = socket(AF_INET, SOCK_STREAM, 0);
	int			yes = 1;
	int			room = 2048;
	int			segment = 536;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(listener, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
	if (bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(listener, 16) != 0)
	{
		perror("rekey: cannot listen");
		exit(1);
	}
	return listener;
}

static void
serve(SSL_CTX *context, int sock)
{
	SSL		   *ssl = SSL_new(context);
	char		bytes[8192];
	int			yes = 1;

	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	SSL_set_fd(ssl, sock);
	if (read(sock, bytes, 8) != 8 || write(sock, "S", 1) != 1 || SSL_accept(ssl) <= 0 ||
		SSL_read(ssl, bytes, sizeof(bytes)) <= 0 ||
		SSL_write(ssl, let_in, sizeof(let_in)) <= 0)
		exit(0);
	for (int n = 0;; n++)
	{
		SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
		if (SSL_do_handshake(ssl) <= 0)
		{
			printf("%d\n", n);
			exit(0);
		}
		if (n % BATCH == 0)
			usleep(PAUSE);
	}
}

int
main(int argc, char *argv[])
{
	SSL_CTX    *context = SSL_CTX_new(TLS_server_method());
	int			listener;

	if (argc != 4 || SSL_CTX_use_certificate_file(context, argv[2], SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
	{
		fprintf(stderr, "usage: rekey PORT CERTIFICATE KEY\n");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	listener = listen_at(atoi(argv[1]));
	puts("ready");
	fflush(stdout);
	for (;;)
	{
		int			sock = accept(listener, NULL, NULL);

		if (sock >= 0 && fork() == 0)
		{
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(context, sock);
		}
		close(sock);
	}
}

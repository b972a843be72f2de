/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd.h - what the files of cowbird-nbd share
 *
 *	main.c		what the program does (not in tests)
 *	options.c	its command line
 *	export.c	opening what is served
 *	listen.c	sockets: TCP, unix, given by systemd
 *	clients.c	accepting clients, one thread for each; the end
 *	daemon.c	--fork, --pid-file
 *	conn.c		bytes of one connection, plain or TLS
 *	tls.c		TLS on a connection (GnuTLS); creds.c: its credentials;
 *			authz.c: who may come in
 *	handshake.c	options haggling, up to the transmission phase
 *	session.c	one connection from accept to close
 *	request.c	requests taken from the stream and checked
 *	serve.c		what is done for each
 *	batch.c		several at once, for images whose stores want that
 *	helpers.c	requests that would make the others wait
 *	reply.c		replies put together and sent in batches
 *	session.h	what these share
 *	status.c	metadata contexts: extents of an export
 *	client.c	the client's side of the handshake
 *	list.c		-L: the client that lists exports
 *	device.c	-c, -d: the kernel's client, by netlink
 *	nbd_proto.h	the wire: constants and structures
 *	tool.h		what only the program has: the command line's side
 *
 * Clients are strangers: every length is held to a limit before memory is
 * taken, every request to the export before the image sees it, and a client
 * that stops reading or talking costs nobody else anything.
 *
 * Threads: one for each connection, serving what it receives in place; helpers
 * only where depth needs them.  A struct server is fixed while sessions run.
 */
#ifndef NBD_H
#define NBD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"
#include "image.h"

/* ---- what is served */

struct export_bitmap {
	char *name;		/* the context is qemu:dirty-bitmap:NAME */
	struct image_bitmap *map;
};

struct export {
	char *name, *description;	/* description may be NULL */
	struct image *image;		/* owned */
	uint64_t off, size;		/* the window of it that is the disk */
	bool read_only;
	bool multi_conn;		/* advertised */
	bool may_sendfile;		/* read-only, opened without sharing with
					 * writers: pages cannot change under a
					 * slow client (see request.c) */
	bool allocation_depth;		/* offer qemu:allocation-depth */
	struct export_bitmap *bitmaps;
	unsigned bitmap_count;
};

struct tls;			/* tls.c: credentials of the server */

struct server {
	struct export *exports;
	unsigned export_count;
	struct tls *tls;		/* NULL: plain; else required */
	unsigned handshake_ms;		/* 0: no limit */
	/* Says something about a client on stderr (-v), or NULL. */
	void (*say)(void *arg, const char *line);
	void *say_arg;
	/* Asked once by each session, before the answer that lets its client
	 * into the transmission phase: waits while as many are served as -e
	 * allows (the handshake's deadline does not count meanwhile).  False:
	 * the client must go.  NULL: everybody may come in. */
	bool (*admit)(void *arg, int fd);
	void *admit_arg;
	atomic_bool stopping;		/* sessions finish what they have begun,
					 * answer it, and close */
	atomic_uint helpers;		/* threads of helpers.c, all sessions */
};

/* The export of this name (any bytes), or NULL. */
struct export *server_find(const struct server *, const char *name, size_t len);

/* ---- session.c */

/*
 * Serves one client on a connected socket until it leaves or breaks the
 * rules; fd stays open, the caller closes it: so that who ends sessions never
 * meets another's descriptor.  Returns whether it reached the transmission
 * phase (the others do not count as "the last client").  To make it end: set
 * server.stopping and shut the socket's reading side down (SHUT_RD); a client
 * that does not take its answers is given up after three seconds.  The calling
 * thread needs 128 KiB of stack, and is left with SIGPIPE blocked.
 */
bool session_run(struct server *, int fd);

/* ---- conn.c: the bytes of one connection */

struct conn {
	int fd;
	void *tls;			/* gnutls_session_t, or NULL */
	uint64_t deadline_ms;		/* monotonic; 0: none (handshake) */
	const atomic_bool *stopping;	/* then a send that makes no progress
					 * is given up; NULL: never */
	unsigned patience_ms;		/* see conn_patience() */
};

void conn_init(struct conn *, int fd);
void conn_fini(struct conn *);		/* ends TLS; does not close fd */
/* What there is, at least one byte, at most len; 0: the peer has closed;
 * -errno (-ETIMEDOUT past the deadline, -EAGAIN after conn_patience() ms of
 * silence).  No err: nobody is told but -v. */
ssize_t conn_recv(struct conn *, void *buf, size_t len);
/* All of it; 0 or -errno (-ECONNRESET: the peer closed first). */
int conn_recv_all(struct conn *, void *buf, size_t len);
int conn_send(struct conn *, const void *buf, size_t len);
/* All pieces; changes iov.  more: other bytes follow at once (MSG_MORE). */
int conn_sendv(struct conn *, struct iovec *iov, int n, bool more);
/* From a file, without TLS; *done says how much of it was sent.  -EIO: the
 * file could not be read, or ended early; the connection is good still. */
int conn_sendfile(struct conn *, int file, uint64_t off, uint64_t len,
    uint64_t *done);
/* How long conn_recv() waits before it says -EAGAIN; 0: for ever. */
void conn_patience(struct conn *, unsigned ms);
/* Until the socket is ready for POLLIN or POLLOUT, for calls that do not block
 * (tls.c): 0, or -errno as above. */
int conn_wait(const struct conn *, short events);

/* ---- tls.c */

struct opts;
/* From --object ID (tls-creds-x509, -psk, -anon with endpoint=server) and
 * --tls-authz AUTHZ (NULL: anybody with good credentials). */
struct tls *tls_new(const struct opts *objects, const char *id,
    const char *authz, struct error *);
void tls_free(struct tls *);		/* NULL is allowed */
/* The server's side of the TLS handshake; afterwards conn carries TLS. */
int tls_accept(struct tls *, struct conn *, struct error *);
/* The same for a client (list.c): credentials with endpoint=client; hostname is
 * what the server's certificate must be for (with tls-creds-x509). */
struct tls *tls_new_client(const struct opts *objects, const char *id,
    struct error *);
int tls_connect(struct tls *, struct conn *, const char *hostname,
    struct error *);
/* For conn.c. */
ssize_t tls_recv(struct conn *, void *buf, size_t len);
ssize_t tls_send(struct conn *, const void *buf, size_t len);
void tls_end(struct conn *);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_client.h - a small raw NBD client, written from the protocol document
 *
 * It sends what it is told, right or wrong, and reads one message at a time.
 * The other end of its socket pair is session_run() on a thread.  A server
 * that does not answer within twenty seconds ends the test.
 */
#ifndef SUPPORT_NBD_CLIENT_H
#define SUPPORT_NBD_CLIENT_H

#include <pthread.h>

#include "../../nbd/nbd.h"
#include "../../nbd/nbd_proto.h"

enum nbd_mode { NBD_SIMPLE, NBD_STRUCTURED, NBD_EXTENDED };

struct nbd_client {
	int fd, server_fd;
	struct server *server;
	pthread_t thread;
	bool served;			/* what session_run() returned */
	enum nbd_mode mode;
	uint64_t size;			/* after go */
	uint16_t flags;
	uint32_t type;			/* of the last reply to an option */
	size_t len;			/* of data */
	uint8_t *data;			/* of the last reply; a NUL follows */
};

/* ---- a server with one export, "disk", of an image in memory */
struct nbd_disk {
	struct server server;
	struct export export;
};
void nbd_disk_open(struct nbd_disk *, const char *format, uint64_t size,
    const char *create_options);
/* The same of an image that is there, in a store. */
void nbd_disk_use(struct nbd_disk *, const char *format, struct store *);
void nbd_disk_close(struct nbd_disk *);

/* ---- connection */
void nbd_connect(struct nbd_client *, struct server *);
/* Closes, waits for the session; did it reach the transmission phase? */
bool nbd_close(struct nbd_client *);
/* The same, but it is the server that ends it. */
bool nbd_outlast(struct nbd_client *);
void nbd_send(struct nbd_client *, const void *, size_t);
/* Does the server close the connection (and say no more)? */
bool nbd_is_dropped(struct nbd_client *);

/* ---- handshake */
/* Reads the greeting, answers with the flags. */
void nbd_hello(struct nbd_client *, uint32_t flags);
void nbd_option(struct nbd_client *, uint32_t option, const void *,
    size_t len);
/* The next reply; its type.  0: dropped. */
uint32_t nbd_option_reply(struct nbd_client *);
/* Sends an option and reads to its last reply, whose type it is. */
uint32_t nbd_ask(struct nbd_client *, uint32_t option, const void *,
    size_t len);
/* LIST_ or SET_META_CONTEXT; queries end with NULL.  The names that come back
 * in names, "ID=NAME " for each. */
uint32_t nbd_contexts(struct nbd_client *, uint32_t option,
    const char *export, const char *const *queries, char *names,
    size_t size);
/* INFO or GO; infos (n of them) asked for. */
uint32_t nbd_go(struct nbd_client *, uint32_t option, const char *export,
    const uint16_t *infos, unsigned n);
/* All of it up to the transmission phase, with a context if not NULL. */
void nbd_start(struct nbd_client *, struct server *, const char *export,
    enum nbd_mode, const char *context);

/* ---- transmission */
/* A request without its payload. */
void nbd_request(struct nbd_client *, unsigned type, unsigned flags,
    uint64_t cookie, uint64_t off, uint64_t len);
/* One message of the server's. */
struct nbd_message {
	bool eof;		/* there was none */
	bool simple, done;
	unsigned type;
	uint32_t error;
	uint64_t cookie, off;
	size_t len;		/* payload, in client->data; of a simple reply
				 * to a READ: not read */
};
struct nbd_message nbd_message(struct nbd_client *);
/* The whole answer to the one request under way.  buf, len: READ.  Returns
 * the error, 0 or one of NBD_E...; text of an error is in client->data. */
uint32_t nbd_answer(struct nbd_client *, uint64_t cookie, void *buf,
    uint64_t off, uint64_t len);
/* Request, payload and answer. */
uint32_t nbd_command(struct nbd_client *, unsigned type, unsigned flags,
    uint64_t off, uint64_t len, void *buf);
/* BLOCK_STATUS, answered by one chunk: "LEN:FLAGS " for each extent, "error N"
 * where it failed. */
const char *nbd_status(struct nbd_client *, unsigned flags, uint64_t off,
    uint64_t len, char *text, size_t size);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.h - the client's side of the handshake, for -L and -c
 *
 * Servers are strangers, too: every answer is held to a size and a number, and
 * all of it to a time.
 */
#ifndef NBD_CLIENT_H
#define NBD_CLIENT_H

#include "nbd.h"
#include "nbd_proto.h"

enum { ANSWER_LIMIT = 4 + 2 * NBD_STRING_MAX };

struct client {
	struct conn conn;
	bool oldstyle;		/* one export, which size and flags describe */
	bool fixed;		/* answers to options it does not know */
	bool structured;
	uint64_t size;
	uint32_t flags;
	uint64_t end_ms;	/* when our patience with it all ends */
};

/* One answer to an option. */
struct answer {
	uint32_t type;		/* NBD_REP_... */
	uint32_t len;
	uint8_t data[ANSWER_LIMIT + 1];	/* a 0 behind the last byte */
};

/* What is said of an export by INFO and GO. */
struct export_info {
	uint64_t size;
	uint32_t flags;
	uint32_t min, preferred, max;	/* 0: nothing was said */
	char *description;
	char **contexts;
	unsigned context_count;
};
void export_info_fini(struct export_info *);

/* Greets the server behind fd (which stays the caller's), with TLS if tls is
 * not NULL: then nothing is said without.  structured: ask for such replies. */
int client_begin(struct client *, int fd, struct tls *, const char *hostname,
    bool structured, struct error *);
/* Says goodbye to a server that negotiates still. */
void client_end(struct client *);
/* Asks for an option with this payload. */
int client_ask(struct client *, uint32_t option, const void *data, size_t len,
    struct error *);
/* The next answer to it; errors of the server are answers, too. */
int client_answer(struct client *, uint32_t option, struct answer *,
    struct error *);
/* That such an answer was an error, in words. */
int client_refused(uint32_t option, const struct answer *, struct error *);
/* INFO or GO of one export. */
int client_info(struct client *, uint32_t option, const char *name,
    struct export_info *, struct error *);

#endif

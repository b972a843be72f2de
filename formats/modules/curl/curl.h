/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * curl.h - what the curl module's files share: the wire, which fetches ranges
 * of one URL, and the cache, which decides what to fetch
 */
#ifndef MODULES_CURL_H
#define MODULES_CURL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* ---- the wire: wire.c */

struct wire_args {
	char *url;		/* without credentials */
	char *user, *password, *proxy_user, *proxy_password, *cookie;
	char *ca, *cert, *key;	/* files; ca NULL: the system's */
	unsigned timeout;	/* seconds without a byte */
	bool verify;		/* the server's certificate and name */
	bool force_range;	/* even if the server says it has none */
};
void wire_args_fini(struct wire_args *);

/* One range.  Who submits it keeps it until ended() was called, by the wire's
 * thread, and then has it back: whole, or with err->code set. */
struct fetch {
	struct fetch *next;	/* the wire's */
	uint64_t off;
	size_t len, done;
	uint8_t **parts;	/* it goes to buffers of part_size bytes each */
	size_t part_size;
	struct error err;
	void (*ended)(struct fetch *);
	void *arg;
};

struct wire;

/* Owns what is in args from the call on.  Fetches the front of the file, at
 * most first_size bytes, into first, since how that is answered tells its
 * size.  NULL: *err. */
struct wire *wire_open(struct wire_args *, uint8_t *first, size_t first_size,
    uint64_t *size, struct error *);
/* Ends fetches under way with EINTR. */
void wire_close(struct wire *);
void wire_submit(struct wire *, struct fetch *);

/* ---- the cache: blocks.c */

struct blocks;

/* Owns the wire from the call on, also on error, and takes "first", the first
 * block, which was malloc()ed. */
struct blocks *blocks_new(struct wire *, uint64_t size, uint32_t block,
    uint8_t *first, struct error *);
void blocks_free(struct blocks *);
/* Any thread.  The range lies within the file. */
int blocks_read(struct blocks *, uint8_t *buf, size_t len, uint64_t off,
    struct error *);

#endif

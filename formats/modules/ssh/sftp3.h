/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sftp3.h - the client's side of SFTP, version 3
 *
 * draft-ietf-secsh-filexfer-02 and OpenSSH's PROTOCOL file (section 4) for the
 * extensions.  Knows nothing of SSH: it talks over a stream, so tests can be
 * the server.  One thread at a time; reads and writes longer than a chunk have
 * many requests in flight.
 *
 * The server is a stranger.  Every length is held to what was asked for before
 * a byte is stored; what does not fit ends the stream (sftp3.broken), for
 * nothing after it can be told apart.  A status is an answer, and leaves the
 * stream whole.
 */
#ifndef MODULES_SSH_SFTP3_H
#define MODULES_SSH_SFTP3_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct sftp3_stream {
	/* A packet begins: time is counted from here. */
	void (*begin)(struct sftp3_stream *);
	/* All of it, or an error after which the stream is of no use. */
	int (*recv)(struct sftp3_stream *, void *, size_t, struct error *);
	int (*send)(struct sftp3_stream *, const void *, size_t,
	    struct error *);
};

enum {
	SFTP3_CHUNK = 32 * 1024,	/* what every server takes (section 3) */
	SFTP3_DEPTH = 64,		/* requests in flight */
	SFTP3_ROOM = SFTP3_CHUNK + 2048, /* the longest packet, but for data
					  * which goes where it belongs */
	SFTP3_PATH = 1024,
};

struct sftp3 {
	struct sftp3_stream *io;
	bool broken;
	bool has_fsync, has_statvfs;	/* extensions of OpenSSH's */
	uint32_t turn;			/* of request numbers */
	size_t len;			/* of what is in buf */
	uint8_t buf[SFTP3_ROOM];
};

/* As the server names an open file. */
struct sftp3_handle {
	uint32_t len;
	uint8_t bytes[256];
};

struct sftp3_attrs {
	bool has_size, has_mode;
	uint64_t size;
	uint32_t mode;
};

/* pflags of section 6.3 */
enum {
	SFTP3_READ = 1, SFTP3_WRITE = 2, SFTP3_CREATE = 8, SFTP3_TRUNCATE = 16,
	SFTP3_EXCLUSIVE = 32
};

/* Agrees on the version.  io is borrowed. */
int sftp3_begin(struct sftp3 *, struct sftp3_stream *io, struct error *);

int sftp3_open(struct sftp3 *, const char *path, uint32_t flags,
    struct sftp3_handle *, struct error *);
int sftp3_close(struct sftp3 *, const struct sftp3_handle *, struct error *);
int sftp3_fstat(struct sftp3 *, const struct sftp3_handle *,
    struct sftp3_attrs *, struct error *);
int sftp3_set_size(struct sftp3 *, const struct sftp3_handle *, uint64_t size,
    struct error *);
int sftp3_fsync(struct sftp3 *, const struct sftp3_handle *, struct error *);
int sftp3_remove(struct sftp3 *, const char *path, struct error *);

/*
 * Reads and writes in any order and in parallel: all of each iov, past the end
 * of the file zeros.  err is that of one that failed; a broken stream fails all
 * that are not done.  ENOSPC where the server can be asked how full it is.
 */
int sftp3_submit(struct sftp3 *, const struct sftp3_handle *,
    struct store_req *, unsigned n, struct error *);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * remote.h - what the files of the NBD client share
 *
 *	names.c		names and keys: where the server is
 *	connect.c	a connection is made, and hands are shaken
 *	link.c		its use: commands sent, and who waits for which
 *	pool.c		several connections, lost ones made again
 *	../nbd.c	the store: pieces, alignment, block status, flushes
 *
 * Servers are strangers: what they announce is held to limits when a
 * connection is made, what they answer where it arrives.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include <libnbd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/opts.h"
#include "store/protocol.h"

/* ---- names.c */

enum server_type { SERVER_INET, SERVER_UNIX, SERVER_VSOCK, SERVER_FD };

struct server {
	enum server_type type;
	char *host, *port;	/* inet; vsock: its two numbers */
	char *path;		/* unix */
	int fd;			/* fd: our own copy; -1 */
	bool keep_alive;	/* inet */
	char *export;
	char *context;		/* asked instead of base:allocation, or NULL */
	unsigned reconnect_s, open_s;	/* to wait for it when it was lost, when
				 * it is not there */
	bool tls;		/* nothing goes out unencrypted */
	bool verify;		/* the server's certificate */
	char *tls_dir, *tls_psk, *tls_user;	/* or NULL */
	char *address;		/* for messages: "host:port", a path */
	char *name;		/* as the user would write it */
};

/* The keys of a name: see struct protocol. */
int server_parse(const char *name, struct opts *, struct error *);
/* Takes its keys.  What there is of the server is released by server_fini()
 * also after an error. */
int server_take(struct server *, struct opts *, const struct protocol_args *,
    struct error *);
void server_fini(struct server *);

/* ---- connect.c, link.c */

/* What the server said about the export; the same on every connection. */
struct export_info {
	uint64_t size;
	uint32_t min_block, max_block;	/* of reads and writes */
	bool read_only, flush, trim, zero, fast_zero, multi_conn;
	bool status;		/* the context is there */
};

enum command_kind { CMD_READ, CMD_WRITE, CMD_ZERO, CMD_TRIM, CMD_FLUSH,
	CMD_STATUS };

/* One run of a block status. */
struct status_run {
	uint64_t end;		/* offset in the export */
	uint32_t flags;
};

struct status_answer {
	unsigned n, max;	/* runs; what would be more is left out */
	bool given;		/* the server has answered this context */
	struct status_run *run;
};

struct command {
	enum command_kind kind;
	uint32_t flags;		/* libnbd's */
	unsigned tag;		/* the caller's */
	void *buf;		/* read, write */
	struct status_answer *status;
	uint64_t off, len;
	int error;		/* errno; ENOTCONN: it was never answered */

	/* link.c's own */
	struct job *job;
	uint64_t got;		/* of a read, from its front on */
	bool shuffled;		/* its pieces came in another order */
	bool done;
};

/* One connection.  Its lock is the last to be taken. */
struct link {
	struct nbd_handle *nbd;
	int wake;		/* eventfd: look again at what to poll for */
	atomic_bool dead;

	pthread_mutex_t lock;	/* guards, with all of libnbd's state: */
	bool driven;		/* somebody drives */
	bool polling;		/* and is in poll(2) ... */
	bool polled_write;	/* ... for this too */
	struct job *waiting;	/* the others */
};

/* Connects and shakes hands until wait_ms have passed. */
struct link *link_open(const struct server *, unsigned wait_ms,
    struct export_info *, struct error *);
/* Takes in what has come and sends what can be sent; lock held, and let go in
 * between.  False when timeout_ms (-1: none) were over first. */
bool link_drive(struct link *, int timeout_ms);
/* Tells the server good-bye (as far as that goes at once); NULL is allowed. */
void link_close(struct link *);
/* No command will be answered any more.  Any thread. */
bool link_dead(const struct link *);
/*
 * Sends n commands, several at a time, and returns when each is done or the
 * connection is lost.  Several threads may call at once: one of those that
 * wait drives the connection for all.
 */
void link_run(struct link *, struct command *, unsigned n);

/* ---- pool.c */

enum { POOL_LINKS = 4 };

struct pool;

/* Opens the first connection; owns nothing of server, which outlives it. */
struct pool *pool_open(const struct server *, struct error *);
void pool_close(struct pool *);		/* NULL is allowed */
const struct export_info *pool_info(const struct pool *);
/* The commands, on one of the connections, sent again where reconnect_s
 * allows.  Returns an error only when the server is lost; else see
 * command.error.  They may change places. */
int pool_run(struct pool *, struct command *, unsigned n, struct error *);
/* All that was written before is on stable storage. */
int pool_flush(struct pool *, struct error *);
/* Writes were answered, and then, with no flush in between, the server was
 * lost: nobody knows what became of them. */
bool pool_torn(struct pool *);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session.h - one connection, as the files that serve it see it
 *
 * Memory: four areas, mapped when they are needed and given back when the
 * client falls silent; large ones at once.  With those of its helpers a client
 * has 64 MiB at most: one request of 32, and what the limits below allow.
 */
#ifndef NBD_SESSION_H
#define NBD_SESSION_H

#include <pthread.h>

#include "nbd.h"
#include "nbd_proto.h"

enum {
	/* Handshake */
	OPTIONS_MAX = 64,		/* then the client is dropped */
	OPTION_LEN_MAX = 64 << 10,	/* longer: the same */
	/* Transmission */
	DRAIN_MAX = 64 << 20,		/* payload that is read and forgotten;
					 * more: the client is dropped */
	IN_SIZE = 256 << 10,		/* requests, with small payloads */
	INLINE_MAX = 64 << 10,		/* larger payloads: in their own area */
	SEND_AT = 32 << 10,		/* replies waiting: send them, ... */
	SEND_EACH = 8,			/* ... and after so many requests */
	KEEP_MAX = 5 << 20,		/* an area that is larger is given back
					 * after use */
	SILENCE_MS = 1000,		/* then all of them are */
	HELPERS_MAX = 16,		/* threads of one session ... */
	HELPERS_ALL = 64,		/* ... and of the server */
	IN_FLIGHT_MAX = 16,		/* requests handed to them */
	HELPER_BYTES = 16 << 20,	/* and what these need in sum */
};

/* Pages that come when they are touched and stay until area_free(). */
struct area {
	uint8_t *at;
	size_t size;
};
int area_need(struct area *, size_t size);	/* keeps the contents */
void area_free(struct area *);

/* What the client has negotiated. */
enum reply_mode { REPLY_SIMPLE, REPLY_STRUCTURED, REPLY_EXTENDED };

/* A request that has been checked. */
struct request {
	uint16_t type, flags;
	uint64_t cookie;
	uint64_t off, len;	/* of the export; len: the effect */
	const uint8_t *payload;	/* WRITE: len bytes.  BLOCK_STATUS: the ids of
				 * the contexts asked for, or NULL: all */
	size_t payload_len;
};

/* Replies under construction: of the session's thread, or of one helper. */
struct replies {
	struct session *session;
	struct area area;
	size_t len;		/* used */
	uint64_t data_from, data_to; /* of the image: known to have no hole */
};

struct job;

struct helpers {
	pthread_mutex_t lock;	/* guards all below; nothing is taken inside */
	pthread_cond_t work, done;
	struct job *head, **tail;
	unsigned queued;
	atomic_uint jobs;	/* handed over and not answered */
	uint64_t bytes;		/* they need */
	unsigned idle;
	bool ending;
	struct helper {
		struct session *session;
		pthread_t thread;
		enum { HELPER_NONE, HELPER_RUNS, HELPER_ENDED } state;
	} helper[HELPERS_MAX];
};

struct session {
	struct server *server;
	struct conn conn;
	struct export *export;
	enum reply_mode mode;
	bool no_zeroes;		/* after the answer to EXPORT_NAME */

	/* Metadata contexts selected for contexts_of (NULL: none), as ids in
	 * ascending order. */
	struct export *contexts_of;
	uint32_t *contexts;
	unsigned context_count;

	bool no_nowait;		/* RWF_NOWAIT was tried in vain */
	bool no_sendfile;	/* so was sendfile() */
	bool batches;		/* a store of the image wants batches */
	bool wrote;		/* so the end of the session flushes */
	bool held;		/* image_hold(): reads, until something else */
	bool large;		/* the last payload was: the next will be */

	struct area in;		/* [pos, end): received, not yet looked at */
	size_t pos, end;
	struct area payload;	/* one that does not fit there */
	struct area batch;	/* batch.c's data */
	struct replies out;

	pthread_mutex_t send_lock; /* guards the socket's sending side */
	atomic_int broken;	/* errno of a send that failed */
	struct helpers helpers;
};

/* -v: "client: <text>" */
void session_say(struct session *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- handshake.c: 0 when the client may send requests; else it must go */
int handshake(struct session *);
uint16_t export_flags(const struct session *, const struct export *);

/* ---- request.c */

/*
 * The next request, whole and checked.  1: here it is; 0: one that was wrong
 * has been answered; -EAGAIN: there is no more in what was received; other
 * -errno: the client must go (-ECONNRESET: it has gone, -ESHUTDOWN: it said
 * so).  The payload is valid until the next call.
 */
int request_take(struct session *, struct request *);
/* Receives more; 0 or as above. */
int request_receive(struct session *);
/* Is another one waiting in what was received?  All of it, and it is a READ
 * or a small WRITE? */
bool request_waiting(const struct session *);
bool request_simple(const struct session *);

/* ---- serve.c */

/* Does it and adds the reply.  may_block false: -EAGAIN and no reply where
 * that could take long.  Other -errno: the client must go. */
int serve_request(struct replies *, const struct request *, bool may_block);
/* The gate of the session's reads is left: before anything else is done. */
void serve_drop(struct session *);

/* ---- batch.c */

/* Do the stores of this image want batches? */
bool batch_wanted(struct image *);
/* Takes and serves what it can of the requests received, first among them
 * req; sends the replies.  -EAGAIN: not this one.  Else 0, or -errno: the
 * client must go. */
int batch_serve(struct session *, const struct request *req);

/* ---- helpers.c */

void helpers_init(struct helpers *);
/* Waits for what was handed over, and ends the threads. */
void helpers_fini(struct helpers *);
/* Hands over a request without payload.  -EAGAIN: nobody is free. */
int helpers_give(struct session *, const struct request *);
/* Has any been handed over that is not answered yet? */
bool helpers_busy(struct helpers *);

/* ---- reply.c: 0, or -errno: the client must go */

void replies_init(struct replies *, struct session *);
int reply_ok(struct replies *, const struct request *);
/* text is for the person at the other end. */
int reply_error(struct replies *, const struct request *, uint32_t error,
    const char *text);
/* The same for what failed inside: errno, and nothing of our files' names. */
int reply_failed(struct replies *, const struct request *,
    const struct error *);
/* An error where the data of a chunk that is closed turned out bad. */
int reply_error_at(struct replies *, const struct request *, uint64_t off);
/* Room for len bytes of the reply to a READ: where to put them, or NULL for
 * lack of memory.  With chunks: those of one, from off on. */
uint8_t *reply_data(struct replies *, const struct request *, uint64_t off,
    uint64_t len, bool done);
/* Its header alone; the data are sent from elsewhere. */
int reply_data_header(struct replies *, const struct request *, uint64_t off,
    uint64_t len, bool done);
int reply_hole(struct replies *, const struct request *, uint64_t off,
    uint64_t len, bool done);
/* Room for a chunk of that type and length (without its header). */
uint8_t *reply_chunk(struct replies *, const struct request *, unsigned type,
    size_t len, bool done);
/* Writes the header at start again, now that all of the chunk is there. */
void reply_patch(struct replies *, size_t start, const struct request *,
    unsigned type, bool done);
/* Sends and forgets what has been added. */
int replies_send(struct replies *);
/* For who sends more than one thing: between these nobody else does. */
int replies_begin(struct session *);
int replies_end(struct session *, int rc);

/* The protocol's error for an errno. */
uint32_t nbd_error(int code);

/* ---- status.c */

/* Names of contexts.  Ids: 0, 1, then the export's bitmaps. */
unsigned context_limit(const struct export *);
bool context_offered(const struct export *, uint32_t id);
/* Does the query ask for this context?  list: wildcards count. */
bool context_matches(const struct export *, uint32_t id, const char *query,
    size_t len, bool list);
/* Writes its name, at most size bytes; returns how long it is. */
size_t context_name(const struct export *, uint32_t id, char *buf,
    size_t size);

int status_reply(struct replies *, const struct request *);

#endif

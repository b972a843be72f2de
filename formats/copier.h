/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copier.h - what the files of the copier share: copy.c, which says how it
 * works, copy_read.c (take, prepare) and copy_write.c (place, write)
 */
#ifndef COPIER_H
#define COPIER_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/threads.h"
#include "copy.h"

enum {
	CHUNK = 512 << 10,	/* bytes of one piece, or one unit if larger */
	CHUNK_FAR = 2 << 20,	/* the same, from or to a server */
	THREADS_FAR = 8,
	BLOCK = 4096,		/* finest grain of the search for zeros */
	AHEAD = 3 << 20,	/* bytes that may stand in line; at least ... */
	AHEAD_MIN = 2,		/* ... pieces */
	SLOTS_MAX = THREADS_MAX + AHEAD / CHUNK
};

/* Where some bytes of a piece come from. */
struct part {
	struct image *image;
	struct extent e;
	uint64_t off;		/* in the target */
};

/* What is to become of a part. */
enum use {
	USE_LEAVE,	/* the target's own bytes stay */
	USE_HAVE,	/* zeros, and the target reads so already */
	USE_ZERO,	/* zeros, to be written */
	USE_DATA
};

struct piece {
	uint64_t number;
	uint64_t off, len;	/* in the target */
	bool zero;		/* nothing but zeros, of any length */
	unsigned part_count, part_max;
	struct part *part;	/* those with data; between them are zeros */
};

/* A run of a piece with one fate. */
struct run {
	uint64_t off, len;
	enum { RUN_ZERO, RUN_DATA, RUN_PACKED } kind;
	const uint8_t *packed;
	uint32_t packed_len;
};

struct copier {
	const struct copy_args *args;
	struct walk **walks;	/* of the sources */
	uint64_t chunk, unit;
	bool ordered, clone, end_last;
	unsigned layers;	/* of the first source */

	pthread_mutex_t take;	/* guards the walk: */
	unsigned source;
	uint64_t at;		/* next offset in the target */
	uint64_t taken;		/* pieces so far */
	struct part ahead;	/* looked at, not taken yet */
	enum use ahead_use;
	bool has_ahead;
	uint64_t have_from;	/* USE_HAVE from here to c->at */

	pthread_mutex_t place;	/* one claims at a time */
	pthread_cond_t turn;
	uint64_t next;		/* number of the piece whose turn it is */
	uint64_t done;		/* pieces that are written */

	bool in_line;
	unsigned slot_count, spare;
	pthread_mutex_t queue;	/* guards the slots nobody works on: */
	pthread_cond_t freed;
	struct slot *idle[SLOTS_MAX];
	unsigned idle_count;
	struct slot *line[SLOTS_MAX];	/* by number, modulo slot_count */
	bool writing;		/* somebody writes what stands in line */

	pthread_mutex_t lock;	/* guards what is lost, first error, rate: */
	uint64_t lost;		/* bytes that could not be read */
	struct error err;
	int rc;
	uint64_t paid;		/* bytes accounted by the rate */
	struct timespec begun;
	atomic_bool stop;
	atomic_bool no_offload;
};

/* A piece, and the memory to copy it. */
struct slot {
	struct copier *c;
	struct piece piece;
	uint8_t *buf;		/* chunk */
	uint8_t *packed;	/* chunk, when compressing */
	struct packer *packer;
	uint8_t *zero;		/* one flag a block of BLOCK bytes */
	struct run *runs;
	unsigned run_count;
	struct pending *pending;
	uint64_t locked_end;	/* of the units they hold */
};

/* The block of offset off, in w->zero. */
static inline size_t slot_block(const struct slot *w, uint64_t off)
{
	return off / BLOCK - w->piece.off / BLOCK;
}

/* ---- copy.c */

/* The first error counts; everybody stops. */
void copier_fail(struct copier *, int rc, const struct error *);
bool copier_stopped(struct copier *);
void copier_progress(struct copier *, uint64_t bytes);
/* salvage: so many bytes could not be read. */
void copier_lose(struct copier *, uint64_t bytes, const char *line);

/* ---- copy_read.c */

/* The next piece, in guest order; false: no more, or stopped. */
bool piece_take(struct copier *, struct piece *);
/* Can this piece's bytes go from file to file? */
bool slot_can_offload(const struct slot *);
/* Reads (unless it is to be offloaded), looks for zeros, compresses: runs. */
int slot_prepare(struct slot *, bool offload, struct error *);
int slot_read(struct slot *, struct error *);
bool slot_zero_at(const struct slot *, uint64_t from, uint64_t to);

/* ---- copy_write.c */

/* When it is this piece's turn: runs of zeros are written and leave the list;
 * the rest is claimed: *n pieces of it. */
int slot_place(struct slot *, bool *offload, unsigned *n, struct error *);
/* Writes and commits the n claims; each is ended, whatever happens. */
int slot_write(struct slot *, unsigned n, bool offload, struct error *);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unpack.h - what the unpack module's files share: the input of a decoder, the
 * pieces of a file, and the four kinds of compressed files
 */
#ifndef MODULES_UNPACK_H
#define MODULES_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "store/store.h"

/* ---- input: a range of the packed file, read front to back */

enum { INPUT_SIZE = 256 << 10 };

struct input {
	struct store *store;
	uint64_t at, end;	/* not read yet */
	uint8_t *buf;
	size_t size;		/* of buf, mostly INPUT_SIZE */
	size_t pos, len;	/* read, not used yet */
	_Atomic uint64_t *eaten; /* counts what is read; NULL: nobody asks */
};

/* More bytes, when all are used.  Still none: the end of the range. */
int input_fill(struct input *, struct error *);
/* At least n bytes (fewer than the buffer has), or all there are. */
int input_peek(struct input *, size_t n, struct error *);

static inline size_t input_have(const struct input *in)
{
	return in->len - in->pos;
}

static inline const uint8_t *input_bytes(const struct input *in)
{
	return in->buf + in->pos;
}

/* Where in the file the next unused byte is. */
static inline uint64_t input_offset(const struct input *in)
{
	return in->at - input_have(in);
}

/* ---- the plan: pieces that can be unpacked each by itself */

struct plan {
	bool pieces_known;	/* false: only front to back, in one go */
	bool sizes_known;	/* of all pieces; else len is a bound */
	struct piece *piece;
	unsigned count, max;
	uint64_t size;		/* sum of len */
	uint64_t in_grain;	/* neighbours are joined up to this many bytes
				 * of the file: that bounds their number */
	void *index;		/* the kind's own */
};

/* So many bytes of the file become len bytes, or at most len. */
int plan_add(struct plan *, uint64_t in, uint64_t in_len, uint64_t len,
    struct error *);

/* ---- kinds of compressed files */

/* One thread's decoder at work on one piece. */
struct decoder {
	struct unpack *u;
	struct input in;
	const void *index;	/* of the plan */
	uint64_t out, len;	/* the piece in the contents; len: UINT64_MAX
				 * where it is not known */
	bool done;		/* read() came to the end */
	uint64_t memory;	/* granted by decoder_memory() */
	void *state;		/* the kind's own */
};

/* To be asked before a dictionary of this size is allocated (instead of the
 * one before it): waits until the other decoders leave room for it.  It is
 * given back when the piece ends. */
int decoder_memory(struct decoder *, uint64_t bytes, struct error *);

struct packing {
	const char *name;
	const char *missing;	/* the library this build lacks, or NULL */
	/* Finds the pieces where that is cheap and certain; NULL: never. */
	int (*plan)(struct store *, struct plan *, struct error *);
	void (*plan_fini)(struct plan *);
	/* One piece: begin; read, which fills buf or sets done; end, which
	 * also follows a begin that failed. */
	int (*begin)(struct decoder *, struct error *);
	int (*read)(struct decoder *, uint8_t *buf, size_t size, size_t *n,
	    struct error *);
	void (*end)(struct decoder *);
};

extern const struct packing packing_gzip, packing_bzip2, packing_xz,
    packing_zstd;

#endif

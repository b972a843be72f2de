/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * codec.h - compression of single units, and the units unpacked last
 *
 * A unit is what a format compresses at once: a cluster, a grain.  Output is
 * bounded by the buffer it fills (H5).
 */
#ifndef CODEC_H
#define CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Deflate, against what the peer makes of data that can be compressed: at
 * most 5 % larger; no larger; at least 5 % smaller (with libdeflate; zlib
 * alone is slower, and keeps the second promise only).  Zstandard: levels 1,
 * 3 as the peer, 9. */
enum codec_level { CODEC_FAST, CODEC_DEFAULT, CODEC_BEST };

struct packer;			/* one thread's compressor */

struct codec {
	const char *name;	/* as in compression_type */

	/* Fills exactly dst_len bytes from at most src_len; input that goes
	 * on longer is valid, input that ends early or is damaged is EIO. */
	int (*unpack)(void *dst, size_t dst_len, const void *src,
	    size_t src_len, struct error *);

	int (*packer_init)(struct packer *, enum codec_level);
	void (*packer_fini)(struct packer *);
	/* Bytes written to dst, or 0: does not fit in cap. */
	size_t (*pack)(struct packer *, void *dst, size_t cap,
	    const void *src, size_t len);
};

struct packer {
	const struct codec *codec;
	void *state;
};

/* Raw deflate, as qcow2 has it; and Zstandard frames.  Never NULL: where the
 * build has no such library, unpack and packer_new fail with ENOTSUP and one
 * clear line, and an image can still be opened and described. */
const struct codec *codec_deflate(void);
const struct codec *codec_zstd(void);

/* A compressor for one thread.  NULL: no memory, or not in this build. */
struct packer *packer_new(const struct codec *, enum codec_level,
    struct error *);
void packer_free(struct packer *);
size_t packer_pack(struct packer *, void *dst, size_t cap, const void *src,
    size_t len);

/*
 * ---- unit cache: a few units unpacked last, found by store and offset, so
 * that small reads in order do not unpack a unit once for each.  At most 8
 * units of at most 2 MiB; larger ones are not kept.
 *
 * Threads: get and put at any time while the unit's storage keeps its meaning
 * (inside the gate); flush when nobody is between reading a unit and its put
 * (the gate is shut).
 */
struct store;
struct unit_cache *unit_cache_new(void);	/* NULL: no memory */
void unit_cache_free(struct unit_cache *);	/* NULL is allowed */
/* Copies [skip, skip + len) of the unit into buf; false: not here. */
bool unit_cache_get(struct unit_cache *, struct store *, uint64_t host,
    uint32_t skip, uint32_t len, void *buf);
void unit_cache_put(struct unit_cache *, struct store *, uint64_t host,
    const void *unit, uint32_t unit_len);
/* The storage at host may change its meaning: forget. */
void unit_cache_flush(struct unit_cache *);

#endif

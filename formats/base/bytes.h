/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bytes.h - integers as files and wires hold them, and arithmetic that
 * cannot wrap
 *
 * be16 .. le64 are byte arrays in a struct: no alignment, no padding, and no
 * arithmetic without decoding.  Sizes and offsets that come from a file are
 * added, multiplied and compared with the functions at the end, nowhere by
 * hand (H1).
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BYTES_DEFINE(order, bits)					\
	struct order##bits { uint8_t b[bits / 8]; };			\
	static inline uint##bits##_t order##bits##_get(			\
	    struct order##bits v)					\
	{								\
		uint##bits##_t x;					\
		memcpy(&x, v.b, sizeof(x));				\
		return order##bits##toh(x);				\
	}								\
	static inline void order##bits##_put(struct order##bits *v,	\
	    uint##bits##_t x)						\
	{								\
		x = hto##order##bits(x);				\
		memcpy(v->b, &x, sizeof(x));				\
	}
BYTES_DEFINE(be, 16)
BYTES_DEFINE(be, 32)
BYTES_DEFINE(be, 64)
BYTES_DEFINE(le, 16)
BYTES_DEFINE(le, 32)
BYTES_DEFINE(le, 64)
#undef BYTES_DEFINE

typedef struct be16 be16;
typedef struct be32 be32;
typedef struct be64 be64;
typedef struct le16 le16;
typedef struct le32 le32;
typedef struct le64 le64;

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* No image, store or offset is larger: off_t holds it, and rounding it up to
 * a cluster does not wrap. */
#define SIZE_LIMIT ((uint64_t)INT64_MAX - 511)

static inline uint64_t min64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max64(uint64_t a, uint64_t b) { return a > b ? a : b; }

static inline bool is_pow2(uint64_t v) { return v && !(v & (v - 1)); }

/* "to" is a power of two, "v" at most SIZE_LIMIT. */
static inline uint64_t align_down(uint64_t v, uint64_t to)
{
	return v & ~(to - 1);
}
static inline uint64_t align_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) & ~(to - 1);
}

static inline uint64_t div_up(uint64_t v, uint64_t by)
{
	return v / by + (v % by != 0);
}

/* log2 of a power of two. */
static inline unsigned log2_of(uint64_t v)
{
	return (unsigned)__builtin_ctzll(v);
}

/* False, and *r unspecified, where the result does not fit 64 bits. */
static inline bool add_ok(uint64_t a, uint64_t b, uint64_t *r)
{
	return !__builtin_add_overflow(a, b, r);
}
static inline bool mul_ok(uint64_t a, uint64_t b, uint64_t *r)
{
	return !__builtin_mul_overflow(a, b, r);
}

/* Does [off, off + len) lie within [0, limit)? */
static inline bool range_ok(uint64_t off, uint64_t len, uint64_t limit)
{
	return off <= limit && len <= limit - off;
}

/* Are all len bytes zero?  True for len 0. */
bool bytes_are_zero(const void *buf, size_t len);

#endif

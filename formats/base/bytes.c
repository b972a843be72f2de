/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bytes.c - the search for zeros, as wide as the compiler's vectors go */
#include "base/bytes.h"

/*
 * Data that is not zero mostly shows it in its first bytes; zeros have to be
 * read to the end.  So: look at one block early, then go through the rest in
 * blocks that are one OR of vectors, wide enough that loads are all it costs.
 */
enum { BLOCK = 256 };
typedef uint64_t vec __attribute__((vector_size(16), aligned(1), may_alias));

static inline bool block_is_zero(const unsigned char *p)
{
	const vec *v = (const void *)p;
	vec a = v[0] | v[1], b = v[2] | v[3], c = v[4] | v[5], d = v[6] | v[7];

	a |= v[8] | v[9];
	b |= v[10] | v[11];
	c |= v[12] | v[13];
	d |= v[14] | v[15];
	a |= b | c | d;
	return !(a[0] | a[1]);
}

bool bytes_are_zero(const void *buf, size_t len)
{
	const unsigned char *p = buf, *end = p + len;

	if (len >= 8) {
		uint64_t first, last;
		memcpy(&first, p, 8);
		memcpy(&last, end - 8, 8);
		if (first | last)
			return false;
	}
	for (; end - p >= BLOCK; p += BLOCK)
		if (!block_is_zero(p))
			return false;
	for (; p < end; p++)
		if (*p)
			return false;
	return true;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bytes.c - the search for zeros, as wide as the compiler's vectors go */
#include "base/bytes.h"

/*
 * Data that is not zero mostly shows it in its first bytes; zeros have to be
 * read to the end.  So: look at one block early, then go through the rest in
 * blocks whose OR the compiler keeps in vector registers.
 */
enum { BLOCK = 256 };

static bool block_is_zero(const unsigned char *p)
{
	uint64_t v[BLOCK / 8], acc[8] = {0};

	memcpy(v, p, sizeof(v));
	for (unsigned i = 0; i < BLOCK / 8; i += 8)
		for (unsigned j = 0; j < 8; j++)
			acc[j] |= v[i + j];
	return !(acc[0] | acc[1] | acc[2] | acc[3] | acc[4] | acc[5] |
	    acc[6] | acc[7]);
}

__attribute__((optimize("O3")))
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

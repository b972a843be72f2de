/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bits.h - a sparse set of numbers below 2^54
 *
 * The guard against writes into metadata asks for every allocation and every
 * write in place whether a cluster is taken, so asking takes no lock and a
 * few loads.  Memory grows with the pages touched (4 KiB for 32768
 * neighbouring numbers), not with the largest number.
 *
 * Threads: bits_any() and bits_run() at any time; adding and removing under the owner's
 * lock.  Nothing is freed before bits_fini().
 */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct bits {
	_Atomic(void *) root;	/* top node, its height in it */
};

void bits_init(struct bits *);
void bits_fini(struct bits *);

/* Adds [first, first + n).  *was (if not NULL): one of them was there before.
 * On error the set is as it was. */
int bits_add(struct bits *, uint64_t first, uint64_t n, bool *was,
    struct error *);
/* Adds what is set in n words: bit b of word w is the number first + 64 * w +
 * b; first is a multiple of 64.  On error some of it may be there. */
int bits_add_words(struct bits *, uint64_t first, const uint64_t *word,
    size_t n, struct error *);
void bits_remove(struct bits *, uint64_t first, uint64_t n);

/* Is any of [first, first + n) in the set? */
bool bits_any(const struct bits *, uint64_t first, uint64_t n);

/* Is first in the set, and for how many of [first, first + n), n not 0, is
 * that so?  *run is at least 1. */
bool bits_run(const struct bits *, uint64_t first, uint64_t n, uint64_t *run);

#endif

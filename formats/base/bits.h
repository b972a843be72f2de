/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bits.h - a sparse set of numbers below 2^54
 *
 * The guard against writes into metadata asks for every allocation and every
 * write in place whether a cluster is taken, so asking takes no lock and a
 * few loads.  Memory grows with the pages touched (4 KiB for 32768
 * neighbouring numbers), not with the largest number.
 *
 * Threads: bits_any() at any time; adding and removing under the owner's
 * lock.  Nothing is freed before bits_fini().
 */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdatomic.h>
#include <stdbool.h>
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
void bits_remove(struct bits *, uint64_t first, uint64_t n);

/* Is any of [first, first + n) in the set? */
bool bits_any(const struct bits *, uint64_t first, uint64_t n);

#endif

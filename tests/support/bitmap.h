/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitmap.h - persistent bitmaps put into a qcow2 image by hand */
#ifndef SUPPORT_BITMAP_H
#define SUPPORT_BITMAP_H

#include <stdint.h>

#include "store/store.h"

struct bitmap_made {
	const char *name;
	unsigned granularity_bits;
	uint32_t flags;		/* BITMAP_AUTO, ... */
	const uint64_t *table;	/* its entries; NULL: zeros */
	uint32_t entries;	/* 0: as many as the disk needs */
};

/* The image in the store is not open, of version 3, and has no bitmaps yet;
 * its refcounts have 16 bits. */
int store_bitmaps(struct store *, const struct bitmap_made *, unsigned n,
    struct error *);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bitmap.c - persistent bitmaps, asked for runs
 *
 * A driver leaves what it read as sets of granules, beside the set of those
 * written since; asking takes no lock, whoever writes meanwhile.
 */
#include <stdlib.h>

#include "image.h"

int image_bitmap_open(struct image *img, const char *name,
    struct image_bitmap **out, struct error *err)
{
	struct image_bitmap *b = calloc(1, sizeof(*b));
	int rc = -ENOENT;

	if (!b)
		return error_errno(err, ENOMEM, "bitmap");
	bits_init(&b->stored);
	bits_init(&b->groups);
	for (; img && rc == -ENOENT; img = img->backing)
		if (img->format->bitmap_open)
			rc = img->format->bitmap_open(img, name, b, err);
	if (!rc) {
		*out = b;
		return 0;
	}
	image_bitmap_close(b);
	return rc == -ENOENT ? error_set(err, ENOENT,
	    "Bitmap '%s' is not found", name) : rc;
}

void image_bitmap_close(struct image_bitmap *b)
{
	if (!b)
		return;
	bits_fini(&b->stored);
	bits_fini(&b->groups);
	free(b);
}

/* Is granule i dirty, and how many of the n from i on, by one of the sets (and
 * perhaps more by another)? */
static bool run_of(const struct image_bitmap *b, uint64_t i, uint64_t n,
    uint64_t *run)
{
	unsigned g = b->group_bits;
	uint64_t group = i >> g, groups = ((i + n - 1) >> g) - group + 1;
	bool set;

	*run = n;
	if (b->lost && atomic_load_explicit(b->lost, memory_order_acquire))
		return true;
	if (bits_run(&b->stored, i, n, run))
		return true;
	n = *run;	/* clean so far; in the other sets, too? */
	set = bits_run(&b->groups, group, groups, &groups);
	*run = min64(n, ((group + groups) << g) - i);
	if (set || !b->written)
		return set;
	return bits_run(b->written, i, *run, run);
}

bool image_bitmap_run(struct image_bitmap *b, uint64_t off, uint64_t len,
    uint64_t *run)
{
	unsigned g = b->granularity_bits;
	uint64_t first = off >> g, n, i, here;
	bool dirty;

	*run = len;
	if (off >= b->size)
		return false;
	n = ((off + min64(len, b->size - off) - 1) >> g) - first + 1;
	dirty = run_of(b, first, n, &i);
	while (i < n && run_of(b, first + i, n - i, &here) == dirty)
		i += here;
	if (i == n)	/* behind the end all is clean */
		*run = dirty ? min64(len, b->size - off) : len;
	else
		*run = ((first + i) << g) - off;
	return dirty;
}

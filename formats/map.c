/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * map.c - one answer for a whole chain
 *
 * Every driver answers for its own layer; here the chain is walked, short
 * backing images end, and every answer is checked once before anybody acts on
 * it.
 */
#include <stdlib.h>

#include "image.h"

void image_hold(struct image *img)
{
	for (; img; img = img->backing)
		if (img->writable)
			gate_enter(&img->gate);
}

void image_drop(struct image *img)
{
	for (; img; img = img->backing)
		if (img->writable)
			gate_leave(&img->gate);
}

/* A driver's answer for one layer, cut to what was asked and held against
 * the contract: what comes from a hostile file stops here. */
static int map_layer(struct image *img, uint64_t off, uint64_t len,
    enum map_why why, struct extent *e, struct error *err)
{
	int rc = img->format->map(img, off, len, why, e, err);

	if (rc)
		return rc;
	if (e->len > len)
		e->len = len;
	if (e->len == 0)
		return error_set(err, EIO,
		    "no mapping at offset %#llx", (unsigned long long)off);
	switch (e->kind) {
	case EXTENT_DATA:
		if (!e->store || !range_ok(e->host, e->len, SIZE_LIMIT))
			return error_set(err, EIO,
			    "data of offset %#llx lies past any file",
			    (unsigned long long)off);
		break;
	case EXTENT_PACKED:
		if (!e->store || e->unit_len > 64 * MIB ||
		    !range_ok(e->host, e->packed_len, SIZE_LIMIT) ||
		    !range_ok(e->skip, e->len, e->unit_len))
			return error_set(err, EIO,
			    "compressed data of offset %#llx is out of bounds",
			    (unsigned long long)off);
		break;
	case EXTENT_ZERO:
	case EXTENT_HOLE:
		break;
	}
	return 0;
}

int image_map(struct image *img, uint64_t off, uint64_t len,
    enum map_why why, struct extent *e, unsigned *depth, struct error *err)
{
	unsigned d = 0;

	for (;;) {
		struct image *under = img->backing;
		int rc = map_layer(img, off, len, why, e, err);

		if (rc)
			return rc;
		/* Past the end of a short backing image it is as if this
		 * layer had no backing at all. */
		if (e->kind != EXTENT_HOLE || !under || off >= under->size)
			break;
		len = min64(e->len, under->size - off);
		img = under;
		d++;
	}
	if (depth)
		*depth = d;
	return 0;
}

/* ---- walks */

struct layer {
	struct image *image;
	uint64_t off;		/* answer starts here; nothing known: last.len 0 */
	struct extent last;
};

struct walk {
	unsigned count;
	struct layer layer[];
};

struct walk *walk_new(struct image *img, struct error *err)
{
	unsigned n = 0;
	struct walk *w;

	for (struct image *i = img; i; i = i->backing)
		n++;
	w = calloc(1, sizeof(*w) + n * sizeof(w->layer[0]));
	if (!w) {
		error_errno(err, ENOMEM, "mapping");
		return NULL;
	}
	for (; img; img = img->backing)
		w->layer[w->count++].image = img;
	return w;
}

void walk_free(struct walk *w)
{
	free(w);
}

/* The part of an answer that starts delta bytes later. */
static void slice(const struct extent *whole, uint64_t delta, uint64_t len,
    struct extent *e)
{
	*e = *whole;
	e->len = min64(whole->len - delta, len);
	if (e->kind == EXTENT_PACKED)
		e->skip += (uint32_t)delta;
	else
		e->host += delta;
}

int walk_map(struct walk *w, uint64_t off, uint64_t len, enum map_why why,
    struct extent *e, unsigned *depth, struct error *err)
{
	unsigned d = 0;

	for (;; d++) {
		struct layer *l = &w->layer[d];
		const struct image *under;

		if (off < l->off || off - l->off >= l->last.len) {
			int rc;

			l->off = off;
			l->last.len = 0;
			rc = map_layer(l->image, off, l->image->size - off,
			    why, &l->last, err);
			if (rc) {
				l->last.len = 0;
				return rc;
			}
		}
		slice(&l->last, off - l->off, len, e);
		if (e->kind != EXTENT_HOLE || d + 1 == w->count)
			break;
		under = w->layer[d + 1].image;
		if (off >= under->size)
			break;
		len = min64(e->len, under->size - off);
	}
	if (depth)
		*depth = d;
	return 0;
}

void extent_report(const struct extent *e, struct extent_status *s)
{
	bool host = e->flags & EXTENT_HOST;

	*s = (struct extent_status){ .store = e->store, .host = e->host };
	switch (e->kind) {
	case EXTENT_DATA:
		s->present = s->data = s->has_host =
		    !(e->flags & EXTENT_VAGUE);
		s->zero = e->flags & EXTENT_SPARSE;
		break;
	case EXTENT_PACKED:
		s->present = s->data = s->packed = true;
		break;
	case EXTENT_ZERO:
		s->present = s->zero = true;
		s->has_host = host;
		break;
	case EXTENT_HOLE:
		s->zero = true;
		s->has_host = host;
		break;
	}
}

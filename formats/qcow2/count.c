/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * count.c - how often each cluster is referenced
 *
 * Counters live in pages of 4096, made when first needed, in a radix tree: a
 * file of 16 TiB that is mostly hole costs no more than what is in it.  A
 * counter is a byte, which does for nearly every image; a page in which one
 * does not fit is widened to two bytes, then to eight.  The width is kept in
 * the low bits of the pointer.
 *
 * A hostile image may scatter its references so that each wants a page of
 * its own: memory is bounded by what init() is told.
 */
#include "qcow2/check.h"

enum { NODE_BITS = 10, FANOUT = 1 << NODE_BITS };
#define WIDTH_MASK ((uintptr_t)3)

static void *page_of(void *tagged)
{
	return (void *)((uintptr_t)tagged & ~WIDTH_MASK);
}

static unsigned width_of(void *tagged)
{
	return (unsigned)((uintptr_t)tagged & WIDTH_MASK);
}

static void *tag(void *page, unsigned width)
{
	return (void *)((uintptr_t)page | width);
}

static void *take(struct counts *c, size_t n, size_t size, struct error *err)
{
	void *p = NULL;

	if (n * size <= c->max_bytes - c->bytes)
		p = calloc(n, size);
	if (!p) {
		error_errno(err, ENOMEM, "counting references");
		return NULL;
	}
	c->bytes += n * size;
	return p;
}

int counts_init(struct counts *c, uint64_t limit, uint64_t max_bytes,
    struct error *err)
{
	uint64_t pages = (limit >> COUNT_PAGE_BITS) + 1;

	*c = (struct counts){ .limit = limit, .max_bytes = max_bytes,
	    .height = 1, .page = UINT64_MAX };
	while (c->height < 6 && pages >> (c->height * NODE_BITS))
		c->height++;
	c->root = take(c, FANOUT, sizeof(void *), err);
	return c->root ? 0 : -err->code;
}

static void free_node(void **node, unsigned height)
{
	for (unsigned i = 0; i < FANOUT; i++)
		if (height > 1 && node[i])
			free_node(node[i], height - 1);
		else
			free(page_of(node[i]));
	free(node);
}

void counts_fini(struct counts *c)
{
	if (c->root)
		free_node(c->root, c->height);
	c->root = NULL;
}

/* Where the pointer of a page is kept; NULL: there is none (make: no memory
 * for it). */
static void **slot(struct counts *c, uint64_t page, bool make,
    struct error *err)
{
	void **node = c->root;

	for (unsigned h = c->height; h > 1; h--) {
		void **s = &node[page >> ((h - 1) * NODE_BITS) & (FANOUT - 1)];

		if (!*s && make)
			*s = take(c, FANOUT, sizeof(void *), err);
		if (!*s)
			return NULL;
		node = *s;
	}
	return &node[page & (FANOUT - 1)];
}

static void put(void *p, unsigned width, uint64_t i, uint64_t v)
{
	switch (width) {
	case 0: ((uint8_t *)p)[i] = (uint8_t)v; break;
	case 1: ((uint16_t *)p)[i] = (uint16_t)v; break;
	default: ((uint64_t *)p)[i] = v; break;
	}
}

static int store(struct counts *c, void **s, uint64_t i, uint64_t v,
    struct error *err)
{
	unsigned need = v <= UINT8_MAX ? 0 : v <= UINT16_MAX ? 1 : 3;
	uint64_t in_page = i & (COUNT_PAGE - 1);
	void *old = page_of(*s), *page = old;
	unsigned width = width_of(*s);

	if (!old || need > width) {
		page = take(c, COUNT_PAGE, (size_t)1 << need, err);
		if (!page)
			return -err->code;
		for (uint64_t j = 0; old && j < COUNT_PAGE; j++)
			put(page, need, j, counts_load(old, width, j));
		if (old)
			c->bytes -= (uint64_t)COUNT_PAGE << width;
		if (i >> COUNT_PAGE_BITS == c->page)
			c->page = UINT64_MAX;
		free(old);
		width = need;
		*s = tag(page, width);
	}
	put(page, width, in_page, v);
	if (width == 0) {
		c->page = i >> COUNT_PAGE_BITS;
		c->narrow = page;
	}
	return 0;
}

int counts_add_slowly(struct counts *c, uint64_t i, uint64_t times,
    struct error *err)
{
	void **s;
	uint64_t v;

	if (i >= c->limit)
		return error_set(err, EFBIG, "cluster %llu cannot be counted",
		    (unsigned long long)i);
	s = slot(c, i >> COUNT_PAGE_BITS, true, err);
	if (!s)
		return -err->code;
	v = *s ? counts_load(page_of(*s), width_of(*s),
	    i & (COUNT_PAGE - 1)) : 0;
	c->shared |= v != 0 || times > 1;
	if (!add_ok(v, times, &v))
		v = UINT64_MAX;
	return store(c, s, i, v, err);
}

int counts_set(struct counts *c, uint64_t i, uint64_t v, struct error *err)
{
	void **s;

	if (i >= c->limit)
		return error_set(err, EFBIG, "cluster %llu cannot be counted",
		    (unsigned long long)i);
	s = slot(c, i >> COUNT_PAGE_BITS, v != 0, err);
	if (!s)
		return v ? -err->code : 0;
	return *s || v ? store(c, s, i, v, err) : 0;
}

const void *counts_page(const struct counts *c, uint64_t page,
    unsigned *width)
{
	struct error ignored;
	void **s = slot((struct counts *)c, page, false, &ignored);

	*width = s ? width_of(*s) : 0;
	return s ? page_of(*s) : NULL;
}

uint64_t counts_get(const struct counts *c, uint64_t i)
{
	unsigned width;
	const void *p;

	if (i >= c->limit)
		return 0;
	p = counts_page(c, i >> COUNT_PAGE_BITS, &width);
	return p ? counts_load(p, width, i & (COUNT_PAGE - 1)) : 0;
}

/* How many pages from this one on are not there because a whole node is
 * not; 0: look at this one. */
static uint64_t missing(const struct counts *c, uint64_t page)
{
	void **node = c->root;

	for (unsigned h = c->height; h >= 1; h--) {
		unsigned shift = (h - 1) * NODE_BITS;
		void *next = node[page >> shift & (FANOUT - 1)];

		if (!next)
			return (1ull << shift) - (page & ((1ull << shift) -
			    1));
		node = next;
	}
	return 0;
}

uint64_t counts_next(const struct counts *c, uint64_t from)
{
	while (from < c->limit) {
		uint64_t page = from >> COUNT_PAGE_BITS;
		uint64_t skip = missing(c, page);
		unsigned width;
		const void *p;

		if (skip) {
			from = (page + skip) << COUNT_PAGE_BITS;
			continue;
		}
		p = counts_page(c, page, &width);
		do {
			if (counts_load(p, width, from & (COUNT_PAGE - 1)))
				return from;
		} while (++from & (COUNT_PAGE - 1));
	}
	return c->limit;
}

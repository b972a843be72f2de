/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.c - a store in memory, sparse in pages of 64 KiB
 *
 * The pages hang in a radix tree that grows at its root.  A page that is not
 * there is a hole.  One rwlock guards the tree: reads, and writes to pages
 * that are there, hold it shared and copy in parallel; who changes the tree
 * (a first write, a punch, a resize) holds it alone.
 *
 * memory_clone() shares the pages: a page counts the stores it belongs to,
 * and a write to one that others have too replaces it by a copy.  That is
 * what makes a thousand states of one image cheap (fault.c).
 *
 * What lies in a page past the end of the store is zero at all times, so
 * reading never looks at the size.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/store.h"

enum {
	PAGE_BITS = 16, PAGE = 1 << PAGE_BITS,
	NODE_BITS = 6, FANOUT = 1 << NODE_BITS,
};

struct page {
	atomic_uint users;	/* stores that have it; 1: ours to change */
	uint8_t bytes[PAGE];
};

struct node {
	void *slot[FANOUT];	/* nodes; at height 1 pages */
};

struct memory {
	pthread_rwlock_t lock;	/* guards all below; the bytes of a page of
				 * one user need it shared only */
	struct node *root;
	unsigned height;	/* 0: no root; else 64^height pages */
	uint64_t pages;
};

static void page_put(struct page *p)
{
	if (p && atomic_fetch_sub(&p->users, 1) == 1)
		free(p);
}

static bool covers(const struct memory *m, uint64_t index)
{
	unsigned bits = m->height * NODE_BITS;

	return m->height && (bits >= 64 || !(index >> bits));
}

static unsigned slot_of(uint64_t index, unsigned height)
{
	return (index >> ((height - 1) * NODE_BITS)) & (FANOUT - 1);
}

static struct page *find(const struct memory *m, uint64_t index)
{
	struct node *node = m->root;

	if (!covers(m, index))
		return NULL;
	for (unsigned h = m->height; node && h > 1; h--)
		node = node->slot[slot_of(index, h)];
	return node ? node->slot[slot_of(index, 1)] : NULL;
}

/* The slot of a page, made on the way; NULL: no memory. */
static void **make_slot(struct memory *m, uint64_t index)
{
	struct node **at, *node;

	while (!covers(m, index)) {
		node = calloc(1, sizeof(*node));
		if (!node)
			return NULL;
		node->slot[0] = m->root;
		m->root = node;
		m->height++;
	}
	at = &m->root;
	for (unsigned h = m->height; ; h--) {
		if (!*at)
			*at = calloc(1, sizeof(**at));
		if (!*at)
			return NULL;
		if (h == 1)
			return &(*at)->slot[slot_of(index, 1)];
		at = (struct node **)&(*at)->slot[slot_of(index, h)];
	}
}

/* A page that may be changed; NULL: no memory.  Alone. */
static struct page *own(struct memory *m, uint64_t index)
{
	void **slot = make_slot(m, index);
	struct page *p, *old;

	if (!slot)
		return NULL;
	old = *slot;
	if (old && atomic_load(&old->users) == 1)
		return old;
	p = old ? malloc(sizeof(*p)) : calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	if (old)
		memcpy(p->bytes, old->bytes, PAGE);
	else
		m->pages++;
	atomic_init(&p->users, 1);
	page_put(old);
	*slot = p;
	return p;
}

static void drop(struct memory *m, uint64_t index)
{
	struct page *p = find(m, index);

	if (!p)
		return;
	*make_slot(m, index) = NULL;	/* which is there */
	m->pages--;
	page_put(p);
}

/* The first page that is there from "index" on; UINT64_MAX: none. */
static uint64_t next_page(const struct node *node, unsigned height,
    uint64_t index)
{
	unsigned shift = (height - 1) * NODE_BITS;

	for (unsigned i = slot_of(index, height); node && i < FANOUT; i++) {
		uint64_t above = shift + NODE_BITS < 64 ?
		    index >> (shift + NODE_BITS) << (shift + NODE_BITS) : 0;
		uint64_t first = above | (uint64_t)i << shift;
		uint64_t found;

		if (!node->slot[i])
			continue;
		if (height == 1)
			return first;
		found = next_page(node->slot[i], height - 1,
		    max64(first, index));
		if (found != UINT64_MAX)
			return found;
	}
	return UINT64_MAX;
}

static void free_node(struct node *node, unsigned height)
{
	for (unsigned i = 0; node && i < FANOUT; i++) {
		if (height == 1)
			page_put(node->slot[i]);
		else
			free_node(node->slot[i], height - 1);
	}
	free(node);
}

static void grew(struct store *s, uint64_t end)
{
	uint64_t size = store_size(s);

	while (size < end &&
	    !atomic_compare_exchange_weak(&s->size, &size, end))
		;
}

static int memory_preadv(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct memory *m = s->state;

	pthread_rwlock_rdlock(&m->lock);
	for (int i = 0; i < n; i++) {
		uint8_t *to = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left) {
			struct page *p = find(m, off >> PAGE_BITS);
			size_t at = off & (PAGE - 1);
			size_t len = min64(left, PAGE - at);

			if (p)
				memcpy(to, p->bytes + at, len);
			else
				memset(to, 0, len);
			to += len;
			off += len;
			left -= len;
		}
	}
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

/* The lock is held shared or alone, and comes back so. */
static int write_piece(struct memory *m, bool *alone, const uint8_t *from,
    size_t len, uint64_t off)
{
	uint64_t index = off >> PAGE_BITS;
	struct page *p = find(m, index);

	if (!p || atomic_load(&p->users) != 1) {
		if (!*alone) {
			pthread_rwlock_unlock(&m->lock);
			pthread_rwlock_wrlock(&m->lock);
			*alone = true;
		}
		p = own(m, index);
		if (!p)
			return -ENOMEM;
	}
	memcpy(p->bytes + (off & (PAGE - 1)), from, len);
	return 0;
}

static int memory_pwritev(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct memory *m = s->state;
	bool alone = false;
	int ret = 0;

	pthread_rwlock_rdlock(&m->lock);
	for (int i = 0; i < n && ret == 0; i++) {
		const uint8_t *from = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left && ret == 0) {
			size_t len = min64(left, PAGE - (off & (PAGE - 1)));

			ret = write_piece(m, &alone, from, len, off);
			from += len;
			off += len;
			left -= len;
		}
	}
	if (ret == 0)
		grew(s, off);
	pthread_rwlock_unlock(&m->lock);
	if (ret < 0)
		return error_set(err, ENOMEM, "no memory for '%s'", s->name);
	return 0;
}

/* Makes [off, off + len) read as zeros: whole pages go, edges are cleared.
 * Only "keep" leaves the pages.  Alone. */
static int clear(struct memory *m, uint64_t off, uint64_t len, bool keep)
{
	uint64_t end = off + len;

	while (off < end && m->height) {
		uint64_t index = off >> PAGE_BITS;
		size_t at = off & (PAGE - 1);
		size_t n = min64(end - off, PAGE - at);
		struct page *p = find(m, index);

		if (p && n == PAGE && !keep) {
			drop(m, index);
		} else if (p) {
			p = own(m, index);
			if (!p)
				return -ENOMEM;
			memset(p->bytes + at, 0, n);
		} else {
			index = covers(m, index) ?
			    next_page(m->root, m->height, index) : UINT64_MAX;
			if (index > (end - 1) >> PAGE_BITS)
				break;
			off = index << PAGE_BITS;
			continue;
		}
		off += n;
	}
	return 0;
}

static int clear_locked(struct store *s, uint64_t off, uint64_t len,
    bool keep, struct error *err)
{
	struct memory *m = s->state;
	int ret;

	pthread_rwlock_wrlock(&m->lock);
	ret = clear(m, off, len, keep);
	pthread_rwlock_unlock(&m->lock);
	if (ret < 0)
		return error_set(err, ENOMEM, "no memory for '%s'", s->name);
	return 0;
}

static int memory_zero(struct store *s, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	int ret = clear_locked(s, off, len, !(flags & STORE_MAY_PUNCH), err);

	if (ret == 0)
		grew(s, off + len);
	return ret;
}

static int memory_punch(struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	return clear_locked(s, off, len, false, err);
}

static int memory_resize(struct store *s, uint64_t size,
    enum store_prealloc prealloc, struct error *err)
{
	struct memory *m = s->state;
	int ret = 0;

	pthread_rwlock_wrlock(&m->lock);
	if (size < store_size(s))
		ret = clear(m, size, store_size(s) - size, false);
	if (ret == 0)
		atomic_store(&s->size, size);
	pthread_rwlock_unlock(&m->lock);
	if (ret < 0)
		return error_set(err, ENOMEM, "no memory for '%s'", s->name);
	return 0;
}

static int memory_extent(struct store *s, uint64_t off, uint64_t len,
    bool *data, uint64_t *run, struct error *err)
{
	struct memory *m = s->state;
	uint64_t index = off >> PAGE_BITS, stop = index;
	uint64_t last = (off + len - 1) >> PAGE_BITS;

	pthread_rwlock_rdlock(&m->lock);
	*data = find(m, index) != NULL;
	if (*data) {
		while (stop <= last && find(m, stop))
			stop++;
	} else {
		stop = covers(m, index) ?
		    next_page(m->root, m->height, index) : UINT64_MAX;
	}
	pthread_rwlock_unlock(&m->lock);
	*run = stop > last ? len : (stop << PAGE_BITS) - off;
	return 0;
}

static int memory_stat(struct store *s, struct store_stat *st,
    struct error *err)
{
	struct memory *m = s->state;

	pthread_rwlock_rdlock(&m->lock);
	st->allocated = m->pages << PAGE_BITS;
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

static int memory_close(struct store *s, struct error *err)
{
	struct memory *m = s->state;

	if (m) {
		free_node(m->root, m->height);
		pthread_rwlock_destroy(&m->lock);
		free(m);
	}
	return 0;
}

/* Nothing to sync to: what was written is as safe as it gets. */
static const struct store_ops memory_ops = {
	.name = "memory",
	.preadv = memory_preadv,
	.pwritev = memory_pwritev,
	.zero = memory_zero,
	.punch = memory_punch,
	.resize = memory_resize,
	.extent = memory_extent,
	.stat = memory_stat,
	.close = memory_close,
};

struct store *memory_open(uint64_t size, struct error *err)
{
	struct store *s;
	struct memory *m;

	if (size > SIZE_LIMIT) {
		error_set(err, EFBIG, "no store has so many bytes");
		return NULL;
	}
	s = store_new(&memory_ops, "memory");
	if (!s)
		goto fail;
	s->state = m = calloc(1, sizeof(*m));
	if (!m)
		goto fail;
	pthread_rwlock_init(&m->lock, NULL);
	atomic_store(&s->size, size);
	s->writable = true;
	return s;
fail:
	store_close(s, err);
	error_set(err, ENOMEM, "no memory for a store");
	return NULL;
}

static int share_node(const struct node *node, unsigned height,
    struct node **copy)
{
	struct page *p;

	*copy = calloc(1, sizeof(**copy));
	if (!*copy)
		return -ENOMEM;
	for (unsigned i = 0; i < FANOUT; i++) {
		if (!node->slot[i])
			continue;
		if (height > 1) {
			if (share_node(node->slot[i], height - 1,
			    (struct node **)&(*copy)->slot[i]) < 0)
				return -ENOMEM;
			continue;
		}
		p = (*copy)->slot[i] = node->slot[i];
		atomic_fetch_add(&p->users, 1);
	}
	return 0;
}

struct store *memory_clone(struct store *from, struct error *err)
{
	struct memory *f = from->state, *m;
	struct store *s = memory_open(store_size(from), err);
	int ret = 0;

	if (!s)
		return NULL;
	m = s->state;
	/* Alone: a writer to a page of one user must have ended. */
	pthread_rwlock_wrlock(&f->lock);
	if (f->root)
		ret = share_node(f->root, f->height, &m->root);
	m->height = m->root ? f->height : 0;
	m->pages = f->pages;
	atomic_store(&s->size, store_size(from));
	pthread_rwlock_unlock(&f->lock);
	if (ret == 0)
		return s;
	store_close(s, err);
	error_set(err, ENOMEM, "no memory for a store");
	return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compare.c - do two images read the same?
 *
 * Like the copier: a walk over both maps, under a lock and in order, gives
 * out pieces of what has to be read; several threads read and compare them.
 * Where both are known to be zeros nothing is read.  Pieces are given out in
 * order and each is finished once begun, so the least difference found is the
 * first there is.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/threads.h"
#include "copy.h"

enum { CHUNK = 1 << 20, PAIRS = 256, SECTOR = 512 };

/* The same guest range in both; past the end of one it is zeros. */
struct pair {
	uint64_t off, len;
	struct extent e[2];
};

struct comparer {
	const struct compare_args *args;
	struct image *image[2];
	struct walk *walk[2];

	pthread_mutex_t take;		/* guards the walk and the result: */
	uint64_t at, end;
	struct extent e[2];		/* what is known at "at"; len 0: none */
	struct compare_result *result;
	struct error err;
	int rc;
	bool done;
};

struct worker {
	struct comparer *c;
	uint8_t *buf[2];
	unsigned n;
	struct pair pair[PAIRS];
};

static bool is_data(const struct extent *e)
{
	return e->kind == EXTENT_PACKED ||
	    (e->kind == EXTENT_DATA && !(e->flags & EXTENT_SPARSE));
}

/* With the lock held. */
static void differ(struct comparer *c, uint64_t off, bool allocation)
{
	c->done = true;
	if (off < c->result->differ_at) {
		c->result->differ_at = off;
		c->result->allocation = allocation;
	}
}

static void fail(struct comparer *c, int rc, int which, bool mapping,
    const struct error *err)
{
	c->done = true;
	if (c->rc)
		return;
	c->rc = rc;
	c->err = *err;
	c->result->which = which;
	c->result->mapping = mapping;
}

/* Fills in c->e for c->at. */
static bool look(struct comparer *c)
{
	struct error err;

	for (int i = 0; i < 2; i++) {
		uint64_t size = c->image[i]->size;
		int rc;

		if (c->e[i].len)
			continue;
		if (c->at >= size) {
			c->e[i] = (struct extent){ .kind = EXTENT_HOLE,
			    .len = c->end - c->at };
			continue;
		}
		rc = walk_map(c->walk[i], c->at, size - c->at, MAP_REPORT,
		    &c->e[i], NULL, &err);
		if (rc) {
			fail(c, rc, i, true, &err);
			return false;
		}
	}
	return true;
}

static void advance(struct comparer *c, uint64_t len)
{
	for (int i = 0; i < 2; i++) {
		struct extent *e = &c->e[i];

		e->len -= len;
		if (e->kind == EXTENT_PACKED)
			e->skip += (uint32_t)len;
		else
			e->host += len;
	}
	c->at += len;
}

static bool same_allocation(const struct comparer *c)
{
	struct extent_status a, b;

	extent_report(&c->e[0], &a);
	extent_report(&c->e[1], &b);
	return a.present == b.present && a.zero == b.zero && a.data == b.data;
}

static bool take(struct worker *w)
{
	struct comparer *c = w->c;
	uint64_t from, room = CHUNK;

	w->n = 0;
	pthread_mutex_lock(&c->take);
	from = c->at;
	if (c->args->stop &&
	    __atomic_load_n(c->args->stop, __ATOMIC_RELAXED)) {
		struct error err;

		fail(c, error_set(&err, EINTR, "interrupted"), -1, false,
		    &err);
	}
	while (!c->done && c->at < c->end && room && w->n < PAIRS &&
	    look(c)) {
		uint64_t len = min64(c->e[0].len, c->e[1].len);
		bool in_both = c->at < c->image[0]->size &&
		    c->at < c->image[1]->size;

		if (c->args->strict && in_both && !same_allocation(c)) {
			differ(c, c->at, true);
			break;
		}
		if (is_data(&c->e[0]) || is_data(&c->e[1])) {
			struct pair *p = &w->pair[w->n++];

			len = min64(len, room);
			*p = (struct pair){ c->at, len,
			    { c->e[0], c->e[1] } };
			p->e[0].len = p->e[1].len = len;
			room -= len;
		}
		advance(c, len);
	}
	from = c->at - from;
	pthread_mutex_unlock(&c->take);
	if (c->args->progress && from)
		c->args->progress(c->args->progress_arg, from);
	return w->n || (from && !c->done);
}

/* The first sector that differs, or len. */
static uint64_t first_difference(const uint8_t *a, const uint8_t *b,
    uint64_t len)
{
	if (!memcmp(a, b, len))
		return len;
	for (uint64_t at = 0; at < len; at += SECTOR)
		if (memcmp(a + at, b + at, min64(SECTOR, len - at)))
			return at;
	return len;
}

static uint64_t first_nonzero(const uint8_t *a, uint64_t len)
{
	if (bytes_are_zero(a, len))
		return len;
	for (uint64_t at = 0; at < len; at += SECTOR)
		if (!bytes_are_zero(a + at, min64(SECTOR, len - at)))
			return at;
	return len;
}

static bool compare_pair(struct worker *w, const struct pair *p)
{
	struct comparer *c = w->c;
	struct error err;
	uint64_t at;

	for (int i = 0; i < 2; i++) {
		int rc = is_data(&p->e[i]) ? extent_read(c->image[i],
		    &p->e[i], w->buf[i], &err) : 0;

		if (rc) {
			LOCKED(&c->take);
			fail(c, rc, i, false, &err);
			return false;
		}
	}
	if (is_data(&p->e[0]) && is_data(&p->e[1]))
		at = first_difference(w->buf[0], w->buf[1], p->len);
	else
		at = first_nonzero(w->buf[is_data(&p->e[1])], p->len);
	if (at < p->len) {
		LOCKED(&c->take);
		differ(c, p->off + at, false);
		return false;
	}
	return true;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (take(w))
		for (unsigned i = 0; i < w->n; i++)
			if (!compare_pair(w, &w->pair[i]))
				return NULL;
	return NULL;
}

int compare_run(const struct compare_args *args, struct compare_result *r,
    struct error *err)
{
	struct comparer c = { .args = args, .image = { args->a, args->b },
	    .end = max64(args->a->size, args->b->size), .result = r };
	unsigned n = threads_wanted(args->threads), ready;
	struct worker *w = calloc(n, sizeof(*w));
	int rc = w ? 0 : error_errno(err, ENOMEM, "comparing");

	*r = (struct compare_result){ .differ_at = UINT64_MAX, .which = -1 };
	pthread_mutex_init(&c.take, NULL);
	for (int i = 0; !rc && i < 2; i++)
		if (!(c.walk[i] = walk_new(c.image[i], err)))
			rc = -err->code;
	for (ready = 0; !rc && ready < n; ready++) {
		w[ready].c = &c;
		for (int i = 0; i < 2; i++)
			if (posix_memalign((void **)&w[ready].buf[i], 4096,
			    CHUNK))
				w[ready].buf[i] = NULL;
		if (!w[ready].buf[0] || !w[ready].buf[1])
			rc = error_errno(err, ENOMEM, "comparing");
	}
	if (!rc)
		threads_run(n, work, w, sizeof(w[0]));
	for (unsigned i = 0; w && i < n; i++) {
		free(w[i].buf[0]);
		free(w[i].buf[1]);
	}
	free(w);
	walk_free(c.walk[0]);
	walk_free(c.walk[1]);
	pthread_mutex_destroy(&c.take);
	/* A difference before the place that could not be read counts. */
	if (c.rc && r->differ_at == UINT64_MAX) {
		rc = c.rc;
		*err = c.err;
	}
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * holes.c - which parts of an rbd image hold data
 *
 * librbd tells which parts of a range differ from nothing, in no order, so a
 * whole window is asked for and sorted; who walks an image then has the next
 * answers from memory.  Others may write to the image, too: an answer is kept
 * for a second, and not past a write of our own.
 *
 * With a good object map (fast-diff) the answer costs next to nothing and is
 * in whole objects; without one every object is asked, for what is in it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "modules/rbd/rbd.h"

enum { FAST_OBJECTS = 65536, SLOW_OBJECTS = 64, RUNS_MAX = 65536 };
enum { KEEP_MS = 1000 };

/* Asking for a window. */
struct look {
	struct call call;
	rbd_image_t image;
	uint64_t object, off, size, end;
	struct run *runs;
	size_t n, room;
};

static int on_run(uint64_t off, size_t len, int exists, void *arg)
{
	struct look *l = arg;
	struct run *last = l->n ? &l->runs[l->n - 1] : NULL, *more;

	if (!exists)
		return 0;
	if (last && last->end == off) {
		last->end += len;
		return 0;
	}
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;

		more = room <= RUNS_MAX ?
		    realloc(l->runs, room * sizeof(*more)) : NULL;
		if (!more)
			return -ENOMEM;
		l->runs = more;
		l->room = room;
	}
	l->runs[l->n++] = (struct run){ off, off + len };
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

/* Sorted, and what touches or overlaps made one. */
static void tidy(struct look *l)
{
	size_t n = 0;

	if (l->n)
		qsort(l->runs, l->n, sizeof(*l->runs), by_offset);
	for (size_t i = 0; i < l->n; i++)
		if (n && l->runs[i].off <= l->runs[n - 1].end)
			l->runs[n - 1].end = max64(l->runs[n - 1].end,
			    l->runs[i].end);
		else
			l->runs[n++] = l->runs[i];
	l->n = n;
}

static bool has_fast_diff(rbd_image_t image)
{
	uint64_t features, flags;

	return !rbd_get_features(image, &features) &&
	    (features & RBD_FEATURE_FAST_DIFF) &&
	    !rbd_get_flags(image, &flags) &&
	    !(flags & RBD_FLAG_FAST_DIFF_INVALID);
}

static ssize_t look(struct call *c)
{
	struct look *l = (struct look *)c;
	bool fast = has_fast_diff(l->image);
	uint64_t span = min64(l->object * (fast ? FAST_OBJECTS :
	    SLOW_OBJECTS), l->size - l->off);
	int rc;

	l->end = l->off + span;
	rc = rbd_diff_iterate2(l->image, NULL, l->off, span, 1, fast, on_run,
	    l);
	if (rc == -ENOMEM && !fast) {	/* too many pieces in the objects */
		l->n = 0;
		rc = rbd_diff_iterate2(l->image, NULL, l->off, span, 1, 1,
		    on_run, l);
	}
	if (!rc)
		tidy(l);
	return rc;
}

/* Makes w the window that begins with off's object.  With w->lock. */
static int renew(struct store *st, struct window *w, uint64_t off)
{
	struct rbd *r = st->state;
	struct look *l = call_new(sizeof(*l), 0);
	int rc;

	if (!l)
		return -ENOMEM;
	free(w->runs);
	w->runs = NULL;
	w->n = 0;
	w->end = 0;
	w->writes = atomic_load(&r->writes);
	w->made_ms = clock_ms();
	l->image = r->image;
	l->object = r->object;
	l->off = align_down(off, r->object);
	l->size = store_size(st);
	call_run(&l->call, look);
	if (!call_wait(&l->call, &r->cluster.patience))
		return -ETIMEDOUT;
	rc = (int)l->call.ret;
	if (rc) {
		free(l->runs);
	} else {
		w->off = l->off;
		w->end = l->end;
		w->runs = l->runs;
		w->n = l->n;
	}
	call_free(&l->call);
	return rc;
}

int rbd_extent(struct store *st, uint64_t off, uint64_t len, bool *data,
    uint64_t *run, struct error *err)
{
	struct rbd *r = st->state;
	struct window *w = &r->window;
	size_t low = 0, high;
	uint64_t end;
	int rc = 0;

	LOCKED(&w->lock);
	if (atomic_load(&r->cluster.patience.lost))
		rc = -ETIMEDOUT;
	else if (off < w->off || off >= w->end || w->writes !=
	    atomic_load(&r->writes) || clock_ms() - w->made_ms >= KEEP_MS)
		rc = renew(st, w, off);
	if (rc)
		return rbd_failed(st, "finding the holes of", off, rc, err);
	for (high = w->n; low < high;) {	/* the first that ends after */
		size_t mid = (low + high) / 2;

		if (w->runs[mid].end > off)
			high = mid;
		else
			low = mid + 1;
	}
	*data = low < w->n && w->runs[low].off <= off;
	end = low == w->n ? w->end : *data ? w->runs[low].end :
	    w->runs[low].off;
	*run = min64(min64(end, w->end) - off, len);
	return 0;
}

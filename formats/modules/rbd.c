/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rbd.c - images in a Ceph cluster, by librbd: rbd:pool/image
 *
 * Every request is librbd's asynchronous one, waited for by the thread that
 * makes it (a batch: all begun, then all waited for), so callers run in
 * parallel and librbd spreads their objects over the cluster.
 *
 * An image of librbd ends where it was told to; what is written behind its end
 * is cut off without a word.  So whoever writes past the end grows it first,
 * by whole objects: size_lock is held shared by writes, alone by resizing.
 *
 * librbd's cache is off unless the name says otherwise (:rbd_cache=true): the
 * callers are parallel without it, and when the cluster does not take what is
 * in it, closing the image never ends.
 *
 * Requests end by the timeouts of cluster.c, flushing and closing by within().
 * What neither ends is librbd's wait for the exclusive lock of an image, before
 * the first write: with all OSDs gone just then, it lasts until they are back.
 * In a full pool librbd waits for room: what timed out is asked after, and told
 * as what it is.
 */
#include <inttypes.h>
#include <rbd/librbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "modules/rbd/cluster.h"
#include "store/protocol.h"

/* What one call of librbd is given: it keeps a list of all objects. */
#define ZERO_STEP (1 * GIB)

struct run { uint64_t off, end; };	/* of data */

/* What was last found out about holes. */
struct window {
	pthread_mutex_t lock;		/* guards the rest; last of all */
	uint64_t off, end;		/* what runs[] is about; empty: none */
	uint64_t writes, made_ms;	/* when it was asked for */
	struct run *runs;		/* in order, with holes between */
	size_t n, room;
};

struct rbd {
	struct rbd_cluster cluster;
	rbd_image_t image;
	uint64_t object;		/* size of one */
	unsigned patience_s;		/* with a flush, and with closing */
	_Atomic bool stuck;		/* a flush was left behind */
	pthread_rwlock_t size_lock;
	_Atomic uint64_t writes;	/* how many have begun or ended */
	struct window window;
};

/* ---- names: rbd:pool/[namespace/]image[@snapshot][:key=value]... */

/* The text up to an unescaped "stop" or the end, a backslash before any letter
 * taken away; *rest is behind the stop, NULL when there was none. */
static char *take_token(const char *text, char stop, const char **rest)
{
	char *token = malloc(strlen(text) + 1), *to = token;

	if (!token)
		return NULL;
	for (; *text && *text != stop; text++) {
		if (*text == '\\' && text[1])
			text++;
		*to++ = *text;
	}
	*to = '\0';
	*rest = *text ? text + 1 : NULL;
	return token;
}

/* The unescaped "c" in text before an unescaped "stop" (0: its end). */
static bool has_letter(const char *text, char c, char stop)
{
	for (; *text && *text != stop; text++) {
		if (*text == c)
			return true;
		if (*text == '\\' && text[1])
			text++;
	}
	return false;
}

/* Moves *text behind the token it begins with, which becomes the value of
 * key. */
static int take_part(const char **text, char stop, struct opts *o,
    const char *key, struct error *err)
{
	AUTO_FREE char *token = take_token(*text, stop, text);

	if (!token)
		return error_errno(err, ENOMEM, "options");
	if (!*token)
		return error_set(err, EINVAL, "the name has an empty %s", key);
	return opts_set(o, key, token, err);
}

/* key=value: id and conf are ours, all others the cluster's configuration;
 * they are passed on as "=key". */
static int take_setting(const char **text, struct opts *o, struct error *err)
{
	AUTO_FREE char *pair = take_token(*text, ':', text), *key = NULL;
	char *value = pair ? strchr(pair, '=') : NULL;

	if (!pair)
		return error_errno(err, ENOMEM, "options");
	if (!value || value == pair)
		return error_set(err, EINVAL,
		    "'%s' is not of the form KEY=VALUE", pair);
	*value++ = '\0';
	if (!strcmp(pair, "id"))
		return opts_set(o, "user", value, err);
	if (!strcmp(pair, "conf"))
		return opts_set(o, "conf", value, err);
	if (asprintf(&key, "=%s", pair) < 0) {
		key = NULL;
		return error_errno(err, ENOMEM, "options");
	}
	return opts_set(o, key, value, err);
}

static int parse(const char *name, struct opts *o, struct error *err)
{
	const char *text = strchr(name, ':') + 1;
	bool has_snapshot;
	char stop;
	int rc;

	if (!has_letter(text, '/', ':'))
		return error_set(err, EINVAL, "'%s' is not of the form "
		    "rbd:POOL/[NAMESPACE/]IMAGE[@SNAPSHOT][:KEY=VALUE]...",
		    name);
	if ((rc = take_part(&text, '/', o, "pool", err)))
		return rc;
	has_snapshot = text && has_letter(text, '@', ':');
	stop = has_snapshot ? '@' : ':';
	if (text && has_letter(text, '/', stop) &&
	    (rc = take_part(&text, '/', o, "namespace", err)))
		return rc;
	if ((rc = take_part(&text, stop, o, "image", err)) ||
	    (has_snapshot && (rc = take_part(&text, ':', o, "snapshot", err))))
		return rc;
	while (text && *text)
		if ((rc = take_setting(&text, o, err)))
			return rc;
	return 0;
}

/* ---- requests */

/* Waits for one that was begun by a call that returned "begun". */
static ssize_t finish(rbd_completion_t c, int begun)
{
	ssize_t rc = begun;

	if (!begun) {
		rbd_aio_wait_for_complete(c);
		rc = rbd_aio_get_return_value(c);
	}
	rbd_aio_release(c);
	return rc;
}

static int new_completion(rbd_completion_t *c)
{
	return rbd_aio_create_completion(NULL, NULL, c);
}

/*
 * A flush and the closing may never end: librbd retries what timed out, and
 * they wait for it.  These two touch no memory of the caller's, so they can be
 * left behind; whoever comes last frees this.
 */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done, left;
};

static void free_waiter(struct waiter *w)
{
	pthread_cond_destroy(&w->cond);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static void on_done(rbd_completion_t c, void *arg)
{
	struct waiter *w = arg;
	bool left;

	pthread_mutex_lock(&w->lock);
	w->done = true;
	left = w->left;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
	if (left)
		free_waiter(w);
}

/* begin: rbd_aio_flush or rbd_aio_close.  -ETIMEDOUT: left behind. */
static int within(rbd_image_t image, unsigned seconds,
    int (*begin)(rbd_image_t, rbd_completion_t))
{
	struct waiter *w = calloc(1, sizeof(*w));
	struct timespec until;
	rbd_completion_t c;
	int rc;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->cond, NULL);
	rc = rbd_aio_create_completion(w, on_done, &c);
	if (rc) {
		free_waiter(w);
		return rc;
	}
	rc = begin(image, c);
	if (rc) {
		rbd_aio_release(c);
		free_waiter(w);
		return rc;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&w->lock);
	while (!w->done && !rc)
		rc = pthread_cond_timedwait(&w->cond, &w->lock, &until);
	w->left = !w->done;
	rc = w->left ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&w->lock);
	if (!rc) {
		rbd_aio_wait_for_complete(c);	/* on_done() has returned */
		rc = (int)rbd_aio_get_return_value(c);
		free_waiter(w);
	}
	rbd_aio_release(c);
	return rc;
}

/* Zeros where a read found the end: all bytes from "skip" on. */
static void zero_from(const struct iovec *iov, int n, uint64_t skip)
{
	for (; n--; iov++) {
		if (skip < iov->iov_len)
			memset((uint8_t *)iov->iov_base + skip, 0,
			    iov->iov_len - skip);
		skip -= min64(skip, iov->iov_len);
	}
}

static int failed(struct store *st, const char *doing, uint64_t off,
    ssize_t rc, struct error *err)
{
	struct rbd *r = st->state;

	if (rc == -ETIMEDOUT && st->writable && rbd_is_full(&r->cluster))
		rc = -ENOSPC;
	return error_errno(err, (int)-rc, "%s '%s' at offset %" PRIu64, doing,
	    st->name, off);
}

/* Grows the image, by whole objects, to hold [0, end). */
static int make_room(struct store *st, uint64_t end, struct error *err)
{
	struct rbd *r = st->state;
	uint64_t size;
	int rc = 0;

	if (end <= store_size(st))
		return 0;
	size = align_up(end, r->object);
	pthread_rwlock_wrlock(&r->size_lock);
	if (end > store_size(st)) {
		rc = rbd_resize(r->image, size);
		if (!rc)
			atomic_store(&st->size, size);
	}
	pthread_rwlock_unlock(&r->size_lock);
	return rc ? error_errno(err, -rc, "growing '%s' to %" PRIu64 " bytes",
	    st->name, size) : 0;
}

/*
 * All are begun before any is waited for.  Their number is the caller's; their
 * data is bounded by librados (objecter_inflight_op_bytes).
 */
static int rbd_submit(struct store *st, struct store_req *reqs, unsigned n,
    struct error *err)
{
	struct rbd *r = st->state;
	AUTO_FREE struct { rbd_completion_t c; int begun; } *of =
	    calloc(n, sizeof(*of));
	uint64_t end = 0;
	int rc = 0;

	for (unsigned i = 0; i < n; i++)
		if (reqs[i].write)
			end = max64(end, reqs[i].off +
			    iov_total(reqs[i].iov, reqs[i].n));
	if (end)
		atomic_fetch_add(&r->writes, 1);
	rc = of ? make_room(st, end, err) : error_errno(err, ENOMEM, "batch");
	if (rc) {
		for (unsigned i = 0; i < n; i++)
			reqs[i].ret = rc;
		return rc;
	}
	pthread_rwlock_rdlock(&r->size_lock);
	for (unsigned i = 0; i < n; i++) {
		struct store_req *q = &reqs[i];

		q->ret = 0;
		if (!q->write && q->off >= store_size(st)) {
			zero_from(q->iov, q->n, 0);
			continue;
		}
		q->ret = new_completion(&of[i].c);
		if (q->ret)
			continue;
		of[i].begun = q->write ?
		    rbd_aio_writev(r->image, q->iov, q->n, q->off, of[i].c) :
		    rbd_aio_readv(r->image, q->iov, q->n, q->off, of[i].c);
	}
	for (unsigned i = 0; i < n; i++) {
		struct store_req *q = &reqs[i];
		ssize_t got;

		if (of[i].c) {
			got = finish(of[i].c, of[i].begun);
			q->ret = got < 0 ? (int)got : 0;
			if (got >= 0 && !q->write)
				zero_from(q->iov, q->n, (uint64_t)got);
		}
		if (q->ret)
			rc = q->ret = failed(st, q->write ? "writing" :
			    "reading", q->off, q->ret, err);
	}
	pthread_rwlock_unlock(&r->size_lock);
	if (end)
		atomic_fetch_add(&r->writes, 1);
	return rc;
}

static int rbd_preadv(struct store *st, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct store_req q = { .iov = iov, .n = n, .off = off };

	return rbd_submit(st, &q, 1, err);
}

static int rbd_pwritev(struct store *st, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct store_req q = { .write = true, .iov = iov, .n = n, .off = off };

	return rbd_submit(st, &q, 1, err);
}

/* zeroes: they must be zeros; else librbd may leave what is no whole object
 * (or rbd_discard_granularity_bytes). */
static int clear(struct store *st, uint64_t off, uint64_t len, bool zeroes,
    int flags, struct error *err)
{
	struct rbd *r = st->state;
	rbd_completion_t c;
	ssize_t rc = 0;

	atomic_fetch_add(&r->writes, 1);
	pthread_rwlock_rdlock(&r->size_lock);
	while (len && !rc) {
		uint64_t step = min64(len, ZERO_STEP - off % ZERO_STEP);

		rc = new_completion(&c);
		if (rc)
			break;
		rc = finish(c, zeroes ? rbd_aio_write_zeroes(r->image, off,
		    step, c, flags, 0) :
		    rbd_aio_discard(r->image, off, step, c));
		if (rc >= 0) {
			rc = 0;
			off += step;
			len -= step;
		}
	}
	pthread_rwlock_unlock(&r->size_lock);
	atomic_fetch_add(&r->writes, 1);
	return rc ? failed(st, zeroes ? "writing zeros to" : "discarding in",
	    off, rc, err) : 0;
}

static int rbd_zero(struct store *st, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	bool thick = !(flags & STORE_MAY_PUNCH);
	int rc;

	if (thick && (flags & STORE_NO_FALLBACK))
		return error_set(err, ENOTSUP,
		    "'%s' has no fast zeros that take space", st->name);
	if ((rc = make_room(st, off + len, err)))
		return rc;
	return clear(st, off, len, true, thick ?
	    RBD_WRITE_ZEROES_FLAG_THICK_PROVISION : 0, err);
}

static int rbd_punch(struct store *st, uint64_t off, uint64_t len,
    struct error *err)
{
	return clear(st, off, len, false, 0, err);
}

static int rbd_sync(struct store *st, struct error *err)
{
	struct rbd *r = st->state;
	int rc = within(r->image, r->patience_s, rbd_aio_flush);

	r->stuck |= rc == -ETIMEDOUT;
	return rc < 0 ? error_errno(err, -rc, "flushing '%s'", st->name) : 0;
}

static int rbd_resize_store(struct store *st, uint64_t size,
    enum store_prealloc prealloc, struct error *err)
{
	struct rbd *r = st->state;
	int rc;

	if (prealloc != PREALLOC_OFF)
		return error_set(err, ENOTSUP, "Unsupported preallocation mode "
		    "'%s'", prealloc == PREALLOC_FULL ? "full" : "falloc");
	pthread_rwlock_wrlock(&r->size_lock);
	rc = rbd_resize(r->image, size);
	if (!rc)
		atomic_store(&st->size, size);
	atomic_fetch_add(&r->writes, 1);
	pthread_rwlock_unlock(&r->size_lock);
	return rc ? error_errno(err, -rc, "resizing '%s'", st->name) : 0;
}

/* ---- holes */

/*
 * librbd tells which parts of a range differ from nothing, in no order, so a
 * whole window is asked for and sorted; who walks an image then has the next
 * answers from memory.  Others may write to the image, too: an answer is kept
 * for a second, and not past a write of our own.
 *
 * With a good object map (fast-diff) the answer costs next to nothing and is
 * in whole objects; without one every object is asked, for what is in it.
 */
enum { FAST_OBJECTS = 65536, SLOW_OBJECTS = 64, RUNS_MAX = 65536 };
enum { KEEP_MS = 1000 };

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int on_run(uint64_t off, size_t len, int exists, void *arg)
{
	struct window *w = arg;
	struct run *last = w->n ? &w->runs[w->n - 1] : NULL, *more;

	if (!exists)
		return 0;
	if (last && last->end == off) {
		last->end += len;
		return 0;
	}
	if (w->n == w->room) {
		size_t room = w->room ? w->room * 2 : 64;

		more = room <= RUNS_MAX ?
		    realloc(w->runs, room * sizeof(*more)) : NULL;
		if (!more)
			return -ENOMEM;
		w->runs = more;
		w->room = room;
	}
	w->runs[w->n++] = (struct run){ off, off + len };
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

/* Sorted, and what touches or overlaps made one. */
static void tidy(struct window *w)
{
	size_t n = 0;

	if (w->n)
		qsort(w->runs, w->n, sizeof(*w->runs), by_offset);
	for (size_t i = 0; i < w->n; i++)
		if (n && w->runs[i].off <= w->runs[n - 1].end)
			w->runs[n - 1].end = max64(w->runs[n - 1].end,
			    w->runs[i].end);
		else
			w->runs[n++] = w->runs[i];
	w->n = n;
}

static bool has_fast_diff(rbd_image_t image)
{
	uint64_t features, flags;

	return !rbd_get_features(image, &features) &&
	    (features & RBD_FEATURE_FAST_DIFF) &&
	    !rbd_get_flags(image, &flags) &&
	    !(flags & RBD_FLAG_FAST_DIFF_INVALID);
}

/* The window that begins with off's object.  With w->lock. */
static int look(struct store *st, uint64_t off, struct error *err)
{
	struct rbd *r = st->state;
	struct window *w = &r->window;
	bool fast = has_fast_diff(r->image);
	uint64_t span;
	int rc;

	w->n = 0;
	w->end = 0;
	w->writes = atomic_load(&r->writes);
	w->made_ms = now_ms();
	w->off = align_down(off, r->object);
	span = min64(r->object * (fast ? FAST_OBJECTS : SLOW_OBJECTS),
	    store_size(st) - w->off);
	rc = rbd_diff_iterate2(r->image, NULL, w->off, span, 1, fast, on_run,
	    w);
	if (rc == -ENOMEM && !fast) {	/* too many pieces in the objects */
		w->n = 0;
		rc = rbd_diff_iterate2(r->image, NULL, w->off, span, 1, 1,
		    on_run, w);
	}
	if (rc)
		return failed(st, "finding the holes of", off, rc, err);
	tidy(w);
	w->end = w->off + span;
	return 0;
}

static int rbd_extent(struct store *st, uint64_t off, uint64_t len,
    bool *data, uint64_t *run, struct error *err)
{
	struct rbd *r = st->state;
	struct window *w = &r->window;
	size_t low = 0, high;
	uint64_t end;
	int rc;

	LOCKED(&w->lock);
	if ((off < w->off || off >= w->end || w->writes !=
	    atomic_load(&r->writes) || now_ms() - w->made_ms >= KEEP_MS) &&
	    (rc = look(st, off, err)))
		return rc;
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

/* ---- opening, creating */

static int rbd_close_store(struct store *st, struct error *err)
{
	struct rbd *r = st->state;
	int rc = 0;

	/* While a flush hangs librbd does not survive being closed. */
	if (r->stuck)
		rc = -ETIMEDOUT;
	else if (r->image)
		rc = within(r->image, r->patience_s, rbd_aio_close);
	if (rc != -ETIMEDOUT)	/* else threads of librbd's use it still */
		rbd_disconnect(&r->cluster);
	pthread_rwlock_destroy(&r->size_lock);
	pthread_mutex_destroy(&r->window.lock);
	free(r->window.runs);
	free(r);
	return rc ? error_errno(err, -rc, "closing '%s'", st->name) : 0;
}

static const struct store_ops ops = {
	.name = "rbd",
	.preadv = rbd_preadv,
	.pwritev = rbd_pwritev,
	.submit = rbd_submit,
	.zero = rbd_zero,
	.punch = rbd_punch,
	.sync = rbd_sync,
	.resize = rbd_resize_store,
	.extent = rbd_extent,
	.close = rbd_close_store,
};

static int say_full(const struct rbd_keys *k, struct error *err)
{
	return error_set(err, ENOSPC, "the pool '%s' is full or over its quota",
	    k->pool);
}

static int open_image(struct store *st, const struct rbd_keys *k,
    struct error *err)
{
	struct rbd *r = st->state;
	char seconds[32] = "";
	rbd_image_info_t info;
	int rc;

	rados_conf_get(r->cluster.rados, "rados_osd_op_timeout", seconds,
	    sizeof(seconds));
	/* Closing takes several steps, and each of them may time out. */
	r->patience_s = 10 + 6 * (unsigned)strtoul(seconds, NULL, 10);
	if (st->writable && rbd_is_full(&r->cluster))
		return say_full(k, err);
	rc = st->writable ? rbd_open(r->cluster.io, k->image, &r->image, NULL) :
	    rbd_open_read_only(r->cluster.io, k->image, &r->image,
	    k->snapshot);

	if (rc) {
		r->image = NULL;
		return error_errno(err, -rc, "cannot open it");
	}
	rc = rbd_stat(r->image, &info, sizeof(info));
	if (rc)
		return error_errno(err, -rc, "cannot find out its size");
	if (info.size > SIZE_LIMIT || !is_pow2(info.obj_size))
		return error_set(err, EFBIG, "its size is out of range");
	r->object = info.obj_size;
	atomic_store(&st->size, info.size);
	return 0;
}

static struct store *open_rbd(struct opts *o, const struct protocol_args *args,
    struct error *err)
{
	AUTO_FREE char *name = NULL;
	struct error ignored;
	struct store *st;
	struct rbd_keys k;
	struct rbd *r;

	if (rbd_take_keys(o, args, &k, err))
		return NULL;
	if (k.snapshot && args->writable) {
		error_set(err, EROFS, "a snapshot can only be read");
		return NULL;
	}
	if (asprintf(&name, "rbd:%s/%s%s%s%s%s", k.pool,
	    k.name_space ? k.name_space : "", k.name_space ? "/" : "", k.image,
	    k.snapshot ? "@" : "", k.snapshot ? k.snapshot : "") < 0)
		name = NULL;
	r = calloc(1, sizeof(*r));
	st = r && name ? store_new(&ops, name) : NULL;
	if (!st) {
		free(r);
		error_errno(err, ENOMEM, "connecting");
		return NULL;
	}
	pthread_rwlock_init(&r->size_lock, NULL);
	pthread_mutex_init(&r->window.lock, NULL);
	st->state = r;
	st->writable = args->writable;
	st->no_sync = args->no_sync;
	st->batches = true;
	if (!rbd_connect(&r->cluster, o, &k, err) &&
	    !open_image(st, &k, err))
		return st;
	store_close(st, &ignored);
	return NULL;
}

/* One that exists is nobody's to replace: others may use it, it may have
 * snapshots and clones.  (So it is with the peers.) */
static int create(struct opts *o, uint64_t size,
    const struct protocol_args *args, struct error *err)
{
	rbd_image_options_t options;
	struct rbd_cluster c;
	struct rbd_keys k;
	int rc = rbd_take_keys(o, args, &k, err);

	if (rc)
		return rc;
	if (k.snapshot)
		return error_set(err, EINVAL,
		    "a snapshot cannot be created as an image");
	if ((rc = rbd_connect(&c, o, &k, err)))
		return rc;
	if (rbd_is_full(&c)) {
		rc = say_full(&k, err);
	} else {
		rbd_image_options_create(&options); /* none: as configured */
		rc = rbd_create4(c.io, k.image, size, options);
		rbd_image_options_destroy(options);
		if (rc)
			error_errno(err, -rc, "cannot create it");
	}
	rbd_disconnect(&c);
	return rc;
}

static int remove_image(struct opts *o, const struct protocol_args *args,
    struct error *err)
{
	struct rbd_cluster c;
	struct rbd_keys k;
	int rc = rbd_take_keys(o, args, &k, err);

	if (rc || (rc = rbd_connect(&c, o, &k, err)))
		return rc;
	rc = rbd_remove(c.io, k.image);
	if (rc)
		error_errno(err, -rc, "cannot remove it");
	rbd_disconnect(&c);
	return rc;
}

static const struct protocol rbd_protocol = {
	.drivers = (const char *const []){ "rbd", NULL },
	.schemes = (const char *const []){ "rbd", NULL },
	.parse = parse,
	.open = open_rbd,
	.create = create,
	.remove = remove_image,
};

MODULE(&rbd_protocol);

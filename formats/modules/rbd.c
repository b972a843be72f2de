/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rbd.c - images in a Ceph cluster, by librbd: rbd:pool/image
 *
 * Every request is librbd's asynchronous one, waited for by the thread that
 * makes it (a batch: begun in order, some ahead of what is waited for), so
 * callers run in parallel and librbd spreads their objects over the cluster.
 *
 * librbd may keep a request for ever, and its buffer with it.  So the buffer
 * is ours, and a request that is not heard of is left behind with it: see
 * call.h.  From then on the store is dead, and all that follows fails at once.
 *
 * An image of librbd ends where it was told to; what is written behind its end
 * is cut off without a word.  So whoever writes past the end grows it first,
 * by whole objects: size_lock is held shared by writes, alone by resizing.
 *
 * librbd's cache is off unless the name says otherwise (:rbd_cache=true): the
 * callers are parallel without it, and when the cluster does not take what is
 * in it, closing the image never ends.
 *
 * In a full pool librbd waits for room: what timed out is asked after, and told
 * as what it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <rbd/librbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "modules/rbd/rbd.h"

/* What one call of librbd is given: it keeps a list of all objects. */
#define ZERO_STEP (1 * GIB)
/* Of data: one call, and all that are under way for one batch. */
#define PIECE_MAX (4 * MIB)
#define AHEAD_MAX (64 * MIB)

/* ---- requests */

/* What librbd's error is to be called: a lock that is not to be had is EROFS to
 * it, a full pool a timeout.  When the cluster is lost that is asked once: it
 * takes its time, too. */
static int reason(struct store *st, int rc)
{
	struct rbd *r = st->state;

	if (rc == -EROFS)
		return -EBUSY;
	if (rc != -ETIMEDOUT)
		return rc;
	if ((rc = atomic_load(&r->reason)))
		return rc;
	rc = st->writable && rbd_is_full(&r->cluster) ? -ENOSPC : -ETIMEDOUT;
	if (atomic_load(&r->cluster.patience.lost))
		atomic_store(&r->reason, rc);
	return rc;
}

int rbd_failed(struct store *st, const char *doing, uint64_t off, int rc,
    struct error *err)
{
	rc = reason(st, rc);
	return error_errno(err, -rc, "%s '%s' at offset %" PRIu64, doing,
	    st->name, off);
}

static bool lost(const struct rbd *r)
{
	return atomic_load(&r->cluster.patience.lost);
}

/* A part of a request of a batch. */
struct piece {
	struct call call;
	struct piece *next;
	struct store_req *req;
	uint64_t skip;			/* of the request's bytes */
	size_t len;
	uint8_t data[];
};

/* Behind the end there is nothing to ask librbd for. */
static int begin(struct store *st, struct piece *p)
{
	struct rbd *r = st->state;
	struct call *c = &p->call;
	uint64_t off = p->req->off + p->skip;
	int rc;

	if (!p->req->write && off >= store_size(st)) {
		sem_post(&c->done);
		return 0;
	}
	if (lost(r))
		return -ETIMEDOUT;
	if ((rc = call_prepare(c)))
		return rc;
	if (p->req->write)
		iov_get(p->req->iov, p->skip, p->data, p->len);
	call_begun(c, p->req->write ?
	    rbd_aio_write(r->image, off, p->len, (char *)p->data,
	    c->completion) :
	    rbd_aio_read(r->image, off, p->len, (char *)p->data,
	    c->completion));
	return 0;
}

/* A new piece of q; NULL: q->ret says why. */
static struct piece *new_piece(struct store *st, struct store_req *q,
    uint64_t skip, uint64_t len)
{
	struct piece *p;

	len = min64(len, PIECE_MAX - (q->off + skip) % PIECE_MAX);
	p = call_new(sizeof(*p), (size_t)len);
	if (!p) {
		q->ret = -ENOMEM;
		return NULL;
	}
	p->req = q;
	p->skip = skip;
	p->len = (size_t)len;
	q->ret = begin(st, p);
	if (!q->ret)
		return p;
	call_free(&p->call);
	return NULL;
}

/* Ends the oldest of the list.  That it succeeded is news of those behind it;
 * that it failed is not: librbd tries for each of them what all wait for. */
static void end_first(struct rbd *r, struct piece **list, uint64_t *ahead)
{
	struct piece *p = *list;
	struct store_req *q = p->req;
	size_t got;

	*list = p->next;
	*ahead -= p->len;
	if (!call_wait(&p->call, &r->cluster.patience)) {
		q->ret = -ETIMEDOUT;
		return;
	}
	if (p->call.ret < 0) {
		q->ret = (int)p->call.ret;
	} else {
		if (*list)
			call_news(0, 0, &(*list)->call);
		if (!q->write) {	/* zeros where it found the end */
			got = min64((uint64_t)p->call.ret, p->len);
			memset(p->data + got, 0, p->len - got);
			iov_put(q->iov, p->skip, p->data, p->len);
		}
	}
	call_free(&p->call);
}

struct resizing {
	struct call call;
	rbd_image_t image;
	uint64_t size;
};

static ssize_t do_resize(struct call *c)
{
	struct resizing *z = (struct resizing *)c;

	return rbd_resize_with_progress(z->image, z->size, call_news, c);
}

/* With size_lock. */
static int resize(struct store *st, uint64_t size)
{
	struct rbd *r = st->state;
	struct resizing *z;
	int rc;

	if (lost(r))
		return reason(st, -ETIMEDOUT);
	z = call_new(sizeof(*z), 0);
	if (!z)
		return -ENOMEM;
	z->image = r->image;
	z->size = size;
	call_run(&z->call, do_resize);
	rc = (int)call_end(&z->call, &r->cluster.patience);
	if (!rc)
		atomic_store(&st->size, size);
	return reason(st, rc);
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
	if (end > store_size(st))
		rc = resize(st, size);
	pthread_rwlock_unlock(&r->size_lock);
	return rc ? error_errno(err, -rc, "growing '%s' to %" PRIu64 " bytes",
	    st->name, size) : 0;
}

/* Pieces are begun in order, and the oldest waited for when AHEAD_MAX are under
 * way. */
static void move(struct store *st, struct store_req *reqs, unsigned n)
{
	struct rbd *r = st->state;
	struct piece *list = NULL, **last = &list, *p;
	uint64_t ahead = 0;

	for (unsigned i = 0; i < n; i++) {
		struct store_req *q = &reqs[i];
		uint64_t len = iov_total(q->iov, q->n);

		q->ret = 0;
		for (uint64_t skip = 0; skip < len && !q->ret; skip += p->len) {
			while (ahead >= AHEAD_MAX)
				end_first(r, &list, &ahead);
			if (!list)
				last = &list;
			p = new_piece(st, q, skip, len - skip);
			if (!p)
				break;
			*last = p;
			last = &p->next;
			ahead += p->len;
		}
	}
	while (list)
		end_first(r, &list, &ahead);
}

static int rbd_submit(struct store *st, struct store_req *reqs, unsigned n,
    struct error *err)
{
	struct rbd *r = st->state;
	uint64_t end = 0;
	int rc;

	for (unsigned i = 0; i < n; i++)
		if (reqs[i].write)
			end = max64(end, reqs[i].off +
			    iov_total(reqs[i].iov, reqs[i].n));
	if (end)
		atomic_fetch_add(&r->writes, 1);
	rc = make_room(st, end, err);
	if (rc) {
		for (unsigned i = 0; i < n; i++)
			reqs[i].ret = rc;
		return rc;
	}
	pthread_rwlock_rdlock(&r->size_lock);
	move(st, reqs, n);
	pthread_rwlock_unlock(&r->size_lock);
	if (end)
		atomic_fetch_add(&r->writes, 1);
	for (unsigned i = 0; i < n; i++) {
		struct store_req *q = &reqs[i];

		if (q->ret && !rc)
			rc = rbd_failed(st, q->write ? "writing" : "reading",
			    q->off, q->ret, err);
		if (q->ret == -ETIMEDOUT)
			q->ret = rc;
	}
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

/* For a request without data. */
static int prepare(const struct rbd *r, struct call **c)
{
	int rc;

	if (lost(r))
		return -ETIMEDOUT;
	*c = call_new(sizeof(**c), 0);
	rc = *c ? call_prepare(*c) : -ENOMEM;
	if (rc)
		call_free(*c);
	return rc;
}

/* zeroes: they must be zeros; else librbd may leave what is no whole object
 * (or rbd_discard_granularity_bytes). */
static int clear_step(struct rbd *r, uint64_t off, uint64_t len, bool zeroes,
    int flags)
{
	struct call *c;
	int rc = prepare(r, &c);

	if (rc)
		return rc;
	call_begun(c, zeroes ? rbd_aio_write_zeroes(r->image, off, len,
	    c->completion, flags, 0) :
	    rbd_aio_discard(r->image, off, len, c->completion));
	rc = (int)call_end(c, &r->cluster.patience);
	return rc > 0 ? 0 : rc;
}

static int clear(struct store *st, uint64_t off, uint64_t len, bool zeroes,
    int flags, struct error *err)
{
	struct rbd *r = st->state;
	int rc = 0;

	atomic_fetch_add(&r->writes, 1);
	pthread_rwlock_rdlock(&r->size_lock);
	while (len && !rc) {
		uint64_t step = min64(len, ZERO_STEP - off % ZERO_STEP);

		rc = clear_step(r, off, step, zeroes, flags);
		if (!rc) {
			off += step;
			len -= step;
		}
	}
	pthread_rwlock_unlock(&r->size_lock);
	atomic_fetch_add(&r->writes, 1);
	return rc ? rbd_failed(st, zeroes ? "writing zeros to" :
	    "discarding in", off, rc, err) : 0;
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

static int flush(struct rbd *r)
{
	struct call *c;
	int rc = prepare(r, &c);

	if (rc)
		return rc;
	call_begun(c, rbd_aio_flush(r->image, c->completion));
	return (int)call_end(c, &r->cluster.patience);
}

static int rbd_sync(struct store *st, struct error *err)
{
	int rc = reason(st, flush(st->state));

	return rc ? error_errno(err, -rc, "flushing '%s'", st->name) : 0;
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
	rc = resize(st, size);
	atomic_fetch_add(&r->writes, 1);
	pthread_rwlock_unlock(&r->size_lock);
	return rc ? error_errno(err, -rc, "resizing '%s'", st->name) : 0;
}

/* ---- opening, creating */

static int rbd_close_store(struct store *st, struct error *err)
{
	struct rbd *r = st->state;
	int rc = rbd_disconnect(&r->cluster, r->image);

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

/* What is done to an image by name, opening it for one. */
struct by_name {
	struct call call;
	rados_ioctx_t io;
	char *image, *snapshot;		/* our own */
	uint64_t size;			/* of a new one */
	bool writable;
	rbd_image_t opened;
	rbd_image_info_t info;
};

static void free_by_name(struct by_name *b)
{
	free(b->image);
	free(b->snapshot);
	call_free(&b->call);
}

/* NULL: no memory. */
static struct by_name *new_by_name(const struct rbd_cluster *c,
    const struct rbd_keys *k)
{
	struct by_name *b = call_new(sizeof(*b), 0);

	if (!b)
		return NULL;
	b->io = c->io;
	b->image = strdup(k->image);
	b->snapshot = k->snapshot ? strdup(k->snapshot) : NULL;
	if (b->image && (b->snapshot || !k->snapshot))
		return b;
	free_by_name(b);
	return NULL;
}

static ssize_t do_open(struct call *c)
{
	struct by_name *b = (struct by_name *)c;
	int rc = b->writable ? rbd_open(b->io, b->image, &b->opened, NULL) :
	    rbd_open_read_only(b->io, b->image, &b->opened, b->snapshot);

	if (rc)
		return rc;
	rc = rbd_stat(b->opened, &b->info, sizeof(b->info));
	if (rc)
		rbd_close(b->opened);
	return rc;
}

static ssize_t do_create(struct call *c)
{
	struct by_name *b = (struct by_name *)c;
	rbd_image_options_t options;
	int rc;

	rbd_image_options_create(&options);	/* none: as configured */
	rc = rbd_create4(b->io, b->image, b->size, options);
	rbd_image_options_destroy(options);
	return rc;
}

static ssize_t do_remove(struct call *c)
{
	struct by_name *b = (struct by_name *)c;

	return rbd_remove_with_progress(b->io, b->image, call_news, c);
}

static int open_image(struct store *st, const struct rbd_keys *k,
    struct error *err)
{
	struct rbd *r = st->state;
	struct by_name *b;
	rbd_image_info_t info;
	int rc;

	if (st->writable && rbd_is_full(&r->cluster))
		return say_full(k, err);
	b = new_by_name(&r->cluster, k);
	if (!b)
		return error_errno(err, ENOMEM, "cannot open it");
	b->writable = st->writable;
	call_run(&b->call, do_open);
	if (!call_wait(&b->call, &r->cluster.patience))
		return error_errno(err, ETIMEDOUT, "cannot open it");
	rc = (int)b->call.ret;
	if (!rc)
		r->image = b->opened;
	info = b->info;
	free_by_name(b);
	if (rc)
		return error_errno(err, -rc, "cannot open it");
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

static int run_by_name(struct rbd_cluster *c, const struct rbd_keys *k,
    uint64_t size, ssize_t (*fn)(struct call *))
{
	struct by_name *b = new_by_name(c, k);
	int rc;

	if (!b)
		return -ENOMEM;
	b->size = size;
	call_run(&b->call, fn);
	if (!call_wait(&b->call, &c->patience))
		return -ETIMEDOUT;
	rc = (int)b->call.ret;
	free_by_name(b);
	return rc;
}

/* One that exists is nobody's to replace: others may use it, it may have
 * snapshots and clones.  (So it is with the peers.) */
static int create(struct opts *o, uint64_t size,
    const struct protocol_args *args, struct error *err)
{
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
		rc = run_by_name(&c, &k, size, do_create);
		if (rc)
			error_errno(err, -rc, "cannot create it");
	}
	rbd_disconnect(&c, NULL);
	return rc ? rc : 1;
}

static int remove_image(struct opts *o, const struct protocol_args *args,
    struct error *err)
{
	struct rbd_cluster c;
	struct rbd_keys k;
	int rc = rbd_take_keys(o, args, &k, err);

	if (rc || (rc = rbd_connect(&c, o, &k, err)))
		return rc;
	rc = run_by_name(&c, &k, 0, do_remove);
	if (rc)
		error_errno(err, -rc, "cannot remove it");
	rbd_disconnect(&c, NULL);
	return rc;
}

static const struct protocol rbd_protocol = {
	.drivers = (const char *const []){ "rbd", NULL },
	.schemes = (const char *const []){ "rbd", NULL },
	.parse = rbd_parse,
	.open = open_rbd,
	.create = create,
	.remove = remove_image,
};

MODULE(&rbd_protocol);

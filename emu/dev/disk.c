/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.c - guest disks: requests wait in line for worker threads
 *
 * disk_submit() appends to "todo"; a worker takes the first, does the I/O by a
 * blocking call of the library, appends it to "ended" and posts one piece of
 * work to the board, which calls done() of all that have ended by then: a
 * burst of completions is one wake.
 *
 * Waking a thread costs more than a read that the page cache answers.  So a
 * submission wakes one worker, and a worker wakes the next only when requests
 * have lately taken longer than a wake does: then the disk is slow and depth
 * pays.  Threads are made when they would be woken and none waits.
 *
 * What takes less than any wake is a small read that the page cache answers:
 * disk_read_now() asks it alone (RWF_NOWAIT), from whatever thread submits.
 * The map must not wait either: a raw image has no tables, and those of a
 * qcow2 image are in memory for the parts that a worker has read from ("warm";
 * one that was thrown out again is read once more by a processor's thread).
 *
 * Stores that take batches (O_DIRECT files with io_uring, servers) get many
 * small requests by one call of image_submit().
 */
#include "dev/disk.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "image.h"

enum { WORKERS = 8, BATCH = 32, BATCH_IOVS = 64, DRAINS = 8 };
enum { SLOW_NS = 60 * 1000, STACK = 1024 * 1024 };
enum { NOW_MAX = 16 * 1024, NOW_IOVS = 16, WARM_PARTS = 1 << 20 };

struct drain {
	void (*idle)(void *opaque);
	void *opaque;
};

struct disk {
	struct board *board;
	struct image *image;	/* NULL: no medium */
	char *id;
	bool read_only, discard, batches;
	bool now;		/* disk_read_now() makes sense */
	_Atomic uint8_t *warm;	/* a byte for each part; NULL: no tables */
	unsigned warm_bits;	/* log2 of a part */

	/* By the board lock. */
	unsigned under_way;	/* submitted, and done() not called yet */
	struct drain drain[DRAINS];
	unsigned drains;

	pthread_mutex_t lock;	/* guards what follows; after the board lock */
	pthread_cond_t wanted;	/* todo is not empty, or stop */
	struct disk_req *todo, **todo_end;
	struct disk_req *ended, **ended_end;
	unsigned todo_count;
	unsigned workers, waiting, woken; /* woken: of waiting, on their way */
	uint64_t took_ns;	/* per request, a running average */
	uint64_t taken_ns;	/* when a worker last took something */
	bool posted, stop;
	struct board_work work;
	pthread_t worker[WORKERS];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- workers */

static int serve(struct disk *d, struct disk_req *r)
{
	struct error err;

	switch (r->op) {
	case DISK_READ:
		return image_readv(d->image, r->iov, r->iovcnt, r->off, &err);
	case DISK_WRITE:
		return image_writev(d->image, r->iov, r->iovcnt, r->off,
		    r->fua ? IO_FUA : 0, &err);
	case DISK_FLUSH:
		return image_flush(d->image, &err);
	case DISK_DISCARD:
		return image_discard(d->image, r->off, r->len, &err);
	case DISK_ZERO:
		return image_zero(d->image, r->off, r->len,
		    (r->fua ? IO_FUA : 0) |
		    (r->may_unmap && d->discard ? IO_MAY_UNMAP : 0), &err);
	}
	return -EINVAL;
}

static bool may_batch(const struct disk_req *r)
{
	return (r->op == DISK_READ || r->op == DISK_WRITE) && !r->fua &&
	    r->iovcnt <= BATCH_IOVS;
}

static void serve_batch(struct disk *d, struct disk_req **r, unsigned n)
{
	struct io_req io[BATCH];
	struct error err;

	for (unsigned i = 0; i < n; i++)
		io[i] = (struct io_req){
			.op = r[i]->op == DISK_READ ? IO_READ : IO_WRITE,
			.iov = r[i]->iov, .iovcnt = r[i]->iovcnt,
			.off = r[i]->off, .len = r[i]->len };
	image_submit(d->image, io, n, &err);
	for (unsigned i = 0; i < n; i++)
		r[i]->ret = io[i].ret;
}

/* With d->lock held: the next request or, where that pays, several. */
static unsigned take(struct disk *d, struct disk_req **r)
{
	unsigned n = 0;

	do {
		r[n] = d->todo;
		d->todo = r[n]->next;
		d->todo_count--;
		n++;
	} while (d->todo && d->batches && n < BATCH && may_batch(r[0]) &&
	    may_batch(d->todo));
	if (!d->todo)
		d->todo_end = &d->todo;
	return n;
}

/* With d->lock held; true: the caller posts d->work after unlocking. */
static bool append_ended(struct disk *d, struct disk_req *r)
{
	bool first = !d->posted;

	r->next = NULL;
	*d->ended_end = r;
	d->ended_end = &r->next;
	d->posted = true;
	return first;
}

static void *worker_main(void *arg);

/* With d->lock held: somebody looks at todo, if anybody can. */
static void wake_one(struct disk *d)
{
	pthread_attr_t attr;
	sigset_t all, old;

	if (d->waiting > d->woken) {
		d->woken++;
		pthread_cond_signal(&d->wanted);
		return;
	}
	if (d->woken || d->stop || d->workers == WORKERS)
		return;
	if (pthread_attr_init(&attr))
		return;
	pthread_attr_setstacksize(&attr, STACK);
	/* Signals are for the threads that look for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!pthread_create(&d->worker[d->workers], &attr, worker_main, d))
		d->workers++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
}

/* The tables that say where this is are in memory. */
static void note_warm(struct disk *d, const struct disk_req *r)
{
	if (d->warm && r->op == DISK_READ && !r->ret)
		atomic_store_explicit(&d->warm[r->off >> d->warm_bits], 1,
		    memory_order_relaxed);
}

/* Nobody is to wait behind these, however fast the reads are. */
static bool is_slow(const struct disk_req *r)
{
	return (r->op != DISK_READ && r->op != DISK_WRITE) || r->fua;
}

static void *worker_main(void *arg)
{
	struct disk *d = arg;
	struct disk_req *r[BATCH];

	pthread_mutex_lock(&d->lock);
	for (;;) {
		uint64_t start;
		bool post = false;
		unsigned n;

		while (!d->todo && !d->stop) {
			d->waiting++;
			pthread_cond_wait(&d->wanted, &d->lock);
			d->waiting--;
			if (d->woken)
				d->woken--;
		}
		if (!d->todo)
			break;
		n = take(d, r);
		start = d->taken_ns = now_ns();
		if (d->todo && (d->took_ns > SLOW_NS || is_slow(r[0])))
			wake_one(d);
		pthread_mutex_unlock(&d->lock);

		if (n == 1)
			r[0]->ret = serve(d, r[0]);
		else
			serve_batch(d, r, n);
		start = (now_ns() - start) / n;
		for (unsigned i = 0; i < n; i++)
			note_warm(d, r[i]);

		pthread_mutex_lock(&d->lock);
		d->took_ns = (d->took_ns * 3 + start) / 4;
		for (unsigned i = 0; i < n; i++)
			post |= append_ended(d, r[i]);
		if (post) {
			pthread_mutex_unlock(&d->lock);
			board_post(d->board, &d->work);
			pthread_mutex_lock(&d->lock);
		}
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* ---- the board's side */

static void check_drains(struct disk *d)
{
	while (!d->under_way && d->drains) {
		struct drain at = d->drain[0];

		memmove(d->drain, d->drain + 1,
		    --d->drains * sizeof(d->drain[0]));
		at.idle(at.opaque);
	}
}

/* Posted work: tells all that have ended. */
static void tell(void *opaque)
{
	struct disk *d = opaque;
	struct disk_req *r, *next;

	pthread_mutex_lock(&d->lock);
	r = d->ended;
	d->ended = NULL;
	d->ended_end = &d->ended;
	d->posted = false;
	pthread_mutex_unlock(&d->lock);
	for (; r; r = next) {
		next = r->next;
		r->more = next != NULL;
		d->under_way--;
		r->done(r);
	}
	check_drains(d);
}

/* What needs no thread: its answer, or 1. */
static int answer_at_once(const struct disk *d, const struct disk_req *r)
{
	if (!d->image)
		return -ENOMEDIUM;
	if (r->op == DISK_FLUSH)
		return d->read_only ? 0 : 1;
	if (!range_ok(r->off, r->len, d->image->size))
		return -EINVAL;
	if (r->op != DISK_READ && d->read_only)
		return -EROFS;
	if (!r->len || (r->op == DISK_DISCARD && !d->discard))
		return 0;
	return 1;
}

void disk_submit(struct disk *d, struct disk_req *r)
{
	bool post = false;

	d->under_way++;
	r->next = NULL;
	r->ret = answer_at_once(d, r);
	pthread_mutex_lock(&d->lock);
	if (r->ret <= 0) {
		post = append_ended(d, r);
	} else {
		*d->todo_end = r;
		d->todo_end = &r->next;
		/* Behind others the one who is at it takes it, too, unless
		 * that is or may become long. */
		if (d->todo_count++ == 0 || d->took_ns > SLOW_NS ||
		    now_ns() - d->taken_ns > SLOW_NS)
			wake_one(d);
	}
	pthread_mutex_unlock(&d->lock);
	if (post)
		board_post(d->board, &d->work);
}

/* The part of a request that one extent answers, into a copy of its iovecs. */
static int cut_iov(const struct disk_req *r, uint64_t skip, uint64_t len,
    struct iovec *out)
{
	int n = 0;

	for (int i = 0; i < r->iovcnt && len; i++) {
		uint64_t here = r->iov[i].iov_len;

		if (skip >= here) {
			skip -= here;
			continue;
		}
		here = min64(here - skip, len);
		out[n++] = (struct iovec){
			(uint8_t *)r->iov[i].iov_base + skip, here };
		len -= here;
		skip = 0;
	}
	return n;
}

/* With the gate held. */
static bool read_cached(struct disk *d, const struct disk_req *r)
{
	struct iovec iov[NOW_IOVS];
	uint64_t at = 0;
	struct extent e;
	struct error err;

	while (at < r->len) {
		ssize_t got;
		int n;

		if (image_map(d->image, r->off + at, r->len - at, MAP_READ, &e,
		    NULL, &err) || e.kind != EXTENT_DATA || e.store->fd < 0 ||
		    e.store->align > 1)
			return false;
		n = cut_iov(r, at, e.len, iov);
		got = preadv2(e.store->fd, iov, n, (off_t)e.host, RWF_NOWAIT);
		/* Not every file system knows the flag. */
		if (got < 0 && errno == EOPNOTSUPP)
			d->now = false;
		if (got != (ssize_t)e.len)
			return false;
		at += e.len;
	}
	return true;
}

bool disk_read_now(struct disk *d, const struct disk_req *r)
{
	bool ok;

	if (!d->now || r->op != DISK_READ || !r->len || r->len > NOW_MAX ||
	    r->iovcnt > NOW_IOVS ||
	    !range_ok(r->off, r->len, d->image->size))
		return false;
	if (d->warm && !(d->warm[r->off >> d->warm_bits] &
	    d->warm[(r->off + r->len - 1) >> d->warm_bits]))
		return false;
	/* Somebody gives space back: that may take a while. */
	for (struct image *i = d->image; i; i = i->backing)
		if (atomic_load(&i->gate.shut))
			return false;
	image_hold(d->image);
	ok = read_cached(d, r);
	image_drop(d->image);
	return ok;
}

void disk_drain(struct disk *d, void (*idle)(void *opaque), void *opaque)
{
	if (!d->under_way) {
		idle(opaque);
		return;
	}
	for (unsigned i = 0; i < d->drains; i++)
		if (d->drain[i].idle == idle && d->drain[i].opaque == opaque)
			return;
	if (d->drains < DRAINS)
		d->drain[d->drains++] = (struct drain){ idle, opaque };
}

/* ---- the disk */

/* Which reads can be tried without a thread. A table of a qcow2 image maps
 * at least unit * unit / 16 bytes. */
static void look_for_now(struct disk *d)
{
	unsigned bits = 63;
	bool tables = false;

	for (struct image *i = d->image; i; i = i->backing) {
		if (!strcmp(i->format->name, "raw"))
			continue;
		if (strcmp(i->format->name, "qcow2") || i->unit < 512)
			return;
		tables = true;
		bits = (unsigned)min64(bits, 2 * log2_of(i->unit) - 4);
	}
	if (d->image->args.copy_on_read)
		return;
	if (tables) {
		uint64_t parts = (d->image->size >> bits) + 1;

		if (parts > WARM_PARTS || !(d->warm = calloc(1, parts)))
			return;
		d->warm_bits = bits;
	}
	d->now = true;
}

struct disk *disk_new(struct board *board, struct image *image, const char *id,
    bool read_only, bool discard, struct error *err)
{
	struct disk *d = calloc(1, sizeof(*d));
	struct error ignored;

	if (!d || !(d->id = strdup(id ? id : ""))) {
		error_set(err, ENOMEM, "no memory for a disk");
		goto fail;
	}
	d->board = board;
	d->image = image;
	d->read_only = read_only || (image && !image->writable);
	d->discard = discard && !d->read_only;
	d->todo_end = &d->todo;
	d->ended_end = &d->ended;
	d->work.fn = tell;
	d->work.opaque = d;
	for (struct image *i = image; i; i = i->backing)
		for (unsigned k = 0; k < i->store_count; k++)
			d->batches |= i->stores[k]->batches;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->wanted, NULL);
	if (!image)
		return d;
	look_for_now(d);
	/* One there always is: more are a matter of speed. */
	pthread_mutex_lock(&d->lock);
	wake_one(d);
	pthread_mutex_unlock(&d->lock);
	if (d->workers)
		return d;
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->wanted);
	error_set(err, EAGAIN, "%s: cannot start a thread for the disk", d->id);
fail:
	if (d) {
		free(d->warm);
		free(d->id);
	}
	free(d);
	image_close(image, &ignored);
	return NULL;
}

int disk_free(struct disk *d, struct error *err)
{
	unsigned workers;
	int rc;

	if (!d)
		return 0;
	pthread_mutex_lock(&d->lock);
	d->stop = true;		/* and no more threads */
	workers = d->workers;
	pthread_cond_broadcast(&d->wanted);
	pthread_mutex_unlock(&d->lock);
	/* Whatever waits in todo is still done. */
	for (unsigned i = 0; i < workers; i++)
		pthread_join(d->worker[i], NULL);
	rc = image_close(d->image, err);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->wanted);
	free(d->warm);
	free(d->id);
	free(d);
	return rc;
}

uint64_t disk_size(const struct disk *d)
{
	return d->image ? d->image->size : 0;
}

bool disk_read_only(const struct disk *d)
{
	return d->read_only;
}

bool disk_has_medium(const struct disk *d)
{
	return d->image != NULL;
}

bool disk_discards(const struct disk *d)
{
	return d->discard;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy.c - moving an image's contents, on several threads
 *
 * Three steps a piece, with as many workers as there are processors (the first
 * two are in copy_read.c, the third in copy_write.c):
 *
 *  take	under a lock, in guest order: walk the source's map once, pass over
 *		what need not be copied, and take the next piece: at most CHUNK
 *		bytes, whole units of the target, and where its bytes lie
 *  prepare	in parallel: read, look for zeros, compress
 *  place	one at a time, in the order of the pieces (unordered: in any):
 *		claim space in the target; then write and commit in parallel
 *
 * A file that is written through its cache is locked by the kernel, and who
 * waits for that lock spins: where new space is filled, two writers cost a
 * core and are no faster than one.  Pieces for it stand in line.  A worker
 * puts his there and, unless somebody is writing already, writes what stands
 * there in order, the others' pieces too; else he goes on reading, and sleeps
 * only when AHEAD waits to be written.  So the writer never sleeps, and
 * readers seldom.
 *
 * Memory is bounded by the slots, a piece and its buffers: one a worker, and
 * AHEAD more where pieces stand in line.
 *
 * Nobody holds the target's gate while he waits for his turn to place, and
 * zeros, which may have to flush, are written before anything is claimed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "copier.h"

void copier_fail(struct copier *c, int rc, const struct error *err)
{
	pthread_mutex_lock(&c->lock);
	if (!c->rc) {
		c->rc = rc;
		c->err = *err;
	}
	pthread_mutex_unlock(&c->lock);
	atomic_store(&c->stop, true);
	pthread_mutex_lock(&c->place);
	pthread_cond_broadcast(&c->turn);
	pthread_mutex_unlock(&c->place);
	pthread_mutex_lock(&c->queue);
	pthread_cond_broadcast(&c->freed);
	pthread_mutex_unlock(&c->queue);
}

bool copier_stopped(struct copier *c)
{
	struct error err;

	if (atomic_load_explicit(&c->stop, memory_order_relaxed))
		return true;
	if (!c->args->stop ||
	    !__atomic_load_n(c->args->stop, __ATOMIC_RELAXED))
		return false;
	copier_fail(c, error_set(&err, EINTR, "interrupted"), &err);
	return true;
}

void copier_progress(struct copier *c, uint64_t bytes)
{
	if (c->args->progress && bytes)
		c->args->progress(c->args->progress_arg, bytes);
}

void copier_lose(struct copier *c, uint64_t bytes, const char *line)
{
	LOCKED(&c->lock);

	c->lost += bytes;
	if (c->args->say)
		c->args->say(c->args->say_arg, line);
}

/* ---- workers */

/* Sleeps until the bytes so far are paid for. */
static void pay(struct copier *c, uint64_t bytes)
{
	struct timespec now, nap = { 0, 50000000 };
	double due;

	if (!c->args->rate)
		return;
	pthread_mutex_lock(&c->lock);
	c->paid += bytes;
	due = (double)c->paid / (double)c->args->rate;
	pthread_mutex_unlock(&c->lock);
	for (;;) {		/* short naps: an interruption is noticed */
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (copier_stopped(c) || (double)(now.tv_sec - c->begun.tv_sec) +
		    (double)(now.tv_nsec - c->begun.tv_nsec) / 1e9 >= due)
			return;
		nanosleep(&nap, NULL);
	}
}

/* NULL: stopped. */
static struct slot *idle_slot(struct copier *c)
{
	LOCKED(&c->queue);

	while (!c->idle_count && !atomic_load(&c->stop))
		pthread_cond_wait(&c->freed, &c->queue);
	return c->idle_count ? c->idle[--c->idle_count] : NULL;
}

static int write_piece(struct slot *w, bool offload, struct error *err)
{
	unsigned n;
	int rc = slot_place(w, &offload, &n, err);

	if (!rc)
		rc = slot_write(w, n, offload, err);
	LOCKED(&w->c->place);
	w->c->done += !rc;
	if (w->c->end_last)
		pthread_cond_broadcast(&w->c->turn);
	return rc;
}

/* Gives the slot away.  There is one for each piece between the first that
 * is not written and this: no two have the same place in line. */
static int write_in_line(struct slot *w, struct error *err)
{
	struct copier *c = w->c;
	LOCKED(&c->queue);

	c->line[w->piece.number % c->slot_count] = w;
	if (c->writing)
		return 0;
	c->writing = true;
	while (!atomic_load(&c->stop) &&
	    (w = c->line[c->next % c->slot_count])) {
		int rc;

		c->line[c->next % c->slot_count] = NULL;
		pthread_mutex_unlock(&c->queue);
		rc = write_piece(w, false, err);
		pthread_mutex_lock(&c->queue);
		if (rc)
			return rc;	/* still "writing": none follows */
		c->idle[c->idle_count++] = w;
		/* Woken when there is much to read: that is seldom. */
		if (c->idle_count > c->spare / 2)
			pthread_cond_broadcast(&c->freed);
	}
	c->writing = false;
	pthread_cond_broadcast(&c->freed);
	return 0;
}

static void *work(void *arg)
{
	struct copier *c = arg;
	struct error err;
	struct slot *w = idle_slot(c);

	while (w && !copier_stopped(c) && piece_take(c, &w->piece)) {
		bool offload = slot_can_offload(w);
		uint64_t len = w->piece.len;
		int rc = slot_prepare(w, offload, &err);

		if (!rc)
			rc = c->in_line ? write_in_line(w, &err) :
			    write_piece(w, offload, &err);
		if (rc) {
			copier_fail(c, rc, &err);
			break;
		}
		pay(c, len);
		if (c->in_line)
			w = idle_slot(c);
	}
	return NULL;
}

static void slot_fini(struct slot *w)
{
	packer_free(w->packer);
	free(w->buf);
	free(w->packed);
	free(w->zero);
	free(w->runs);
	free(w->pending);
	free(w->piece.part);
}

static int slot_init(struct slot *w, struct copier *c, struct error *err)
{
	const struct copy_args *a = c->args;

	w->c = c;
	w->piece.part_max = (unsigned)(c->chunk / 512 + 2);
	w->piece.part = malloc(w->piece.part_max * sizeof(*w->piece.part));
	w->pending = malloc(w->piece.part_max * sizeof(*w->pending));
	w->zero = malloc(c->chunk / BLOCK + 2);
	w->runs = malloc(w->piece.part_max * sizeof(*w->runs));
	if (posix_memalign((void **)&w->buf, 4096, c->chunk + c->unit))
		w->buf = NULL;
	if (a->pack)
		w->packed = malloc(c->chunk);
	if (!w->piece.part || !w->pending || !w->zero || !w->runs || !w->buf ||
	    (a->pack && !w->packed))
		return error_errno(err, ENOMEM, "copying");
	if (a->pack && !(w->packer = packer_new(a->target->packed_codec,
	    a->level, err)))
		return -err->code;
	return 0;
}

static int check_args(const struct copy_args *a, struct error *err)
{
	if (a->pack && (!a->target->packed_codec || !a->target->format->claim))
		return error_set(err, ENOTSUP, "%s images cannot hold "
		    "compressed data", a->target->format->name);
	for (unsigned i = 0; i < a->source_count; i++)
		if (!range_ok(a->sources[i].dst, a->sources[i].len,
		    a->target->size))
			return error_set(err, EINVAL, "the target is smaller "
			    "than what is to be copied");
	return 0;
}

/* Is it a file of this machine (others have no number), written through its
 * cache? */
static bool is_cached_file(struct image *target)
{
	struct store_stat st;
	struct error ignored;

	return target->store->align == 1 &&
	    !store_stat(target->store, &st, &ignored) && st.regular && st.ino;
}

static bool is_far(const struct copy_args *args)
{
	for (unsigned i = 0; i < args->source_count; i++)
		for (const struct image *img = args->sources[i].image; img;
		    img = img->backing)
			if (img->store->far)
				return true;
	return args->target->store->far;
}

int copy_run(const struct copy_args *args, uint64_t *lost, struct error *err)
{
	const bool far = is_far(args);
	unsigned n = threads_wanted(args->threads || !far ? args->threads :
	    THREADS_FAR);
	struct copier c = { .args = args, .unit = args->target->unit,
	    .ordered = !args->unordered && args->target->format->claim,
	    .end_last = args->target->incomplete &&
	    !args->target->format->claim };
	struct slot w[SLOTS_MAX] = { 0 };
	int rc = check_args(args, err);

	if (rc)
		return rc;
	for (struct image *i = args->sources[0].image; i; i = i->backing)
		c.layers++;
	c.chunk = max64(far ? CHUNK_FAR : CHUNK, c.unit);
	c.clone = !args->pack && !args->salvage && args->sparse &&
	    store_can_clone(args->sources[0].image->store,
	    args->target->store);
	/* What is overwritten costs no more than reading: two may contend. */
	c.in_line = args->target_zero && !args->pack && !c.clone &&
	    !args->offload && is_cached_file(args->target);
	if (c.in_line)
		c.spare = (unsigned)max64(AHEAD / c.chunk, AHEAD_MIN);
	c.slot_count = n + c.spare;
	pthread_mutex_init(&c.take, NULL);
	pthread_mutex_init(&c.place, NULL);
	pthread_mutex_init(&c.lock, NULL);
	pthread_mutex_init(&c.queue, NULL);
	pthread_cond_init(&c.turn, NULL);
	pthread_cond_init(&c.freed, NULL);
	clock_gettime(CLOCK_MONOTONIC, &c.begun);
	c.walks = calloc(args->source_count, sizeof(*c.walks));
	if (!c.walks)
		rc = error_errno(err, ENOMEM, "copying");
	for (unsigned i = 0; !rc && i < args->source_count; i++)
		if (!(c.walks[i] = walk_new(args->sources[i].image, err)))
			rc = -err->code;
	if (args->source_count)
		c.at = c.have_from = args->sources[0].dst;
	for (unsigned i = 0; !rc && i < c.slot_count; i++) {
		rc = slot_init(&w[i], &c, err);
		c.idle[c.idle_count++] = &w[i];
	}
	if (!rc)
		threads_run(n, work, &c, 0);
	for (unsigned i = 0; i < c.slot_count; i++)
		slot_fini(&w[i]);
	for (unsigned i = 0; c.walks && i < args->source_count; i++)
		walk_free(c.walks[i]);
	free(c.walks);
	if (c.rc) {
		rc = c.rc;
		*err = c.err;
	}
	if (lost)
		*lost = c.lost;
	return rc;
}

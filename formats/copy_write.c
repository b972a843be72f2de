/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy_write.c - the copier's second half: space claimed in the target in the
 * order of the pieces, and filled
 */
#include <stdlib.h>

#include "base/auto.h"
#include "copier.h"

/* Claims a run; *split: it cannot, because it would wait for a claim of the
 * same piece: the target's map divides a unit, or two runs share one. */
static int claim_run(struct slot *w, const struct run *r, unsigned *n,
    bool *split, struct error *err)
{
	struct image *target = w->c->args->target;
	uint64_t off = r->off, end = r->off + r->len;
	int rc;

	while (off < end) {
		struct pending *p = &w->pending[*n];

		if (align_down(off, target->unit) < w->locked_end) {
			*split = true;
			return 0;
		}
		rc = image_write_begin(target, off, end - off, r->packed_len,
		    p, err);
		if (rc)
			return rc;
		w->locked_end = max64(w->locked_end, p->lock_off +
		    p->lock_len);
		off += p->len;
		++*n;
	}
	return 0;
}

static int read_late(struct slot *w, bool *offload, struct error *err)
{
	if (!*offload)
		return 0;
	*offload = false;
	memset(w->zero, 0, w->c->chunk / BLOCK + 2);
	return slot_read(w, err);
}

/* The runs of a piece, one whole write each. */
static int write_runs(struct slot *w, bool *offload, struct error *err)
{
	int rc = read_late(w, offload, err);

	for (unsigned i = 0; !rc && i < w->run_count; i++) {
		const struct run *r = &w->runs[i];

		rc = image_write(w->c->args->target, w->buf +
		    (r->off - w->piece.off), r->len, r->off,
		    r->kind == RUN_PACKED ? IO_PACK : 0, err);
	}
	return rc;
}

/*
 * A file is as long as its last byte, and a raw one that is as long as the
 * disk looks whole: the piece at the end is written when all others are.
 */
static bool has_turn(const struct slot *w)
{
	const struct copier *c = w->c;

	if (c->end_last && w->piece.off + w->piece.len ==
	    c->args->target->size)
		return c->done == w->piece.number;
	return !c->ordered || c->next == w->piece.number;
}

/* Waits for this piece's turn; false: stopped. */
static bool wait_turn(struct slot *w)
{
	struct copier *c = w->c;

	pthread_mutex_lock(&c->place);
	while (!has_turn(w) && !atomic_load(&c->stop))
		pthread_cond_wait(&c->turn, &c->place);
	return !atomic_load(&c->stop);
}

static void end_turn(struct slot *w)
{
	w->c->next = w->piece.number + 1;
	pthread_cond_broadcast(&w->c->turn);
	pthread_mutex_unlock(&w->c->place);
}

/* With sparse 0 they take their space; zeroing a raw file does that. */
static int write_zeros(struct slot *w, uint64_t off, uint64_t len,
    struct error *err)
{
	const struct copy_args *a = w->c->args;
	uint64_t end = off + len, n;
	AUTO_FREE void *zeros = NULL;
	int rc = 0;

	if (a->sparse || a->target->raw_store)
		return image_zero(a->target, off, len, a->sparse ?
		    IO_MAY_UNMAP : 0, err);
	zeros = calloc(1, w->c->chunk);
	if (!zeros)
		return error_errno(err, ENOMEM, "copying");
	for (; !rc && off < end && !copier_stopped(w->c); off += n) {
		n = min64(w->c->chunk, end - off);
		rc = image_write(a->target, zeros, n, off, a->pack ? IO_PACK :
		    0, err);
	}
	return rc;
}

/* Runs of zeros are written and leave the list; the rest is claimed: *n
 * pieces of it. */
int slot_place(struct slot *w, bool *offload, unsigned *n, struct error *err)
{
	unsigned claims = 0;
	bool split = false;
	int rc = 0;

	*n = 0;
	w->locked_end = 0;
	if (!wait_turn(w))
		rc = error_set(err, EINTR, "interrupted");
	for (unsigned i = 0; !rc && i < w->run_count; i++) {
		const struct run *r = &w->runs[i];

		if (r->kind != RUN_ZERO)
			w->runs[claims++] = *r;
		else
			rc = write_zeros(w, r->off, r->len, err);
	}
	w->run_count = claims;
	for (unsigned i = 0; !rc && !split && i < claims; i++)
		rc = claim_run(w, &w->runs[i], n, &split, err);
	if (rc || split)
		while (*n)
			image_write_cancel(&w->pending[--*n]);
	if (!rc && split)
		rc = write_runs(w, offload, err);
	end_turn(w);
	return rc;
}

/* ---- write */

/* Packed units claimed one after the other lie so in the file, too. */
static int write_packed(struct slot *w, unsigned first, unsigned count,
    const struct run *r, struct error *err)
{
	struct pending *p = w->pending + first;
	struct iovec iov = { (void *)r->packed, r->packed_len };

	for (unsigned i = 1; i < count; i++)
		iov.iov_len += r[i].packed_len;
	return store_pwritev(p->claim.dst.store, &iov, 1, p->claim.dst.host,
	    EVENT_PACKED_WRITE, err);
}

/* Into fresh storage only the blocks that are not zero. */
static int write_blocks(struct slot *w, struct pending *p, struct error *err)
{
	uint64_t off = p->off, end = p->off + p->len;
	uint64_t host = p->claim.dst.host + (p->off - p->claim.off);

	while (off < end) {
		bool zero = w->zero[slot_block(w, off)];
		uint64_t to = off;
		int rc;

		while (to < end && w->zero[slot_block(w, to)] == zero)
			to = min64(align_down(to, BLOCK) + BLOCK, end);
		if (!zero && (rc = store_pwrite(p->claim.dst.store,
		    w->buf + (off - w->piece.off), to - off,
		    host + (off - p->off), EVENT_DATA, err)))
			return rc;
		off = to;
	}
	return 0;
}

/* From file to file; -ENOTSUP: not here. */
static int write_offload(struct slot *w, struct pending *p, struct error *err)
{
	uint64_t from = p->claim.dst.host - (p->in_place ? p->off :
	    p->claim.off);

	for (unsigned i = 0; i < w->piece.part_count; i++) {
		const struct part *part = &w->piece.part[i];
		uint64_t off = max64(part->off, p->off);
		uint64_t end = min64(part->off + part->e.len, p->off + p->len);
		int rc;

		if (off >= end)
			continue;
		rc = store_offload(part->e.store,
		    part->e.host + (off - part->off), p->claim.dst.store,
		    from + off, end - off, !w->c->args->offload, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* One claim that is not packed. Ends it in any case. */
static int write_plain(struct slot *w, struct pending *p, bool *offload,
    struct error *err)
{
	const struct copy_args *a = w->c->args;
	bool fresh = p->in_place || (p->claim.fresh && a->target_zero &&
	    !a->target_backing);
	int rc = 0;

	if (*offload && fresh) {
		rc = write_offload(w, p, err);
		if (rc == -ENOTSUP) {
			atomic_store(&w->c->no_offload, true);
		} else if (rc) {
			image_write_cancel(p);
			return rc;
		} else {
			return image_write_finish(p, NULL, err);
		}
	}
	if ((rc = read_late(w, offload, err))) {
		image_write_cancel(p);
		return rc;
	}
	if (p->in_place || !fresh)
		return image_write_finish(p, w->buf + (p->off - w->piece.off),
		    err);
	rc = write_blocks(w, p, err);
	if (rc) {
		image_write_cancel(p);
		return rc;
	}
	return image_write_finish(p, NULL, err);
}

static bool next_packed(const struct pending *p)
{
	return p[0].claim.dst.host + p[0].claim.dst.packed_len ==
	    p[1].claim.dst.host;
}

/* Writes and commits the n claims; each is ended, whatever happens. */
int slot_write(struct slot *w, unsigned n, bool offload,
    struct error *err)
{
	unsigned run = 0, i = 0;
	int rc = 0;

	while (i < n && !rc) {
		const struct run *r;
		unsigned count = 1;

		while (w->pending[i].off >= w->runs[run].off + w->runs[run].len)
			run++;
		r = &w->runs[run];
		if (r->kind != RUN_PACKED) {
			rc = write_plain(w, &w->pending[i++], &offload, err);
			continue;
		}
		while (i + count < n && run + count < w->run_count &&
		    r[count].kind == RUN_PACKED &&
		    next_packed(&w->pending[i + count - 1]))
			count++;
		rc = write_packed(w, i, count, r, err);
		for (; !rc && count; count--)
			rc = image_write_finish(&w->pending[i++], NULL, err);
	}
	while (i < n)
		image_write_cancel(&w->pending[i++]);
	return rc;
}

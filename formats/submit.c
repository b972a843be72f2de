/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * submit.c - a batch of requests
 *
 * What the map answers with one extent of plain data, and a write that may go
 * in place, needs nothing but the store: those of one store are handed to it
 * together.  Everything else (allocations, holes, compressed data, zeros,
 * flushes) goes the way it always goes, after them.
 */
#include "image.h"
#include "io.h"

enum { BATCH = 64 };

static int run_singly(struct image *img, struct io_req *r, struct error *err)
{
	switch (r->op) {
	case IO_READ:
		return image_readv(img, r->iov, r->iovcnt, r->off, err);
	case IO_WRITE:
		return image_writev(img, r->iov, r->iovcnt, r->off, r->flags,
		    err);
	case IO_ZERO:
		return image_zero(img, r->off, r->len, r->flags, err);
	case IO_DISCARD:
		return image_discard(img, r->off, r->len, err);
	case IO_FLUSH:
		return image_flush(img, err);
	}
	return 0;
}

/* With the gate held: may it go to a store as it is?  Then what to ask. */
static bool plain(struct image *img, const struct io_req *r,
    struct store **store, struct store_req *req)
{
	struct error ignored;
	uint64_t len;
	struct extent e;
	int rc;

	if (r->op != IO_READ && r->op != IO_WRITE)
		return false;
	len = iov_total(r->iov, r->iovcnt);
	if (!len || !range_ok(r->off, len, img->size))
		return false;
	if (r->op == IO_READ)
		rc = img->args.copy_on_read ? -1 : image_map(img, r->off, len,
		    MAP_READ, &e, NULL, &ignored);
	else
		rc = img->probed || img->args.detect_zeroes ? -1 :
		    img->format->map(img, r->off, len, MAP_READ, &e, &ignored);
	if (rc || e.kind != EXTENT_DATA || e.len < len ||
	    (r->op == IO_WRITE && (e.flags & EXTENT_SHARED)) ||
	    !e.store->batches)
		return false;
	*store = e.store;
	*req = (struct store_req){ .write = r->op == IO_WRITE, .iov = r->iov,
	    .n = r->iovcnt, .off = e.host };
	return true;
}

/* Takes from reqs what may go together, all to one store, and marks it done. */
static int run_together(struct image *img, struct io_req *reqs, unsigned n,
    bool *done, struct error *err)
{
	struct store_req batch[BATCH];
	unsigned of[BATCH], count = 0, flags = 0;
	struct store *to = NULL, *store;
	bool wrote = false;
	struct error e;
	int rc = 0;

	image_hold(img);
	for (unsigned i = 0; i < n && count < BATCH; i++) {
		if (done[i] || !plain(img, &reqs[i], &store, &batch[count]) ||
		    (to && store != to))
			continue;
		to = store;
		done[i] = true;
		if (batch[count].write) {
			io_note(img, reqs[i].off, iov_total(reqs[i].iov,
			    reqs[i].iovcnt));
			flags |= reqs[i].flags;
		}
		of[count++] = i;
	}
	if (count)
		rc = store_submit(to, batch, count, err);
	image_drop(img);
	for (unsigned i = 0; i < count; i++) {
		reqs[of[i]].ret = batch[i].ret;
		wrote |= batch[i].write && !batch[i].ret;
	}
	if (!wrote || !io_after_write(img, flags, &e))
		return rc;
	/* Whose write it was that could not be made durable is not known. */
	for (unsigned i = 0; i < count; i++)
		if (batch[i].write)
			reqs[of[i]].ret = -e.code;
	*err = e;
	return -e.code;
}

static bool may_batch(struct image *img, const struct io_req *reqs, unsigned n)
{
	struct error ignored;
	bool writes = false;

	if (n < 2)
		return false;
	for (unsigned i = 0; i < n; i++)
		writes |= reqs[i].op == IO_WRITE;
	if (writes && io_begin_writing(img, &ignored))
		return false;		/* each will say it */
	for (; img; img = img->backing)
		for (unsigned i = 0; i < img->store_count; i++)
			if (img->stores[i]->batches)
				return true;
	return false;
}

int image_submit(struct image *img, struct io_req *reqs, unsigned n,
    struct error *err)
{
	struct error e;
	int rc = 0;

	for (unsigned from = 0; from < n; from += BATCH) {
		unsigned here = (unsigned)min64(n - from, BATCH);
		bool done[BATCH] = { false };

		if (may_batch(img, reqs + from, here) &&
		    run_together(img, reqs + from, here, done, &e) && !rc) {
			*err = e;
			rc = -e.code;
		}
		for (unsigned i = 0; i < here; i++) {
			struct io_req *r = &reqs[from + i];

			if (done[i])
				continue;
			r->ret = run_singly(img, r, &e);
			if (r->ret && !rc) {
				*err = e;
				rc = r->ret;
			}
		}
	}
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy_read.c - the copier's first half: pieces taken from the source's map,
 * read, searched for zeros, compressed
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "copier.h"

static enum use use_of(const struct copier *c, const struct extent *e,
    unsigned depth)
{
	const struct copy_args *a = c->args;

	if (a->below && (depth >= a->below || (e->kind == EXTENT_HOLE &&
	    depth + 1 == c->layers && c->layers <= a->below)))
		return USE_LEAVE;
	if (e->kind == EXTENT_PACKED ||
	    (e->kind == EXTENT_DATA && !(e->flags & EXTENT_SPARSE)))
		return USE_DATA;
	/* With sparse 0 the target is to be allocated everywhere. */
	return a->target_zero && !a->target_backing && a->sparse ?
	    USE_HAVE : USE_ZERO;
}

/* What is at c->at, cut at the end of its source; false: the end, or an
 * error. */
static bool look(struct copier *c, struct error *err, int *rc)
{
	const struct copy_source *s;
	unsigned depth;
	uint64_t in;

	if (c->has_ahead)
		return true;
	for (;; c->source++) {
		if (c->source == c->args->source_count)
			return false;
		s = &c->args->sources[c->source];
		if (c->at < s->dst + s->len)
			break;
	}
	in = c->at - s->dst;
	*rc = walk_map(c->walks[c->source], s->off + in, s->len - in,
	    MAP_REPORT, &c->ahead.e, &depth, err);
	if (*rc && c->args->salvage) {
		/* A table cannot be read: what it maps first is lost. */
		c->ahead.e = (struct extent){ .kind = EXTENT_ZERO,
		    .len = min64(s->len - in, s->image->unit < 512 ? 512 :
		    s->image->unit - (s->off + in) % s->image->unit) };
		depth = 0;
		*rc = 0;
		copier_lose(c, c->ahead.e.len, err->text);
	}
	if (*rc)
		return false;
	c->ahead.image = s->image;
	c->ahead.off = c->at;
	c->ahead_use = use_of(c, &c->ahead.e, depth);
	c->has_ahead = true;
	return true;
}

/* Takes len bytes off the front of what look() found. */
static void advance(struct copier *c, uint64_t len)
{
	struct extent *e = &c->ahead.e;

	c->at += len;
	c->ahead.off += len;
	if (c->ahead_use != USE_HAVE)
		c->have_from = c->at;
	if (len == e->len) {
		c->has_ahead = false;
		return;
	}
	e->len -= len;
	if (e->kind == EXTENT_PACKED)
		e->skip += (uint32_t)len;
	else
		e->host += len;
}

/* A piece with data, to the end of its chunk or to what is to be left. */
static void take_data(struct copier *c, struct piece *p, struct error *err,
    int *rc)
{
	uint64_t end = align_down(c->at, c->chunk) + c->chunk;

	p->off = c->at;
	if (c->args->pack)	/* zeros passed over belong to the unit */
		p->off = max64(c->have_from, align_down(c->at, c->unit));
	while (c->at < end && look(c, err, rc) && c->ahead_use != USE_LEAVE &&
	    p->part_count < p->part_max) {
		uint64_t len = min64(c->ahead.e.len, end - c->at);

		if (c->ahead_use == USE_DATA) {
			p->part[p->part_count] = c->ahead;
			p->part[p->part_count++].e.len = len;
		}
		/* Zeros that end the piece belong to it only where they must
		 * be written. */
		if (c->ahead_use != USE_HAVE)
			p->len = c->at + len - p->off;
		advance(c, len);
	}
	if (c->args->pack)	/* ... or where they fill up the unit */
		p->len = min64(align_up(p->off + p->len, c->unit), c->at) -
		    p->off;
}

/* Fills in p; false: nothing is left, or an error was noted. */
bool piece_take(struct copier *c, struct piece *p)
{
	struct error err;
	uint64_t from;
	bool got = false;
	int rc = 0;

	p->part_count = 0;
	p->zero = false;
	pthread_mutex_lock(&c->take);
	from = c->at;
	while (!got && !copier_stopped(c) && look(c, &err, &rc)) {
		uint64_t len = c->ahead.e.len;

		switch (c->ahead_use) {
		case USE_LEAVE:
		case USE_HAVE:
			advance(c, len);
			break;
		case USE_ZERO:
			p->zero = got = true;
			p->off = c->at;
			p->len = len;
			advance(c, len);
			break;
		case USE_DATA:
			got = true;
			take_data(c, p, &err, &rc);
			break;
		}
	}
	p->number = c->taken;
	c->taken += got;
	from = c->at - from;
	pthread_mutex_unlock(&c->take);
	if (rc)
		copier_fail(c, rc, &err);
	copier_progress(c, from);
	return got && !rc;
}

/* ---- prepare */

/* Sector by sector, zeros for those that cannot be read. */
static void salvage(struct copier *c, const struct part *part, uint8_t *buf)
{
	char line[160];
	uint64_t lost = 0, at;

	for (uint64_t done = 0; done < part->e.len; done += at) {
		struct extent e = part->e;
		struct error err;

		at = e.len = min64(512, part->e.len - done);
		if (e.kind == EXTENT_PACKED) {
			memset(buf, 0, part->e.len);
			lost = part->e.len;
			break;
		}
		e.host += done;
		if (!extent_read(part->image, &e, buf + done, &err))
			continue;
		memset(buf + done, 0, at);
		lost += at;
	}
	snprintf(line, sizeof(line), "%llu bytes at offset %llu "
	    "cannot be read and become zeros",
	    (unsigned long long)lost, (unsigned long long)part->off);
	if (lost)
		copier_lose(c, lost, line);
}

int slot_read(struct slot *w, struct error *err)
{
	const struct piece *p = &w->piece;
	uint64_t at = p->off;

	for (unsigned i = 0; i < p->part_count; i++) {
		const struct part *part = &p->part[i];
		uint8_t *to = w->buf + (part->off - p->off);
		int rc;

		memset(w->buf + (at - p->off), 0, part->off - at);
		rc = extent_read(part->image, &part->e, to, err);
		if (rc && w->c->args->salvage)
			salvage(w->c, part, to);
		else if (rc)
			return error_prefix(err, "error while reading at "
			    "offset %llu", (unsigned long long)part->off);
		at = part->off + part->e.len;
	}
	memset(w->buf + (at - p->off), 0, p->off + p->len - at);
	return 0;
}

static void find_zeros(struct slot *w)
{
	const struct piece *p = &w->piece;
	uint64_t end = p->off + p->len, sparse = w->c->args->sparse, next;
	size_t run = 0, i = 0;

	for (uint64_t off = p->off; off < end; off = next, i++) {
		next = min64(align_down(off, BLOCK) + BLOCK, end);
		w->zero[i] = sparse && bytes_are_zero(
		    w->buf + (off - p->off), next - off);
		if (w->zero[i]) {
			run++;
			continue;
		}
		/* Too few zeros in a row to be worth a hole. */
		if (run && run * BLOCK < sparse)
			memset(w->zero + i - run, 0, run);
		run = 0;
	}
}

bool slot_zero_at(const struct slot *w, uint64_t from, uint64_t to)
{
	return !memchr(w->zero + slot_block(w, from), 0,
	    slot_block(w, to - 1) + 1 - slot_block(w, from));
}

static void add_run(struct slot *w, uint64_t off, uint64_t len, int kind)
{
	struct run *r = w->run_count ? &w->runs[w->run_count - 1] : NULL;

	if (r && kind != RUN_PACKED && (int)r->kind == kind &&
	    r->off + r->len == off) {
		r->len += len;
		return;
	}
	w->runs[w->run_count++] = (struct run){ .off = off, .len = len,
	    .kind = kind };
}

/* Whole units, or what ends with the target. */
static bool whole_unit(const struct slot *w, uint64_t from, uint64_t to)
{
	return from % w->c->unit == 0 && (to % w->c->unit == 0 ||
	    to == w->c->args->target->size);
}

static size_t pack_unit(struct slot *w, uint64_t off, uint64_t len, uint8_t *to)
{
	uint8_t *from = w->buf + (off - w->piece.off);

	/* The last unit is packed whole, the rest of it zeros. */
	if (len < w->c->unit)
		memset(from + len, 0, w->c->unit - len);
	return packer_pack(w->packer, to, w->c->unit - 1, from, w->c->unit);
}

static void make_runs(struct slot *w)
{
	const struct piece *p = &w->piece;
	const struct copy_args *a = w->c->args;
	uint64_t end = p->off + p->len, next;
	uint64_t step = a->pack ? w->c->unit : max64(w->c->unit, BLOCK);
	bool skip_zeros = a->target_zero && !a->target_backing;
	uint8_t *packed = w->packed;

	for (uint64_t off = p->off; off < end; off = next) {
		size_t n;

		next = min64(align_down(off, step) + step, end);
		if (slot_zero_at(w, off, next)) {
			if (!skip_zeros)
				add_run(w, off, next - off, RUN_ZERO);
			continue;
		}
		n = a->pack && whole_unit(w, off, next) ?
		    pack_unit(w, off, next - off, packed) : 0;
		add_run(w, off, next - off, n ? RUN_PACKED : RUN_DATA);
		if (n) {
			w->runs[w->run_count - 1].packed = packed;
			w->runs[w->run_count - 1].packed_len = (uint32_t)n;
			packed += n;
		}
	}
}

/* Can this piece's bytes go from file to file? */
bool slot_can_offload(const struct slot *w)
{
	struct copier *c = w->c;

	if ((!c->clone && !c->args->offload) ||
	    atomic_load_explicit(&c->no_offload, memory_order_relaxed))
		return false;
	for (unsigned i = 0; i < w->piece.part_count; i++) {
		const struct part *part = &w->piece.part[i];

		if (part->e.kind != EXTENT_DATA || part->e.store->fd < 0)
			return false;
	}
	return true;
}

int slot_prepare(struct slot *w, bool offload, struct error *err)
{
	const struct piece *p = &w->piece;
	int rc;

	w->run_count = 0;
	if (p->zero) {
		add_run(w, p->off, p->len, RUN_ZERO);
		return 0;
	}
	if (offload) {
		for (unsigned i = 0; i < p->part_count; i++)
			add_run(w, p->part[i].off, p->part[i].e.len,
			    RUN_DATA);
		return 0;
	}
	if ((rc = slot_read(w, err)))
		return rc;
	find_zeros(w);
	make_runs(w);
	return 0;
}

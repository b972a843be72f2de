/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy.c - moving an image's contents, on several threads
 *
 * Three steps a piece, with as many workers as there are processors:
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
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/auto.h"
#include "base/threads.h"
#include "copy.h"

enum {
	CHUNK = 512 << 10,	/* bytes of one piece, or one unit if larger */
	CHUNK_FAR = 2 << 20,	/* the same, from or to a server */
	THREADS_FAR = 8,
	BLOCK = 4096,		/* finest grain of the search for zeros */
	AHEAD = 3 << 20,	/* bytes that may stand in line; at least ... */
	AHEAD_MIN = 2,		/* ... pieces */
	SLOTS_MAX = THREADS_MAX + AHEAD / CHUNK
};

/* Where some bytes of a piece come from. */
struct part {
	struct image *image;
	struct extent e;
	uint64_t off;		/* in the target */
};

/* What is to become of a part. */
enum use {
	USE_LEAVE,	/* the target's own bytes stay */
	USE_HAVE,	/* zeros, and the target reads so already */
	USE_ZERO,	/* zeros, to be written */
	USE_DATA
};

struct piece {
	uint64_t number;
	uint64_t off, len;	/* in the target */
	bool zero;		/* nothing but zeros, of any length */
	unsigned part_count, part_max;
	struct part *part;	/* those with data; between them are zeros */
};

/* A run of a piece with one fate. */
struct run {
	uint64_t off, len;
	enum { RUN_ZERO, RUN_DATA, RUN_PACKED } kind;
	const uint8_t *packed;
	uint32_t packed_len;
};

struct copier {
	const struct copy_args *args;
	struct walk **walks;	/* of the sources */
	uint64_t chunk, unit;
	bool ordered, clone, end_last;
	unsigned layers;	/* of the first source */

	pthread_mutex_t take;	/* guards the walk: */
	unsigned source;
	uint64_t at;		/* next offset in the target */
	uint64_t taken;		/* pieces so far */
	struct part ahead;	/* looked at, not taken yet */
	enum use ahead_use;
	bool has_ahead;
	uint64_t have_from;	/* USE_HAVE from here to c->at */

	pthread_mutex_t place;	/* one claims at a time */
	pthread_cond_t turn;
	uint64_t next;		/* number of the piece whose turn it is */
	uint64_t done;		/* pieces that are written */

	bool in_line;
	unsigned slot_count, spare;
	pthread_mutex_t queue;	/* guards the slots nobody works on: */
	pthread_cond_t freed;
	struct slot *idle[SLOTS_MAX];
	unsigned idle_count;
	struct slot *line[SLOTS_MAX];	/* by number, modulo slot_count */
	bool writing;		/* somebody writes what stands in line */

	pthread_mutex_t lock;	/* guards what is lost, first error, rate: */
	uint64_t lost;		/* bytes that could not be read */
	struct error err;
	int rc;
	uint64_t paid;		/* bytes accounted by the rate */
	struct timespec begun;
	atomic_bool stop;
	atomic_bool no_offload;
};

/* A piece, and the memory to copy it. */
struct slot {
	struct copier *c;
	struct piece piece;
	uint8_t *buf;		/* chunk */
	uint8_t *packed;	/* chunk, when compressing */
	struct packer *packer;
	uint8_t *zero;		/* one flag a block of BLOCK bytes */
	struct run *runs;
	unsigned run_count;
	struct pending *pending;
	uint64_t locked_end;	/* of the units they hold */
};

static void fail(struct copier *c, int rc, const struct error *err)
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

static bool stopped(struct copier *c)
{
	struct error err;

	if (atomic_load_explicit(&c->stop, memory_order_relaxed))
		return true;
	if (!c->args->stop ||
	    !__atomic_load_n(c->args->stop, __ATOMIC_RELAXED))
		return false;
	fail(c, error_set(&err, EINTR, "interrupted"), &err);
	return true;
}

static void progress(struct copier *c, uint64_t bytes)
{
	if (c->args->progress && bytes)
		c->args->progress(c->args->progress_arg, bytes);
}

static void lose(struct copier *c, uint64_t bytes, const char *line)
{
	LOCKED(&c->lock);

	c->lost += bytes;
	if (c->args->say)
		c->args->say(c->args->say_arg, line);
}

/* ---- take */

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
		lose(c, c->ahead.e.len, err->text);
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
static bool take(struct copier *c, struct piece *p)
{
	struct error err;
	uint64_t from;
	bool got = false;
	int rc = 0;

	p->part_count = 0;
	p->zero = false;
	pthread_mutex_lock(&c->take);
	from = c->at;
	while (!got && !stopped(c) && look(c, &err, &rc)) {
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
		fail(c, rc, &err);
	progress(c, from);
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
		lose(c, lost, line);
}

static int read_parts(struct slot *w, struct error *err)
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

/* The block of offset off, in w->zero. */
static size_t block_of(const struct slot *w, uint64_t off)
{
	return off / BLOCK - w->piece.off / BLOCK;
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

static bool zero_at(const struct slot *w, uint64_t from, uint64_t to)
{
	return !memchr(w->zero + block_of(w, from), 0,
	    block_of(w, to - 1) + 1 - block_of(w, from));
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
		if (zero_at(w, off, next)) {
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
static bool can_offload(const struct slot *w)
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

static int prepare(struct slot *w, bool offload, struct error *err)
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
	if ((rc = read_parts(w, err)))
		return rc;
	find_zeros(w);
	make_runs(w);
	return 0;
}

/* ---- place */

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
	return read_parts(w, err);
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
	for (; !rc && off < end && !stopped(w->c); off += n) {
		n = min64(w->c->chunk, end - off);
		rc = image_write(a->target, zeros, n, off, a->pack ? IO_PACK :
		    0, err);
	}
	return rc;
}

/* Runs of zeros are written and leave the list; the rest is claimed: *n
 * pieces of it. */
static int place(struct slot *w, bool *offload, unsigned *n, struct error *err)
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
		bool zero = w->zero[block_of(w, off)];
		uint64_t to = off;
		int rc;

		while (to < end && w->zero[block_of(w, to)] == zero)
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
static int write_claims(struct slot *w, unsigned n, bool offload,
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
		if (stopped(c) || (double)(now.tv_sec - c->begun.tv_sec) +
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
	int rc = place(w, &offload, &n, err);

	if (!rc)
		rc = write_claims(w, n, offload, err);
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

	while (w && !stopped(c) && take(c, &w->piece)) {
		bool offload = can_offload(w);
		uint64_t len = w->piece.len;
		int rc = prepare(w, offload, &err);

		if (!rc)
			rc = c->in_line ? write_in_line(w, &err) :
			    write_piece(w, offload, &err);
		if (rc) {
			fail(c, rc, &err);
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

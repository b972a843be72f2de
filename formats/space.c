/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * space.c - zeros, discards, flush, resize: what changes whole clusters
 *
 * Zeros and discards are marks in the tables where whole granules are
 * concerned, and plain writes elsewhere.  They hold the same lock of the
 * range as allocations do.
 */
#include "codec.h"
#include "image.h"
#include "io.h"

/* ---- zeros and discards */

/* By writing them. */
static int write_zeros(struct image *img, uint64_t off, uint64_t len,
    struct error *err)
{
	static const char zeros[64 * 1024];
	struct iovec iov[16];

	while (len) {
		uint64_t here = min64(len, sizeof(zeros) * ARRAY_LEN(iov));
		struct iov_pos pos = { iov, 0, 0 };
		int rc;

		for (uint64_t left = here; left; pos.n++) {
			iov[pos.n] = (struct iovec){ (void *)zeros,
			    min64(left, sizeof(zeros)) };
			left -= iov[pos.n].iov_len;
		}
		if ((rc = io_write_plain(img, &pos, here, off, err)))
			return rc;
		off += here;
		len -= here;
	}
	return 0;
}

/* A piece of a granule: nothing to do where it reads as zeros already. */
static int zero_piece(struct image *img, uint64_t off, uint64_t len,
    struct error *err)
{
	bool zero;

	if (!len)
		return 0;
	image_hold(img);
	zero = io_old_is_zero(img, off, len);
	image_drop(img);
	return zero ? 0 : write_zeros(img, off, len, err);
}

/* The store's bytes of a range that maps one to one; the gate is held. */
static int zero_stored(struct image *img, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	unsigned how = (flags & IO_MAY_UNMAP ? STORE_MAY_PUNCH : 0) |
	    (flags & IO_NO_FALLBACK ? STORE_NO_FALLBACK : 0);
	struct extent e;
	int rc;

	for (; len; off += e.len, len -= e.len) {
		rc = img->format->map(img, off, len, MAP_READ, &e, err);
		if (rc)
			return rc;
		if ((e.kind == EXTENT_DATA || (e.flags & EXTENT_HOST)) &&
		    (rc = store_zero(e.store, e.host, e.len, how, err)))
			return rc;
	}
	return 0;
}

/* Whole granules, [off, off + len) possibly past the image's end by less
 * than one. */
static int mark_range(struct image *img, uint64_t off, uint64_t len,
    enum extent_kind kind, unsigned flags, struct error *err)
{
	struct pending p = { .image = img };
	uint64_t from = align_down(off, img->unit);
	int rc = 0;

	if (!len)
		return 0;
	image_hold(img);
	io_lock(img, &p, from, align_up(off + len, img->unit) - from);
	if (img->raw_store)
		rc = zero_stored(img, off, min64(len, img->size - off), flags,
		    err);
	if (!rc && img->format->mark)
		rc = img->format->mark(img, off, len, kind, flags, err);
	io_unlock(img, &p);
	image_drop(img);
	return rc;
}

/* The whole steps inside a range; the last one counts as whole when the range
 * goes to the end of the image. */
static void whole_steps(struct image *img, uint32_t step, uint64_t off,
    uint64_t len, uint64_t *from, uint64_t *to)
{
	*from = align_up(off, step);
	*to = off + len == img->size ? align_up(off + len, step) :
	    align_down(off + len, step);
	if (*to < *from)
		*to = *from;
}

static int zero_plain(struct image *img, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	uint64_t from, to, end = off + len;
	int rc = io_begin_writing(img, err);

	if (rc)
		return rc;
	io_note(img, off, len);
	whole_steps(img, img->granule, off, len, &from, &to);
	if (from >= end)		/* inside one granule */
		from = to = end;
	rc = mark_range(img, from, to - from, EXTENT_ZERO, flags, err);
	if (rc == -ENOTSUP && !(flags & IO_NO_FALLBACK))
		rc = write_zeros(img, from, min64(to, img->size) - from, err);
	if (rc || (rc = zero_piece(img, off, from - off, err)) ||
	    (to < end && (rc = zero_piece(img, to, end - to, err))))
		return rc;
	return 0;
}

int image_zero(struct image *img, uint64_t off, uint64_t len, unsigned flags,
    struct error *err)
{
	int rc;

	if ((rc = io_check_range(img, off, len, "zeroing", err)) ||
	    (rc = zero_plain(img, off, len, flags, err)))
		return rc;
	return io_after_write(img, flags, err);
}

/* ---- detect-zeroes */

/* Passes over the next len bytes; were they all zeros? */
static bool pass(struct iov_pos *p, uint64_t len)
{
	bool zero = true;

	while (len && p->n) {
		size_t here = min64(p->iov->iov_len - p->skip, len);

		zero = zero && bytes_are_zero((char *)p->iov->iov_base +
		    p->skip, here);
		len -= here;
		p->skip += here;
		if (p->skip == p->iov->iov_len) {
			p->iov++;
			p->n--;
			p->skip = 0;
		}
	}
	return zero;
}

/*
 * How finely zeros are looked for within a request: where a mark costs an
 * entry in a table, by what tables can mark; where each run of zeros is a
 * system call, by what is worth one.
 */
static uint64_t detect_step(const struct image *img)
{
	return max64(img->granule, img->raw_store ? 64 * KIB : 4 * KIB);
}

/* A write, the zeros in it as zeros of the image: of a request that is nothing
 * else all, of others the whole steps. */
int io_write_detecting(struct image *img, struct iov_pos *pos, uint64_t len,
    uint64_t off, struct error *err)
{
	unsigned flags = img->args.detect_zeroes == DETECT_UNMAP ?
	    IO_MAY_UNMAP : 0;
	uint64_t step = detect_step(img), end = off + len, to, next;
	struct iov_pos at = *pos, behind = at;
	int rc = 0;

	if (pass(&at, len))
		return zero_plain(img, off, len, flags, err);
	for (; !rc && off < end; off = to) {
		bool zero = false, z;

		/* A run of one kind: [off, to), and what is behind it. */
		at = *pos;
		for (to = off; to < end; to = next, behind = at) {
			next = min64(align_down(to, step) + step, end);
			z = pass(&at, next - to) && to % step == 0 &&
			    (next % step == 0 || next == img->size);
			if (to == off)
				zero = z;
			else if (z != zero)
				break;
		}
		if (zero) {
			*pos = behind;
			rc = zero_plain(img, off, to - off, flags, err);
		} else {
			rc = io_write_plain(img, pos, to - off, off, err);
		}
	}
	return rc;
}

int image_discard(struct image *img, uint64_t off, uint64_t len,
    struct error *err)
{
	struct error ignored;
	uint64_t from, to;
	struct extent e;
	int rc;

	if ((rc = io_check_range(img, off, len, "discard", err)) ||
	    (rc = io_begin_writing(img, err)))
		return rc;
	/* Whole clusters: parts of one keep the cluster, and their data. */
	whole_steps(img, img->unit, off, len, &from, &to);
	if (!img->args.unmap || from == to)
		return 0;
	io_note(img, off, len);
	if (img->format->mark) {
		rc = mark_range(img, from, to - from, img->raw_store ?
		    EXTENT_ZERO : EXTENT_HOLE, IO_MAY_UNMAP, err);
		return rc ? rc : io_after_write(img, 0, err);
	}
	/* Advice only: a store that cannot give back space keeps it. */
	image_hold(img);
	for (; from < to; from += e.len) {
		rc = img->format->map(img, from, to - from, MAP_READ, &e, err);
		if (rc)
			break;
		rc = store_punch(e.store, e.host, e.len, &ignored);
		if (rc == -ENOTSUP)
			rc = 0;
		else if (rc)
			*err = ignored;
		if (rc)
			break;
	}
	image_drop(img);
	return rc ? rc : io_after_write(img, 0, err);
}

/* ---- flush, resize */

/* Storage whose dropping is durable goes back to the allocator. */
static int release(struct image *img, struct error *err)
{
	int rc;

	gate_shut(&img->gate);
	unit_cache_flush(img->units);
	rc = img->format->release(img, err);
	gate_open(&img->gate);
	return rc;
}

int image_flush(struct image *img, struct error *err)
{
	const struct format *fmt = img->format;
	int failed, rc;

	if (!img->writable)
		return 0;
	failed = atomic_load_explicit(&img->failed, memory_order_relaxed);
	if (failed)
		return error_set(err, failed,
		    "an earlier error left the image unusable");
	atomic_store_explicit(&img->want_flush, false, memory_order_relaxed);
	if (fmt->flush && (rc = fmt->flush(img, err)))
		return rc;
	for (unsigned i = 0; i < img->store_count; i++)
		if ((rc = store_sync(img->stores[i], err)))
			return rc;
	if (fmt->has_dropped && fmt->has_dropped(img))
		return release(img, err);
	return 0;
}

int image_resize(struct image *img, uint64_t size, const char *prealloc,
    struct error *err)
{
	uint64_t old = img->size;
	int rc;

	if (!img->format->resize)
		return error_set(err, ENOTSUP, "%s images cannot be resized",
		    img->format->name);
	if (size > SIZE_LIMIT)
		return error_set(err, EFBIG, "size %llu is too large",
		    (unsigned long long)size);
	if ((rc = io_begin_writing(img, err)))
		return rc;
	gate_shut(&img->gate);
	unit_cache_flush(img->units);	/* shrinking gives storage back */
	rc = img->format->resize(img, size, prealloc, err);
	/* Zeros, perhaps where something was before the disk was shrunk: to a
	 * bitmap they are written. */
	if (img->size > old)
		io_note(img, old, img->size - old);
	gate_open(&img->gate);
	return rc;
}

int image_make_empty(struct image *img, struct error *err)
{
	int rc;

	if (!img->format->make_empty)
		return error_set(err, ENOTSUP, "%s images cannot be emptied",
		    img->format->name);
	if ((rc = io_begin_writing(img, err)))
		return rc;
	gate_shut(&img->gate);
	rc = img->format->make_empty(img, err);
	gate_open(&img->gate);
	return rc ? rc : image_flush(img, err);
}

int image_set_backing(struct image *img, const char *name,
    const char *format, struct error *err)
{
	int rc;

	if (!img->format->set_backing)
		return error_errno(err, ENOTSUP, "%s", img->format->name);
	if ((rc = image_flush(img, err)))
		return rc;
	gate_shut(&img->gate);
	rc = img->format->set_backing(img, name, format, err);
	gate_open(&img->gate);
	return rc;
}

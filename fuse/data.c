/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * data.c - reading, writing, space and holes of the files
 *
 * A file is a window of an image: requests are held to it, moved by its
 * offset and made of the image, in place, on the thread that took them.  The
 * end of a file that grows may move: then requests hold the gate, and what
 * resizes shuts it.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <time.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "export.h"

/* Long jobs are done in pieces of this size: between them they can be
 * stopped. */
enum { PIECE = 64 << 20, FILL_PIECE = 1 << 20 };

static void enter(struct export *x)
{
	if (x->growable)
		gate_enter(&x->gate);
}

static void leave(struct export *x)
{
	if (x->growable)
		gate_leave(&x->gate);
}

/* Only the live disk as a whole can grow. */
static bool grows(const struct export *x, const struct node *n)
{
	return x->growable && n->disk == &x->live && !n->file->number;
}

uint64_t file_size(struct export *x, const struct node *n)
{
	uint64_t size;

	enter(x);
	size = n->file->len;
	leave(x);
	return size;
}

static void touch(struct file *f)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	atomic_store_explicit(&f->mtime, now.tv_sec * 1000000000LL +
	    now.tv_nsec, memory_order_relaxed);
}

/* ---- reading and writing */

ssize_t data_read(struct export *x, const struct node *n, void *buf,
    size_t len, uint64_t off)
{
	struct error err;
	uint64_t size;
	int rc = 0;

	enter(x);
	size = n->file->len;
	len = off < size ? min64(len, size - off) : 0;
	if (len)
		rc = image_read(n->disk->image, buf, len, n->file->off + off,
		    &err);
	leave(x);
	return rc ? -export_failed(x, &err) : (ssize_t)len;
}

/*
 * The gate is shut.  Formats other than raw have whole sectors, files have any
 * length: the image is then a little longer, with zeros there.
 */
static int resize_held(const struct node *n, uint64_t size, struct error *err)
{
	struct image *image = n->disk->image;
	const bool exact = image->granule == 1;
	const uint64_t whole = exact ? size : align_up(size, 512);
	int rc = 0;

	if (exact || whole != image->size)
		rc = image_resize(image, whole, NULL, err);
	if (!rc && size < n->file->len && size < whole)
		rc = image_zero(image, size, whole - size, 0, err);
	if (!rc)
		n->file->len = size;
	return rc;
}

/* Makes the disk so long, or with "grow" at least so long. */
static int resize(struct export *x, const struct node *n, uint64_t size,
    bool grow)
{
	struct error err;
	int rc = 0;

	if (size > SIZE_LIMIT)
		return -EFBIG;
	gate_shut(&x->gate);
	if (!grow || size > n->file->len)
		rc = resize_held(n, size, &err);
	gate_open(&x->gate);
	return rc ? -export_failed(x, &err) : 0;
}

/* Makes room for [off, off + len), or cuts len: what does not fit and is not
 * cut is ENOSPC.  Enters the gate when it returns 0. */
static int enter_range(struct export *x, const struct node *n, uint64_t off,
    uint64_t *len)
{
	uint64_t size, end;
	int rc;

	if (!add_ok(off, *len, &end))
		return -EFBIG;
	for (;;) {
		enter(x);
		size = n->file->len;
		if (end <= size)
			return 0;
		if (!grows(x, n))
			break;
		leave(x);
		rc = resize(x, n, end, true);
		if (rc)
			return rc;
		/* Somebody may shorten it at once: look again. */
	}
	if (off >= size) {
		leave(x);
		return -ENOSPC;
	}
	*len = size - off;
	return 0;
}

ssize_t data_write(struct export *x, const struct node *n, const void *buf,
    size_t size, uint64_t off, bool sync)
{
	uint64_t len = size;
	struct error err;
	int rc;

	if (!size)
		return 0;
	rc = enter_range(x, n, off, &len);
	if (rc)
		return rc;
	rc = image_write(n->disk->image, buf, len, n->file->off + off,
	    sync ? IO_FUA : 0, &err);
	leave(x);
	touch(n->file);
	return rc ? -export_failed(x, &err) : (ssize_t)len;
}

int data_flush(struct export *x, const struct node *n)
{
	struct error err;

	return image_flush(n->disk->image, &err) ? -export_failed(x, &err) : 0;
}

int data_truncate(struct export *x, const struct node *n, uint64_t size)
{
	int rc;

	if (size == file_size(x, n))
		return 0;
	if (!grows(x, n))
		return -EPERM;
	rc = resize(x, n, size, false);
	touch(n->file);
	return rc;
}

/* ---- space */

static int zero(struct export *x, const struct node *n, uint64_t off,
    uint64_t len, unsigned flags)
{
	struct error err;

	for (uint64_t piece; len; off += piece, len -= piece) {
		if (atomic_load(&x->stopping))
			return -EINTR;
		piece = min64(len, PIECE);
		if (image_zero(n->disk->image, n->file->off + off, piece,
		    flags, &err))
			return -export_failed(x, &err);
	}
	return 0;
}

/* Old bytes of a range whose writing has begun, which holds the gate of the
 * image. */
static int old_bytes(struct image *image, char *buf, uint64_t len,
    uint64_t off, struct error *err)
{
	struct extent e;
	int rc;

	for (; len; off += e.len, buf += e.len, len -= e.len) {
		rc = image_map(image, off, len, MAP_READ, &e, NULL, err);
		if (!rc)
			rc = extent_read(image, &e, buf, err);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * Gives one piece its storage and leaves its bytes as they are, also under
 * other writers: what is not in this layer is written to it by a write of its
 * own old bytes, which holds the range while they are read; what is, may
 * still be a hole of the file.
 */
static int allocate_piece(struct image *image, char *buf, uint64_t *len,
    uint64_t off, struct error *err)
{
	struct pending p;
	int rc;

	rc = image_write_begin(image, off, *len, 0, &p, err);
	if (rc)
		return rc;
	*len = p.len;
	if (!p.in_place) {
		rc = old_bytes(image, buf, p.len, off, err);
		if (!rc)
			return image_write_finish(&p, buf, err);
	} else {
		struct store *s = p.claim.dst.store;

		/* So that the next flush counts it. */
		atomic_store(&s->dirty, true);
		if (s->fd < 0)
			rc = error_set(err, EOPNOTSUPP, "not a file");
		else if (fallocate(s->fd, FALLOC_FL_KEEP_SIZE,
		    (off_t)p.claim.dst.host, (off_t)p.len))
			rc = error_errno(err, errno, "%s", s->name);
	}
	image_write_cancel(&p);
	return rc;
}

static int allocate(struct export *x, const struct node *n, uint64_t off,
    uint64_t len)
{
	AUTO_FREE char *buf = malloc(FILL_PIECE);
	struct error err;
	uint64_t piece;
	int rc;

	if (!buf)
		return -ENOMEM;
	for (; len; off += piece, len -= piece) {
		if (atomic_load(&x->stopping))
			return -EINTR;
		piece = min64(len, FILL_PIECE);
		rc = allocate_piece(n->disk->image, buf, &piece,
		    n->file->off + off, &err);
		if (rc == -EOPNOTSUPP)
			return rc;
		if (rc)
			return -export_failed(x, &err);
	}
	return 0;
}

int data_allocate(struct export *x, const struct node *n, int mode,
    uint64_t off, uint64_t len)
{
	const bool keep = mode & FALLOC_FL_KEEP_SIZE;
	const int what = mode & ~FALLOC_FL_KEEP_SIZE;
	uint64_t fits = len, size;
	int rc;

	if ((what && what != FALLOC_FL_ZERO_RANGE &&
	    (what != FALLOC_FL_PUNCH_HOLE || !keep)))
		return -EOPNOTSUPP;
	if (keep) {		/* there is nothing behind the end */
		enter(x);
		size = n->file->len;
		fits = off < size ? min64(len, size - off) : 0;
		if (!what && fits < len) {
			leave(x);
			return -ENOSPC;
		}
	} else {
		rc = enter_range(x, n, off, &fits);
		if (rc)
			return rc;
		if (fits < len) {
			leave(x);
			return -ENOSPC;
		}
	}
	switch (what) {
	case FALLOC_FL_PUNCH_HOLE:
		rc = zero(x, n, off, fits, x->unmap ? IO_MAY_UNMAP : 0);
		break;
	case FALLOC_FL_ZERO_RANGE:
		rc = zero(x, n, off, fits, 0);
		break;
	default:
		rc = allocate(x, n, off, fits);
	}
	leave(x);
	touch(n->file);
	return rc;
}

/* ---- holes */

int data_seek(struct export *x, const struct node *n, bool data,
    uint64_t off, uint64_t *found)
{
	struct image *image = n->disk->image;
	const uint64_t base = n->file->off;
	struct extent_status st;
	struct error err;
	struct extent e;
	uint64_t size;
	int rc = 0;

	enter(x);
	size = n->file->len;
	if (off >= size)
		rc = -ENXIO;
	while (!rc && off < size) {
		if (atomic_load(&x->stopping)) {
			rc = -EINTR;
			break;
		}
		image_hold(image);
		if (image_map(image, base + off, size - off, MAP_REPORT, &e,
		    NULL, &err))
			rc = -export_failed(x, &err);
		else
			extent_report(&e, &st);
		image_drop(image);
		if (rc || st.zero != data)
			break;
		off += e.len;
	}
	leave(x);
	if (!rc && off >= size && data)
		rc = -ENXIO;
	*found = min64(off, size);
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * file.c - a store in a regular file or on a block device
 *
 * Size: writes that reach past the end raise it, never lower it, so parallel
 * writes need no lock; for the same reason nothing here cuts a file but
 * resize.  Devices have the size they have.
 *
 * What the file system cannot do is tried once and remembered.
 */
#include "store/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "store/direct.h"

/* What was tried in vain. */
enum {
	NO_PUNCH = 1, NO_ZERO_RANGE = 2, NO_ALLOCATE = 4, NO_SEEK = 8,
	NO_DISCARD = 16,
};

enum { FULL_CHUNK = 1024 * 1024 };

static bool missing(const struct file *f, unsigned what)
{
	return atomic_load_explicit(&f->missing, memory_order_relaxed) & what;
}

static void grew(struct store *s, uint64_t end)
{
	const struct file *f = s->state;
	uint64_t size = store_size(s);

	while (size < end && !f->fixed &&
	    !atomic_compare_exchange_weak(&s->size, &size, end))
		;
}

/* ---- reading and writing */

/* One system call, unless the kernel gives less than was asked for. */
static int read_all(int fd, const struct iovec *iov, int n, uint64_t off)
{
	size_t skip = 0;
	ssize_t r;

	for (;;) {
		while (n && skip >= iov->iov_len) {
			skip -= iov->iov_len;
			iov++;
			n--;
		}
		if (!n)
			return 0;
		if (skip)
			r = pread(fd, (char *)iov->iov_base + skip,
			    iov->iov_len - skip, (off_t)off);
		else
			r = preadv(fd, iov, n < IOV_MAX ? n : IOV_MAX,
			    (off_t)off);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		off += (uint64_t)r;
		skip += (size_t)r;
	}
	/* Past the end. */
	for (; n; n--, iov++, skip = 0)
		memset((char *)iov->iov_base + skip, 0, iov->iov_len - skip);
	return 0;
}

/* *done says how much was written, also on failure. */
static int write_all(int fd, const struct iovec *iov, int n, uint64_t off,
    uint64_t *done)
{
	size_t skip = 0;
	ssize_t r;

	*done = 0;
	for (;;) {
		while (n && skip >= iov->iov_len) {
			skip -= iov->iov_len;
			iov++;
			n--;
		}
		if (!n)
			return 0;
		if (skip)
			r = pwrite(fd, (char *)iov->iov_base + skip,
			    iov->iov_len - skip, (off_t)(off + *done));
		else
			r = pwritev(fd, iov, n < IOV_MAX ? n : IOV_MAX,
			    (off_t)(off + *done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		*done += (uint64_t)r;
		skip += (size_t)r;
	}
}

static int file_preadv(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct file *f = s->state;
	int ret;

	if (f->direct)
		ret = direct_preadv(f->direct, s->fd, iov, n, off,
		    iov_total(iov, n));
	else
		ret = read_all(s->fd, iov, n, off);
	if (ret < 0)
		return error_errno(err, -ret, "reading '%s' at offset %" PRIu64,
		    s->name, off);
	return 0;
}

static int file_pwritev(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct file *f = s->state;
	uint64_t done = 0;
	int ret;

	if (f->direct) {
		uint64_t len = iov_total(iov, n);

		ret = direct_pwritev(f->direct, s->fd, f->buffered, iov, n,
		    off, len, store_size(s));
		done = ret < 0 ? 0 : len;
	} else {
		ret = write_all(s->fd, iov, n, off, &done);
	}
	if (done)
		grew(s, off + done);
	if (ret < 0)
		return error_errno(err, -ret, "writing '%s' at offset %" PRIu64,
		    s->name, off);
	return 0;
}

/* Files opened with O_DIRECT only: for cached ones a system call each is as
 * good as a ring. */
static int file_submit(struct store *s, struct store_req *reqs, unsigned n,
    struct error *err)
{
	struct file *f = s->state;
	int rc = 0;

	direct_submit(f->direct, s->fd, f->buffered, reqs, n, store_size(s));
	for (unsigned i = 0; i < n; i++) {
		const struct store_req *r = &reqs[i];

		if (r->write && !r->ret)
			grew(s, r->off + iov_total(r->iov, r->n));
		if (r->ret && !rc)
			rc = error_errno(err, -r->ret, "%s '%s' at offset %"
			    PRIu64, r->write ? "writing" : "reading", s->name,
			    r->off);
	}
	return rc;
}

/* ---- space */

/* 0, 1 where it is not to be had here, or -errno. */
static int try_fallocate(struct store *s, unsigned what, int mode,
    uint64_t off, uint64_t len)
{
	struct file *f = s->state;
	int ret;

	if (missing(f, what))
		return 1;
	do
		ret = fallocate(s->fd, mode, (off_t)off, (off_t)len);
	while (ret < 0 && errno == EINTR);
	if (ret == 0)
		return 0;
	if (errno == EOPNOTSUPP || errno == ENOSYS || errno == ENODEV ||
	    (errno == EINVAL && f->block)) {
		atomic_fetch_or(&f->missing, what);
		return 1;
	}
	return -errno;
}

static int no_fast_zeros(struct store *s, struct error *err)
{
	return error_set(err, ENOTSUP,
	    "'%s' is on a file system or device without fast zeros", s->name);
}

static int zero_failed(struct store *s, uint64_t off, int ret,
    struct error *err)
{
	return error_errno(err, -ret, "writing zeros to '%s' at offset %"
	    PRIu64, s->name, off);
}

static int zero_file(struct store *s, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	uint64_t end = off + len, size = store_size(s);
	int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int ret = 1;

	if (flags & STORE_MAY_PUNCH) {
		/* Grown by allocating the last byte: unlike ftruncate(),
		 * that cannot cut off what others append meanwhile. */
		ret = 0;
		if (end > size)
			ret = try_fallocate(s, NO_ALLOCATE, 0, end - 1, 1);
		if (ret == 0 && off < size)
			ret = try_fallocate(s, NO_PUNCH, hole, off, len);
	}
	if (ret == 1)
		ret = try_fallocate(s, NO_ZERO_RANGE, FALLOC_FL_ZERO_RANGE,
		    off, len);
	if (ret == 1) {
		/* The same in two steps. */
		ret = try_fallocate(s, NO_PUNCH, hole, off, len);
		if (ret == 0)
			ret = try_fallocate(s, NO_ALLOCATE, 0, off, len);
	}
	if (ret == 1)
		return no_fast_zeros(s, err);
	if (ret < 0)
		return zero_failed(s, off, ret, err);
	grew(s, end);
	return 0;
}

/* Whole sectors at once, what is left at the edges by writing. */
static int zero_device(struct store *s, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	static const uint8_t zeros[4096];
	struct file *f = s->state;
	uint64_t from = align_up(off, f->sector);
	uint64_t to = align_down(off + len, f->sector);
	struct iovec iov = { (void *)(uintptr_t)zeros, 0 };
	int ret = 1;

	if (from >= to || f->sector > sizeof(zeros) ||
	    !range_ok(off, len, store_size(s)))
		return no_fast_zeros(s, err);
	/* A hole is quick or is refused; a range of zeros may be written one
	 * by one in the kernel. */
	if (flags & STORE_MAY_PUNCH)
		ret = try_fallocate(s, NO_PUNCH, FALLOC_FL_PUNCH_HOLE |
		    FALLOC_FL_KEEP_SIZE, from, to - from);
	if (ret == 1 && !(flags & STORE_NO_FALLBACK))
		ret = try_fallocate(s, NO_ZERO_RANGE, FALLOC_FL_ZERO_RANGE |
		    FALLOC_FL_KEEP_SIZE, from, to - from);
	if (ret == 1)
		return no_fast_zeros(s, err);
	if (ret < 0)
		return zero_failed(s, from, ret, err);
	iov.iov_len = (size_t)(from - off);
	if (iov.iov_len)
		ret = file_pwritev(s, &iov, 1, off, EVENT_DATA, err);
	iov.iov_len = (size_t)(off + len - to);
	if (ret == 0 && iov.iov_len)
		ret = file_pwritev(s, &iov, 1, to, EVENT_DATA, err);
	return ret;
}

static int file_zero(struct store *s, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	struct file *f = s->state;
	struct direct_range r;
	bool held;
	int ret;

	if (f->block)
		return zero_device(s, off, len, flags, err);
	if (!f->regular)
		return no_fast_zeros(s, err);
	held = f->direct && direct_hold(f->direct, &r, off, off + len);
	ret = zero_file(s, off, len, flags, err);
	if (held)
		direct_let_go(f->direct, &r);
	return ret;
}

/* A device is asked for a hole, which reads as zeros, and where it has none
 * told to forget. */
static int punch_device(struct store *s, uint64_t off, uint64_t len)
{
	struct file *f = s->state;
	uint64_t range[2] = { align_up(off, f->sector), 0 };
	uint64_t end = align_down(off + len, f->sector);
	int ret;

	if (range[0] >= end)
		return 0;
	range[1] = end - range[0];
	ret = try_fallocate(s, NO_PUNCH, FALLOC_FL_PUNCH_HOLE |
	    FALLOC_FL_KEEP_SIZE, range[0], range[1]);
	if (ret != 1 || missing(f, NO_DISCARD))
		return ret;
	if (ioctl(s->fd, BLKDISCARD, range) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOTTY)
		return -errno;
	atomic_fetch_or(&f->missing, NO_DISCARD);
	return 1;
}

static int file_punch(struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	struct file *f = s->state;
	int ret = 1;

	if (f->block)
		ret = punch_device(s, off, len);
	else if (f->regular)
		ret = try_fallocate(s, NO_PUNCH, FALLOC_FL_PUNCH_HOLE |
		    FALLOC_FL_KEEP_SIZE, off, len);
	if (ret == 1)
		return error_set(err, ENOTSUP, "'%s' is on a file system or "
		    "device that cannot give back space", s->name);
	if (ret < 0)
		return error_errno(err, -ret,
		    "discarding in '%s' at offset %" PRIu64, s->name, off);
	return 0;
}

/* The shared file offset that lseek() moves is never used. */
static int file_extent(struct store *s, uint64_t off, uint64_t len,
    bool *data, uint64_t *run, struct error *err)
{
	struct file *f = s->state;
	off_t at;

	*data = true;
	*run = len;
	if (!f->regular || missing(f, NO_SEEK))
		return 0;
	at = lseek(s->fd, (off_t)off, SEEK_DATA);
	if (at < 0 && errno == ENXIO) {
		*data = false;
		return 0;
	}
	if (at < 0) {
		atomic_fetch_or(&f->missing, NO_SEEK);
		return 0;
	}
	if ((uint64_t)at > off) {
		*data = false;
		*run = min64((uint64_t)at - off, len);
		return 0;
	}
	at = lseek(s->fd, (off_t)off, SEEK_HOLE);
	if (at >= 0 && (uint64_t)at > off)
		*run = min64((uint64_t)at - off, len);
	return 0;
}

/* ---- the whole file */

static int sync_failed(struct store *s, int code, struct error *err)
{
	return error_errno(err, code, "flushing '%s'", s->name);
}

/* fdatasync() covers the size, and what was written through the page cache
 * by another descriptor; the name of a new file is in its folder. */
static int file_sync(struct store *s, struct error *err)
{
	struct file *f = s->state;
	int ret;

	if (!f->regular && !f->block)
		return 0;
	do
		ret = fdatasync(s->fd);
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return sync_failed(s, errno, err);
	if (!atomic_load(&f->parent_dirty))
		return 0;
	/* Where the folder cannot be read, its whole file system. */
	ret = f->parent >= 0 ? fsync(f->parent) : syncfs(s->fd);
	if (ret < 0 && errno != EINVAL)
		return sync_failed(s, errno, err);
	atomic_store(&f->parent_dirty, false);
	return 0;
}

static int resize_device(struct store *s, uint64_t size, struct error *err)
{
	if (size == store_size(s))
		return 0;
	if (size > store_size(s))
		return error_set(err, EINVAL, "Cannot grow device files");
	return error_set(err, ENOTSUP, "Cannot resize device files");
}

static int fill(struct store *s, uint64_t from, uint64_t to, struct error *err)
{
	AUTO_FREE uint8_t *zeros = NULL;
	struct iovec iov;
	int ret = 0;

	if (posix_memalign((void **)&zeros, 4096, FULL_CHUNK)) {
		zeros = NULL;
		return error_set(err, ENOMEM, "no memory to fill '%s'",
		    s->name);
	}
	memset(zeros, 0, FULL_CHUNK);
	for (; from < to && ret == 0; from += iov.iov_len) {
		iov.iov_base = zeros;
		iov.iov_len = (size_t)min64(to - from,
		    FULL_CHUNK - from % FULL_CHUNK);
		ret = file_pwritev(s, &iov, 1, from, EVENT_DATA, err);
	}
	return ret;
}

static int preallocate(struct store *s, uint64_t from, uint64_t to,
    enum store_prealloc prealloc, struct error *err)
{
	int ret;

	if (prealloc == PREALLOC_FULL) {
		ret = fill(s, from, to, err);
		if (ret < 0)
			error_prefix(err,
			    "Could not write zeros for preallocation");
		return ret;
	}
	ret = try_fallocate(s, NO_ALLOCATE, 0, from, to - from);
	return ret == 0 ? 0 : error_errno(err, ret == 1 ? ENOTSUP : -ret,
	    "Could not preallocate data for '%s'", s->name);
}

int file_truncate(int fd, uint64_t size)
{
	int ret;

	do
		ret = ftruncate(fd, (off_t)size);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

static int file_resize(struct store *s, uint64_t size,
    enum store_prealloc prealloc, struct error *err)
{
	struct file *f = s->state;
	uint64_t old = store_size(s);
	int ret;

	if (f->fixed)
		return resize_device(s, size, err);
	if (size < old && prealloc != PREALLOC_OFF)
		return error_set(err, EINVAL, "Preallocation can't be used for "
		    "shrinking files");
	if (size > old && prealloc != PREALLOC_OFF) {
		ret = preallocate(s, old, size, prealloc, err);
		if (ret < 0 && file_truncate(s->fd, old) == 0)
			atomic_store(&s->size, old);
	} else {
		ret = file_truncate(s->fd, size);
		if (ret < 0)
			error_errno(err, -ret, "Failed to resize the file '%s'",
			    s->name);
	}
	if (ret < 0)
		return ret;
	atomic_store(&s->size, size);
	return 0;
}

static int file_stat(struct store *s, struct store_stat *st,
    struct error *err)
{
	struct file *f = s->state;
	struct stat sys;

	if (fstat(s->fd, &sys) < 0)
		return error_errno(err, errno, "'%s'", s->name);
	st->allocated = (uint64_t)sys.st_blocks * 512;
	/* Every node of a device is the device. */
	st->dev = f->regular ? sys.st_dev : sys.st_rdev;
	st->ino = f->regular ? sys.st_ino : UINT64_MAX;
	st->block_device = f->block;
	st->regular = f->regular;
	return 0;
}

/* Allows -1. */
static int close_fd(struct store *s, int fd, struct error *err)
{
	/* After EINTR the descriptor is gone all the same. */
	if (fd < 0 || close(fd) == 0 || errno == EINTR)
		return 0;
	return error_errno(err, errno, "closing '%s'", s->name);
}

static int file_close(struct store *s, struct error *err)
{
	struct file *f = s->state;
	int ret = 0;

	if (f) {
		ret = close_fd(s, f->buffered, err);
		if (f->parent >= 0)
			close(f->parent);
		direct_free(f->direct);
		free(f);
	}
	if (close_fd(s, s->fd, err) < 0)
		ret = -err->code;
	return ret;
}

const struct store_ops file_ops = {
	.name = "file",
	.preadv = file_preadv,
	.pwritev = file_pwritev,
	.submit = file_submit,
	.zero = file_zero,
	.punch = file_punch,
	.sync = file_sync,
	.resize = file_resize,
	.extent = file_extent,
	.stat = file_stat,
	.close = file_close,
};

/* What the peer calls the driver of devices. */
const struct store_ops file_device_ops = {
	.name = "host_device",
	.preadv = file_preadv,
	.pwritev = file_pwritev,
	.submit = file_submit,
	.zero = file_zero,
	.punch = file_punch,
	.sync = file_sync,
	.resize = file_resize,
	.extent = file_extent,
	.stat = file_stat,
	.close = file_close,
};

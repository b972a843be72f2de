/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.c - what all stores have in common
 *
 * The wrappers check the range once, so that no store meets an offset that
 * off_t does not hold; they keep "dirty" and "failed"; they write zeros where
 * a store has no better way; and they check what a store answers.
 *
 * Dirty is set when a write has ended, never before: a sync that began in
 * between has not covered it, and must not have taken the mark away.
 */
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/bytes.h"

/* The zeros that are written, for all stores and threads; aligned, so that
 * O_DIRECT takes them as they are. */
enum { ZEROS = 64 * 1024, ZERO_IOVS = 16 };
static const _Alignas(4096) uint8_t zeros[ZEROS];

const char *store_event_name(enum store_event event)
{
	/* The peers' where they have the event; they know read_aio and
	 * write_aio for guest data. */
	static const char *const names[EVENT_COUNT] = {
		[EVENT_DATA] = "write_aio",
		[EVENT_HEADER_READ] = "header_read",
		[EVENT_HEADER_UPDATE] = "header_update",
		[EVENT_L1_LOAD] = "l1_load",
		[EVENT_L1_UPDATE] = "l1_update",
		[EVENT_L1_GROW] = "l1_grow_write_table",
		[EVENT_L2_LOAD] = "l2_load",
		[EVENT_L2_UPDATE] = "l2_update",
		[EVENT_REFTABLE_LOAD] = "reftable_load",
		[EVENT_REFTABLE_UPDATE] = "reftable_update",
		[EVENT_REFTABLE_GROW] = "reftable_grow",
		[EVENT_REFBLOCK_LOAD] = "refblock_load",
		[EVENT_REFBLOCK_UPDATE] = "refblock_update",
		[EVENT_COW_READ] = "cow_read",
		[EVENT_COW_WRITE] = "cow_write",
		[EVENT_PACKED_READ] = "read_compressed",
		[EVENT_PACKED_WRITE] = "write_compressed",
		[EVENT_SNAPSHOT_LOAD] = "snapshot_load",
		[EVENT_SNAPSHOT_UPDATE] = "snapshot_update",
		[EVENT_BITMAP_LOAD] = "bitmap_load",
		[EVENT_BITMAP_UPDATE] = "bitmap_update",
	};

	return (unsigned)event < EVENT_COUNT ? names[event] : "unknown";
}

struct store *store_new(const struct store_ops *ops, const char *name)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->name = strdup(name);
	if (!s->name) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->sync_lock, NULL);
	s->ops = ops;
	s->fd = -1;
	s->align = 1;
	return s;
}

int store_close(struct store *s, struct error *err)
{
	int ret;

	if (!s)
		return 0;
	ret = s->ops->close ? s->ops->close(s, err) : 0;
	pthread_mutex_destroy(&s->sync_lock);
	free(s->name);
	free(s);
	return ret;
}

static int check_range(const struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	if (range_ok(off, len, SIZE_LIMIT))
		return 0;
	return error_set(err, EFBIG, "'%s' cannot have %" PRIu64
	    " bytes at offset %" PRIu64, s->name, len, off);
}

static int check_write(const struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	if (!s->writable)
		return error_set(err, EACCES, "'%s' is open read-only",
		    s->name);
	return check_range(s, off, len, err);
}

/* After every change, whether it succeeded or not.  Looking first keeps the
 * cache line shared between parallel writers. */
static void touched(struct store *s)
{
	if (!atomic_load(&s->dirty))
		atomic_store(&s->dirty, true);
}

int store_preadv(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	uint64_t len = iov_total(iov, n);
	int ret = check_range(s, off, len, err);

	if (ret < 0 || len == 0)
		return ret;
	return s->ops->preadv(s, iov, n, off, event, err);
}

int store_pread(struct store *s, void *buf, size_t len, uint64_t off,
    enum store_event event, struct error *err)
{
	struct iovec iov = { buf, len };

	return store_preadv(s, &iov, 1, off, event, err);
}

int store_pwritev(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	uint64_t len = iov_total(iov, n);
	int ret = check_write(s, off, len, err);

	if (ret < 0 || len == 0)
		return ret;
	ret = s->ops->pwritev(s, iov, n, off, event, err);
	touched(s);
	return ret;
}

int store_pwrite(struct store *s, const void *buf, size_t len, uint64_t off,
    enum store_event event, struct error *err)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	return store_pwritev(s, &iov, 1, off, event, err);
}

static int submit_singly(struct store *s, struct store_req *reqs, unsigned n,
    struct error *err)
{
	struct error e;
	int rc = 0;

	for (unsigned i = 0; i < n; i++) {
		struct store_req *r = &reqs[i];

		r->ret = r->write ?
		    store_pwritev(s, r->iov, r->n, r->off, EVENT_DATA, &e) :
		    store_preadv(s, r->iov, r->n, r->off, EVENT_DATA, &e);
		if (r->ret && !rc) {
			*err = e;
			rc = r->ret;
		}
	}
	return rc;
}

int store_submit(struct store *s, struct store_req *reqs, unsigned n,
    struct error *err)
{
	bool writes = false;
	int rc = 0;

	if (!s->batches || n == 1)
		return submit_singly(s, reqs, n, err);
	for (unsigned i = 0; i < n && !rc; i++) {
		uint64_t len = iov_total(reqs[i].iov, reqs[i].n);

		writes |= reqs[i].write;
		rc = reqs[i].write ? check_write(s, reqs[i].off, len, err) :
		    check_range(s, reqs[i].off, len, err);
	}
	if (rc)			/* then each says it for itself */
		return submit_singly(s, reqs, n, err);
	rc = s->ops->submit(s, reqs, n, err);
	if (writes)
		touched(s);
	return rc;
}

static int write_zeros(struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	struct iovec iov[ZERO_IOVS];
	int ret;

	while (len) {
		uint64_t done = 0;
		int n = 0;

		while (n < ZERO_IOVS && done < len) {
			iov[n].iov_base = (void *)(uintptr_t)zeros;
			iov[n].iov_len = (size_t)min64(len - done, ZEROS);
			done += iov[n++].iov_len;
		}
		ret = s->ops->pwritev(s, iov, n, off, EVENT_DATA, err);
		if (ret < 0)
			return ret;
		off += done;
		len -= done;
	}
	return 0;
}

int store_zero(struct store *s, uint64_t off, uint64_t len, unsigned flags,
    struct error *err)
{
	int ret = check_write(s, off, len, err);

	if (ret < 0 || len == 0)
		return ret;
	if (s->ops->zero)
		ret = s->ops->zero(s, off, len, flags, err);
	else
		ret = error_set(err, ENOTSUP, "'%s' has no fast zeros",
		    s->name);
	if (ret == -ENOTSUP && !(flags & STORE_NO_FALLBACK))
		ret = write_zeros(s, off, len, err);
	touched(s);
	return ret;
}

int store_punch(struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	uint64_t size = store_size(s);
	int ret = check_write(s, off, len, err);

	if (ret < 0 || len == 0 || off >= size)
		return ret;
	if (!s->ops->punch)
		return error_set(err, ENOTSUP, "'%s' cannot give back space",
		    s->name);
	ret = s->ops->punch(s, off, min64(len, size - off), err);
	touched(s);
	return ret;
}

/* What a sync has lost, no later one brings back: whatever the errno was, the
 * kernel may have dropped the pages and will not say so twice (D6). */
int store_sync(struct store *s, struct error *err)
{
	int ret, code;

	if (s->no_sync)
		return 0;
	LOCKED(&s->sync_lock);
	code = atomic_load(&s->failed);
	if (code)
		return error_set(err, code, "an earlier flush of '%s' failed "
		    "(%s): what was written before it may be lost", s->name,
		    strerror(code));
	if (!atomic_exchange(&s->dirty, false))
		return 0;
	ret = s->ops->sync ? s->ops->sync(s, err) : 0;
	if (ret < 0) {
		atomic_store(&s->failed, -ret);
		atomic_store(&s->dirty, true);
	}
	return ret;
}

int store_resize(struct store *s, uint64_t size, enum store_prealloc prealloc,
    struct error *err)
{
	int ret = check_write(s, 0, size, err);

	if (ret < 0)
		return ret;
	if (!s->ops->resize)
		return error_set(err, ENOTSUP, "'%s' cannot be resized",
		    s->name);
	ret = s->ops->resize(s, size, prealloc, err);
	touched(s);
	return ret;
}

int store_make_room(struct store *s, uint64_t size,
    enum store_prealloc prealloc, struct error *err)
{
	struct store_stat st;
	int ret = store_stat(s, &st, err);

	if (ret < 0 || (st.block_device && size <= store_size(s)))
		return ret;
	return store_resize(s, size, prealloc, err);
}

static int check_run(struct store *s, uint64_t len, uint64_t run,
    struct error *err)
{
	if (run && run <= len)
		return 0;
	return error_set(err, EIO, "'%s' answers %" PRIu64 " for an extent of "
	    "%" PRIu64 " bytes", s->name, run, len);
}

int store_extent(struct store *s, uint64_t off, uint64_t len, bool *data,
    uint64_t *run, struct error *err)
{
	uint64_t size = store_size(s);
	int ret = check_range(s, off, len, err);

	if (ret < 0)
		return ret;
	*data = off < size;
	*run = *data ? min64(len, size - off) : len;
	if (!*data || len == 0 || !s->ops->extent)
		return 0;

	len = *run;
	ret = s->ops->extent(s, off, len, data, run, err);
	return ret < 0 ? ret : check_run(s, len, *run, err);
}

int store_status(struct store *s, uint64_t off, uint64_t len, unsigned *flags,
    uint64_t *run, struct error *err)
{
	uint64_t size = store_size(s);
	bool data;
	int ret = check_range(s, off, len, err);

	if (ret < 0)
		return ret;
	if (s->ops->status && off < size && len) {
		len = min64(len, size - off);
		ret = s->ops->status(s, off, len, flags, run, err);
		return ret < 0 ? ret : check_run(s, len, *run, err);
	}
	ret = store_extent(s, off, len, &data, run, err);
	*flags = data ? 0 : STORE_HOLE | STORE_ZERO;
	return ret;
}

int store_stat(struct store *s, struct store_stat *st, struct error *err)
{
	*st = (struct store_stat){ .allocated = STORE_UNKNOWN };
	return s->ops->stat ? s->ops->stat(s, st, err) : 0;
}

/* ---- from file to file */

/* Sharing blocks wants whole blocks of the file system. */
enum { CLONE_ALIGN = 4096 };

static int clone_range(struct store *from, uint64_t from_off, struct store *to,
    uint64_t to_off, uint64_t len)
{
	struct file_clone_range r = { .src_fd = from->fd,
	    .src_offset = from_off, .src_length = len, .dest_offset = to_off };

	if ((from_off | to_off | len) % CLONE_ALIGN)
		return -EINVAL;
	return ioctl(to->fd, FICLONERANGE, &r) ? -errno : 0;
}

static int copy_range(struct store *from, uint64_t from_off,
    struct store *to, uint64_t to_off, uint64_t len)
{
	while (len) {
		off_t in = (off_t)from_off, out = (off_t)to_off;
		ssize_t n = copy_file_range(from->fd, &in, to->fd, &out,
		    len > 1u << 30 ? 1u << 30 : len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)	/* 0: the source ends early */
			return n ? -errno : -EINVAL;
		from_off += (uint64_t)n;
		to_off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int store_offload(struct store *from, uint64_t from_off, struct store *to,
    uint64_t to_off, uint64_t len, bool clone_only, struct error *err)
{
	uint64_t size;
	int rc = check_write(to, to_off, len, err);

	if (rc < 0)
		return rc;
	if (from->fd < 0 || to->fd < 0 ||
	    !range_ok(from_off, len, store_size(from)))
		return error_set(err, ENOTSUP, "no copying between these");
	rc = clone_only ? clone_range(from, from_off, to, to_off, len) :
	    copy_range(from, from_off, to, to_off, len);
	touched(to);
	if (rc == 0) {
		size = store_size(to);
		while (size < to_off + len &&
		    !atomic_compare_exchange_weak(&to->size, &size,
		    to_off + len))
			;
		return 0;
	}
	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG || rc == -EIO)
		return error_errno(err, -rc, "%s", to->name);
	return error_set(err, ENOTSUP, "no copying between these");
}

bool store_can_clone(const struct store *from, const struct store *to)
{
	struct stat a, b;
	struct statfs fs;

	return from->fd >= 0 && to->fd >= 0 && !fstat(from->fd, &a) &&
	    !fstat(to->fd, &b) && a.st_dev == b.st_dev &&
	    S_ISREG(a.st_mode) && S_ISREG(b.st_mode) &&
	    !fstatfs(to->fd, &fs) && (fs.f_type == BTRFS_SUPER_MAGIC ||
	    fs.f_type == XFS_SUPER_MAGIC);
}

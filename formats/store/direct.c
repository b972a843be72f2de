/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * direct.c - O_DIRECT for callers who align nothing
 *
 * A request whose memory, offset and length are aligned goes straight to the
 * kernel.  Any other goes through an aligned buffer: a read takes the sectors
 * around it; a write reads the sectors it covers in part, changes them and
 * writes them back.
 *
 * Two changes next to each other in one sector would undo each other, so a
 * write that covers a sector in part holds the range of its sectors against
 * other such writes, and file.c against its zeros.  Aligned writes hold
 * nothing: of two that overlap, all of one may be lost in the sectors that
 * both touch.
 *
 * The last sector of a file whose size is not aligned cannot be written
 * directly: the file would get longer, and cutting it back would race with
 * others who make it longer, and would not be undone by a crash in between.
 * So the bytes of a sector that reaches past the end are written through the
 * page cache, exactly as many as the caller gave.  The kernel writes that
 * page back before a direct read of it, and drops it before a direct write;
 * fdatasync() covers both ways.
 */
#include "store/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/store.h"
#include "store/uring.h"

enum { BOUNCE = 256 * 1024, ALIGN_MIN = 512, ALIGN_MAX = 4096 };

struct direct {
	uint32_t align;		/* of offset and length */
	uint32_t mem_align;
	struct uring *uring;	/* NULL: batches go one by one */
	atomic_bool no_uring;	/* the system refused one */
	pthread_mutex_t lock;	/* guards held; innermost */
	pthread_cond_t freed;
	struct direct_range *held; /* by who changes sectors in part */
};

/* ---- alignment */

static bool ask_kernel(struct direct *d, int fd)
{
#ifdef STATX_DIOALIGN
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0 ||
	    !(st.stx_mask & STATX_DIOALIGN))
		return false;
	if (!is_pow2(st.stx_dio_offset_align) ||
	    !is_pow2(st.stx_dio_mem_align) ||
	    st.stx_dio_offset_align > BOUNCE)
		return false;
	d->align = st.stx_dio_offset_align;
	d->mem_align = st.stx_dio_mem_align;
	return true;
#else
	return false;
#endif
}

static bool ask_device(struct direct *d, int fd)
{
	int size;

	if (ioctl(fd, BLKSSZGET, &size) < 0 || size < ALIGN_MIN ||
	    !is_pow2((uint64_t)size) || size > BOUNCE)
		return false;
	d->align = d->mem_align = (uint32_t)size;
	return true;
}

/* Reads where there is data: in a hole nothing checks the alignment. */
static bool try_reads(struct direct *d, int fd)
{
	off_t at = lseek(fd, 0, SEEK_DATA);
	char *buf;

	if (at < 0 && errno == ENXIO)
		return false;
	at = at < 0 ? 0 : (off_t)align_down((uint64_t)at, ALIGN_MAX);
	if (posix_memalign((void **)&buf, 2 * ALIGN_MAX, 2 * ALIGN_MAX))
		return false;
	for (uint32_t a = ALIGN_MIN; a <= ALIGN_MAX; a *= 2) {
		/* buf + a is aligned to a, and to no more */
		if (pread(fd, buf + (a < ALIGN_MAX ? a : 0), a, at) > 0) {
			d->align = d->mem_align = a;
			break;
		}
	}
	free(buf);
	return d->align != 0;
}

struct direct *direct_new(int fd, bool rings)
{
	struct direct *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	if (rings)
		d->uring = uring_new();
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->freed, NULL);
	if (!ask_kernel(d, fd) && !ask_device(d, fd) && !try_reads(d, fd))
		d->align = d->mem_align = ALIGN_MAX;
	return d;
}

void direct_free(struct direct *d)
{
	if (!d)
		return;
	uring_free(d->uring);
	pthread_cond_destroy(&d->freed);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

uint32_t direct_align(const struct direct *d)
{
	return d->align > d->mem_align ? d->align : d->mem_align;
}

static bool aligned(const struct direct *d, const struct iovec *iov, int n,
    uint64_t off)
{
	uint64_t bits = off, mem = 0;

	for (int i = 0; i < n; i++) {
		bits |= iov[i].iov_len;
		mem |= (uintptr_t)iov[i].iov_base;
	}
	return !(bits & (d->align - 1)) && !(mem & (d->mem_align - 1)) &&
	    n <= IOV_MAX;
}

/* ---- ranges */

bool direct_hold(struct direct *d, struct direct_range *r, uint64_t off,
    uint64_t end)
{
	struct direct_range *other;

	r->off = align_down(off, d->align);
	r->end = align_up(end, d->align);
	if (r->off == off && r->end == end)
		return false;
	pthread_mutex_lock(&d->lock);
	do {
		for (other = d->held; other; other = other->next)
			if (other->off < r->end && r->off < other->end)
				break;
		if (other)
			pthread_cond_wait(&d->freed, &d->lock);
	} while (other);
	r->next = d->held;
	d->held = r;
	pthread_mutex_unlock(&d->lock);
	return true;
}

void direct_let_go(struct direct *d, struct direct_range *r)
{
	struct direct_range **at = &d->held;

	pthread_mutex_lock(&d->lock);
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	pthread_cond_broadcast(&d->freed);
	pthread_mutex_unlock(&d->lock);
}

/* ---- pieces */

/* Whole sectors, fewer than len only where the file ends. */
static ssize_t read_sectors(struct direct *d, int fd, uint8_t *buf,
    size_t len, uint64_t off)
{
	size_t got = 0;
	ssize_t r;

	while (got < len) {
		r = pread(fd, buf + got, len - got, (off_t)(off + got));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		got += (size_t)r;
		/* Only the end of the file is not aligned. */
		if (r == 0 || r & (d->align - 1))
			break;
	}
	return (ssize_t)got;
}

static int write_sectors(int fd, const uint8_t *buf, size_t len, uint64_t off)
{
	ssize_t r;

	while (len) {
		r = pwrite(fd, buf, len, (off_t)off);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		buf += r;
		off += (uint64_t)r;
		len -= (size_t)r;
	}
	return 0;
}

static uint8_t *bounce_new(const struct direct *d, uint64_t len)
{
	void *buf;

	if (posix_memalign(&buf, max64(direct_align(d), ALIGN_MAX),
	    (size_t)min64(len, BOUNCE)))
		return NULL;
	return buf;
}

/* ---- reading */

static int read_bounced(struct direct *d, int fd, const struct iovec *iov,
    int n, uint64_t off, uint64_t len, uint64_t done)
{
	uint64_t end = off + len, stop = align_up(end, d->align), a, b;
	uint8_t *buf;
	ssize_t got = 0;

	a = align_down(off + done, d->align);
	buf = bounce_new(d, stop - a);
	if (!buf)
		return -ENOMEM;
	for (; a < end; a = b) {
		uint64_t from = max64(a, off + done), to;

		b = min64(a + BOUNCE, stop);
		got = read_sectors(d, fd, buf, (size_t)(b - a), a);
		if (got < 0)
			break;
		to = min64(a + (uint64_t)got, end);
		if (to > from)
			iov_put(iov, from - off, buf + (from - a), to - from);
		if ((uint64_t)got < b - a) {
			to = max64(to, from);
			iov_put(iov, to - off, NULL, end - to);
			break;
		}
	}
	free(buf);
	return got < 0 ? (int)got : 0;
}

int direct_preadv(struct direct *d, int fd, const struct iovec *iov, int n,
    uint64_t off, uint64_t len)
{
	uint64_t done = 0;
	ssize_t r;

	if (aligned(d, iov, n, off)) {
		r = preadv(fd, iov, n, (off_t)off);
		if (r >= 0 && (uint64_t)r == len)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		done = r < 0 ? 0 : align_down((uint64_t)r, d->align);
	}
	return read_bounced(d, fd, iov, n, off, len, done);
}

/* ---- writing */

/* The old contents of one sector; zeros past the end. */
static int read_old(struct direct *d, int fd, uint8_t *buf, uint64_t off)
{
	ssize_t got = read_sectors(d, fd, buf, d->align, off);

	if (got < 0)
		return (int)got;
	memset(buf + got, 0, d->align - (size_t)got);
	return 0;
}

struct piece {
	uint64_t a, b;		/* whole sectors */
	uint64_t from, to;	/* what of them is written */
};

static int write_piece(struct direct *d, int fd, int buffered, uint8_t *buf,
    const struct iovec *iov, int n, uint64_t skip, const struct piece *p,
    uint64_t size)
{
	uint64_t stop = p->b;	/* sectors up to here are written directly */
	int ret = 0;

	if (p->to < p->b && p->b > size)
		stop = p->b - d->align;
	if (p->a < p->from && p->a < stop)
		ret = read_old(d, fd, buf, p->a);
	if (ret == 0 && p->to < p->b && stop == p->b &&
	    (p->a == p->from || p->b - p->a > d->align))
		ret = read_old(d, fd, buf + (p->b - d->align - p->a),
		    p->b - d->align);
	if (ret < 0)
		return ret;
	iov_get(iov, skip, buf + (p->from - p->a), p->to - p->from);
	ret = write_sectors(fd, buf, (size_t)(stop - p->a), p->a);
	if (ret < 0 || stop == p->b)
		return ret;
	stop = max64(stop, p->from);
	return write_sectors(buffered, buf + (stop - p->a),
	    (size_t)(p->to - stop), stop);
}

static int write_bounced(struct direct *d, int fd, int buffered,
    const struct iovec *iov, int n, uint64_t off, uint64_t len,
    uint64_t done, uint64_t size)
{
	uint64_t start = off + done, end = off + len;
	struct direct_range r;
	bool held = direct_hold(d, &r, start, end);
	uint8_t *buf = bounce_new(d, r.end - r.off);
	struct piece p;
	int ret = buf ? 0 : -ENOMEM;

	for (p.a = r.off; p.a < r.end && ret == 0; p.a = p.b) {
		p.b = min64(p.a + BOUNCE, r.end);
		p.from = max64(p.a, start);
		p.to = min64(p.b, end);
		ret = write_piece(d, fd, buffered, buf, iov, n, p.from - off,
		    &p, size);
	}
	if (held)
		direct_let_go(d, &r);
	free(buf);
	return ret;
}

int direct_pwritev(struct direct *d, int fd, int buffered,
    const struct iovec *iov, int n, uint64_t off, uint64_t len, uint64_t size)
{
	uint64_t done = 0;
	ssize_t r;

	if (aligned(d, iov, n, off)) {
		r = pwritev(fd, iov, n, (off_t)off);
		if (r >= 0 && (uint64_t)r == len)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		done = r < 0 ? 0 : align_down((uint64_t)r, d->align);
	}
	return write_bounced(d, fd, buffered, iov, n, off, len, done, size);
}

/* ---- batches */

enum { BATCH = 64 };

static void submit_one(struct direct *d, int fd, int buffered,
    struct store_req *r, uint64_t size)
{
	uint64_t len = iov_total(r->iov, r->n);

	r->ret = r->write ? direct_pwritev(d, fd, buffered, r->iov, r->n,
	    r->off, len, size) : direct_preadv(d, fd, r->iov, r->n, r->off,
	    len);
}

void direct_submit(struct direct *d, int fd, int buffered,
    struct store_req *reqs, unsigned n, uint64_t size)
{
	struct uring_op ops[BATCH];
	struct store_req *of[BATCH];
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		struct store_req *r = &reqs[i];

		if (d->uring && !atomic_load(&d->no_uring) &&
		    aligned(d, r->iov, r->n, r->off)) {
			ops[count] = (struct uring_op){ .write = r->write,
			    .iov = r->iov, .iovcnt = r->n, .off = r->off };
			of[count++] = r;
		} else {
			submit_one(d, fd, buffered, r, size);
		}
		if (count < BATCH && (i + 1 < n || !count))
			continue;
		if (uring_run(d->uring, fd, ops, count)) {
			atomic_store(&d->no_uring, true);
			for (unsigned k = 0; k < count; k++)
				ops[k].ret = -EAGAIN;
		}
		/* Too short, or not now: the blocking way knows what to do. */
		for (unsigned k = 0; k < count; k++) {
			if (ops[k].ret == -EAGAIN || ops[k].ret == -EINTR ||
			    (ops[k].ret >= 0 && (uint64_t)ops[k].ret !=
			    iov_total(of[k]->iov, of[k]->n)))
				submit_one(d, fd, buffered, of[k], size);
			else
				of[k]->ret = ops[k].ret < 0 ?
				    (int)ops[k].ret : 0;
		}
		count = 0;
	}
}

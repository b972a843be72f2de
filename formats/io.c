/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io.c - the engine: reads and writes
 *
 * A read is a loop over image_map().  A write maps the top layer: bytes that
 * are there and belong to this image alone are written in place, without a
 * lock.  Anything else is an allocation:
 *
 *  (1) lock the range in whole units, so that nobody else allocates there;
 *  (2) map again: the one who held the range before may have done it;
 *  (3) claim space, which nothing points at yet;
 *  (4) fill all of it: the caller's bytes, around them the old contents read
 *      through the same map, zeros past the image's end;
 *  (5) commit: only now do the tables name it (D1);
 *  (6) unlock.
 *
 * Storage that a commit or a mark dropped may still be read or written by
 * requests that mapped it before.  They hold the gate; release() runs with
 * the gate shut, and only after the flush that made the dropping durable (D2,
 * D7).
 */
#include <limits.h>
#include <stdlib.h>

#include "base/auto.h"
#include "codec.h"
#include "image.h"
#include "io.h"

/* One allocation covers at most so much: bounds what (4) holds in memory and
 * how long a neighbour waits. */
enum { CLAIM_MAX = 8 << 20 };

/* ---- iovec pieces */

/* The next at most len bytes as their own vector; returns how many bytes it
 * holds, fewer when they lie in more than PIECES buffers. */
static uint64_t iov_next(struct iov_pos *p, uint64_t len, struct iovec *out,
    int *n)
{
	uint64_t got = 0;

	*n = 0;
	while (got < len && p->n && *n < PIECES) {
		size_t here = min64(p->iov->iov_len - p->skip, len - got);

		if (here)
			out[(*n)++] = (struct iovec){
			    (char *)p->iov->iov_base + p->skip, here };
		got += here;
		p->skip += here;
		if (p->skip == p->iov->iov_len) {
			p->iov++;
			p->n--;
			p->skip = 0;
		}
	}
	return got;
}

static void iov_zero(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		memset(iov[i].iov_base, 0, iov[i].iov_len);
}

/* ---- reading */

static int read_packed(struct image *img, const struct extent *e, void *buf,
    struct error *err)
{
	bool whole = e->skip == 0 && e->len == e->unit_len;
	AUTO_FREE void *packed = NULL;
	AUTO_FREE void *unit = NULL;
	int rc;

	if (!e->codec)
		return error_set(err, ENOTSUP,
		    "this build cannot unpack the image's compression type");
	if (!whole && unit_cache_get(img->units, e->store, e->host, e->skip,
	    (uint32_t)e->len, buf))
		return 0;
	packed = malloc(e->packed_len);
	if (!whole)
		unit = malloc(e->unit_len);
	if (!packed || (!whole && !unit))
		return error_errno(err, ENOMEM, "unpacking");
	rc = store_pread(e->store, packed, e->packed_len, e->host,
	    EVENT_PACKED_READ, err);
	if (rc)
		return rc;
	rc = e->codec->unpack(whole ? buf : unit, e->unit_len, packed,
	    e->packed_len, err);
	if (rc || whole)
		return rc;
	memcpy(buf, (char *)unit + e->skip, e->len);
	unit_cache_put(img->units, e->store, e->host, unit, e->unit_len);
	return 0;
}

int extent_read(struct image *img, const struct extent *e, void *buf,
    struct error *err)
{
	switch (e->kind) {
	case EXTENT_DATA:
		return store_pread(e->store, buf, e->len, e->host, EVENT_DATA,
		    err);
	case EXTENT_PACKED:
		return read_packed(img, e, buf, err);
	case EXTENT_ZERO:
	case EXTENT_HOLE:
		memset(buf, 0, e->len);
		return 0;
	}
	return 0;
}

static int read_packed_iov(struct image *img, const struct extent *e,
    const struct iovec *iov, int n, struct error *err)
{
	AUTO_FREE char *buf = NULL;
	int rc;

	if (n == 1)
		return read_packed(img, e, iov[0].iov_base, err);
	buf = malloc(e->len);
	if (!buf)
		return error_errno(err, ENOMEM, "unpacking");
	if ((rc = read_packed(img, e, buf, err)))
		return rc;
	iov_put(iov, 0, buf, e->len);
	return 0;
}

/* The gate is held; the range lies in the image. */
static int read_held(struct image *img, struct iov_pos *pos, uint64_t len,
    uint64_t off, enum store_event event, struct error *err)
{
	struct iovec iov[PIECES];
	struct extent e;
	int n, rc;

	while (len) {
		if ((rc = image_map(img, off, len, MAP_READ, &e, NULL, err)))
			return rc;
		/* The extent may lie in more pieces than one vector takes. */
		e.len = iov_next(pos, e.len, iov, &n);
		switch (e.kind) {
		case EXTENT_DATA:
			rc = store_preadv(e.store, iov, n, e.host, event, err);
			break;
		case EXTENT_PACKED:
			rc = read_packed_iov(img, &e, iov, n, err);
			break;
		case EXTENT_ZERO:
		case EXTENT_HOLE:
			iov_zero(iov, n);
			break;
		}
		if (rc)
			return rc;
		off += e.len;
		len -= e.len;
	}
	return 0;
}

/* What the guest sees in [off, off + len), zeros past the end. */
static int read_old(struct image *img, void *buf, uint64_t len, uint64_t off,
    struct error *err)
{
	uint64_t inside = off < img->size ? min64(len, img->size - off) : 0;
	struct iovec iov = { buf, inside };
	struct iov_pos pos = { &iov, 1, 0 };

	memset((char *)buf + inside, 0, len - inside);
	return read_held(img, &pos, inside, off, EVENT_COW_READ, err);
}

int io_check_range(struct image *img, uint64_t off, uint64_t len,
    const char *what, struct error *err)
{
	if (!range_ok(off, len, img->size))
		return error_set(err, EINVAL,
		    "%s of %llu bytes at %llu is past the end of the image "
		    "(%llu bytes)", what, (unsigned long long)len,
		    (unsigned long long)off, (unsigned long long)img->size);
	return 0;
}

static int copy_up(struct image *, uint64_t off, uint64_t len, struct error *);

int image_readv(struct image *img, const struct iovec *iov, int n,
    uint64_t off, struct error *err)
{
	struct iov_pos pos = { iov, n, 0 };
	uint64_t len = iov_total(iov, n);
	int rc;

	if ((rc = io_check_range(img, off, len, "read", err)) ||
	    (img->args.copy_on_read && (rc = copy_up(img, off, len, err))))
		return rc;
	image_hold(img);
	rc = read_held(img, &pos, len, off, EVENT_DATA, err);
	image_drop(img);
	return rc;
}

int image_read(struct image *img, void *buf, uint64_t len, uint64_t off,
    struct error *err)
{
	struct iovec iov = { buf, len };

	return image_readv(img, &iov, 1, off, err);
}

/* ---- ranges under allocation */

static bool overlaps(const struct pending *p, uint64_t off, uint64_t len)
{
	return p->lock_off < off + len && off < p->lock_off + p->lock_len;
}

void io_lock(struct image *img, struct pending *p, uint64_t off,
    uint64_t len)
{
	struct claim_list *l = &img->claims;
	struct pending *other;
	LOCKED(&l->lock);

again:
	for (other = l->head; other; other = other->next)
		if (overlaps(other, off, len)) {
			pthread_cond_wait(&l->freed, &l->lock);
			goto again;
		}
	p->lock_off = off;
	p->lock_len = len;
	p->next = l->head;
	l->head = p;
}

/* Keeps only what the claim covers: the rest is for others, and for the next
 * claim of who holds this one. */
static void range_shrink(struct image *img, struct pending *p)
{
	const struct claim *c = &p->claim;
	uint64_t from = align_down(c->off, img->unit);
	uint64_t len = align_up(c->off + c->len, img->unit) - from;
	LOCKED(&img->claims.lock);

	if (p->lock_off == from && p->lock_len == len)
		return;
	p->lock_off = from;
	p->lock_len = len;
	pthread_cond_broadcast(&img->claims.freed);
}

void io_unlock(struct image *img, struct pending *p)
{
	struct claim_list *l = &img->claims;
	struct pending **at;

	if (!p->lock_len)
		return;
	LOCKED(&l->lock);
	for (at = &l->head; *at != p; at = &(*at)->next)
		;
	*at = p->next;
	p->lock_len = 0;
	pthread_cond_broadcast(&l->freed);
}

/* ---- writing */

int io_begin_writing(struct image *img, struct error *err)
{
	int failed = atomic_load_explicit(&img->failed, memory_order_relaxed);
	int rc = 0;

	if (!img->writable)
		return error_set(err, EBADF, "image is open read-only");
	if (failed)
		return error_set(err, failed,
		    "an earlier error left the image unusable");
	if (atomic_load_explicit(&img->wrote, memory_order_acquire))
		return 0;
	LOCKED(&img->first_lock);
	if (atomic_load_explicit(&img->wrote, memory_order_relaxed))
		return 0;
	if (img->format->first_write)
		rc = img->format->first_write(img, err);
	if (!rc)
		atomic_store_explicit(&img->wrote, true,
		    memory_order_release);
	return rc;
}

void io_note(struct image *img, uint64_t off, uint64_t len)
{
	if (img->tracked && len)
		img->format->wrote(img, off, len);
}

static bool in_place(const struct extent *e)
{
	return e->kind == EXTENT_DATA && !(e->flags & EXTENT_SHARED);
}

/* With the gate held; leaves it on error. */
static int begin_held(struct image *img, uint64_t off, uint64_t len,
    uint32_t packed_len, struct pending *p, struct error *err)
{
	const struct format *fmt = img->format;
	uint64_t from, to;
	struct extent e;
	int rc;

	*p = (struct pending){ .image = img, .off = off };
	rc = fmt->map(img, off, len, MAP_READ, &e, err);
	if (rc)
		return rc;
	if (in_place(&e) && !packed_len)
		goto in_place;
	if (!fmt->claim)
		return error_set(err, ENOTSUP, "%s images cannot be written",
		    fmt->name);
	from = align_down(off, img->unit);
	len = min64(len, from + max64(CLAIM_MAX, img->unit) - off);
	to = align_up(off + len, img->unit);
	io_lock(img, p, from, to - from);			/* (1) */
	rc = fmt->map(img, off, len, MAP_READ, &e, err);	/* (2) */
	if (rc)
		goto fail;
	if (in_place(&e) && !packed_len) {
		io_unlock(img, p);
		goto in_place;
	}
	if (!packed_len) {
		/* One answer of the map at a time: what follows may already
		 * be there. */
		len = min64(len, e.len);
		from = align_down(off, img->granule);
		to = align_up(off + len, img->granule);
	}
	rc = fmt->claim(img, from, to - from, packed_len, &p->claim, err);
	if (rc)							/* (3) */
		goto fail;
	range_shrink(img, p);
	p->len = min64(off + len, p->claim.off + p->claim.len) - off;
	return 0;
in_place:
	p->in_place = true;
	p->len = min64(len, e.len);
	p->claim.dst = e;
	return 0;
fail:
	io_unlock(img, p);
	return rc;
}

int image_write_begin(struct image *img, uint64_t off, uint64_t len,
    uint32_t packed_len, struct pending *p, struct error *err)
{
	int rc;

	if ((rc = io_check_range(img, off, len, "write", err)) ||
	    (rc = io_begin_writing(img, err)))
		return rc;
	image_hold(img);
	rc = begin_held(img, off, len, packed_len, p, err);
	if (rc)
		image_drop(img);
	else
		io_note(img, p->off, p->len);
	return rc;
}

/* Do the old contents of a range that a claim covers read as zeros? */
bool io_old_is_zero(struct image *img, uint64_t off, uint64_t len)
{
	struct error ignored;
	struct extent e;

	while (len && off < img->size) {
		if (image_map(img, off, min64(len, img->size - off), MAP_READ,
		    &e, NULL, &ignored))
			return false;
		if (e.kind != EXTENT_ZERO && e.kind != EXTENT_HOLE)
			return false;
		off += e.len;
		len -= min64(len, e.len);
	}
	return true;
}

/* (4): the claim's head and tail around the caller's n pieces. */
static int fill(struct pending *p, const struct iovec *iov, int n,
    struct error *err)
{
	struct image *img = p->image;
	struct claim *c = &p->claim;
	uint64_t end = p->off + p->len, c_end = c->off + c->len;
	uint64_t head = p->off - c->off, tail = c_end - end;
	struct iovec all[PIECES + 2];
	AUTO_FREE char *old = NULL;
	uint64_t host = c->dst.host;
	int count = 0, rc;

	if (c->fresh) {		/* zeros are there already */
		if (head && io_old_is_zero(img, c->off, head)) {
			host += head;
			head = 0;
		}
		if (tail && io_old_is_zero(img, end, tail))
			tail = 0;
	}
	if (head || tail) {
		old = malloc(head + tail);
		if (!old)
			return error_errno(err, ENOMEM, "copy-on-write");
		if ((head && (rc = read_old(img, old, head, c->off, err))) ||
		    (tail && (rc = read_old(img, old + head, tail, end, err))))
			return rc;
	}
	if (head)
		all[count++] = (struct iovec){ old, head };
	if (n)
		memcpy(all + count, iov, (size_t)n * sizeof(*iov));
	count += n;
	if (tail)
		all[count++] = (struct iovec){ old + head, tail };
	return store_pwritev(c->dst.store, all, count, host,
	    head || tail ? EVENT_COW_WRITE : EVENT_DATA, err);
}

/* n is at most PIECES. */
static int finish(struct pending *p, const struct iovec *iov, int n,
    struct error *err)
{
	struct image *img = p->image;
	struct claim *c = &p->claim;
	int rc;

	if (p->in_place) {
		rc = store_pwritev(c->dst.store, iov, n, c->dst.host,
		    EVENT_DATA, err);
	} else {
		rc = n ? fill(p, iov, n, err) : 0;
		if (!rc)
			rc = img->format->commit(img, c, err);	/* (5) */
		if (rc)
			img->format->abandon(img, c);
		io_unlock(img, p);				/* (6) */
	}
	image_drop(img);
	return rc;
}

int image_write_finish(struct pending *p, const void *buf, struct error *err)
{
	struct iovec iov = { (void *)buf, p->len };

	return finish(p, &iov, buf ? 1 : 0, err);
}

void image_write_cancel(struct pending *p)
{
	struct image *img = p->image;

	if (!p->in_place)
		img->format->abandon(img, &p->claim);
	io_unlock(img, p);
	image_drop(img);
}

/* Does this layer lack the bytes at off, and a backing image have them?  How
 * far, in *len. */
static int is_below(struct image *img, uint64_t off, uint64_t *len,
    bool *below, struct error *err)
{
	struct extent e;
	unsigned depth;
	int rc;

	image_hold(img);
	rc = image_map(img, off, *len, MAP_READ, &e, &depth, err);
	image_drop(img);
	*len = e.len;
	*below = !rc && depth &&
	    (e.kind == EXTENT_DATA || e.kind == EXTENT_PACKED);
	return rc;
}

/* Copy-on-read: what a backing image has of the range comes into this layer,
 * as a write of nothing does it, unless somebody was faster. */
static int copy_up(struct image *img, uint64_t off, uint64_t len,
    struct error *err)
{
	for (uint64_t here; len; off += here, len -= here) {
		struct pending p;
		bool below;
		int rc;

		here = len;
		if ((rc = is_below(img, off, &here, &below, err)))
			return rc;
		if (!below)
			continue;
		if ((rc = image_write_begin(img, off, here, 0, &p, err)))
			return rc;
		here = p.len;
		p.len = 0;
		if (!p.in_place && (rc = fill(&p, NULL, 0, err))) {
			image_write_cancel(&p);
			return rc;
		}
		if ((rc = finish(&p, NULL, 0, err)))
			return rc;
	}
	return 0;
}

/* After a request, with no gate held: the driver has dropped so much that it
 * should be made durable and reused. */
int io_after_write(struct image *img, unsigned flags, struct error *err)
{
	if ((flags & IO_FUA) || img->args.writethrough ||
	    atomic_load_explicit(&img->want_flush, memory_order_relaxed))
		return image_flush(img, err);
	return 0;
}

int io_write_plain(struct image *img, struct iov_pos *pos, uint64_t len,
    uint64_t off, struct error *err)
{
	struct iovec iov[PIECES];
	struct pending p;
	int n, rc;

	while (len) {
		rc = image_write_begin(img, off, len, 0, &p, err);
		if (rc)
			return rc;
		/* A shorter vector than the claim: the rest of the claim is
		 * filled from the old contents, and then written in place. */
		p.len = iov_next(pos, p.len, iov, &n);
		if ((rc = finish(&p, iov, n, err)))
			return rc;
		off += p.len;
		len -= p.len;
	}
	return 0;
}

/* One unit, compressed when that makes it smaller. */
static int write_packed_unit(struct image *img, struct packer *packer,
    const void *src, uint64_t len, uint64_t off, void *packed,
    struct error *err)
{
	struct iovec iov = { (void *)src, len };
	struct iov_pos pos = { &iov, 1, 0 };
	struct pending p;
	size_t n;
	int rc;

	n = packer_pack(packer, packed, img->unit - 1, src, img->unit);
	if (!n)
		return io_write_plain(img, &pos, len, off, err);
	rc = image_write_begin(img, off, len, (uint32_t)n, &p, err);
	if (rc)
		return rc;
	rc = store_pwrite(p.claim.dst.store, packed, n, p.claim.dst.host,
	    EVENT_PACKED_WRITE, err);
	if (rc) {
		image_write_cancel(&p);
		return rc;
	}
	return image_write_finish(&p, NULL, err);
}

static int write_packed(struct image *img, struct iov_pos *pos, uint64_t len,
    uint64_t off, struct error *err)
{
	struct packer *packer = NULL;
	AUTO_FREE char *unit = NULL;
	AUTO_FREE void *packed = NULL;
	int rc = 0;

	if (!img->packed_codec)
		return error_set(err, ENOTSUP,
		    "%s images cannot hold compressed data",
		    img->format->name);
	if (off % img->unit ||
	    (len % img->unit && off + len != img->size))
		return error_set(err, EINVAL, "compressed writes must cover "
		    "whole clusters of %u bytes", img->unit);
	unit = malloc(img->unit);
	packed = malloc(img->unit);
	if (!unit || !packed)
		return error_errno(err, ENOMEM, "compressing");
	packer = packer_new(img->packed_codec, CODEC_DEFAULT, err);
	if (!packer)
		return -err->code;
	while (len && !rc) {
		uint64_t here = min64(len, img->unit), got = 0;

		while (got < here) {
			struct iovec iov[PIECES];
			uint64_t more;
			int n;

			more = iov_next(pos, here - got, iov, &n);
			iov_get(iov, 0, unit + got, more);
			got += more;
		}
		memset(unit + here, 0, img->unit - here);
		rc = write_packed_unit(img, packer, unit, here, off, packed,
		    err);
		off += here;
		len -= here;
	}
	packer_free(packer);
	return rc;
}

/*
 * Raw guard: a guest that writes another format's header into the first
 * sector of a raw disk would be believed by the next one who probes it.
 */
static int guard_raw(struct image *img, const struct iovec *iov, int n,
    uint64_t off, uint64_t len, struct error *err)
{
	uint8_t head[2048] = {0};
	uint64_t have = min64(sizeof(head), img->size);
	int rc;

	if (off >= sizeof(head) || !len)
		return 0;
	if ((rc = image_read(img, head, have, 0, err)))
		return rc;
	iov_get(iov, 0, head + off, min64(len, sizeof(head) - off));
	if (image_probe(img->name, head, have, NULL, img->size) != img->format)
		return error_set(err, EPERM,
		    "format was probed as raw; refusing to write another "
		    "format's header to it (name the format to allow it)");
	return 0;
}

int image_writev(struct image *img, const struct iovec *iov, int n,
    uint64_t off, unsigned flags, struct error *err)
{
	struct iov_pos pos = { iov, n, 0 };
	uint64_t len = iov_total(iov, n);
	int rc;

	if ((rc = io_check_range(img, off, len, "write", err)) ||
	    (img->probed && (rc = guard_raw(img, iov, n, off, len, err))))
		return rc;
	if (flags & IO_PACK)
		rc = write_packed(img, &pos, len, off, err);
	else
		rc = (img->args.detect_zeroes ? io_write_detecting :
		    io_write_plain)(img, &pos, len, off, err);
	return rc ? rc : io_after_write(img, flags, err);
}

int image_write(struct image *img, const void *buf, uint64_t len,
    uint64_t off, unsigned flags, struct error *err)
{
	struct iovec iov = { (void *)buf, len };

	return image_writev(img, &iov, 1, off, flags, err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resize.c - growing and shrinking
 *
 * Both run with the gate shut.  Growing may need a larger L1 table: it is
 * written to new clusters, and one header sector switches table and size
 * (D5).  Shrinking first forgets what lies past the new end, makes that
 * durable, writes the new size, and only then gives the space back and cuts
 * the file behind the last cluster in use: at no moment do tables name what
 * the file no longer has.
 */
#include "qcow2/qcow2.h"

static int sector_with_barriers(struct qcow2 *q, struct error *err)
{
	int rc = qcow2_flush_locked(q, err);

	if (rc || (rc = qcow2_write_sector(q, err)))
		return rc;
	return store_sync(q->store, err);
}

static int grow_l1(struct qcow2 *q, uint64_t entries, struct error *err)
{
	struct qcow2_header old = q->h;
	uint64_t clusters = div_up(entries * 8, q->cluster_size), host;
	_Atomic uint64_t *l1;
	int rc;

	if (entries <= q->h.l1_size)
		return 0;
	if (entries * 8 > L1_MAX_BYTES)
		return error_set(err, EFBIG, "The image size is too large for "
		    "file format 'qcow2' (try using a larger cluster size)");
	rc = qcow2_alloc_table(q, clusters, &host, err);
	if (rc)
		return rc;
	l1 = calloc(entries, 8);
	if (!l1) {
		rc = error_errno(err, ENOMEM, "L1 table");
		goto fail;
	}
	for (uint64_t i = 0; i < q->h.l1_size; i++)
		atomic_init(&l1[i], qcow2_l1_get(q, i));
	/* What is dirty goes to the old place first: only one is written. */
	if ((rc = qcow2_flush_locked(q, err)))
		goto fail;
	free((void *)q->l1);
	q->l1 = l1;
	q->h.l1_size = (uint32_t)entries;
	q->h.l1_offset = host;
	q->l1_dirty_from = 0;
	q->l1_dirty_to = entries;
	rc = sector_with_barriers(q, err);
	if (rc) {
		/* Header or not, on disk both tables say the same. */
		atomic_store(&q->image->failed, -rc);
		return rc;
	}
	if (old.l1_size)
		qcow2_drop(q, old.l1_offset, align_up((uint64_t)old.l1_size *
		    8, q->cluster_size), false);
	return 0;
fail:
	free((void *)l1);
	qcow2_unalloc(q, host, clusters << q->cluster_bits);
	return rc;
}

/* Allocates [from, to), whole clusters, as preallocation asks: the clusters'
 * contents are zeros. */
static int preallocate(struct image *img, uint64_t from, uint64_t to,
    const char *mode, struct error *err)
{
	struct qcow2 *q = img->state;
	bool full = !strcmp(mode, "full"), falloc = !strcmp(mode, "falloc");
	struct extent e;
	struct claim c;
	uint64_t end;
	int rc;

	for (; from < to; from += e.len) {
		rc = qcow2_map(img, from, to - from, MAP_READ, &e, err);
		if (rc)
			return rc;
		if (e.kind != EXTENT_HOLE)
			continue;
		rc = qcow2_claim(img, from, e.len, 0, &c, err);
		if (rc)
			return rc;
		e.len = c.len;
		if (full)
			rc = store_zero(c.dst.store, c.dst.host, c.len,
			    STORE_NO_FALLBACK, err) ?
			    store_zero(c.dst.store, c.dst.host, c.len, 0,
			    err) : 0;
		else if (falloc || !c.fresh)
			rc = store_zero(c.dst.store, c.dst.host, c.len,
			    falloc ? 0 : STORE_MAY_PUNCH, err);
		/* The file shall hold what the tables name, before they do. */
		end = align_up(c.dst.host + c.len, q->cluster_size);
		if (!rc && !qcow2_has_data_file(q) &&
		    store_size(q->store) < end)
			rc = store_resize(q->store, end, PREALLOC_OFF, err);
		if (!rc)
			rc = qcow2_commit(img, &c, err);
		if (rc) {
			qcow2_abandon(img, &c);
			return rc;
		}
	}
	return 0;
}

static int resize_data_file(struct qcow2 *q, uint64_t size,
    struct error *err)
{
	if (!qcow2_has_data_file(q))
		return 0;
	return store_resize(q->data, size, PREALLOC_OFF, err);
}

/* The cluster of offset at, as the guest would see it if the image were long
 * enough. */
static int read_cluster(struct image *img, uint64_t at, uint8_t *buf,
    uint32_t len, struct error *err)
{
	struct extent e;
	int rc;

	for (; len; at += e.len, buf += e.len, len -= (uint32_t)e.len)
		if ((rc = image_map(img, at, len, MAP_READ, &e, NULL, err)) ||
		    (rc = extent_read(img, &e, buf, err)))
			return rc;
	return 0;
}

/* Zeros from the old end to the end of its cluster, where shrinking left
 * something, or the backing image has. */
static int clear_tail(struct image *img, struct error *err)
{
	struct qcow2 *q = img->state;
	uint64_t start = align_down(img->size, q->cluster_size);
	uint32_t used = (uint32_t)(img->size - start);
	uint64_t off = align_down(img->size, img->granule);
	uint64_t end = start + q->cluster_size;
	AUTO_FREE uint8_t *buf = NULL;
	struct claim c;
	int rc;

	if (!used)
		return 0;
	buf = malloc(q->cluster_size);
	if (!buf)
		return error_errno(err, ENOMEM, "resizing");
	rc = read_cluster(img, start, buf, q->cluster_size, err);
	if (rc || bytes_are_zero(buf + used, q->cluster_size - used))
		return rc;
	memset(buf + used, 0, q->cluster_size - used);
	for (; off < end; off = c.off + c.len) {
		rc = qcow2_claim(img, off, end - off, 0, &c, err);
		if (rc)
			return rc;
		rc = store_pwrite(c.dst.store, buf + (c.off - start), c.len,
		    c.dst.host, EVENT_COW_WRITE, err);
		if (!rc)
			rc = qcow2_commit(img, &c, err);
		if (rc) {
			qcow2_abandon(img, &c);
			return rc;
		}
	}
	return 0;
}

/* What the image gains reads as zeros, also where the backing image is longer
 * than the image was. */
static int hide_old(struct image *img, uint64_t size, struct error *err)
{
	struct qcow2 *q = img->state;
	uint64_t from = align_up(img->size, q->cluster_size), to;
	int rc = clear_tail(img, err);

	if (rc || !img->backing)
		return rc;
	to = align_up(min64(size, img->backing->size), q->cluster_size);
	if (from >= to)
		return 0;
	rc = qcow2_mark(img, from, to - from, EXTENT_ZERO, 0, err);
	return rc == -ENOTSUP ? preallocate(img, from, to, "metadata", err) :
	    rc;
}

/* The clusters from "from" on are forgotten; whole tables of them, too. */
static int forget(struct qcow2 *q, uint64_t from, struct error *err)
{
	uint64_t span = 1ull << q->l1_shift, first = div_up(from, span);
	int rc = qcow2_clear_tables(q, first, err);

	/* Within the last table that stays. */
	if (!rc && from < first * span && (qcow2_l1_get(q, from >>
	    q->l1_shift) & L1_OFFSET))
		rc = qcow2_clear(q, from, first * span, err);
	return rc;
}

/* So many free clusters at the end of a file are looked at, no more. */
enum { CUT_MAX = 1 << 24 };

/* The file behind the last cluster with a refcount is cut off. */
static int cut_file(struct qcow2 *q, struct error *err)
{
	uint64_t end = div_up(store_size(q->store), q->cluster_size), count;
	unsigned looks = 0;
	int rc;

	end = min64(end, q->reftable_entries << q->rb_bits);
	while (end > 1) {
		uint64_t block = (end - 1) >> q->rb_bits;

		/* Not even the header is counted: believe none of it. */
		if ((!block && !q->reftable[block]) || looks++ == CUT_MAX)
			return 0;
		if (!q->reftable[block]) {
			end = block << q->rb_bits;
			continue;
		}
		if ((rc = qcow2_refcount(q, end - 1, &count, err)))
			return rc;
		if (count)
			break;
		end--;
	}
	if (end << q->cluster_bits >= store_size(q->store))
		return 0;
	q->fresh_from = end << q->cluster_bits;
	return store_resize(q->store, end << q->cluster_bits, PREALLOC_OFF,
	    err);
}

/*
 * Preallocation has failed, most likely for want of space: what it got is
 * given back, as far as that can be written.  All that was dirty before it
 * began has been flushed, so once its tables are forgotten there are only
 * removals to write, which need no refcounts first (D2): for these there may
 * be no room before the tables' own space is back.  It is otherwise where the
 * last table that stays is a copy of a shared one; l1e is its L1 entry as it
 * was.
 */
static void take_back(struct qcow2 *q, uint64_t from, uint64_t l1e)
{
	bool dirty = q->dirty_set, ok;
	struct error ignored;
	LOCKED(&q->lock);

	if (!(l1e & L1_OFFSET))
		from = align_down(from, 1ull << q->l1_shift);
	ok = !forget(q, from, &ignored);
	if (!(l1e & L1_OFFSET) || qcow2_l1_get(q, from >> q->l1_shift) == l1e)
		q->dirty_set = true;
	ok = ok && !qcow2_flush_locked(q, &ignored) &&
	    !qcow2_release_locked(q, true, &ignored);
	q->dirty_set = dirty;
	if (ok && !qcow2_flush_locked(q, &ignored))
		cut_file(q, &ignored);
}

static int flush_all(struct qcow2 *q, struct error *err)
{
	LOCKED(&q->lock);

	return qcow2_flush_locked(q, err);
}

static int grow(struct image *img, uint64_t size, const char *mode,
    struct error *err)
{
	struct qcow2 *q = img->state;
	uint64_t old = img->size, from = align_up(old, q->cluster_size);
	uint64_t need = ((size - 1) >> q->l1_shift) + 1;
	int rc;

	{
		LOCKED(&q->lock);
		if ((rc = grow_l1(q, need, err)))
			return rc;
	}
	if ((rc = resize_data_file(q, size, err)))
		return rc;
	/* The tables reach far enough now: zeros and preallocated clusters
	 * first, the size that shows them last. */
	if ((rc = hide_old(img, size, err)))
		return rc;
	if (mode && strcmp(mode, "off") && from < size) {
		uint64_t l1e = qcow2_l1_get(q, from >> q->l1_shift);

		if ((rc = flush_all(q, err)))	/* for take_back() */
			return rc;
		rc = preallocate(img, from, align_up(size, q->cluster_size),
		    mode, err);
		if (rc) {
			take_back(q, from, l1e);
			return rc;
		}
	}
	LOCKED(&q->lock);
	q->h.size = size;
	rc = sector_with_barriers(q, err);
	if (rc)
		q->h.size = old;
	else
		img->size = size;
	return rc;
}

static int shrink(struct image *img, uint64_t size, struct error *err)
{
	struct qcow2 *q = img->state;
	uint64_t old = img->size;
	int rc;

	LOCKED(&q->lock);
	if ((rc = forget(q, align_up(size, q->cluster_size), err)) ||
	    (rc = qcow2_flush_locked(q, err)))
		return rc;
	q->h.size = size;
	rc = sector_with_barriers(q, err);
	if (rc) {
		q->h.size = old;
		return rc;
	}
	img->size = size;
	if ((rc = qcow2_release_locked(q, img->args.unmap,
	    err)) ||
	    (rc = qcow2_flush_locked(q, err)) || (rc = cut_file(q, err)))
		return rc;
	return resize_data_file(q, size, err);
}

int qcow2_resize(struct image *img, uint64_t size, const char *prealloc,
    struct error *err)
{
	struct qcow2 *q = img->state;
	int rc;

	if (prealloc && strcmp(prealloc, "off") &&
	    strcmp(prealloc, "metadata") && strcmp(prealloc, "falloc") &&
	    strcmp(prealloc, "full"))
		return error_set(err, EINVAL,
		    "Invalid parameter '%s' for preallocation", prealloc);
	if (size % 512)
		return error_set(err, EINVAL,
		    "The new size must be a multiple of 512");
	if (q->h.snapshot_count && q->h.version < 3)
		return error_set(err, ENOTSUP,
		    "Can't resize a v2 image which has snapshots");
	if (size == img->size)
		return 0;
	if ((rc = qcow2_track_can_resize(q, size, err)))
		return rc;
	if (size > img->size)
		return grow(img, size, prealloc, err);
	if (prealloc && strcmp(prealloc, "off"))
		return error_set(err, EINVAL, "Preallocation can only be "
		    "used for growing images");
	return shrink(img, size, err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * alloc.c - refcounts: clusters given, dropped, given back
 *
 * A cluster is free when its refcount is 0.  Refcount blocks are cached
 * tables; a refcount is raised there at once, and is on stable storage before
 * any entry that needs it (stage 1 of qcow2.h).  It is lowered only after the
 * entry is durably gone: dropped storage waits in a list, moves to another
 * when a flush has passed, and is given back by release(), with no I/O in
 * flight that might still use it.
 *
 * A new refcount block counts itself: it takes the first cluster of the range
 * it describes, all of which is free.  When the refcount table is full, a
 * larger one is written to free space with the blocks that count it, and one
 * header sector switches (D5).
 */
#include "qcow2/qcow2.h"

/* So many dropped pieces, or bytes in them, wait for a flush or for release()
 * before they are asked for: else a guest that never flushes makes the file
 * grow for ever. */
enum { DROPS_MAX = 1 << 16, WAITING_MAX = 256 << 20 };

/* So many clusters of tables are guarded: 16 TiB in 4 KiB clusters have an
 * eighth of it. */
enum { META_MAX = 1 << 26 };

/* ---- refcounts in a block */

uint64_t qcow2_refcount_get(const void *block, uint64_t i, unsigned order)
{
	const uint8_t *b = block;

	switch (order) {
	case 0: return b[i / 8] >> (i % 8) & 1;
	case 1: return b[i / 4] >> (2 * (i % 4)) & 3;
	case 2: return b[i / 2] >> (4 * (i % 2)) & 15;
	case 3: return b[i];
	case 4: return be16_get(((const be16 *)block)[i]);
	case 5: return be32_get(((const be32 *)block)[i]);
	default: return be64_get(((const be64 *)block)[i]);
	}
}

static void put_bits(uint8_t *b, unsigned shift, unsigned mask, uint64_t v)
{
	*b = (uint8_t)((*b & ~(mask << shift)) | (v & mask) << shift);
}

void qcow2_refcount_put(void *block, uint64_t i, unsigned order, uint64_t v)
{
	uint8_t *b = block;

	switch (order) {
	case 0: put_bits(b + i / 8, i % 8, 1, v); break;
	case 1: put_bits(b + i / 4, 2 * (i % 4), 3, v); break;
	case 2: put_bits(b + i / 2, 4 * (i % 2), 15, v); break;
	case 3: b[i] = (uint8_t)v; break;
	case 4: be16_put((be16 *)block + i, (uint16_t)v); break;
	case 5: be32_put((be32 *)block + i, (uint32_t)v); break;
	default: be64_put((be64 *)block + i, v); break;
	}
}

static uint64_t refcount_max(const struct qcow2 *q)
{
	unsigned bits = 1u << q->h.refcount_order;

	return bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
}

/* ---- tables in memory */

int qcow2_load_reftable(struct qcow2 *q, struct error *err)
{
	uint64_t n = ((uint64_t)q->h.reftable_clusters << q->cluster_bits) / 8;
	uint64_t *t;
	int rc;

	if (q->reftable)
		return 0;
	t = malloc(n * 8);
	if (!t)
		return error_errno(err, ENOMEM, "refcount table");
	rc = store_pread(q->store, t, n * 8, q->h.reftable_offset,
	    EVENT_REFTABLE_LOAD, err);
	if (rc) {
		free(t);
		return rc;
	}
	for (uint64_t i = 0; i < n; i++)
		t[i] = be64toh(t[i]) & REFTABLE_OFFSET;
	q->reftable = t;
	q->reftable_entries = n;
	q->rt_dirty_from = UINT64_MAX;
	return 0;
}

static int add_meta(struct qcow2 *q, uint64_t host, uint64_t bytes,
    struct error *err)
{
	uint64_t first = host >> q->cluster_bits;
	uint64_t n = div_up(bytes, q->cluster_size);
	bool was = false;
	int rc;

	if (!n)
		return 0;
	/* H6: tables fill what no honest image comes near to. */
	if ((q->meta_count += n) > META_MAX)
		return error_set(err, EFBIG, "the image's tables are larger "
		    "than this program takes");
	rc = bits_add(&q->meta, first, n, &was, err);
	if (was)
		q->meta_conflict = true;
	return rc;
}

int qcow2_load_meta(struct qcow2 *q, struct error *err)
{
	struct qcow2_snapshot *snaps = NULL;
	uint64_t dir_off = 0, dir_len = 0, snap_len = 0;
	unsigned n = 0, bitmaps = 0;
	struct qcow2_bitmap *maps = NULL;
	int rc;

	if (q->meta_known)
		return 0;
	/* All that is read comes first: a second try after an error must not
	 * meet what the first one added. */
	if ((rc = qcow2_load_reftable(q, err)) ||
	    (rc = qcow2_snapshots_load(q, &snaps, &n, &snap_len, err)))
		return rc;
	rc = qcow2_bitmaps_load(q, &maps, &bitmaps, &dir_off, &dir_len, err);
	if (rc) {
		qcow2_snapshots_free(snaps, n);
		return rc;
	}
	qcow2_bitmaps_free(maps, bitmaps);
	if (!(rc = add_meta(q, 0, q->cluster_size, err)) &&
	    !(rc = add_meta(q, q->h.l1_offset, (uint64_t)q->h.l1_size * 8,
	    err)) &&
	    !(rc = add_meta(q, q->h.reftable_offset,
	    q->reftable_entries * 8, err)) &&
	    !(rc = add_meta(q, q->h.snapshot_offset, n ? snap_len : 0, err)))
		rc = add_meta(q, dir_off, bitmaps ? dir_len : 0, err);
	for (uint64_t i = 0; !rc && i < q->reftable_entries; i++)
		if (q->reftable[i])
			rc = add_meta(q, q->reftable[i], q->cluster_size,
			    err);
	for (uint64_t i = 0; !rc && i < q->h.l1_size; i++) {
		uint64_t host = qcow2_l1_get(q, i) & L1_OFFSET;

		if (host)
			rc = add_meta(q, host, q->cluster_size, err);
	}
	for (unsigned i = 0; !rc && i < n; i++)
		rc = add_meta(q, snaps[i].l1_offset,
		    (uint64_t)snaps[i].l1_size * 8, err);
	qcow2_snapshots_free(snaps, n);
	if (rc)
		atomic_store(&q->image->failed, -rc);
	q->meta_known = !rc;
	return rc;
}

/* ---- looking at and changing refcounts */

static uint64_t rb_host(const struct qcow2 *q, uint64_t cluster)
{
	uint64_t in_block = cluster & ((1ull << q->rb_bits) - 1);

	return q->reftable[cluster >> q->rb_bits] +
	    (in_block >> q->rb_slice_shift << q->slice_bits);
}

static uint64_t rb_index(const struct qcow2 *q, uint64_t cluster)
{
	return cluster & ((1ull << q->rb_slice_shift) - 1);
}

static bool has_block(const struct qcow2 *q, uint64_t cluster)
{
	uint64_t i = cluster >> q->rb_bits;

	return i < q->reftable_entries && q->reftable[i];
}

static const void *block_get(struct qcow2 *q, uint64_t cluster,
    struct error *err)
{
	uint64_t host = q->reftable[cluster >> q->rb_bits], key;
	const void *t;

	if (host & (q->cluster_size - 1)) {
		qcow2_corrupt(q, err, "refcount block offset %#llx is not "
		    "aligned", (unsigned long long)host);
		return NULL;
	}
	if (host >= q->fresh_from) {
		qcow2_corrupt(q, err, "refcount block at %#llx lies past the "
		    "end of the file", (unsigned long long)host);
		return NULL;
	}
	key = cluster >> q->rb_slice_shift;
	t = cache_get(q->rb, key, rb_host(q, cluster), err);
	if (!t && err->code == ENOBUFS && !qcow2_flush_locked(q, err) &&
	    !qcow2_flush_refcounts(q, err))
		t = cache_get(q->rb, key, rb_host(q, cluster), err);
	return t;
}

static int block_edit(struct qcow2 *q, uint64_t cluster, bool fresh,
    void **t, struct error *err)
{
	uint64_t key = cluster >> q->rb_slice_shift;
	int rc = cache_edit(q->rb, key, rb_host(q, cluster), fresh, t, err);

	if (rc != -ENOBUFS)
		return rc;
	if ((rc = qcow2_flush_locked(q, err)) ||
	    (rc = qcow2_flush_refcounts(q, err)))
		return rc;
	return cache_edit(q->rb, key, rb_host(q, cluster), fresh, t, err);
}

int qcow2_refcount(struct qcow2 *q, uint64_t cluster, uint64_t *count,
    struct error *err)
{
	const void *t;

	*count = 0;
	if (!has_block(q, cluster))
		return 0;
	t = block_get(q, cluster, err);
	if (!t)
		return -err->code;
	*count = qcow2_refcount_get(t, rb_index(q, cluster),
	    q->h.refcount_order);
	return 0;
}

int qcow2_refcount_add(struct qcow2 *q, uint64_t cluster, uint64_t n,
    int delta, struct error *err)
{
	unsigned order = q->h.refcount_order;

	while (n) {
		uint64_t slice_end = (cluster | ((1ull << q->rb_slice_shift) -
		    1)) + 1, key = cluster >> q->rb_slice_shift;
		uint64_t here = min64(n, slice_end - cluster);
		void *t;
		int rc;

		if (!has_block(q, cluster) || !block_get(q, cluster, err))
			return has_block(q, cluster) ? -err->code :
			    qcow2_corrupt(q, err, "no refcount block for "
			    "cluster %#llx", (unsigned long long)cluster);
		if ((rc = block_edit(q, cluster, false, &t, err)))
			return rc;
		for (uint64_t i = 0; i < here; i++) {
			uint64_t at = rb_index(q, cluster + i);
			uint64_t v = qcow2_refcount_get(t, at, order);

			if (delta < 0 ? v == 0 : v == refcount_max(q)) {
				cache_edited(q->rb, key);
				return qcow2_corrupt(q, err,
				    "refcount of cluster %#llx is %llu",
				    (unsigned long long)(cluster + i),
				    (unsigned long long)v);
			}
			v += (uint64_t)(int64_t)delta;
			qcow2_refcount_put(t, at, order, v);
			if (!v)
				q->hint = min64(q->hint, cluster + i);
		}
		cache_edited(q->rb, key);
		cluster += here;
		n -= here;
	}
	return 0;
}

uint64_t qcow2_count_used(struct qcow2 *q, uint64_t end, uint64_t enough)
{
	AUTO_FREE void *block = malloc(q->cluster_size);
	uint64_t used = 0, per_block = 1ull << q->rb_bits;
	struct error ignored;

	for (uint64_t c = 0; block && c < end && used < enough;
	    c += per_block) {
		uint64_t n = min64(per_block, end - c);

		if (!has_block(q, c))
			continue;
		if (store_pread(q->store, block, q->cluster_size,
		    q->reftable[c >> q->rb_bits], EVENT_REFBLOCK_LOAD,
		    &ignored))
			break;
		for (uint64_t i = 0; i < n && used < enough; i++)
			used += qcow2_refcount_get(block, i,
			    q->h.refcount_order) != 0;
	}
	return used;
}

/* ---- new blocks, larger tables */

/* Host offsets of tables and clusters stay below this (56 bits). */
#define HOST_LIMIT (1ull << 56)

static int host_full(struct error *err)
{
	return error_set(err, EFBIG, "the image file is as large as the "
	    "format allows");
}

/* Zeros for a table's clusters; what lies past the end of the file needs
 * them only where the cache will not write the whole. */
static int zero_table(struct qcow2 *q, uint64_t host, uint64_t len,
    struct error *err)
{
	if (host >= q->fresh_from && q->slice_bits == q->cluster_bits)
		return 0;
	return store_zero(q->store, host, len, 0, err);
}

static int new_block(struct qcow2 *q, uint64_t cluster, struct error *err)
{
	uint64_t i = cluster >> q->rb_bits, self = i << q->rb_bits, host;
	void *t;
	int rc;

	if (self >= HOST_LIMIT >> q->cluster_bits)
		return host_full(err);
	host = self << q->cluster_bits;
	if (bits_any(&q->meta, self, 1))
		return qcow2_corrupt(q, err, "table at %#llx has no refcount",
		    (unsigned long long)host);
	if ((rc = zero_table(q, host, q->cluster_size, err)) ||
	    (rc = add_meta(q, host, q->cluster_size, err)))
		return rc;
	q->reftable[i] = host;
	rc = block_edit(q, self, true, &t, err);
	if (rc) {
		q->reftable[i] = 0;
		bits_remove(&q->meta, self, 1);
		return rc;
	}
	qcow2_refcount_put(t, 0, q->h.refcount_order, 1);
	cache_edited(q->rb, self >> q->rb_slice_shift);
	if (q->rt_dirty_from == UINT64_MAX)
		q->rt_dirty_from = q->rt_dirty_to = i;
	q->rt_dirty_from = min64(q->rt_dirty_from, i);
	q->rt_dirty_to = max64(q->rt_dirty_to, i + 1);
	q->fresh_from = max64(q->fresh_from, host + q->cluster_size);
	return 0;
}

/*
 * Room for more blocks: behind everything the old table can describe come m
 * blocks, which count themselves and the new table, then the table of k
 * clusters.
 */
static int grow_reftable(struct qcow2 *q, struct error *err)
{
	uint64_t cs = q->cluster_size, old_n = q->reftable_entries;
	uint64_t per_block = 1ull << q->rb_bits, m = 1, k, n, i;
	uint64_t base = old_n << q->rb_bits, host = base << q->cluster_bits;
	struct qcow2_header old = q->h;
	AUTO_FREE uint8_t *buf = NULL;
	uint64_t *table;
	int rc;

	n = old_n + max64(old_n / 2, cs / 8);
	k = div_up(n * 8, cs);
	while (m * per_block < m + k) {
		m++;
		k = max64(k, div_up((old_n + m) * 8, cs));
	}
	n = k * cs / 8;
	if (n * 8 > REFTABLE_MAX_BYTES ||
	    base + m + k >= HOST_LIMIT >> q->cluster_bits)
		return host_full(err);
	if (bits_any(&q->meta, base, m + k))
		return qcow2_corrupt(q, err, "a table lies where no refcounts "
		    "are");
	table = calloc(n, 8);
	buf = calloc(1, max64(n * 8, cs));
	if (!table || !buf) {
		free(table);
		return error_errno(err, ENOMEM, "refcount table");
	}
	memcpy(table, q->reftable, old_n * 8);
	for (i = 0; i < m; i++) {
		memset(buf, 0, cs);
		for (uint64_t c = i * per_block; c < (i + 1) * per_block &&
		    c < m + k; c++)
			qcow2_refcount_put(buf, c - i * per_block,
			    q->h.refcount_order, 1);
		table[old_n + i] = host + i * cs;
		rc = store_pwrite(q->store, buf, cs, host + i * cs,
		    EVENT_REFTABLE_GROW, err);
		if (rc)
			goto fail;
	}
	memset(buf, 0, n * 8);
	for (i = 0; i < n; i++)
		be64_put((be64 *)buf + i, table[i]);
	/* Blocks that the table names must be there first; then the switch. */
	if ((rc = qcow2_flush_refcounts(q, err)) ||
	    (rc = store_pwrite(q->store, buf, n * 8, host + m * cs,
	    EVENT_REFTABLE_GROW, err)) ||
	    (rc = store_sync(q->store, err)))
		goto fail;
	q->h.reftable_offset = host + m * cs;
	q->h.reftable_clusters = (uint32_t)k;
	if ((rc = qcow2_write_sector(q, err)) ||
	    (rc = store_sync(q->store, err)) ||
	    (rc = add_meta(q, host, (m + k) * cs, err))) {
		q->h = old;
		goto fail;
	}
	free(q->reftable);
	q->reftable = table;
	q->reftable_entries = n;
	q->rt_dirty_from = UINT64_MAX;
	q->fresh_from = max64(q->fresh_from, host + (m + k) * cs);
	qcow2_drop(q, old.reftable_offset,
	    (uint64_t)old.reftable_clusters << q->cluster_bits, false);
	return 0;
fail:
	free(table);
	return rc;
}

/* ---- giving space */

/*
 * The first run of free clusters from q->hint on that has at least "least"
 * and at most "most"; tables are made where there are none.
 */
static int find_run(struct qcow2 *q, uint64_t least, uint64_t most,
    uint64_t *first, uint64_t *got, struct error *err)
{
	uint64_t at = q->hint, run = 0, start = at;
	bool low = true;	/* everything from hint to at is taken */
	int rc;

	for (;;) {
		uint64_t end = (at | ((1ull << q->rb_slice_shift) - 1)) + 1;
		const void *t;

		if (at >= HOST_LIMIT >> q->cluster_bits)
			return host_full(err);
		if (at >> q->rb_bits >= q->reftable_entries) {
			if ((rc = grow_reftable(q, err)))
				return rc;
			continue;
		}
		if (!has_block(q, at)) {
			if ((rc = new_block(q, at, err)))
				return rc;
			continue;
		}
		t = block_get(q, at, err);
		if (!t)
			return -err->code;
		for (; at < end && run < most; at++) {
			if (qcow2_refcount_get(t, rb_index(q, at),
			    q->h.refcount_order)) {
				if (run >= least)
					break;
				run = 0;
				continue;
			}
			if (!run++) {
				start = at;
				if (low)
					q->hint = at;
				low = false;
			}
		}
		if (run >= least)
			break;
	}
	*first = start;
	*got = run;
	if (bits_any(&q->meta, start, run))
		return qcow2_corrupt(q, err,
		    "free cluster %#llx holds a table",
		    (unsigned long long)start);
	return 0;
}

static int alloc_run(struct qcow2 *q, uint64_t least, uint64_t most,
    uint64_t *host, uint64_t *got, bool *fresh, struct error *err)
{
	uint64_t first = 0, end;
	int rc;

	if ((rc = qcow2_load_meta(q, err)) ||
	    (rc = find_run(q, least, most, &first, got, err)) ||
	    (rc = qcow2_refcount_add(q, first, *got, 1, err)))
		return rc;
	if (q->hint == first)
		q->hint = first + *got;
	*host = first << q->cluster_bits;
	end = *host + (*got << q->cluster_bits);
	*fresh = *host >= q->fresh_from;
	q->fresh_from = max64(q->fresh_from, end);
	return 0;
}

int qcow2_alloc(struct qcow2 *q, uint64_t n, uint64_t *host, uint64_t *got,
    bool *fresh, struct error *err)
{
	return alloc_run(q, 1, n, host, got, fresh, err);
}

int qcow2_alloc_table(struct qcow2 *q, uint64_t n, uint64_t *host,
    struct error *err)
{
	uint64_t got, len = n << q->cluster_bits;
	bool fresh;
	int rc = alloc_run(q, n, n, host, &got, &fresh, err);

	if (rc)
		return rc;
	/* Whole slices are written by the cache; anything else must read as
	 * zeros before a table may name it. */
	if ((!fresh || n > 1 || q->slice_bits != q->cluster_bits) &&
	    (rc = store_zero(q->store, *host, len, 0, err)))
		goto fail;
	if ((rc = add_meta(q, *host, len, err)))
		goto fail;
	return 0;
fail:
	qcow2_unalloc(q, *host, len);
	return rc;
}

int qcow2_alloc_packed(struct qcow2 *q, uint32_t len, uint64_t *host,
    struct error *err)
{
	uint64_t cs = q->cluster_size, at = q->packed_next, room = 0, next,
	    got, count;
	bool fresh;
	int rc;

	if (at & (cs - 1)) {
		rc = qcow2_refcount(q, at >> q->cluster_bits, &count, err);
		if (rc)
			return rc;
		if (count && count < refcount_max(q))
			room = cs - (at & (cs - 1));
	}
	if (len > room) {
		rc = qcow2_alloc(q, 1, &next, &got, &fresh, err);
		if (rc)
			return rc;
		if (!room || next != at + room) {
			at = next;
			room = 0;
		}
	}
	if (room && (rc = qcow2_refcount_add(q, at >> q->cluster_bits, 1, 1,
	    err)))
		return rc;
	*host = at;
	q->packed_next = at + len;
	return 0;
}

/* ---- taking back */

void qcow2_unalloc(struct qcow2 *q, uint64_t host, uint64_t len)
{
	struct error ignored;

	bits_remove(&q->meta, host >> q->cluster_bits,
	    len >> q->cluster_bits);
	qcow2_refcount_add(q, host >> q->cluster_bits,
	    len >> q->cluster_bits, -1, &ignored);
}

static bool push(struct qcow2_drops *d, const struct qcow2_dropped *one)
{
	struct qcow2_dropped *last = d->n ? &d->v[d->n - 1] : NULL;

	if (last && !one->packed && !last->packed && one->data == last->data &&
	    last->host + last->len == one->host) {
		last->len += one->len;
		return true;
	}
	if (d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 64;
		void *more = realloc(d->v, cap * sizeof(*d->v));

		if (!more)
			return false;
		d->v = more;
		d->cap = cap;
	}
	d->v[d->n++] = *one;
	return true;
}

static void drop(struct qcow2 *q, const struct qcow2_dropped *one)
{
	push(&q->dropped, one);
	q->waiting += one->len;
	if (q->dropped.n + q->durable.n >= DROPS_MAX ||
	    q->waiting >= WAITING_MAX)
		q->image->want_flush = true;
}

void qcow2_drop(struct qcow2 *q, uint64_t host, uint64_t len, bool packed)
{
	drop(q, &(struct qcow2_dropped){ host, len, packed, false });
}

void qcow2_drop_data(struct qcow2 *q, uint64_t host)
{
	if (q->image->args.unmap)
		drop(q, &(struct qcow2_dropped){ host, q->cluster_size, false,
		    true });
}

bool qcow2_has_dropped(struct image *img)
{
	struct qcow2 *q = img->state;
	LOCKED(&q->lock);

	return q->durable.n != 0;
}

/* One cluster loses one reference. */
static int give_back(struct qcow2 *q, uint64_t cluster, bool *freed,
    struct error *err)
{
	uint64_t count;
	int rc = qcow2_refcount_add(q, cluster, 1, -1, err);

	if (rc || (rc = qcow2_refcount(q, cluster, &count, err)))
		return rc;
	*freed = count == 0;
	if (count)
		return 0;
	bits_remove(&q->meta, cluster, 1);
	if (q->packed_next >> q->cluster_bits == cluster)
		q->packed_next = 0;
	return 0;
}

int qcow2_release_locked(struct qcow2 *q, bool unmap, struct error *err)
{
	struct error ignored;
	int rc = 0;

	for (size_t i = 0; !rc && i < q->durable.n; i++) {
		struct qcow2_dropped *d = &q->durable.v[i];
		uint64_t c = d->host >> q->cluster_bits;
		uint64_t end = ((d->host + d->len - 1) >> q->cluster_bits) + 1;
		uint64_t punch = c;

		if (d->data)
			continue;
		for (; !rc && c < end; c++) {
			bool freed = false;

			rc = give_back(q, c, &freed, err);
			if (freed && unmap)
				continue;
			if (punch < c)
				store_punch(q->store, punch <<
				    q->cluster_bits, (c - punch) <<
				    q->cluster_bits, &ignored);
			punch = c + 1;
		}
		if (!rc && punch < c)
			store_punch(q->store, punch << q->cluster_bits,
			    (c - punch) << q->cluster_bits, &ignored);
	}
	q->durable.n = 0;
	q->waiting = 0;
	return rc;
}

/*
 * What no entry names in the data file, where a cluster's place is that of
 * its guest bytes: they may have been written again since.  The gate is shut,
 * so the map stands still; the lock is not held, for the map takes it.
 */
static void punch_data(struct image *img, const struct qcow2_dropped *d)
{
	struct qcow2 *q = img->state;
	uint64_t off = d->host, end = min64(d->host + d->len, img->size);
	struct error ignored;
	struct extent e;

	for (; off < end; off += e.len) {
		if (qcow2_map(img, off, end - off, MAP_READ, &e, &ignored))
			return;
		if (e.kind != EXTENT_DATA && !(e.flags & EXTENT_HOST))
			store_punch(q->data, off, e.len, &ignored);
	}
}

/* Takes a piece of the data file off the durable list. */
static bool take_data(struct qcow2 *q, struct qcow2_dropped *d)
{
	LOCKED(&q->lock);

	for (size_t i = 0; i < q->durable.n; i++)
		if (q->durable.v[i].data) {
			*d = q->durable.v[i];
			q->durable.v[i] = q->durable.v[--q->durable.n];
			return true;
		}
	return false;
}

int qcow2_release(struct image *img, struct error *err)
{
	struct qcow2 *q = img->state;
	struct qcow2_dropped d;

	while (qcow2_has_data_file(q) && take_data(q, &d))
		punch_data(img, &d);
	LOCKED(&q->lock);

	return qcow2_release_locked(q, img->args.unmap, err);
}

/* ---- flush */

static int barrier(struct qcow2 *q, struct error *err)
{
	int rc = qcow2_has_data_file(q) && q->data ?
	    store_sync(q->data, err) : 0;

	return rc ? rc : store_sync(q->store, err);
}

/* (D6) What could not be written for want of space is still held and may be
 * tried again; after anything else nobody knows what the file holds. */
static int remember_failure(struct qcow2 *q, int rc)
{
	if (rc && rc != -ENOSPC && rc != -EDQUOT && rc != -EFBIG &&
	    rc != -ENOMEM)
		atomic_store(&q->image->failed, -rc);
	return rc;
}

/* Stages (1) and (2): blocks, then the table entries of new ones. */
static int write_refcounts(struct qcow2 *q, struct error *err)
{
	uint64_t from, to;
	AUTO_FREE be64 *buf = NULL;
	int rc = cache_flush(q->rb, err);

	if (rc || q->rt_dirty_from == UINT64_MAX || !q->reftable)
		return rc;
	from = align_down(q->rt_dirty_from, 64);
	to = align_up(q->rt_dirty_to, 64);
	buf = malloc((to - from) * 8);
	if (!buf)
		return error_errno(err, ENOMEM, "refcount table");
	for (uint64_t i = from; i < to; i++)
		be64_put(&buf[i - from], q->reftable[i]);
	if ((rc = barrier(q, err)) ||
	    (rc = store_pwrite(q->store, buf, (to - from) * 8,
	    q->h.reftable_offset + from * 8, EVENT_REFTABLE_UPDATE, err)))
		return rc;
	q->rt_dirty_from = UINT64_MAX;
	return 0;
}

int qcow2_flush_refcounts(struct qcow2 *q, struct error *err)
{
	return remember_failure(q, write_refcounts(q, err));
}

static int move_drops(struct qcow2 *q)
{
	size_t i = 0;

	if (!q->durable.n) {
		struct qcow2_drops d = q->durable;

		q->durable = q->dropped;
		q->dropped = d;
		return 0;
	}
	while (i < q->dropped.n && push(&q->durable, &q->dropped.v[i]))
		i++;
	q->dropped.n = 0;	/* what did not fit stays counted */
	return 0;
}

static int write_stages(struct qcow2 *q, struct error *err)
{
	bool l2 = cache_is_dirty(q->l2), l1 = q->l1_dirty_from != UINT64_MAX;
	int rc;

	/* With the dirty bit set refcounts are rebuilt after a crash. */
	if (!q->dirty_set && (rc = write_refcounts(q, err)))
		return rc;
	if (l2 && ((rc = barrier(q, err)) || (rc = cache_flush(q->l2, err))))
		return rc;
	if (l1 && ((rc = barrier(q, err)) || (rc = qcow2_write_l1(q, err))))
		return rc;
	if ((rc = barrier(q, err)))
		return rc;
	return move_drops(q);
}

int qcow2_flush_locked(struct qcow2 *q, struct error *err)
{
	return remember_failure(q, write_stages(q, err));
}

int qcow2_make_room(struct qcow2 *q, struct error *err)
{
	int rc;

	if (cache_crowded(q->rb) && q->dirty_set &&
	    (rc = qcow2_flush_refcounts(q, err)))
		return rc;
	if (cache_crowded(q->rb) || cache_crowded(q->l2))
		return qcow2_flush_locked(q, err);
	return 0;
}

int qcow2_flush(struct image *img, struct error *err)
{
	struct qcow2 *q = img->state;
	LOCKED(&q->lock);

	return qcow2_flush_locked(q, err);
}

/* ---- the first write and the end */

int qcow2_first_write(struct image *img, struct error *err)
{
	struct qcow2 *q = img->state;
	struct qcow2_header was = q->h;
	uint64_t autoclear;
	int rc;
	LOCKED(&q->lock);

	if ((rc = qcow2_load_meta(q, err)))
		return rc;
	if (q->h.version < 3)
		return 0;
	if ((rc = qcow2_track_begin(q, err)))
		return rc;
	/* What we do not know would lie after a write. */
	autoclear = q->h.autoclear & (AUTOCLEAR_DATA_RAW |
	    AUTOCLEAR_BITMAPS);
	if (q->h.autoclear == autoclear && !q->lazy)
		return 0;
	q->h.autoclear = autoclear;
	if (q->lazy) {
		q->h.incompatible |= INCOMPAT_DIRTY;
		q->dirty_set = true;
	}
	rc = qcow2_write_sector(q, err);
	if (!rc)
		rc = store_sync(q->store, err);
	if (rc) {	/* the next write tries again */
		q->h = was;
		q->dirty_set = false;
	}
	return rc;
}

int qcow2_settle(struct image *img, struct error *err)
{
	struct qcow2 *q = img->state;
	uint64_t size;
	int rc;
	LOCKED(&q->lock);

	if ((rc = qcow2_track_end(q, err)))
		return rc;
	/* Readers of packed data want whole sectors. */
	size = store_size(q->store);
	if (size % 512 && (rc = store_resize(q->store, align_up(size, 512),
	    PREALLOC_OFF, err)))
		return rc;
	if (!q->dirty_set)
		return 0;
	if ((rc = qcow2_flush_refcounts(q, err)) || (rc = barrier(q, err)))
		return rc;
	q->h.incompatible &= ~INCOMPAT_DIRTY;
	q->dirty_set = false;
	if ((rc = qcow2_write_sector(q, err)))
		return rc;
	return store_sync(q->store, err);
}

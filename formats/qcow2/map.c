/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * map.c - where guest bytes are
 *
 * Guest offset -> L1 word -> slice of an L2 table in the cache -> entry.  In
 * the common case no lock is taken: the L1 word is read atomically, entries
 * are read between two looks at the slice's sequence number.  An answer goes
 * no further than its slice, so it costs at most one pass over 64 KiB.
 */
#include "qcow2/qcow2.h"

/* One cluster or subcluster as an extent's beginning. */
struct piece {
	enum extent_kind kind;
	bool has_host, copied;
	uint64_t host;			/* DATA, HOST: of this piece */
};

/* Entry of a cluster (no packed one), for subcluster sub of it. */
static void decode(const struct qcow2 *q, uint64_t entry, uint64_t bitmap,
    unsigned sub, struct piece *p)
{
	uint64_t host = entry & L2_OFFSET;

	p->copied = entry & ENTRY_COPIED;
	/* Offset 0 is good in an external data file, with the flag set. */
	p->has_host = host || (qcow2_has_data_file(q) && p->copied);
	p->host = host + ((uint64_t)sub << q->sub_bits);
	if (q->ext_l2) {
		if (bitmap & SUB_ZERO(sub))
			p->kind = EXTENT_ZERO;
		else if (bitmap & SUB_ALLOC(sub))
			p->kind = EXTENT_DATA;
		else
			p->kind = EXTENT_HOLE;
	} else if ((entry & ENTRY_ZERO) && q->h.version >= 3) {
		p->kind = EXTENT_ZERO;
		p->has_host = host;	/* but to the peer not with zeros */
	} else {
		p->kind = p->has_host ? EXTENT_DATA : EXTENT_HOLE;
	}
}

static int entry_error(uint64_t off, uint64_t entry, struct error *err)
{
	return error_set(err, EIO, "L2 entry %#llx of offset %#llx is invalid",
	    (unsigned long long)entry, (unsigned long long)off);
}

static bool entry_ok(const struct qcow2 *q, uint64_t entry, uint64_t bitmap)
{
	uint64_t host = entry & L2_OFFSET;

	if (host & (q->cluster_size - 1))
		return false;
	if (q->ext_l2 && ((bitmap & (bitmap >> 32) & SUB_ALL_ALLOC) ||
	    ((bitmap & SUB_ALL_ALLOC) && !host &&
	    !(qcow2_has_data_file(q) && (entry & ENTRY_COPIED)))))
		return false;
	return true;
}

static void map_packed(const struct qcow2 *q, uint64_t off, uint64_t len,
    uint64_t entry, struct extent *e)
{
	uint32_t in_cluster = off & (q->cluster_size - 1);

	*e = (struct extent){ .kind = EXTENT_PACKED, .store = q->store,
	    .codec = q->codec, .unit_len = q->cluster_size,
	    .skip = in_cluster,
	    .len = min64(len, q->cluster_size - in_cluster) };
	qcow2_packed(q, entry, &e->host, &e->packed_len);
}

/* How many of the n entries from i on are entry, entry + step, entry +
 * 2 * step, ...  Where tables are long and dull, all time is spent here. */
static uint64_t entry_run(const void *t, uint64_t i, uint64_t n,
    uint64_t entry, uint64_t step)
{
	uint64_t k = 1, next = entry + step;

	if (!step) {
		while (n - k >= 8) {
			uint64_t differ = 0;

			for (unsigned j = 0; j < 8; j++)
				differ |= qcow2_word(t, i + k + j) ^ entry;
			if (differ)
				break;
			k += 8;
		}
	}
	for (; k < n && qcow2_word(t, i + k) == next; k++)
		next += step;
	return k;
}

/* The clusters of a data run that no table lies in; or, when the first one
 * holds a table, it alone: claim() will tell. */
static uint64_t clear_of_tables(const struct qcow2 *q, uint64_t host,
    uint64_t n, unsigned *flags)
{
	uint64_t first = host >> q->cluster_bits, k = 1;

	if (qcow2_has_data_file(q) || !bits_any(&q->meta, first, n))
		return n;
	if (bits_any(&q->meta, first, 1)) {
		*flags |= EXTENT_SHARED;
		return 1;
	}
	while (k < n && !bits_any(&q->meta, first + k, 1))
		k++;
	return k;
}

static void put_piece(const struct qcow2 *q, const struct piece *p,
    uint64_t skip, struct extent *e)
{
	*e = (struct extent){ .kind = p->kind, .store = q->data,
	    .host = p->host + skip };
	if (p->kind == EXTENT_DATA) {
		if (!p->copied && !qcow2_has_data_file(q))
			e->flags = EXTENT_SHARED;
	} else if (p->has_host) {
		e->flags = EXTENT_HOST;
	}
}

/* The run that starts at off and goes on for at most len, within the slice t:
 * whole clusters, of one kind, one behind the other. */
static int scan_clusters(const struct qcow2 *q, const void *t, uint64_t off,
    uint64_t len, uint64_t i, struct extent *e, struct error *err)
{
	uint64_t skip = off & (q->cluster_size - 1);
	uint64_t n = (skip + len + q->cluster_size - 1) >> q->cluster_bits;
	uint64_t entry = qcow2_word(t, i);
	struct piece p;

	if (entry & ENTRY_PACKED) {
		map_packed(q, off, len, entry, e);
		return 0;
	}
	if (!entry_ok(q, entry, 0))
		return entry_error(off, entry, err);
	decode(q, entry, 0, 0, &p);
	put_piece(q, &p, skip, e);
	n = entry_run(t, i, n, entry, p.has_host ? q->cluster_size : 0);
	if (p.kind == EXTENT_DATA)
		n = clear_of_tables(q, p.host, n, &e->flags);
	e->len = min64((n << q->cluster_bits) - skip, len);
	return 0;
}

/* The same for subclusters, within one cluster unless it is a hole. */
static int scan_subclusters(const struct qcow2 *q, const void *t,
    uint64_t off, uint64_t len, uint64_t i, struct extent *e,
    struct error *err)
{
	uint64_t entry = qcow2_word(t, 2 * i), bitmap = qcow2_word(t, 2 * i + 1);
	unsigned sub = (off & (q->cluster_size - 1)) >> q->sub_bits;
	uint64_t skip = off & ((1ull << q->sub_bits) - 1);
	struct piece p, next;
	uint64_t n = 1;

	if (entry & ENTRY_PACKED) {
		map_packed(q, off, len, entry, e);
		return 0;
	}
	if (!entry_ok(q, entry, bitmap))
		return entry_error(off, entry, err);
	decode(q, entry, bitmap, sub, &p);
	put_piece(q, &p, skip, e);
	if (!(entry | bitmap)) {	/* nothing here; and after it? */
		skip = off & (q->cluster_size - 1);
		n = (skip + len + q->cluster_size - 1) >> q->cluster_bits;
		n = entry_run(t, 2 * i, 2 * n, 0, 0) / 2;
		e->len = min64((n << q->cluster_bits) - skip, len);
		return 0;
	}
	for (; sub + n < SUBS; n++) {
		decode(q, entry, bitmap, sub + n, &next);
		if (next.kind != p.kind)
			break;
	}
	if (p.kind == EXTENT_DATA)
		clear_of_tables(q, entry & L2_OFFSET, 1, &e->flags);
	e->len = min64((n << q->sub_bits) - skip, len);
	return 0;
}

/* No L2 tables from off on: how far. */
static uint64_t hole_len(const struct qcow2 *q, uint64_t off, uint64_t len)
{
	uint64_t i = (off >> q->l1_shift) + 1, end = off + len;

	while (i < q->h.l1_size && i << q->l1_shift < end &&
	    !(qcow2_l1_get(q, i) & L1_OFFSET))
		i++;
	return min64(i << q->l1_shift, end) - off;
}

/* How many slices after this one lie right behind it, for walkers. */
static unsigned neighbours(const struct qcow2 *q, uint64_t off, uint64_t len,
    uint64_t host)
{
	uint64_t step = 1ull << q->slice_shift, next = align_down(off, step);
	unsigned n = 0;

	for (; n < 15 && (next += step) < off + len; n++) {
		uint64_t l1e = qcow2_l1_get(q, next >> q->l1_shift);

		if (!(l1e & L1_OFFSET) || qcow2_slice_host(q, l1e, next) !=
		    host + ((uint64_t)(n + 1) << q->slice_bits))
			break;
	}
	return n;
}

/*
 * Brings in the slice of off.  Of a writable image under the lock, and with a
 * fresh look at L1: a table that was copied since must not come in again from
 * its old place.
 */
static int load(struct qcow2 *q, uint64_t off, uint64_t len,
    struct error *err)
{
	bool writable = q->image->writable;
	uint64_t l1e, host;
	int rc = 0;

	if (writable)
		pthread_mutex_lock(&q->lock);
	l1e = qcow2_l1_get(q, off >> q->l1_shift);
	host = qcow2_slice_host(q, l1e, off);
	if (l1e & L1_OFFSET & (q->cluster_size - 1)) {
		rc = error_set(err, EIO, "L2 table offset %#llx is not aligned "
		    "(L1 entry %llu)", (unsigned long long)(l1e & L1_OFFSET),
		    (unsigned long long)(off >> q->l1_shift));
	} else if (l1e & L1_OFFSET) {
		rc = cache_load(q->l2, off >> q->slice_shift, host,
		    neighbours(q, off, len, host), err);
		if (rc == -ENOBUFS && writable) {
			rc = qcow2_flush_locked(q, err);
			if (!rc)
				rc = cache_load(q->l2, off >> q->slice_shift,
				    host, 0, err);
		}
	}
	if (writable)
		pthread_mutex_unlock(&q->lock);
	return rc;
}

/*
 * Does the file hold fewer bytes than its refcounts say, so that clusters of
 * data may be holes of the file (preallocation=metadata)?  Then programs that
 * ask where data is are told of the holes.
 */
static bool is_sparse(struct qcow2 *q)
{
	struct error ignored;
	struct store_stat st;
	uint64_t limit = 1, used = 0, end, n;

	if (q->sparse_known)
		return q->sparse_known > 0;
	LOCKED(&q->lock);
	if (!store_stat(q->store, &st, &ignored)) {
		n = st.allocated >> q->cluster_bits;
		limit = max64(n * 10 / 9, n + 2);
		end = div_up(store_size(q->store), q->cluster_size);
		if (end >= limit && !qcow2_load_reftable(q, &ignored))
			used = qcow2_count_used(q, end, limit);
	}
	q->sparse_known = used >= limit ? 1 : -1;
	return q->sparse_known > 0;
}

static int report_holes(struct qcow2 *q, struct extent *e, struct error *err)
{
	uint64_t size = store_size(e->store);
	bool data;
	int rc;

	if (e->host >= size) {
		e->flags |= EXTENT_SPARSE;
		return 0;
	}
	rc = store_extent(e->store, e->host, min64(e->len, size - e->host),
	    &data, &e->len, err);
	if (!rc && !data)
		e->flags |= EXTENT_SPARSE;
	return rc;
}

int qcow2_map(struct image *img, uint64_t off, uint64_t len,
    enum map_why why, struct extent *e, struct error *err)
{
	struct qcow2 *q = img->state;
	uint64_t step = 1ull << q->slice_shift, l1e;
	uint64_t i = (off & (step - 1)) >> q->cluster_bits;
	struct cache_read r;
	const void *t;
	int rc;

	l1e = qcow2_l1_get(q, off >> q->l1_shift);
	if (!(l1e & L1_OFFSET)) {
		*e = (struct extent){ .kind = EXTENT_HOLE,
		    .len = hole_len(q, off, len) };
		return 0;
	}
	for (;;) {
		t = cache_peek(q->l2, off >> q->slice_shift, &r);
		if (!t) {
			if ((rc = load(q, off, len, err)))
				return rc;
			continue;
		}
		rc = (q->ext_l2 ? scan_subclusters : scan_clusters)(q, t, off,
		    min64(len, step - (off & (step - 1))), i, e, err);
		if (!cache_retry(&r))
			break;
	}
	if (rc)
		return rc;
	if (e->kind == EXTENT_DATA && !e->store)
		return error_set(err, EREFUSED,
		    "the external data file is not open");
	if (why == MAP_REPORT && e->kind == EXTENT_DATA && is_sparse(q))
		return report_holes(q, e, err);
	return 0;
}

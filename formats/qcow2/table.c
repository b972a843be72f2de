/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * table.c - changing L1 and L2 tables
 *
 * claim() finds or makes the L2 table that will hold the entries, and space;
 * commit() puts the entries in; mark() turns them into zeros or holes.  A
 * table that a snapshot shares is copied before it is changed.  Everything
 * happens in cached tables; qcow2_flush_locked() writes them in order.
 *
 * What an entry named before is handed to qcow2_drop(), which keeps it until
 * the change is durable (D2, D7).
 */
#include "qcow2/qcow2.h"

/* claim.cookie[0] */
enum { CLAIM_NEW, CLAIM_REUSE, CLAIM_PACKED };

static void l1_put(struct qcow2 *q, uint64_t i, uint64_t v)
{
	atomic_store_explicit(&q->l1[i], v, memory_order_release);
	if (q->l1_dirty_from == UINT64_MAX) {
		q->l1_dirty_from = i;
		q->l1_dirty_to = i + 1;
	}
	q->l1_dirty_from = min64(q->l1_dirty_from, i);
	q->l1_dirty_to = max64(q->l1_dirty_to, i + 1);
}

/* Whole sectors around the dirty entries: no sector is half of two writes. */
int qcow2_write_l1(struct qcow2 *q, struct error *err)
{
	uint64_t from, to;
	AUTO_FREE be64 *buf = NULL;
	int rc;

	if (q->l1_dirty_from == UINT64_MAX)
		return 0;
	from = align_down(q->l1_dirty_from, 64);
	to = min64(align_up(q->l1_dirty_to, 64), q->h.l1_size);
	buf = malloc((to - from) * 8);
	if (!buf)
		return error_errno(err, ENOMEM, "L1 table");
	for (uint64_t i = from; i < to; i++)
		be64_put(&buf[i - from], qcow2_l1_get(q, i));
	rc = store_pwrite(q->store, buf, (to - from) * 8,
	    q->h.l1_offset + from * 8, EVENT_L1_UPDATE, err);
	if (!rc)
		q->l1_dirty_from = UINT64_MAX;
	return rc;
}

/* The slice with this key, as words; it may be newer than its place. */
static int read_slice(struct qcow2 *q, uint64_t key, uint64_t host,
    uint64_t *words, struct error *err)
{
	struct cache_read r;
	const void *t;
	int rc;

	do {
		while (!(t = cache_peek(q->l2, key, &r))) {
			rc = cache_load(q->l2, key, host, 0, err);
			if (rc == -ENOBUFS && !(rc = qcow2_flush_locked(q,
			    err)))
				rc = cache_load(q->l2, key, host, 0, err);
			if (rc)
				return rc;
		}
		for (uint32_t i = 0; i < 1u << (q->slice_bits - 3); i++)
			words[i] = qcow2_word(t, i);
	} while (cache_retry(&r));
	return 0;
}

/*
 * A copy of a shared table at a new place, slice by slice in the cache.  (A
 * table becomes shared only after a flush, so it is clean.)  On failure the
 * slices that had moved are forgotten: their new place has another use.
 */
static int copy_table(struct qcow2 *q, uint64_t off, uint64_t old,
    uint64_t host, struct error *err)
{
	uint64_t first = align_down(off, 1ull << q->l1_shift) >>
	    q->slice_shift;
	uint32_t slice = 1u << q->slice_bits, n = q->cluster_size / slice, i;
	AUTO_FREE uint64_t *words = malloc(slice);
	void *to;
	int rc = 0;

	if (!words)
		return error_errno(err, ENOMEM, "L2 table");
	for (i = 0; i < n; i++) {
		uint64_t at = (uint64_t)i << q->slice_bits;

		if ((rc = read_slice(q, first + i, old + at, words, err)))
			break;
		rc = cache_edit(q->l2, first + i, host + at, false, &to, err);
		if (rc == -ENOBUFS && !(rc = qcow2_flush_locked(q, err)))
			rc = cache_edit(q->l2, first + i, host + at, false,
			    &to, err);
		if (rc)
			break;
		for (uint32_t k = 0; k < slice / 8; k++)
			qcow2_word_put(to, k, words[k]);
		cache_edited(q->l2, first + i);
	}
	while (rc && i--)
		cache_drop(q->l2, first + i);
	return rc;
}

/* Why a table cannot be changed; NULL: it can. */
static const char *table_fault(const struct qcow2 *q, uint64_t table)
{
	if (table >= q->fresh_from)
		return "lies past the end of the file";
	return (table & (q->cluster_size - 1)) || q->meta_conflict ?
	    "overlaps other tables" : NULL;
}

/* Nothing at host yet: a new table of zeros in the cache, so that the file
 * has it before L1 names it. */
static int new_table(struct qcow2 *q, uint64_t off, uint64_t host,
    struct error *err)
{
	uint64_t key = align_down(off, 1ull << q->l1_shift) >>
	    q->slice_shift;
	void *t;
	int rc;

	/* The old slices of this guest range, if any, are gone; a table of
	 * several was filled with zeros in the file. */
	for (uint32_t n = q->cluster_size >> q->slice_bits; n--;)
		cache_drop(q->l2, key + n);
	if (q->slice_bits != q->cluster_bits)
		return 0;
	rc = cache_edit(q->l2, key, host, true, &t, err);
	if (rc == -ENOBUFS && !(rc = qcow2_flush_locked(q, err)))
		rc = cache_edit(q->l2, key, host, true, &t, err);
	if (!rc)
		cache_edited(q->l2, key);
	return rc;
}

/* The L2 table of off, ours alone: made, or copied, if need be. */
static int own_table(struct qcow2 *q, uint64_t off, struct error *err)
{
	uint64_t i = off >> q->l1_shift, l1e = qcow2_l1_get(q, i);
	uint64_t old = l1e & L1_OFFSET, host;
	const char *fault = table_fault(q, old);
	int rc;

	if (fault)
		return qcow2_corrupt(q, err, "L2 table at %#llx %s",
		    (unsigned long long)old, fault);
	if (old && (l1e & ENTRY_COPIED))
		return 0;
	if ((rc = qcow2_alloc_table(q, 1, &host, err)))
		return rc;
	rc = old ? copy_table(q, off, old, host, err) :
	    new_table(q, off, host, err);
	if (rc) {
		qcow2_unalloc(q, host, q->cluster_size);
		return rc;
	}
	if (old)
		qcow2_drop(q, old, q->cluster_size, false);
	l1_put(q, i, host | ENTRY_COPIED);
	return 0;
}

/* ---- entries */

struct entry {
	uint64_t word, bitmap;
};

static struct entry entry_get(const struct qcow2 *q, const void *t,
    uint64_t i)
{
	if (q->ext_l2)
		return (struct entry){ qcow2_word(t, 2 * i),
		    qcow2_word(t, 2 * i + 1) };
	return (struct entry){ qcow2_word(t, i), 0 };
}

static void entry_put(const struct qcow2 *q, void *t, uint64_t i,
    struct entry e)
{
	if (q->ext_l2) {
		qcow2_word_put(t, 2 * i, e.word);
		qcow2_word_put(t, 2 * i + 1, e.bitmap);
	} else {
		qcow2_word_put(t, i, e.word);
	}
}

static uint64_t entry_index(const struct qcow2 *q, uint64_t off)
{
	return off >> q->cluster_bits &
	    ((1ull << (q->slice_shift - q->cluster_bits)) - 1);
}

/* The slice of off to be changed; its table is ours already. */
static int edit(struct qcow2 *q, uint64_t off, void **t, struct error *err)
{
	uint64_t l1e = qcow2_l1_get(q, off >> q->l1_shift);
	uint64_t host = qcow2_slice_host(q, l1e, off);
	int rc = cache_edit(q->l2, off >> q->slice_shift, host, false, t, err);

	if (rc != -ENOBUFS)
		return rc;
	if ((rc = qcow2_flush_locked(q, err)))
		return rc;
	return cache_edit(q->l2, off >> q->slice_shift, host, false, t, err);
}

/* May what entry e names lose this name?  No entry names a table. */
static int check_drop(struct qcow2 *q, struct entry e, struct error *err)
{
	uint64_t host = e.word & L2_OFFSET, first, end;
	uint32_t len = q->cluster_size;

	if (e.word & ENTRY_PACKED)
		qcow2_packed(q, e.word, &host, &len);
	else if (!host || qcow2_has_data_file(q))
		return 0;
	first = host >> q->cluster_bits;
	end = ((host + len - 1) >> q->cluster_bits) + 1;
	if ((e.word & ENTRY_PACKED || !(host & (q->cluster_size - 1))) &&
	    !bits_any(&q->meta, first, end - first))
		return 0;
	return qcow2_corrupt(q, err, "cluster at %#llx, of which an L2 entry "
	    "is to be dropped, holds tables", (unsigned long long)host);
}

/* What entry e names loses this name. */
static void drop_entry(struct qcow2 *q, struct entry e)
{
	uint64_t host;
	uint32_t len;

	if (qcow2_has_data_file(q)) {
		if (e.word & ENTRY_COPIED)
			qcow2_drop_data(q, e.word & L2_OFFSET);
	} else if (e.word & ENTRY_PACKED) {
		qcow2_packed(q, e.word, &host, &len);
		qcow2_drop(q, host, len, true);
	} else if (e.word & L2_OFFSET) {
		qcow2_drop(q, e.word & L2_OFFSET, q->cluster_size, false);
	}
}

static uint64_t sub_range(const struct qcow2 *q, uint64_t cluster,
    uint64_t from, uint64_t to)
{
	unsigned a = from > cluster ? (from - cluster) >> q->sub_bits : 0;
	unsigned b = min64(to - cluster, q->cluster_size) >> q->sub_bits;

	return ((1ull << (b - a)) - 1) << a;
}

/* ---- claim, commit */

/* Space for [off, off + *len), within one slice: in place where a cluster is
 * there that nobody else has, else new clusters. */
static int claim_plain(struct qcow2 *q, const void *t, uint64_t off,
    uint64_t *len, struct claim *c, struct error *err)
{
	uint64_t cs = q->cluster_size, start = align_down(off, cs), n, got;
	struct entry e = entry_get(q, t, entry_index(q, off));
	uint64_t host = e.word & L2_OFFSET, end = off + *len;
	bool fresh;
	int rc;

	if (qcow2_has_data_file(q)) {
		/* Guest and host offsets are the same there. */
		c->dst.host = off;
		c->fresh = off >= store_size(q->data);
		c->cookie[0] = CLAIM_NEW;
		return 0;
	}
	if (!(e.word & ENTRY_PACKED) && host && (e.word & ENTRY_COPIED)) {
		if ((host & (cs - 1)) ||
		    bits_any(&q->meta, host >> q->cluster_bits, 1))
			return qcow2_corrupt(q, err, "data cluster at %#llx "
			    "overlaps tables", (unsigned long long)host);
		c->cookie[0] = CLAIM_REUSE;
		c->dst.host = host + (off - start);
		*len = min64(*len, start + cs - off);
		return 0;
	}
	/* Whole clusters, as long as they all need a new one. */
	for (n = 1; start + n * cs < end; n++) {
		struct entry next = entry_get(q, t, entry_index(q, off) + n);

		if (!(next.word & ENTRY_PACKED) && (next.word & L2_OFFSET) &&
		    (next.word & ENTRY_COPIED))
			break;
	}
	rc = qcow2_alloc(q, n, &host, &got, &fresh, err);
	if (rc)
		return rc;
	c->cookie[0] = CLAIM_NEW;
	c->cookie[1] = host;
	if (q->ext_l2 && got > 1)	/* one cluster's subclusters at a time */
		for (; got > 1; got--)
			qcow2_unalloc(q, host + (got - 1) * cs, cs);
	if (q->ext_l2 && (e.word & (ENTRY_PACKED | L2_OFFSET))) {
		/* All of a shared or packed cluster moves. */
		c->off = start;
		end = start + cs;
	}
	c->dst.host = host + (c->off - start);
	c->fresh = fresh;
	*len = min64(end, start + got * cs) - c->off;
	return 0;
}

int qcow2_claim(struct image *img, uint64_t off, uint64_t len,
    uint32_t packed_len, struct claim *c, struct error *err)
{
	struct qcow2 *q = img->state;
	uint64_t step = 1ull << q->slice_shift;
	void *t;
	int rc;

	*c = (struct claim){ .off = off, .dst = { .kind = EXTENT_DATA,
	    .store = q->data } };
	len = min64(len, step - (off & (step - 1)));
	LOCKED(&q->lock);
	if ((rc = qcow2_make_room(q, err)) || (rc = own_table(q, off, err)))
		return rc;
	if (packed_len) {
		c->dst.kind = EXTENT_PACKED;
		c->dst.store = q->store;
		c->dst.packed_len = packed_len;
		c->cookie[0] = CLAIM_PACKED;
		c->len = q->cluster_size;
		if (qcow2_has_data_file(q))
			return error_set(err, ENOTSUP, "compressed clusters "
			    "are not possible with an external data file");
		return qcow2_alloc_packed(q, packed_len, &c->dst.host, err);
	}
	if ((rc = edit(q, off, &t, err)))
		return rc;
	cache_edited(q->l2, off >> q->slice_shift);
	/* Only looked at; the lock keeps it as it is. */
	rc = claim_plain(q, t, off, &len, c, err);
	c->len = c->dst.len = len;
	return rc;
}

static int commit_cluster(struct qcow2 *q, void *t, uint64_t cluster,
    const struct claim *c, struct error *err)
{
	struct entry old = entry_get(q, t, entry_index(q, cluster)), new;
	uint64_t host = align_down(c->dst.host, q->cluster_size) +
	    (cluster - align_down(c->off, q->cluster_size));
	int rc = c->cookie[0] == CLAIM_REUSE ? 0 : check_drop(q, old, err);

	if (rc)
		return rc;
	if (c->cookie[0] == CLAIM_PACKED) {
		uint64_t sectors = ((c->dst.host + c->dst.packed_len - 1) >>
		    9) - (c->dst.host >> 9);

		new.word = ENTRY_PACKED | c->dst.host |
		    sectors << q->packed_shift;
		new.bitmap = 0;
	} else {
		new.word = host | ENTRY_COPIED;
		new.bitmap = 0;
		if (q->ext_l2) {
			uint64_t bits = sub_range(q, cluster, c->off,
			    c->off + c->len);

			if (!(old.word & ENTRY_PACKED))
				new.bitmap = old.bitmap;
			new.bitmap = (new.bitmap | bits) & ~(bits << 32);
		}
	}
	entry_put(q, t, entry_index(q, cluster), new);
	if (c->cookie[0] != CLAIM_REUSE && !qcow2_has_data_file(q))
		drop_entry(q, old);
	return 0;
}

int qcow2_commit(struct image *img, struct claim *c, struct error *err)
{
	struct qcow2 *q = img->state;
	uint64_t cluster = align_down(c->off, q->cluster_size);
	void *t;
	int rc;
	LOCKED(&q->lock);

	if ((rc = edit(q, c->off, &t, err)))
		return rc;
	for (; !rc && cluster < c->off + c->len; cluster += q->cluster_size)
		rc = commit_cluster(q, t, cluster, c, err);
	cache_edited(q->l2, c->off >> q->slice_shift);
	return rc;
}

void qcow2_abandon(struct image *img, struct claim *c)
{
	struct qcow2 *q = img->state;
	LOCKED(&q->lock);

	if (qcow2_has_data_file(q))
		return;
	if (c->cookie[0] == CLAIM_NEW)
		qcow2_unalloc(q, align_down(c->dst.host, q->cluster_size),
		    align_up(c->len, q->cluster_size));
	/* Packed bytes stay counted: a leak of less than a cluster, which
	 * costs less than following shared clusters back. */
}

/* ---- mark */

/* The new state of a cluster whose subclusters "bits" become zeros (or, for
 * kind HOLE, what discard leaves: zeros where something might shine through,
 * else nothing). */
static struct entry marked(const struct qcow2 *q, struct entry old,
    uint64_t bits, enum extent_kind kind, unsigned flags)
{
	bool allocated = old.word & (L2_OFFSET | ENTRY_PACKED) ||
	    (qcow2_has_data_file(q) && (old.word & ENTRY_COPIED));
	bool whole = !q->ext_l2 || bits == SUB_ALL_ALLOC;
	bool backing = q->image->backing_name;
	struct entry new = old;

	if (q->h.version < 3)
		return (struct entry){ 0, 0 };
	if (kind == EXTENT_HOLE && !allocated && !backing)
		return old;
	if (!q->ext_l2) {
		if ((old.word & ENTRY_ZERO) && !allocated)
			return old;
		if (kind == EXTENT_HOLE || (flags & IO_MAY_UNMAP) ||
		    !allocated || (old.word & ENTRY_PACKED))
			return (struct entry){ ENTRY_ZERO, 0 };
		new.word |= ENTRY_ZERO;
		return new;
	}
	new.bitmap = ((old.word & ENTRY_PACKED ? 0 : old.bitmap) &
	    ~bits) | bits << 32;
	/* The cluster goes when it holds nothing any more. */
	if (old.word & ENTRY_PACKED)
		new.word = 0;
	else if (whole && (kind == EXTENT_HOLE || (flags & IO_MAY_UNMAP)))
		new.word = 0;
	return new;
}

static int mark_slice(struct qcow2 *q, uint64_t off, uint64_t end,
    enum extent_kind kind, unsigned flags, struct error *err)
{
	uint64_t cs = q->cluster_size, cluster = align_down(off, cs);
	void *t;
	int rc = 0;

	if ((rc = edit(q, off, &t, err)))
		return rc;
	for (; !rc && cluster < end; cluster += cs) {
		uint64_t bits = q->ext_l2 ? sub_range(q, cluster, off, end) :
		    0, i = entry_index(q, cluster);
		struct entry old = entry_get(q, t, i), new;
		bool dropped;

		/* Part of a packed cluster: the engine writes the zeros; what
		 * is only discarded stays. */
		if ((old.word & ENTRY_PACKED) && q->ext_l2 &&
		    bits != SUB_ALL_ALLOC) {
			if (kind == EXTENT_HOLE)
				continue;
			rc = error_set(err, ENOTSUP, "part of a compressed "
			    "cluster");
			break;
		}
		new = marked(q, old, bits, kind, flags);
		if (new.word == old.word && new.bitmap == old.bitmap)
			continue;
		/* Offset 0 of a data file is a place like others. */
		dropped = (old.word & ENTRY_PACKED) ||
		    (new.word & (L2_OFFSET | ENTRY_COPIED)) !=
		    (old.word & (L2_OFFSET | ENTRY_COPIED));
		if (dropped && (rc = check_drop(q, old, err)))
			break;
		entry_put(q, t, i, new);
		if (dropped)
			drop_entry(q, old);
	}
	cache_edited(q->l2, off >> q->slice_shift);
	return rc;
}

int qcow2_mark(struct image *img, uint64_t off, uint64_t len,
    enum extent_kind kind, unsigned flags, struct error *err)
{
	struct qcow2 *q = img->state;
	uint64_t end = off + len, step = 1ull << q->slice_shift, to;
	bool backing = img->backing_name;
	int rc = 0;

	if (q->h.version < 3 && backing)
		return kind == EXTENT_HOLE ? 0 : error_set(err, ENOTSUP,
		    "version 2 images have no zero clusters");
	LOCKED(&q->lock);
	for (; !rc && off < end; off = to) {
		to = min64(align_down(off, step) + step, end);
		if (!(qcow2_l1_get(q, off >> q->l1_shift) & L1_OFFSET) &&
		    (q->h.version < 3 || (kind == EXTENT_HOLE && !backing))) {
			to = min64(align_down(off, 1ull << q->l1_shift) +
			    (1ull << q->l1_shift), end);
			continue;
		}
		if (!(rc = qcow2_make_room(q, err)) &&
		    !(rc = own_table(q, off, err)))
			rc = mark_slice(q, off, to, kind, flags, err);
	}
	return rc;
}

/* ---- forgetting */

/* Lock held; the entries of [from, to), whole clusters within one L2 table
 * that exists: nothing stays. */
int qcow2_clear(struct qcow2 *q, uint64_t from, uint64_t to,
    struct error *err)
{
	uint64_t step = 1ull << q->slice_shift, next;
	void *t;
	int rc;

	if ((rc = own_table(q, from, err)))
		return rc;
	for (; from < to; from = next) {
		next = min64(align_down(from, step) + step, to);
		if ((rc = qcow2_make_room(q, err)) ||
		    (rc = edit(q, from, &t, err)))
			return rc;
		for (uint64_t off = from; off < next; off += q->cluster_size) {
			uint64_t i = entry_index(q, off);
			struct entry old = entry_get(q, t, i);

			if (!old.word && !old.bitmap)
				continue;
			if ((rc = check_drop(q, old, err)))
				break;
			entry_put(q, t, i, (struct entry){ 0, 0 });
			drop_entry(q, old);
		}
		cache_edited(q->l2, from >> q->slice_shift);
		if (rc)
			return rc;
	}
	return 0;
}

/* What the entries of a table that is ours alone name loses these names.  The
 * table goes as a whole, so it is not written to: on a full disk that could
 * fail.  It is read, and found to be in order, before anything is dropped. */
static int drop_table(struct qcow2 *q, uint64_t off, uint64_t host,
    struct error *err)
{
	uint32_t words = 1u << (q->slice_bits - 3), at;
	uint64_t n = q->cluster_size / 8, step = q->ext_l2 ? 2 : 1;
	AUTO_FREE uint64_t *table = malloc(q->cluster_size);
	int rc;

	if (!table)
		return error_errno(err, ENOMEM, "L2 table");
	for (at = 0; at < n; at += words)
		if ((rc = read_slice(q, (off >> q->slice_shift) + at / words,
		    host + at * 8ull, table + at, err)))
			return rc;
	for (uint64_t i = 0; i < n; i += step)
		if ((rc = check_drop(q, (struct entry){ table[i], 0 }, err)))
			return rc;
	for (uint64_t i = 0; i < n; i += step)
		drop_entry(q, (struct entry){ table[i], 0 });
	return 0;
}

/* Lock held; L1 entries from first on, their tables, and what those name. */
int qcow2_clear_tables(struct qcow2 *q, uint64_t first, struct error *err)
{
	int rc;

	for (uint64_t i = first; i < q->h.l1_size; i++) {
		uint64_t l1e = qcow2_l1_get(q, i), off = i << q->l1_shift;
		uint64_t key = off >> q->slice_shift;

		if (!(l1e & L1_OFFSET))
			continue;
		if (table_fault(q, l1e & L1_OFFSET))
			return qcow2_corrupt(q, err, "L1 entry %#llx is "
			    "invalid", (unsigned long long)l1e);
		/* Each of a shared table's clusters is counted once for us,
		 * too, so the copy's entries are dropped one by one. */
		rc = l1e & ENTRY_COPIED ? drop_table(q, off, l1e & L1_OFFSET,
		    err) : qcow2_clear(q, off, off + (1ull << q->l1_shift),
		    err);
		if (rc)
			return rc;
		l1e = qcow2_l1_get(q, i);
		for (uint32_t n = q->cluster_size >> q->slice_bits; n--;)
			cache_drop(q->l2, key + n);
		l1_put(q, i, 0);
		qcow2_drop(q, l1e & L1_OFFSET, q->cluster_size, false);
	}
	return 0;
}

/* What commit leaves of the top. */
int qcow2_make_empty(struct image *img, struct error *err)
{
	struct qcow2 *q = img->state;
	LOCKED(&q->lock);

	return qcow2_clear_tables(q, 0, err);
}

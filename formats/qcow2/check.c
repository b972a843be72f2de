/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.c - finds every reference to a host cluster
 *
 * Everything the header leads to is walked once and counted: the header, the
 * active L1 table, the snapshots, the bitmaps, the refcounts' own tables, and
 * the L2 tables below.  repair.c then holds the counts against the refcounts.
 *
 * An image may name one table from many places, honestly (snapshots share
 * L2 tables) or not (65536 snapshots, all with the same L1 table of 32 MiB).
 * So that the work is bounded by the bytes in the file, nothing is read once
 * for each reference: tables named by number and length are cut into segments
 * that are covered the same number of times (sweep()), and L2 tables other
 * than those only the active L1 names are collected, sorted and merged.  Each
 * is walked once with that number as "times".  Holes of the file are not
 * read.
 *
 * What is an error, how it counts and the words for it follow the peer's
 * check, since programs and people know them.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "qcow2/check.h"

enum {
	BUF_SIZE = 1 << 20,
	LINES_MAX = 100000,
};

/* More clusters than this in a file are not checked (2 PiB at 512 bytes). */
#define CLUSTERS_MAX (1ull << (64 - REF_BITS))

void checker_say(struct checker *k, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!k->c->say || k->lines > LINES_MAX)
		return;
	if (k->lines++ == LINES_MAX) {
		k->c->say(k->c->arg, "(more findings are counted, not shown)");
		return;
	}
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	k->c->say(k->c->arg, line);
}

int checker_read(struct checker *k, void *buf, uint64_t host, uint64_t len,
    enum store_event event, bool *zero, struct error *err)
{
	uint64_t size = store_size(k->q->store), run = 0;
	bool data = true;
	int rc;

	*zero = host >= size;
	if (!*zero && k->sparse) {
		rc = store_extent(k->q->store, host, min64(len, size - host),
		    &data, &run, err);
		if (rc)
			return rc;
		*zero = !data && run >= min64(len, size - host);
	}
	return *zero ? 0 : store_pread(k->q->store, buf, len, host, event,
	    err);
}

int checker_write_words(struct checker *k, const void *table, uint64_t host,
    uint64_t from, uint64_t to, enum store_event event, struct error *err)
{
	return store_pwrite(k->q->store, (const uint8_t *)table + from * 8,
	    (to - from) * 8, host + from * 8, event, err);
}

int checker_region(struct checker *k, uint64_t host, uint64_t len,
    uint64_t times, bool *inside, struct error *err)
{
	unsigned bits = k->q->cluster_bits;
	uint64_t end;
	int rc;

	*inside = true;
	if (!len)
		return 0;
	if (!add_ok(host, len, &end) || (end > k->file_size &&
	    end - k->file_size >= k->q->cluster_size)) {
		checker_say(k, "ERROR: counting reference for region exceeding "
		    "the end of the file by one cluster or more: offset 0x%"
		    PRIx64 " size 0x%" PRIx64, host, len);
		k->c->corruptions += times;
		*inside = false;
		return 0;
	}
	for (uint64_t i = host >> bits; i <= (end - 1) >> bits; i++)
		if ((rc = counts_add(&k->counts, i, times, err)))
			return rc;
	return 0;
}

/* ---- tables covered by several names */

struct edge {
	uint64_t at;
	int step;		/* +1: one more covers what follows */
};

struct edges {
	struct edge *v;
	size_t n;
};

static int edge_order(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static void add_interval(struct edges *e, uint64_t from, uint64_t to)
{
	if (from == to)
		return;
	e->v[e->n++] = (struct edge){ from, 1 };
	e->v[e->n++] = (struct edge){ to, -1 };
}

typedef int (*segment_fn)(struct checker *, uint64_t off, uint64_t len,
    uint64_t times, struct error *);

static int sweep(struct checker *k, struct edges *e, segment_fn fn,
    struct error *err)
{
	uint64_t depth = 0;

	qsort(e->v, e->n, sizeof(*e->v), edge_order);
	for (size_t i = 0; i < e->n; i++) {
		int rc;

		depth += (uint64_t)(int64_t)e->v[i].step;
		if (!depth || i + 1 == e->n || e->v[i + 1].at == e->v[i].at)
			continue;
		rc = fn(k, e->v[i].at, e->v[i + 1].at - e->v[i].at, depth,
		    err);
		if (rc)
			return rc;
	}
	return 0;
}

static int count_clusters(struct checker *k, uint64_t first, uint64_t n,
    uint64_t times, struct error *err)
{
	int rc = 0;

	for (uint64_t i = first; !rc && i < first + n; i++)
		rc = counts_add(&k->counts, i, times, err);
	return rc;
}

typedef int (*word_fn)(struct checker *, uint64_t word, uint64_t times,
    struct error *);

/* Calls fn for all words of a segment that are not 0. */
static int each_word(struct checker *k, uint64_t off, uint64_t len,
    uint64_t times, enum store_event event, word_fn fn, struct error *err)
{
	const uint64_t *w = (void *)k->buf;

	while (len) {
		uint64_t n = min64(len, BUF_SIZE);
		bool zero;
		int rc = checker_read(k, k->buf, off, n, event, &zero, err);

		for (uint64_t i = 0; !rc && !zero && i < n / 8; i++)
			if (w[i])
				rc = fn(k, be64toh(w[i]), times, err);
		if (rc)
			return rc;
		off += n;
		len -= n;
	}
	return 0;
}

/* ---- L1 tables */

/* The table that an L1 entry names; 0 when it cannot be walked. */
static int l1_entry(struct checker *k, uint64_t entry, uint64_t times,
    uint64_t *table, struct error *err)
{
	uint64_t host = entry & L1_OFFSET;
	bool inside;
	int rc;

	*table = 0;
	if (entry & L1_RESERVED) {
		checker_say(k, "ERROR found L1 entry with reserved bits set: %"
		    PRIx64, entry);
		k->c->corruptions += times;
	}
	if (!host) {
		checker_say(k, "ERROR L1 entry with flags but no table: %"
		    PRIx64, entry);
		k->c->corruptions += times;
		return 0;
	}
	rc = checker_region(k, host, k->q->cluster_size, times, &inside, err);
	if (rc)
		return rc;
	if (host & (k->q->cluster_size - 1)) {
		checker_say(k, "ERROR l2_offset=%" PRIx64 ": Table is not "
		    "cluster aligned; L1 entry corrupted", host);
		k->c->corruptions += times;
	} else if (inside) {
		*table = host;
	}
	return 0;
}

static int active_l1(struct checker *k, struct error *err)
{
	const struct qcow2 *q = k->q;
	bool inside;
	int rc = checker_region(k, q->h.l1_offset, (uint64_t)q->h.l1_size * 8,
	    1, &inside, err);

	for (uint64_t i = 0; !rc && i < q->h.l1_size; i++) {
		uint64_t e = qcow2_l1_get(q, i), host = e & L1_OFFSET, table;
		bool seen;

		if (!e)
			continue;
		seen = counts_get(&k->counts, host >> q->cluster_bits) != 0;
		rc = l1_entry(k, e, 1, &table, err);
		if (!rc && (!table || seen)) {
			bit_set(k->deferred, i);
			if (table)
				rc = checker_add_ref(k, table, 1, err);
		}
	}
	return rc;
}

static int l1_word(struct checker *k, uint64_t word, uint64_t times,
    struct error *err)
{
	uint64_t table;
	int rc = l1_entry(k, word, times, &table, err);

	return rc || !table ? rc : checker_add_ref(k, table, times, err);
}

static int l1_segment(struct checker *k, uint64_t off, uint64_t len,
    uint64_t times, struct error *err)
{
	return each_word(k, off, len, times, EVENT_L1_LOAD, l1_word, err);
}

/* Is this snapshot's L1 table one that can be read? */
static bool snapshot_l1_ok(struct checker *k, const struct qcow2_snapshot *s)
{
	if (s->l1_offset & (k->q->cluster_size - 1))
		checker_say(k, "ERROR snapshot %s (%s) l1_offset=0x%" PRIx64
		    ": L1 table is not cluster aligned; snapshot table entry "
		    "corrupted", s->info.id, s->info.name, s->l1_offset);
	else if (s->l1_size > L1_MAX_BYTES / 8)
		checker_say(k, "ERROR snapshot %s (%s) l1_size=0x%" PRIx32
		    ": L1 table is too large; snapshot table entry corrupted",
		    s->info.id, s->info.name, s->l1_size);
	else
		return true;
	k->c->corruptions++;
	return false;
}

/* Does the region lie in the file?  Says so when not; counts nothing. */
static bool is_inside(struct checker *k, uint64_t host, uint64_t len)
{
	struct error ignored;
	bool inside = true;

	if (len && !range_ok(host, len, k->file_size +
	    k->q->cluster_size - 1))
		checker_region(k, host, len, 1, &inside, &ignored);
	return inside;
}

static int snapshots(struct checker *k, struct error *err)
{
	const struct qcow2 *q = k->q;
	struct qcow2_snapshot *s = NULL;
	struct edges words = { 0 }, clusters = { 0 };
	AUTO_FREE bool *incomplete = NULL;
	uint64_t table_len;
	unsigned n = 0;
	bool inside;
	int rc = qcow2_snapshots_scan(k->q, &s, &n, &table_len, &incomplete,
	    err);

	if (rc)
		return error_prefix(err, "failed to read the snapshot table");
	if (!n)
		return 0;
	words.v = malloc(2 * n * sizeof(*words.v));
	clusters.v = malloc(2 * n * sizeof(*clusters.v));
	if (!words.v || !clusters.v) {
		rc = error_errno(err, ENOMEM, "snapshots");
		goto out;
	}
	for (unsigned i = 0; i < n; i++)
		if (incomplete[i]) {
			checker_say(k, "ERROR snapshot table entry %u is "
			    "incomplete", i);
			k->c->corruptions++;
		}
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = s[i].l1_offset, len = s[i].l1_size * 8ull;

		if (!snapshot_l1_ok(k, &s[i]))
			continue;
		if (at > SIZE_LIMIT) {
			rc = error_set(err, EIO, "snapshot %s (%s): L1 table "
			    "at 0x%" PRIx64 " cannot be read", s[i].info.id,
			    s[i].info.name, at);
			goto out;
		}
		if (!is_inside(k, at, len)) {
			/* What is in the file still names tables: nobody
			 * shall think that they are leaked. */
			if (at < k->file_size)
				add_interval(&words, at, k->file_size);
			continue;
		}
		add_interval(&words, at, at + len);
		add_interval(&clusters, at >> q->cluster_bits,
		    div_up(at + len, q->cluster_size));
	}
	if ((rc = sweep(k, &clusters, count_clusters, err)) ||
	    (rc = sweep(k, &words, l1_segment, err)))
		goto out;
	rc = checker_region(k, q->h.snapshot_offset, table_len, 1, &inside,
	    err);
out:
	free(words.v);
	free(clusters.v);
	qcow2_snapshots_free(s, n);
	return rc;
}

/* ---- bitmaps and the rest */

static int bitmap_word(struct checker *k, uint64_t word, uint64_t times,
    struct error *err)
{
	uint64_t host = word & BITMAP_TABLE_OFFSET;
	bool inside;

	if ((word & ~(BITMAP_TABLE_OFFSET | 1)) || (host && (word & 1)) ||
	    (host & (k->q->cluster_size - 1)))
		return error_set(err, EINVAL, "bitmap table entry 0x%" PRIx64
		    " is invalid", word);
	return host ? checker_region(k, host, k->q->cluster_size, times,
	    &inside, err) : 0;
}

static int bitmap_segment(struct checker *k, uint64_t off, uint64_t len,
    uint64_t times, struct error *err)
{
	return each_word(k, off, len, times, EVENT_BITMAP_LOAD, bitmap_word,
	    err);
}

/* One that is in use may be stale; any other must fit the image. */
static bool bitmap_size_ok(const struct qcow2 *q, const struct qcow2_bitmap *b)
{
	uint64_t bits = div_up(q->h.size, 1ull << b->granularity_bits);

	return (b->flags & BITMAP_IN_USE) ||
	    b->table_size == div_up(div_up(bits, 8), q->cluster_size);
}

static int bitmaps(struct checker *k, struct error *err)
{
	const struct qcow2 *q = k->q;
	struct edges words = { 0 }, clusters = { 0 };
	struct qcow2_bitmap *b = NULL;
	uint64_t dir_off, dir_len;
	unsigned n = 0;
	bool inside;
	int rc = qcow2_bitmaps_load(k->q, &b, &n, &dir_off, &dir_len, err);

	if (rc || !n)
		return rc;
	words.v = malloc(2 * n * sizeof(*words.v));
	clusters.v = malloc(2 * n * sizeof(*clusters.v));
	if (!words.v || !clusters.v) {
		rc = error_errno(err, ENOMEM, "bitmaps");
		goto out;
	}
	rc = checker_region(k, dir_off, dir_len, 1, &inside, err);
	for (unsigned i = 0; !rc && i < n; i++) {
		uint64_t at = b[i].table_offset, len = b[i].table_size * 8ull;

		if (!bitmap_size_ok(q, &b[i]))
			rc = error_set(err, EINVAL, "bitmap '%s' does not fit "
			    "the size of the image", b[i].name);
		if (rc || !is_inside(k, at, len))
			continue;
		add_interval(&words, at, at + len);
		add_interval(&clusters, at >> q->cluster_bits,
		    div_up(at + len, q->cluster_size));
	}
	if (!rc && !(rc = sweep(k, &clusters, count_clusters, err)))
		rc = sweep(k, &words, bitmap_segment, err);
out:
	free(words.v);
	free(clusters.v);
	qcow2_bitmaps_free(b, n);
	return rc;
}

/* The header of an encrypted payload. */
static int crypt_header(struct checker *k, struct error *err)
{
	const struct qcow2 *q = k->q;
	const be64 *range;
	bool inside;

	for (unsigned i = 0; i < q->ext_count; i++) {
		range = (void *)q->exts[i].data;
		if (q->exts[i].type == EXT_CRYPT && q->exts[i].len >= 16 &&
		    q->h.crypt_method == 2)
			return checker_region(k, be64_get(range[0]),
			    be64_get(range[1]), 1, &inside, err);
	}
	return 0;
}

/* ---- all of it */

static int checker_init(struct checker *k, struct error *err)
{
	struct qcow2 *q = k->q;
	struct store_stat st;
	uint64_t size = store_size(q->store), real = size;
	size_t words = q->h.l1_size / 64 + 1;

	if (!store_stat(q->store, &st, err) && st.regular)
		real = min64(st.allocated, size);
	k->sparse = real + real / 8 < size;
	k->file_size = align_up(min64(size, SIZE_LIMIT), 512);
	k->file_clusters = div_up(k->file_size, q->cluster_size);
	if (k->file_clusters >= CLUSTERS_MAX)
		return error_set(err, EFBIG, "the file is too large to check");
	k->data_file = q->h.incompatible & INCOMPAT_DATA_FILE;
	k->buf_size = q->cluster_size > BUF_SIZE ? q->cluster_size : BUF_SIZE;
	k->buf = malloc(k->buf_size);
	k->deferred = calloc(words, 8);
	k->plain = calloc(words, 8);
	k->suspect = calloc(words, 8);
	if (!k->buf || !k->deferred || !k->plain || !k->suspect)
		return error_errno(err, ENOMEM, "check");
	/* Honest images need a byte for a cluster in use, and have at least
	 * eight bytes of tables for each; hostile ones get what the peer
	 * would take for a file of this size, within reason. */
	return counts_init(&k->counts, 2 * k->file_clusters + (4 << 20),
	    64 * MIB + max64(real, min64(2 * k->file_clusters, GIB)), err);
}

static void checker_fini(struct checker *k)
{
	counts_fini(&k->counts);
	free(k->buf);
	free(k->refs);
	free(k->deferred);
	free(k->plain);
	free(k->suspect);
	free(k->reftable);
	free(k->counted);
}

/* After repairs that left nothing wrong. */
static int clear_bits(struct checker *k, struct error *err)
{
	struct qcow2 *q = k->q;
	int rc = store_sync(q->store, err);

	if (rc || !(q->h.incompatible & (INCOMPAT_DIRTY | INCOMPAT_CORRUPT)))
		return rc;
	q->h.incompatible &= ~(INCOMPAT_DIRTY | INCOMPAT_CORRUPT);
	rc = qcow2_write_sector(q, err);
	return rc ? rc : store_sync(q->store, err);
}

static int count_all(struct checker *k, struct error *err)
{
	bool inside;
	int rc;

	if ((rc = checker_init(k, err)) ||
	    (rc = checker_region(k, 0, k->q->cluster_size, 1, &inside,
	    err)) ||
	    (rc = active_l1(k, err)) || (rc = snapshots(k, err)) ||
	    (rc = checker_walk(k, err)) || (rc = bitmaps(k, err)) ||
	    (rc = crypt_header(k, err)))
		return rc;
	return checker_refblocks(k, err);
}

static int check_all(struct checker *k, struct error *err)
{
	struct check *c = k->c, before = *c;
	int rc = count_all(k, err);

	if (!rc && k->misplaced && (c->fix & CHECK_FIX_ERRORS)) {
		struct checker again = { .q = k->q, .c = c,
		    .lines = k->lines };

		rc = checker_forget_places(k, err);
		checker_fini(k);
		before.corruptions_fixed = c->corruptions_fixed;
		*c = before;
		*k = again;
		rc = rc ? rc : count_all(k, err);
	}
	if (rc || (rc = checker_compare(k, err)) ||
	    (rc = checker_copied(k, err)))
		return rc;
	c->image_end_offset = max64(k->end, 1) << k->q->cluster_bits;
	c->total_clusters = div_up(k->q->h.size, k->q->cluster_size);
	c->has_clusters = true;
	if (c->fix && !c->corruptions && !c->check_errors)
		return clear_bits(k, err);
	return 0;
}

int qcow2_check(struct image *img, struct check *c, struct error *err)
{
	struct checker k = { .q = img->state, .c = c };
	int rc;

	if (c->fix && !img->writable)
		return error_errno(err, EROFS, "repairing");
	if (k.q->at_snapshot)	/* its L1 table in the place of another */
		return error_set(err, EINVAL, "only the image itself can be "
		    "checked, not a snapshot");
	pthread_mutex_lock(&k.q->lock);
	rc = check_all(&k, err);
	pthread_mutex_unlock(&k.q->lock);
	checker_fini(&k);
	return rc;
}

int qcow2_repair_dirty(struct image *img, struct error *err)
{
	struct check c = { .fix = CHECK_FIX_LEAKS | CHECK_FIX_ERRORS };
	int rc = qcow2_check(img, &c, err);

	if (!rc && (c.corruptions || c.check_errors))
		rc = error_set(err, EIO, "%" PRIu64 " errors are left",
		    c.corruptions + c.check_errors);
	return rc;
}

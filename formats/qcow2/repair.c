/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * repair.c - compares the counted references with the refcounts, and repairs
 *
 * Two ways to repair.  Where the structure of refcounts is sound, refcounts
 * are changed in place: tables stay as they are, so each sector that reaches
 * the disk is nearer to the truth than the one it replaces.  Where it is not
 * (blocks missing, overlapping, out of the file), rebuild.c writes all of it
 * anew.
 *
 *  (1) L2 entries at impossible places (then all is counted again); barrier
 *  (2) refcounts; barrier
 *  (3) copied flags of L1 and L2, which now have refcounts to rely on; barrier
 *  (4) the header's dirty and corrupt bits, when nothing is left
 *
 * A crash between any two leaves an image that is damaged no further, and that
 * says so by its bits if it did before.
 *
 * After the comparison the counters hold the refcounts as stored, so that the
 * copied flags, which speak of those, need no second look at the blocks.
 */
#include <inttypes.h>

#include "qcow2/check.h"

/* Blocks that the refcount table names twice are read again this far. */
#define REREAD_MAX (64 * MIB)

/* ---- the refcount table */

static void broken(struct checker *k)
{
	k->c->corruptions++;
	k->broken++;
	k->rebuild = true;
}

static int count_block(struct checker *k, uint64_t i, struct error *err)
{
	uint64_t host = k->reftable[i] & REFTABLE_OFFSET, n;
	const struct qcow2 *q = k->q;
	bool inside;
	int rc;

	if (k->reftable[i] & ~REFTABLE_OFFSET) {
		checker_say(k, "ERROR refcount table entry %" PRIu64
		    " has reserved bits set", i);
		broken(k);
	} else if (host & (q->cluster_size - 1)) {
		checker_say(k, "ERROR refcount block %" PRIu64 " is not "
		    "cluster aligned; refcount table entry corrupted", i);
		broken(k);
	} else if (host >> q->cluster_bits >= k->file_clusters) {
		checker_say(k, "ERROR refcount block %" PRIu64
		    " is outside image", i);
		broken(k);
	} else {
		rc = checker_region(k, host, q->cluster_size, 1, &inside, err);
		if (rc)
			return rc;
		bit_set(k->counted, i);
		n = counts_get(&k->counts, host >> q->cluster_bits);
		if (n == 1)
			return 0;
		checker_say(k, "ERROR refcount block %" PRIu64 " refcount=%"
		    PRIu64, i, n);
		broken(k);
	}
	return 0;
}

int checker_refblocks(struct checker *k, struct error *err)
{
	const struct qcow2 *q = k->q;
	uint64_t len = (uint64_t)q->h.reftable_clusters << q->cluster_bits;
	bool zero;
	int rc;

	k->reftable_entries = len / 8;
	k->reftable = calloc(1, len);
	k->counted = calloc(k->reftable_entries / 64 + 1, 8);
	if (!k->reftable || !k->counted)
		return error_errno(err, ENOMEM, "refcount table");
	if ((rc = checker_region(k, q->h.reftable_offset, len, 1,
	    &k->reftable_inside, err)) ||
	    (rc = checker_read(k, k->reftable, q->h.reftable_offset, len,
	    EVENT_REFTABLE_LOAD, &zero, err)))
		return rc;
	for (uint64_t i = 0; i < k->reftable_entries; i++) {
		k->reftable[i] = be64toh(k->reftable[i]);
		if (k->reftable[i] && (rc = count_block(k, i, err)))
			return rc;
	}
	return 0;
}

/* ---- comparing */

/* One pass over all refcounts. */
struct pass {
	struct checker *k;
	bool fix, final;
	uint64_t first;		/* cluster of the block's first refcount */
	void *block;		/* NULL: there is none, all are 0 */
	uint64_t from, to;	/* refcounts of the block that changed */
};

static int wrong(struct pass *p, uint64_t i, uint64_t stored,
    uint64_t counted, struct error *err)
{
	struct checker *k = p->k;
	bool leak = counted < stored, fixed = false;

	if (p->fix && p->block && counted <= checker_refcount_max(k->q))
		fixed = k->c->fix & (leak ? CHECK_FIX_LEAKS :
		    CHECK_FIX_ERRORS);
	checker_say(k, "%s cluster %" PRIu64 " refcount=%" PRIu64
	    " reference=%" PRIu64, fixed ? "Repairing" : leak ? "Leaked" :
	    "ERROR", i, stored, counted);
	k->mismatch = true;
	k->end = max64(k->end, i + 1);
	if (fixed) {
		qcow2_refcount_put(p->block, i - p->first,
		    k->q->h.refcount_order, counted);
		p->from = min64(p->from, i - p->first);
		p->to = max64(p->to, i - p->first + 1);
		if (leak)
			k->c->leaks_fixed++;
		else
			k->c->corruptions_fixed++;
		return 0;
	}
	if (leak)
		k->c->leaks++;
	else
		k->c->corruptions++;
	if (!p->block)
		k->no_block = true;
	return p->final ? counts_set(&k->counts, i, stored, err) : 0;
}

/* The common case: 16-bit refcounts, counters of a byte. */
static bool same16(const uint8_t *counted, const uint8_t *stored, uint64_t n)
{
	const uint16_t *s = (const void *)stored;
	uint64_t i = 0;
	uint16_t diff = 0;

	for (; i + 64 <= n; i += 64)
		for (unsigned j = 0; j < 64; j++)
			diff |= be16toh(s[i + j]) ^ counted[i + j];
	for (; i < n; i++)
		diff |= be16toh(s[i]) ^ counted[i];
	return !diff;
}

/* Clusters [from, to), all in one page of counters and in the block. */
static int compare_run(struct pass *p, uint64_t from, uint64_t to,
    struct error *err)
{
	struct checker *k = p->k;
	unsigned order = k->q->h.refcount_order, width;
	uint64_t page = from >> COUNT_PAGE_BITS, in_page = from &
	    (COUNT_PAGE - 1), at = from - p->first, n = to - from;
	const void *counts = counts_page(&k->counts, page, &width);
	const uint8_t *bytes = (uint8_t *)p->block + (at << order >> 3);
	int rc;

	if (!counts && n << order >= 8 &&
	    bytes_are_zero(bytes, ((n << order) + 7) >> 3))
		return 0;
	if (!counts || order != 4 || width != 0 || !same16(
	    (const uint8_t *)counts + in_page, bytes, n)) {
		for (uint64_t j = 0; j < n; j++) {
			uint64_t s = qcow2_refcount_get(p->block, at + j,
			    order);
			uint64_t c = counts ? counts_load(counts, width,
			    in_page + j) : 0;

			if (s == c)
				continue;
			if ((rc = wrong(p, from + j, s, c, err)))
				return rc;
			counts = counts_page(&k->counts, page, &width);
		}
	}
	for (uint64_t i = to; i > from && i > k->end; i--)
		if (qcow2_refcount_get(p->block, i - 1 - p->first, order) ||
		    counts_get(&k->counts, i - 1))
			k->end = i;
	return 0;
}

static int write_back(struct pass *p, uint64_t host, struct error *err)
{
	struct qcow2 *q = p->k->q;
	unsigned order = q->h.refcount_order;
	uint64_t from, to, step = 1ull << q->rb_slice_shift;

	if (p->from >= p->to)
		return 0;
	if (q->rb)
		for (uint64_t c = align_down(p->first + p->from, step);
		    c < p->first + p->to; c += step)
			cache_drop(q->rb, c >> q->rb_slice_shift);
	from = align_down(p->from << order >> 3, 512);
	to = align_up(((p->to << order) + 7) >> 3, 512);
	return store_pwrite(q->store, (uint8_t *)p->block + from, to - from,
	    host + from, EVENT_REFBLOCK_UPDATE, err);
}

/* A block that cannot be read, as the peer cannot: its clusters [first, end)
 * are errors of the check. */
static void unreadable(struct checker *k, uint64_t first, uint64_t end)
{
	k->c->check_errors += end - first;
	k->rebuild = k->mismatch = true;
	for (uint64_t i = first; i < end && i - first < 1000; i++)
		checker_say(k, "Can't get refcount for cluster %" PRIu64
		    ": Input/output error", i);
}

static int compare_block(struct pass *p, uint64_t host, uint64_t end,
    struct error *err)
{
	struct checker *k = p->k;
	uint64_t cs = k->q->cluster_size;
	bool zero;
	int rc;

	if (counts_get(&k->counts, host >> k->q->cluster_bits) > 1)
		k->reread += cs;
	if ((host & (cs - 1)) || host > SIZE_LIMIT - cs ||
	    k->reread > REREAD_MAX) {
		unreadable(k, p->first, end);
		return 0;
	}
	rc = checker_read(k, k->buf, host, cs, EVENT_REFBLOCK_LOAD, &zero,
	    err);
	if (rc)
		return rc;
	if (zero)
		memset(k->buf, 0, cs);
	p->block = k->buf;
	p->from = UINT64_MAX;
	p->to = 0;
	for (uint64_t from = p->first, to; from < end; from = to) {
		to = min64((from | (COUNT_PAGE - 1)) + 1, end);
		if ((rc = compare_run(p, from, to, err)))
			return rc;
	}
	return write_back(p, host, err);
}

/* [first, end) has no refcounts. */
static int compare_none(struct pass *p, uint64_t end, struct error *err)
{
	struct checker *k = p->k;
	int rc;

	p->block = NULL;
	for (uint64_t i = counts_next(&k->counts, p->first); i < end;
	    i = counts_next(&k->counts, i + 1)) {
		uint64_t counted = counts_get(&k->counts, i);

		if ((rc = wrong(p, i, 0, counted, err)))
			return rc;
	}
	return 0;
}

static int compare(struct checker *k, bool fix, bool final, struct error *err)
{
	struct pass p = { .k = k, .fix = fix, .final = final };
	uint64_t n = k->file_clusters, b = 0;
	unsigned bits = k->q->rb_bits;
	int rc = 0;

	n += counts_get(&k->counts, n) != 0;
	k->end = k->reread = 0;
	for (; !rc && b < k->reftable_entries && b << bits < n; b++) {
		uint64_t host = k->reftable[b] & REFTABLE_OFFSET;
		uint64_t end = min64((b + 1) << bits, n);

		p.first = b << bits;
		rc = host ? compare_block(&p, host, end, err) :
		    compare_none(&p, end, err);
	}
	p.first = b << bits;
	return rc || p.first >= n ? rc : compare_none(&p, n, err);
}

int checker_compare(struct checker *k, struct error *err)
{
	struct check *c = k->c, before = *c;
	uint64_t corruptions, leaks, errors;
	int rc = compare(k, false, !c->fix, err);

	if (rc || !c->fix || !(k->mismatch || k->rebuild))
		return rc;
	corruptions = c->corruptions - before.corruptions;
	leaks = c->leaks - before.leaks;
	errors = c->check_errors - before.check_errors;
	if (!(c->fix & CHECK_FIX_ERRORS) && k->rebuild) {
		checker_say(k, "ERROR need to rebuild refcount structures");
		return error_set(err, EIO, "the refcount structures are "
		    "damaged and must be rebuilt, which is more than fixing "
		    "leaks");
	}
	*c = before;
	if (!(c->fix & CHECK_FIX_ERRORS) || !(k->rebuild || k->no_block)) {
		rc = compare(k, true, true, err);
	} else {
		checker_say(k, "Rebuilding refcount structure");
		rc = checker_rebuild(k, err);
		c->corruptions -= k->broken;
		c->corruptions_fixed += corruptions + k->broken;
		c->leaks_fixed += leaks;
		c->corruptions_fixed += errors && !c->corruptions_fixed;
	}
	if (rc)
		return rc;
	/* What was known of free space is not true any more. */
	k->q->hint = 0;
	bits_fini(&k->q->meta);
	bits_init(&k->q->meta);
	k->q->meta_known = k->q->meta_conflict = false;
	return store_sync(k->q->store, err);
}

/* ---- copied flags */

/* May they be changed?  They follow from refcounts, so setting them right is
 * no risk once those are. */
static bool may_fix(const struct checker *k)
{
	return (k->c->fix & CHECK_FIX_ERRORS) ||
	    (k->c->fix && !k->c->corruptions);
}

static bool flag_wrong(uint64_t entry, uint64_t refcount)
{
	return ((entry & ENTRY_COPIED) != 0) != (refcount == 1);
}

static bool note_flag(struct checker *k, bool fix)
{
	if (!fix) {
		k->c->corruptions++;
		return false;
	}
	k->c->corruptions_fixed++;
	return true;
}

static int copied_l2(struct checker *k, uint8_t *table, uint64_t host,
    uint64_t l1_index, struct error *err)
{
	struct qcow2 *q = k->q;
	const unsigned step = q->ext_l2 ? 2 : 1;
	const uint64_t n = (uint64_t)q->cluster_size / 8;
	uint64_t *words = (void *)table, from = n, to = 0;
	/* What looks like no table and is something else besides may be the
	 * guest's data. */
	bool fix = may_fix(k) && !(bit_get(k->suspect, l1_index) &&
	    !checker_only_table(k, host, l1_index));

	for (uint64_t i = 0; i < n; i += step) {
		uint64_t e = be64toh(words[i]), count = 1;
		uint64_t bitmap = step == 2 ? be64toh(words[i + 1]) : 0;
		enum cluster_kind kind;

		if (!e)
			continue;
		kind = checker_entry(k, e, bitmap);
		if (kind == CLUSTER_NONE || kind == CLUSTER_PACKED)
			continue;
		if (!k->data_file)
			count = counts_get(&k->counts, (e & L2_OFFSET) >>
			    q->cluster_bits);
		if (!flag_wrong(e, count))
			continue;
		checker_say(k, "%s OFLAG_COPIED data cluster: l2_entry=%"
		    PRIx64 " refcount=%" PRIu64, fix ? "Repairing" :
		    "ERROR", e, count);
		if (!note_flag(k, fix))
			continue;
		words[i] = htobe64(e ^ ENTRY_COPIED);
		from = min64(from, i);
		to = i + 1;
	}
	if (from >= to)
		return 0;
	checker_drop_table(q, l1_index);
	return checker_write_words(k, words, host, from, to, EVENT_L2_UPDATE,
	    err);
}

static int write_l1(struct checker *k, uint64_t from, uint64_t to,
    struct error *err)
{
	const struct qcow2 *q = k->q;
	be64 *words = (void *)k->buf;
	int rc = 0;

	while (!rc && from < to) {
		uint64_t n = min64(to - from, k->buf_size / 8);

		for (uint64_t i = 0; i < n; i++)
			be64_put(&words[i], qcow2_l1_get(q, from + i));
		rc = store_pwrite(q->store, words, n * 8, q->h.l1_offset +
		    from * 8, EVENT_L1_UPDATE, err);
		from += n;
	}
	return rc;
}

int checker_copied(struct checker *k, struct error *err)
{
	struct qcow2 *q = k->q;
	uint64_t from = UINT64_MAX, to = 0, fixed = k->c->corruptions_fixed;
	int rc;

	if (k->c->check_errors)
		return 0;
	for (uint64_t i = 0; i < q->h.l1_size; i++) {
		uint64_t e = qcow2_l1_get(q, i), count;

		if (!(e & L1_OFFSET))
			continue;
		count = counts_get(&k->counts, (e & L1_OFFSET) >>
		    q->cluster_bits);
		if (!flag_wrong(e, count))
			continue;
		checker_say(k, "%s OFLAG_COPIED L2 cluster: l1_index=%" PRIu64
		    " l1_entry=%" PRIx64 " refcount=%" PRIu64, may_fix(k) ?
		    "Repairing" : "ERROR", i, e, count);
		if (!note_flag(k, may_fix(k)))
			continue;
		atomic_store_explicit(&q->l1[i], e ^ ENTRY_COPIED,
		    memory_order_release);
		from = min64(from, i);
		to = i + 1;
	}
	if (to && (rc = write_l1(k, from, to, err)))
		return rc;
	/* All flags set, no cluster used twice, all refcounts as counted:
	 * nothing to find. */
	if (!k->uncopied && !k->counts.shared && !k->mismatch &&
	    !k->c->corruptions)
		return 0;
	rc = checker_tables(k, k->plain, copied_l2, err);
	if (!rc && k->c->corruptions_fixed != fixed)
		rc = store_sync(q->store, err);
	return rc;
}

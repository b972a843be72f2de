/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * walk.c - check's way through L2 tables
 *
 * The tables of the active L1 are read in batches sorted by where they lie;
 * their entries make the figures of allocation and fragmentation.  Tables
 * that others name besides, or instead, are in the list checker.refs: the
 * active walk takes the number of times from there, and what it did not meet
 * is walked afterwards.
 */
#include <inttypes.h>

#include "qcow2/check.h"

enum { CHUNK_MAX = 1024 };	/* tables in a batch */

/* ---- the list of L2 tables named by others than the active L1 alone */

static int ref_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void merge_refs(struct checker *k)
{
	size_t n = 0;

	if (k->ref_count < 2)
		return;
	qsort(k->refs, k->ref_count, sizeof(*k->refs), ref_order);
	for (size_t i = 1; i < k->ref_count; i++) {
		uint64_t *last = &k->refs[n], one = k->refs[i];

		if (one >> REF_BITS == *last >> REF_BITS)
			*last = (*last & ~REF_TIMES_MAX) |
			    min64((*last & REF_TIMES_MAX) +
			    (one & REF_TIMES_MAX), REF_TIMES_MAX);
		else
			k->refs[++n] = one;
	}
	k->ref_count = n + 1;
}

int checker_add_ref(struct checker *k, uint64_t host, uint64_t times,
    struct error *err)
{
	if (k->ref_count == k->ref_cap) {
		merge_refs(k);
		if (k->ref_count >= k->ref_cap / 2) {
			size_t cap = k->ref_cap ? 2 * k->ref_cap : 1024;
			void *more = realloc(k->refs, cap * 8);

			if (!more)
				return error_errno(err, ENOMEM, "check");
			k->refs = more;
			k->ref_cap = cap;
		}
	}
	k->refs[k->ref_count++] = host >> k->q->cluster_bits <<
	    REF_BITS | min64(times, REF_TIMES_MAX);
	return 0;
}

/* Where the table is in the list, NULL: nowhere. */
static uint64_t *find_ref(struct checker *k, uint64_t host)
{
	uint64_t cluster = host >> k->q->cluster_bits;
	size_t from = 0, to = k->ref_count;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (k->refs[mid] >> REF_BITS < cluster)
			from = mid + 1;
		else
			to = mid;
	}
	return from < k->ref_count && k->refs[from] >> REF_BITS == cluster ?
	    &k->refs[from] : NULL;
}

/* How often is this table named by others?  It is not walked again. */
static uint64_t take_ref(struct checker *k, uint64_t host)
{
	uint64_t *ref = find_ref(k, host);

	if (!ref)
		return 0;
	*ref |= REF_DONE;
	return *ref & REF_TIMES_MAX;
}

/* ---- L2 tables */

enum cluster_kind checker_entry(const struct checker *k, uint64_t entry,
    uint64_t bitmap)
{
	const struct qcow2 *q = k->q;

	if (entry & ENTRY_PACKED)
		return CLUSTER_PACKED;
	/* In a data file offset 0 is good, the copied flag tells. */
	if (!(entry & L2_OFFSET) && !(k->data_file &&
	    (entry & ENTRY_COPIED) && (q->ext_l2 || !(entry & ENTRY_ZERO))))
		return CLUSTER_NONE;
	if (q->ext_l2)
		return bitmap & SUB_ALL_ALLOC ? CLUSTER_DATA :
		    CLUSTER_PREALLOCATED;
	return (entry & ENTRY_ZERO) && q->h.version >= 3 ?
	    CLUSTER_PREALLOCATED : CLUSTER_DATA;
}

/* One table while it is walked. */
struct table {
	uint64_t *words;
	uint64_t host, times;
	uint64_t next;		/* where the next cluster would follow */
	bool active, plain;
};

static int packed_entry(struct checker *k, struct table *t, uint64_t i,
    uint64_t entry, uint64_t bitmap, struct error *err)
{
	uint64_t host;
	uint32_t len;
	bool inside;

	qcow2_packed(k->q, entry, &host, &len);
	if (entry & ENTRY_COPIED) {
		checker_say(k, "ERROR: coffset=0x%" PRIx64 ": copied flag must "
		    "never be set for compressed clusters", host);
		k->c->corruptions += t->times;
	}
	if (k->data_file || bitmap) {
		checker_say(k, k->data_file ? "ERROR compressed cluster %"
		    PRIu64 " with data file, entry=0x%" PRIx64 :
		    "ERROR compressed cluster %" PRIu64 " with non-zero "
		    "subcluster allocation bitmap, entry=0x%" PRIx64, i, entry);
		k->c->corruptions += t->times;
		return 0;
	}
	if (t->active) {
		k->c->allocated_clusters++;
		k->c->packed_clusters++;
		k->c->fragmented_clusters++;
	}
	return checker_region(k, host, len, t->times, &inside, err);
}

static int plain_entry(struct checker *k, struct table *t, uint64_t i,
    uint64_t entry, uint64_t bitmap, struct error *err)
{
	const struct qcow2 *q = k->q;
	enum cluster_kind kind = checker_entry(k, entry, bitmap);
	uint64_t host = entry & L2_OFFSET;
	bool inside;

	if (entry & L2_RESERVED) {
		checker_say(k, "ERROR found l2 entry with reserved bits set: %"
		    PRIx64, entry);
		k->c->corruptions += t->times;
	}
	if (kind == CLUSTER_NONE) {
		if (q->ext_l2 && (bitmap & SUB_ALL_ALLOC)) {
			checker_say(k, "ERROR: Unallocated cluster has "
			    "non-zero subcluster allocation map");
			k->c->corruptions += t->times;
		}
		return 0;
	}
	if (q->ext_l2 && (bitmap & bitmap >> 32 & SUB_ALL_ALLOC)) {
		checker_say(k, "ERROR offset=%" PRIx64 ": Allocated cluster "
		    "has corrupted subcluster allocation bitmap", host);
		k->c->corruptions += t->times;
	}
	if (host & (q->cluster_size - 1)) {
		checker_say(k, "ERROR offset=%" PRIx64 ": %s cluster is not "
		    "properly aligned; L2 entry corrupted.", host,
		    kind == CLUSTER_DATA ? "Data" : "Preallocated");
		k->misplaced |= kind == CLUSTER_PREALLOCATED;
		k->c->corruptions += t->times;
	}
	t->plain = true;
	if (t->active) {
		k->c->allocated_clusters++;
		k->c->fragmented_clusters += t->next && host != t->next;
		t->next = host + q->cluster_size;
		k->uncopied |= !(entry & ENTRY_COPIED);
	}
	return k->data_file ? 0 : checker_region(k, host, q->cluster_size,
	    t->times, &inside, err);
}

static int walk(struct checker *k, struct table *t, struct error *err)
{
	const struct qcow2 *q = k->q;
	const uint64_t easy = (L2_OFFSET & ~(uint64_t)(q->cluster_size - 1)) |
	    ENTRY_COPIED;
	const uint64_t limit = k->data_file ? 0 : k->file_size;
	const unsigned step = q->ext_l2 ? 2 : 1;
	const uint64_t n = (uint64_t)q->cluster_size / 8;
	uint64_t copied = ENTRY_COPIED, next = t->next, seen = 0, apart = 0;
	int rc;

	for (uint64_t i = 0; i < n; i += step) {
		uint64_t e = be64toh(t->words[i]), host = e & ~ENTRY_COPIED;
		uint64_t bitmap = step == 2 ? be64toh(t->words[i + 1]) : 0;

		if (!(e | bitmap))
			continue;
		/* Nearly all entries are of this kind. */
		if (!(e & ~easy) && host && host < limit &&
		    !(bitmap & bitmap >> 32)) {
			copied &= e;
			seen++;
			apart += next && host != next;
			next = host + q->cluster_size;
			rc = counts_add(&k->counts, host >> q->cluster_bits,
			    t->times, err);
		} else {
			t->next = next;
			rc = e & ENTRY_PACKED ?
			    packed_entry(k, t, i / step, e, bitmap, err) :
			    plain_entry(k, t, i / step, e, bitmap, err);
			next = t->next;
		}
		if (rc)
			return rc;
	}
	if (t->active) {
		k->c->allocated_clusters += seen;
		k->c->fragmented_clusters += apart;
		k->uncopied |= !copied;
	}
	t->plain |= seen != 0;
	return 0;
}

static int walk_times(struct checker *k, uint8_t *words, uint64_t host,
    uint64_t l1_index, uint64_t times, struct error *err)
{
	struct table t = { .words = (void *)words, .host = host,
	    .times = times, .active = true };
	uint64_t before = k->c->corruptions;
	int rc = walk(k, &t, err);

	if (t.plain)
		bit_set(k->plain, l1_index);
	if (k->c->corruptions != before)
		bit_set(k->suspect, l1_index);
	return rc;
}

static int walk_active(struct checker *k, uint8_t *words, uint64_t host,
    uint64_t l1_index, struct error *err)
{
	return walk_times(k, words, host, l1_index, 1 + take_ref(k, host),
	    err);
}

/* Tables that were in use before the active L1 named them, as what else ever:
 * each once, all its names are in the list. */
static int walk_deferred(struct checker *k, struct error *err)
{
	const struct qcow2 *q = k->q;

	for (uint64_t i = 0; i < q->h.l1_size; i++) {
		uint64_t host = qcow2_l1_get(q, i) & L1_OFFSET, *ref;
		bool zero;
		int rc;

		if (!bit_get(k->deferred, i) || (host & (q->cluster_size - 1)))
			continue;
		ref = find_ref(k, host);
		if (!ref || (*ref & REF_DONE))
			continue;
		*ref |= REF_DONE;
		rc = checker_read(k, k->buf, host, q->cluster_size,
		    EVENT_L2_LOAD, &zero, err);
		if (!rc && !zero)
			rc = walk_times(k, k->buf, host, i, *ref &
			    REF_TIMES_MAX, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int walk_refs(struct checker *k, struct error *err)
{
	const struct qcow2 *q = k->q;

	for (size_t i = 0; i < k->ref_count; i++) {
		uint64_t times = k->refs[i] & REF_TIMES_MAX;
		uint64_t host = k->refs[i] >> REF_BITS <<
		    q->cluster_bits;
		struct table t = { .words = (void *)k->buf, .host = host,
		    .times = times };
		bool zero = true;
		int rc = 0;

		if (!(k->refs[i] & REF_DONE))
			rc = checker_read(k, k->buf, host, q->cluster_size,
			    EVENT_L2_LOAD, &zero, err);
		if (!rc && !zero)
			rc = walk(k, &t, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- batches of the active L1's tables */

struct job {
	uint64_t host, l1_index;
};

static int job_order(const void *a, const void *b)
{
	const struct job *x = a, *y = b;

	return x->host < y->host ? -1 : x->host > y->host;
}

static int run_jobs(struct checker *k, struct job *jobs, size_t n,
    table_fn fn, struct error *err)
{
	uint64_t cs = k->q->cluster_size;
	size_t i = 0, j;
	int rc;

	qsort(jobs, n, sizeof(*jobs), job_order);
	for (; i < n; i = j) {
		bool zero;

		for (j = i + 1; j < n; j++)
			if (jobs[j].host != jobs[j - 1].host + cs)
				break;
		rc = checker_read(k, k->buf, jobs[i].host, (j - i) * cs,
		    EVENT_L2_LOAD, &zero, err);
		for (size_t m = i; !rc && !zero && m < j; m++)
			rc = fn(k, k->buf + (m - i) * cs, jobs[m].host,
			    jobs[m].l1_index, err);
		if (rc)
			return rc;
	}
	return 0;
}

int checker_tables(struct checker *k, const uint64_t *which, table_fn fn,
    struct error *err)
{
	const struct qcow2 *q = k->q;
	struct job jobs[CHUNK_MAX];
	size_t n = 0, max = min64(CHUNK_MAX, k->buf_size >> q->cluster_bits);
	int rc;

	for (uint64_t i = 0; i < q->h.l1_size; i++) {
		uint64_t host = qcow2_l1_get(q, i) & L1_OFFSET;

		if (!host || (which ? !bit_get(which, i) :
		    bit_get(k->deferred, i)))
			continue;
		jobs[n++] = (struct job){ host, i };
		if (n == max && (rc = run_jobs(k, jobs, n, fn, err)))
			return rc;
		n %= max;
	}
	return run_jobs(k, jobs, n, fn, err);
}

int checker_walk(struct checker *k, struct error *err)
{
	int rc;

	merge_refs(k);
	if ((rc = checker_tables(k, NULL, walk_active, err)) ||
	    (k->ref_count && (rc = walk_deferred(k, err))))
		return rc;
	return walk_refs(k, err);
}

/* ---- preallocated clusters at impossible places */

void checker_drop_table(struct qcow2 *q, uint64_t l1_index)
{
	uint64_t first = l1_index << (q->l1_shift - q->slice_shift);
	uint64_t n = q->cluster_size >> q->slice_bits;

	for (uint64_t i = 0; i < n; i++)
		cache_drop(q->l2, first + i);
}

/*
 * What such a cluster holds is zeros all the same, so its place is forgotten;
 * but only in a cluster that is an L2 table and nothing else.
 */
static int forget_places(struct checker *k, uint64_t *words, uint64_t host,
    uint64_t times, struct error *err)
{
	const struct qcow2 *q = k->q;
	const unsigned step = q->ext_l2 ? 2 : 1;
	const uint64_t n = (uint64_t)q->cluster_size / 8;

	for (uint64_t i = 0; i < n; i += step) {
		uint64_t e = be64toh(words[i]);
		uint64_t bitmap = step == 2 ? be64toh(words[i + 1]) : 0;
		int rc;

		if (!(e & L2_OFFSET & (q->cluster_size - 1)) ||
		    checker_entry(k, e, bitmap) != CLUSTER_PREALLOCATED)
			continue;
		checker_say(k, "Repairing offset=%" PRIx64 ": Preallocated "
		    "cluster is not properly aligned; L2 entry corrupted.",
		    (uint64_t)(e & L2_OFFSET));
		words[i] = htobe64(step == 2 ? 0 : ENTRY_ZERO);
		rc = checker_write_words(k, words, host, i, i + 1,
		    EVENT_L2_UPDATE, err);
		if (rc)
			return rc;
		k->c->corruptions_fixed += times;
	}
	return 0;
}

bool checker_only_table(struct checker *k, uint64_t host, uint64_t l1_index)
{
	return !bit_get(k->deferred, l1_index) &&
	    counts_get(&k->counts, host >> k->q->cluster_bits) ==
	    1 + take_ref(k, host);
}

static int forget_active(struct checker *k, uint8_t *words, uint64_t host,
    uint64_t l1_index, struct error *err)
{
	if (!checker_only_table(k, host, l1_index))
		return 0;
	checker_drop_table(k->q, l1_index);
	return forget_places(k, (void *)words, host, 1 + take_ref(k, host),
	    err);
}

int checker_forget_places(struct checker *k, struct error *err)
{
	int rc = checker_tables(k, k->plain, forget_active, err);

	for (size_t i = 0; !rc && i < k->ref_count; i++) {
		uint64_t host = k->refs[i] >> REF_BITS << k->q->cluster_bits;
		uint64_t times = k->refs[i] & REF_TIMES_MAX;
		bool zero = true;

		if (!(k->refs[i] & REF_DONE) && times == counts_get(
		    &k->counts, k->refs[i] >> REF_BITS))
			rc = checker_read(k, k->buf, host, k->q->cluster_size,
			    EVENT_L2_LOAD, &zero, err);
		if (!rc && !zero)
			rc = forget_places(k, (void *)k->buf, host, times,
			    err);
	}
	return rc ? rc : store_sync(k->q->store, err);
}

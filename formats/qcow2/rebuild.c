/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rebuild.c - refcounts built anew from the counted references
 *
 * The old table and blocks may lie anywhere, over anything, so nothing of
 * them is used or overwritten: the new table and its blocks go behind the end
 * of the file, in one piece, and count themselves and what the walk found.
 * They are on stable storage before one header sector switches to them (D5);
 * after it the old structure is free space.
 */
#include <inttypes.h>

#include "qcow2/check.h"

static int forget(struct checker *k, uint64_t host, uint64_t n,
    struct error *err)
{
	uint64_t i = host >> k->q->cluster_bits;
	int rc = 0;

	for (; !rc && n; i++, n--)
		rc = counts_set(&k->counts, i,
		    counts_get(&k->counts, i) - 1, err);
	return rc;
}

/* The old structure is no longer in use. */
static int forget_old(struct checker *k, struct error *err)
{
	const struct qcow2 *q = k->q;
	int rc = k->reftable_inside ? forget(k, q->h.reftable_offset,
	    q->h.reftable_clusters, err) : 0;

	for (uint64_t i = 0; !rc && i < k->reftable_entries; i++)
		if (bit_get(k->counted, i))
			rc = forget(k, k->reftable[i], 1, err);
	return rc;
}

struct plan {
	uint64_t base;		/* first cluster of the table, then blocks */
	uint64_t table, blocks;	/* clusters of each */
	uint64_t *need;		/* a bit for each block */
	uint64_t entries;	/* of the table, as far as there are blocks */
};

static int make_plan(struct checker *k, struct plan *p, struct error *err)
{
	const struct qcow2 *q = k->q;
	const uint64_t most = REFTABLE_MAX_BYTES / 8;
	uint64_t n, i, last;

	n = counts_get(&k->counts, k->file_clusters) != 0;
	p->base = k->file_clusters + n;
	p->need = calloc(most / 64 + 1, 8);
	if (!p->need)
		return error_errno(err, ENOMEM, "refcount table");
	for (i = counts_next(&k->counts, 0); i < k->counts.limit;
	    i = counts_next(&k->counts, ((i >> q->rb_bits) + 1) <<
	    q->rb_bits)) {
		if (i >> q->rb_bits >= most)
			goto large;
		bit_set(p->need, i >> q->rb_bits);
		p->blocks++;
	}
	/* The new clusters need refcounts themselves. */
	i = p->base >> q->rb_bits;
	for (p->table = 1;; p->table++) {
		last = (p->base + p->table + p->blocks - 1) >> q->rb_bits;
		if (last >= most)
			goto large;
		for (; i <= last; i++)
			if (!bit_get(p->need, i)) {
				bit_set(p->need, i);
				p->blocks++;
				last = (p->base + p->table + p->blocks - 1) >>
				    q->rb_bits;
			}
		p->entries = last + 1;
		if (p->entries * 8 <= p->table << q->cluster_bits)
			return 0;
	}
large:
	return error_set(err, EFBIG, "the file is too large for refcounts of "
	    "%u bits", 1u << q->h.refcount_order);
}

static int fill_block(struct checker *k, uint64_t b, struct error *err)
{
	const struct qcow2 *q = k->q;
	uint64_t first = b << q->rb_bits, end = (b + 1) << q->rb_bits;

	memset(k->buf, 0, q->cluster_size);
	for (uint64_t i = counts_next(&k->counts, first); i < end;
	    i = counts_next(&k->counts, i + 1)) {
		uint64_t n = counts_get(&k->counts, i);

		if (n > checker_refcount_max(q))
			return error_set(err, EOVERFLOW, "cluster %" PRIu64
			    " is referenced %" PRIu64 " times, more than "
			    "refcounts of %u bits can say", i, n,
			    1u << q->h.refcount_order);
		qcow2_refcount_put(k->buf, i - first, q->h.refcount_order, n);
	}
	return 0;
}

static int write_plan(struct checker *k, const struct plan *p,
    struct error *err)
{
	struct qcow2 *q = k->q;
	uint64_t at = p->base + p->table;
	AUTO_FREE be64 *table = calloc(p->table, q->cluster_size);
	struct qcow2_header old = q->h;
	int rc = 0;

	if (!table)
		return error_errno(err, ENOMEM, "refcount table");
	for (uint64_t i = p->base; !rc && i < at + p->blocks; i++)
		rc = counts_add(&k->counts, i, 1, err);
	for (uint64_t b = 0; !rc && b < p->entries; b++) {
		if (!bit_get(p->need, b))
			continue;
		be64_put(&table[b], at << q->cluster_bits);
		if (!(rc = fill_block(k, b, err)))
			rc = store_pwrite(q->store, k->buf, q->cluster_size,
			    at << q->cluster_bits, EVENT_REFBLOCK_UPDATE,
			    err);
		at++;
	}
	if (rc || (rc = store_pwrite(q->store, table,
	    p->table << q->cluster_bits, p->base << q->cluster_bits,
	    EVENT_REFTABLE_GROW, err)) || (rc = store_sync(q->store, err)))
		return rc;
	q->h.reftable_offset = p->base << q->cluster_bits;
	q->h.reftable_clusters = (uint32_t)p->table;
	if ((rc = qcow2_write_sector(q, err)) ||
	    (rc = store_sync(q->store, err))) {
		q->h = old;
		return rc;
	}
	k->end = at;
	q->fresh_from = max64(q->fresh_from, at << q->cluster_bits);
	return 0;
}

int checker_rebuild(struct checker *k, struct error *err)
{
	struct qcow2 *q = k->q;
	struct plan plan = { 0 };
	int rc;

	if ((rc = forget_old(k, err)) || (rc = make_plan(k, &plan, err)) ||
	    (rc = write_plan(k, &plan, err)))
		error_prefix(err, "rebuilding the refcounts");
	free(plan.need);
	if (rc)
		return rc;
	for (uint64_t c = 0; q->rb && c < k->reftable_entries << q->rb_bits;
	    c += 1ull << q->rb_slice_shift)
		if (k->reftable[c >> q->rb_bits])
			cache_drop(q->rb, c >> q->rb_slice_shift);
	free(q->reftable);
	q->reftable = NULL;
	return 0;
}

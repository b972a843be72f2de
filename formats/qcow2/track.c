/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * track.c - enabled persistent bitmaps follow what the guest writes
 *
 * Before the first write every enabled bitmap gets its in-use flag, so that
 * after a crash nobody believes it.  Writes, zeros and discards are noted in
 * memory.  At the close the noted bits are added to the stored ones in place,
 * and, once that is on stable storage, the flags are taken back.
 */
#include "qcow2/qcow2.h"

static uint64_t granules(const struct qcow2 *q, const struct qcow2_track *t)
{
	return div_up(q->image->size, 1ull << t->map.granularity_bits);
}

static int put_flags(struct qcow2 *q, bool in_use, struct error *err)
{
	be32 flags;
	int rc = 0;

	for (unsigned i = 0; !rc && i < q->track_count; i++) {
		const struct qcow2_track *t = &q->track[i];

		if (t->odd && !in_use)
			continue;
		be32_put(&flags, in_use ? t->map.flags | BITMAP_IN_USE :
		    t->map.flags & ~BITMAP_IN_USE);
		rc = store_pwrite(q->store, &flags, sizeof(flags), t->entry +
		    offsetof(struct qcow2_disk_bitmap, flags),
		    EVENT_BITMAP_UPDATE, err);
	}
	return rc ? rc : store_sync(q->store, err);
}

int qcow2_track_load(struct qcow2 *q, struct error *err)
{
	struct qcow2_bitmap *maps;
	uint64_t at, len;
	unsigned n;
	int rc;

	if (q->track_known)
		return 0;
	rc = qcow2_bitmaps_load(q, &maps, &n, &at, &len, err);
	if (rc)
		return rc;
	q->track = calloc(n + 1, sizeof(*q->track));
	if (!q->track) {
		qcow2_bitmaps_free(maps, n);
		return error_errno(err, ENOMEM, "bitmaps");
	}
	for (unsigned i = 0; i < n; i++) {
		struct qcow2_bitmap *m = &maps[i];
		uint64_t size = align_up(sizeof(struct qcow2_disk_bitmap) +
		    strlen(m->name), 8);

		if ((m->flags & BITMAP_AUTO) && !(m->flags & BITMAP_IN_USE)) {
			struct qcow2_track *t = &q->track[q->track_count++];

			t->map = *m;
			t->entry = at;
			t->odd = m->table_size != qcow2_bitmap_table_size(q,
			    q->image->size, m);
			bits_init(&t->dirty);
			m->name = NULL;
		}
		at += size;
	}
	qcow2_bitmaps_free(maps, n);
	q->track_known = true;
	return 0;
}

int qcow2_track_begin(struct qcow2 *q, struct error *err)
{
	int rc = qcow2_track_load(q, err);

	if (rc || !q->track_count)
		return rc;
	q->image->tracked = true;
	return put_flags(q, true, err);
}

void qcow2_wrote(struct image *img, uint64_t off, uint64_t len)
{
	struct qcow2 *q = img->state;
	struct error ignored;

	for (unsigned i = 0; i < q->track_count; i++) {
		struct qcow2_track *t = &q->track[i];
		unsigned g = t->map.granularity_bits;
		uint64_t first = off >> g, n = ((off + len - 1) >> g) - first + 1;
		uint64_t run;

		/* Known: most writes need no lock. */
		if (bits_run(&t->dirty, first, n, &run) && run == n)
			continue;
		LOCKED(&q->lock);
		/* A bit that cannot be noted: all of it counts as written. */
		if (bits_add(&t->dirty, first, n, NULL, &ignored))
			atomic_store(&q->track_lost, true);
	}
}

/* Adds the noted bits of table entry i to its cluster at host. */
static int store_bits(struct qcow2 *q, struct qcow2_track *t, uint64_t i,
    uint64_t host, uint8_t *buf, bool fresh, struct error *err)
{
	uint64_t per_entry = 8ull << q->cluster_bits, first = i * per_entry;
	uint64_t n = min64(per_entry, granules(q, t) - first);
	int rc = 0;

	if (fresh)
		memset(buf, 0, q->cluster_size);
	else
		rc = store_pread(q->store, buf, q->cluster_size, host,
		    EVENT_BITMAP_LOAD, err);
	for (uint64_t b = 0; !rc && b < n; b++) {
		if (b % 4096 == 0 && !q->track_lost &&
		    !bits_any(&t->dirty, first + b, min64(4096, n - b))) {
			b += 4095;
			continue;
		}
		if (q->track_lost || bits_any(&t->dirty, first + b, 1))
			buf[b / 8] |= (uint8_t)(1u << b % 8);
	}
	return rc ? rc : store_pwrite(q->store, buf, q->cluster_size, host,
	    EVENT_BITMAP_UPDATE, err);
}

static int store_bitmap(struct qcow2 *q, struct qcow2_track *t,
    struct error *err)
{
	uint64_t per_entry = 8ull << q->cluster_bits, n = t->map.table_size;
	AUTO_FREE be64 *table = malloc(n * 8);
	AUTO_FREE uint8_t *buf = malloc(q->cluster_size);
	bool changed = false;
	int rc;

	if (!table || !buf)
		return error_errno(err, ENOMEM, "bitmaps");
	if ((rc = store_pread(q->store, table, n * 8, t->map.table_offset,
	    EVENT_BITMAP_LOAD, err)))
		return rc;
	for (uint64_t i = 0; i < n && i * per_entry < granules(q, t); i++) {
		uint64_t entry = be64_get(table[i]), host, got;
		bool fresh = false;

		if (!q->track_lost && !bits_any(&t->dirty, i * per_entry,
		    per_entry))
			continue;
		host = entry & BITMAP_TABLE_OFFSET;
		if (host & (q->cluster_size - 1) || (host &&
		    bits_any(&q->meta, host >> q->cluster_bits, 1)))
			return qcow2_corrupt(q, err, "bitmap data at %#llx "
			    "overlaps tables", (unsigned long long)host);
		if (!host) {
			if (entry & TABLE_ALL_ONES)
				continue;
			rc = qcow2_alloc(q, 1, &host, &got, &fresh, err);
			if (rc)
				return rc;
			be64_put(&table[i], host);
			fresh = changed = true;
		}
		if ((rc = store_bits(q, t, i, host, buf, fresh, err)))
			return rc;
	}
	if (!changed)
		return 0;
	/* D2: counted before it is named. */
	if ((rc = qcow2_flush_refcounts(q, err)) ||
	    (rc = store_sync(q->store, err)))
		return rc;
	return store_pwrite(q->store, table, n * 8, t->map.table_offset,
	    EVENT_BITMAP_UPDATE, err);
}

int qcow2_track_end(struct qcow2 *q, struct error *err)
{
	int rc = 0;

	if (!q->track_count)
		return 0;
	for (unsigned i = 0; !rc && i < q->track_count; i++)
		if (!q->track[i].odd)
			rc = store_bitmap(q, &q->track[i], err);
	if (rc || (rc = qcow2_flush_locked(q, err)) ||
	    (rc = qcow2_flush_refcounts(q, err)) ||
	    (rc = store_sync(q->store, err)) ||
	    (rc = put_flags(q, false, err)))
		return rc;
	q->image->tracked = false;
	return 0;
}

void qcow2_track_free(struct qcow2 *q)
{
	for (unsigned i = 0; i < q->track_count; i++) {
		bits_fini(&q->track[i].dirty);
		free(q->track[i].map.name);
	}
	free(q->track);
}

int qcow2_track_can_resize(struct qcow2 *q, uint64_t size, struct error *err)
{
	struct qcow2_bitmap *maps;
	unsigned n;
	int rc = qcow2_bitmaps_load(q, &maps, &n, NULL, NULL, err);

	for (unsigned i = 0; !rc && i < n; i++)
		if (qcow2_bitmap_table_size(q, size, &maps[i]) !=
		    maps[i].table_size)
			rc = error_set(err, ENOTSUP, "bitmap '%s' would need "
			    "a table of another size, which is not supported "
			    "yet", maps[i].name);
	qcow2_bitmaps_free(maps, n);
	return rc;
}

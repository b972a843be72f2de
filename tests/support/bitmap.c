/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitmap.c - tables, a directory and a header extension, from the
 * specification */
#include "support/bitmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "qcow2/disk.h"
#include "support/guest.h"

/* The extension before all others, and the bit that says it is good. */
static int put_extension(struct store *s, const struct qcow2_disk_bitmaps *d,
    struct error *err)
{
	struct { struct qcow2_disk_ext x; struct qcow2_disk_bitmaps d; } ext;
	uint8_t head[512];
	struct qcow2_disk_header *h = (void *)head;
	size_t at;
	int rc = store_pread(s, head, sizeof(head), 0, EVENT_DATA, err);

	if (rc)
		return rc;
	at = be32_get(h->header_len);
	memmove(head + at + sizeof(ext), head + at,
	    sizeof(head) - sizeof(ext) - at);
	be32_put(&ext.x.type, EXT_BITMAPS);
	be32_put(&ext.x.len, sizeof(*d));
	ext.d = *d;
	memcpy(head + at, &ext, sizeof(ext));
	if (be64_get(h->backing_offset))
		be64_put(&h->backing_offset, be64_get(h->backing_offset) +
		    sizeof(ext));
	be64_put(&h->autoclear, be64_get(h->autoclear) | AUTOCLEAR_BITMAPS);
	return store_pwrite(s, head, sizeof(head), 0, EVENT_DATA, err);
}

static int put_table(struct store *s, const struct bitmap_made *m,
    struct qcow2_disk_bitmap *d, struct error *err)
{
	struct qcow2_disk_header h;
	uint64_t n, host;
	AUTO_FREE be64 *table = NULL;
	int rc = store_pread(s, &h, sizeof(h), 0, EVENT_DATA, err);

	if (rc)
		return rc;
	n = div_up(be64_get(h.size), 1ull << m->granularity_bits);
	n = div_up(n, 8ull << be32_get(h.cluster_bits));
	if (m->entries)
		n = m->entries;
	table = calloc(n, sizeof(*table));
	for (uint64_t i = 0; m->table && i < n; i++)
		be64_put(&table[i], m->table[i]);
	rc = store_append(s, table, n * 8, &host, err);
	be64_put(&d->table_offset, host);
	be32_put(&d->table_size, (uint32_t)n);
	be32_put(&d->flags, m->flags);
	d->type = 1;
	d->granularity_bits = (uint8_t)m->granularity_bits;
	be16_put(&d->name_len, (uint16_t)strlen(m->name));
	return rc;
}

int store_bitmaps(struct store *s, const struct bitmap_made *m, unsigned n,
    struct error *err)
{
	struct qcow2_disk_bitmaps ext = { .count = { { 0 } } };
	uint8_t dir[512] = { 0 };
	uint64_t len = 0, host;
	int rc = 0;

	for (unsigned i = 0; !rc && i < n; i++) {
		struct qcow2_disk_bitmap d = { .type = 0 };

		rc = put_table(s, &m[i], &d, err);
		memcpy(dir + len, &d, sizeof(d));
		memcpy(dir + len + sizeof(d), m[i].name, strlen(m[i].name));
		len = align_up(len + sizeof(d) + strlen(m[i].name), 8);
	}
	if (rc || (rc = store_append(s, dir, len, &host, err)))
		return rc;
	be32_put(&ext.count, n);
	be64_put(&ext.directory_len, len);
	be64_put(&ext.directory_offset, host);
	return put_extension(s, &ext, err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bitmap.c - the directory of persistent bitmaps, and their contents, read
 *
 * A header extension says where the directory lies and how many bitmaps are
 * in it; both must agree with what is found.  Without its autoclear bit the
 * extension is stale and there are no bitmaps.
 *
 * A bitmap is a table of clusters of bits.  No cluster may be named twice, so
 * what a bitmap takes in memory is bounded by what the file holds (H6); table
 * entries that say "all zeros" or "all ones" take none.
 */
#include <inttypes.h>

#include "qcow2/qcow2.h"

/* What the peers take. */
enum { NAME_MAX_LEN = 1023, GRANULARITY_MIN = 9, GRANULARITY_MAX = 31,
	TABLE_MAX = 0x8000000 };
#define PAYLOAD_MAX (512 * MIB)
#define KNOWN_FLAGS (BITMAP_IN_USE | BITMAP_AUTO)

static int decode(struct qcow2 *q, const struct qcow2_disk_bitmap *d,
    unsigned i, struct qcow2_bitmap *b, struct error *err)
{
	size_t name_len = be16_get(d->name_len);

	b->table_offset = be64_get(d->table_offset);
	b->table_size = be32_get(d->table_size);
	b->flags = be32_get(d->flags);
	b->type = d->type;
	b->granularity_bits = d->granularity_bits;
	if (be32_get(d->extra_len))
		return error_set(err, EINVAL,
		    "Bitmap extra data is not supported (entry %u)", i);
	b->name = strndup((const char *)(d + 1), name_len);
	if (!b->name)
		return error_errno(err, ENOMEM, "bitmap directory");
	if (!name_len || name_len > NAME_MAX_LEN || !b->table_size ||
	    b->table_size > TABLE_MAX || !b->table_offset ||
	    b->table_offset % q->cluster_size ||
	    !range_ok(b->table_offset, b->table_size * 8ull, SIZE_LIMIT) ||
	    b->type != 1 || (b->flags & ~KNOWN_FLAGS) ||
	    b->granularity_bits < GRANULARITY_MIN ||
	    b->granularity_bits > GRANULARITY_MAX ||
	    (uint64_t)b->table_size << q->cluster_bits > PAYLOAD_MAX)
		return error_set(err, EINVAL, "Bitmap '%s' doesn't satisfy the "
		    "constraints (entry %u)", b->name, i);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two of one name? */
static int check_names(const struct qcow2_bitmap *list, unsigned n,
    struct error *err)
{
	AUTO_FREE const char **names = malloc((n + 1) * sizeof(*names));

	if (!names)
		return error_errno(err, ENOMEM, "bitmap directory");
	for (unsigned i = 0; i < n; i++)
		names[i] = list[i].name;
	qsort(names, n, sizeof(*names), by_name);
	for (unsigned i = 1; i < n; i++)
		if (!strcmp(names[i - 1], names[i]))
			return error_set(err, EINVAL,
			    "Bitmap already exists: %s", names[i]);
	return 0;
}

static int parse(struct qcow2 *q, const uint8_t *dir, uint64_t len,
    struct qcow2_bitmap *list, unsigned n, struct error *err)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct qcow2_disk_bitmap *d = (const void *)(dir + at);
		uint64_t entry = sizeof(*d);
		int rc;

		if (at == len)
			return error_set(err, EINVAL, "Less bitmaps found "
			    "than specified in header extension");
		if (len - at < entry)
			return error_set(err, EINVAL,
			    "Broken bitmap directory (entry %u)", i);
		entry += (uint64_t)be32_get(d->extra_len) +
		    be16_get(d->name_len);
		entry = align_up(entry, 8);
		if (len - at < entry)
			return error_set(err, EINVAL,
			    "Broken bitmap directory (entry %u)", i);
		if ((rc = decode(q, d, i, &list[i], err)))
			return rc;
		at += entry;
	}
	if (at != len)
		return error_set(err, EINVAL, "More bitmaps found than "
		    "specified in header extension");
	return check_names(list, n, err);
}

static const struct qcow2_ext *find(const struct qcow2 *q)
{
	for (unsigned i = 0; i < q->ext_count; i++)
		if (q->exts[i].type == EXT_BITMAPS)
			return &q->exts[i];
	return NULL;
}

int qcow2_bitmaps_load(struct qcow2 *q, struct qcow2_bitmap **out,
    unsigned *n, uint64_t *dir_offset, uint64_t *dir_len, struct error *err)
{
	const struct qcow2_ext *ext = find(q);
	struct qcow2_disk_bitmaps d;
	struct qcow2_bitmap *list;
	AUTO_FREE uint8_t *dir = NULL;
	uint64_t off, len;
	uint32_t count;
	int rc;

	*out = NULL;
	*n = 0;
	if (dir_offset)
		*dir_offset = 0;
	if (dir_len)
		*dir_len = 0;
	if (!ext || q->h.version < 3 || !(q->h.autoclear & AUTOCLEAR_BITMAPS))
		return 0;
	if (ext->len != sizeof(d))
		return error_set(err, EINVAL, "bitmaps_ext: Invalid extension "
		    "length");
	memcpy(&d, ext->data, sizeof(d));
	count = be32_get(d.count);
	off = be64_get(d.directory_offset);
	len = be64_get(d.directory_len);
	if (be32_get(d.reserved))
		return error_set(err, EINVAL, "bitmaps_ext: Reserved field is "
		    "not zero");
	if (!count)
		return error_set(err, EINVAL,
		    "found bitmaps extension with zero bitmaps");
	if (count > BITMAPS_MAX)
		return error_set(err, EINVAL, "bitmaps_ext: image has %u "
		    "bitmaps, exceeding the maximum of %u", count,
		    BITMAPS_MAX);
	if (off % q->cluster_size)
		return error_set(err, EINVAL, "bitmaps_ext: invalid bitmap "
		    "directory offset %#" PRIx64, off);
	if (len > BITMAP_DIRECTORY_MAX)
		return error_set(err, EINVAL, "bitmaps_ext: bitmap directory "
		    "size (%" PRIu64 ") exceeds the maximum supported size "
		    "(%llu)", len, BITMAP_DIRECTORY_MAX);
	if (!range_ok(off, len, store_size(q->store)))
		return error_set(err, EINVAL, "bitmap directory at %#" PRIx64
		    " lies past the end of the file", off);
	if (len / sizeof(struct qcow2_disk_bitmap) < count)
		return error_set(err, EINVAL, "Less bitmaps found than "
		    "specified in header extension");
	dir = malloc(len);
	list = calloc(count, sizeof(*list));
	if (!dir || !list) {
		free(list);
		return error_errno(err, ENOMEM, "bitmap directory");
	}
	rc = store_pread(q->store, dir, len, off, EVENT_BITMAP_LOAD, err);
	if (!rc)
		rc = parse(q, dir, len, list, count, err);
	if (rc) {
		qcow2_bitmaps_free(list, count);
		return rc;
	}
	*out = list;
	*n = count;
	if (dir_offset)
		*dir_offset = off;
	if (dir_len)
		*dir_len = len;
	return 0;
}

void qcow2_bitmaps_free(struct qcow2_bitmap *list, unsigned n)
{
	for (unsigned i = 0; list && i < n; i++)
		free(list[i].name);
	free(list);
}

uint64_t qcow2_bitmap_table_size(const struct qcow2 *q, uint64_t size,
    const struct qcow2_bitmap *map)
{
	return div_up(div_up(size, 1ull << map->granularity_bits),
	    8ull << q->cluster_bits);
}

/* ---- contents */

enum { BUFFER = 2 << 20 };	/* the largest cluster */

struct contents {
	struct qcow2 *q;
	const struct qcow2_bitmap *map;
	struct image_bitmap *b;
	const be64 *table;
	uint64_t *words;	/* BUFFER bytes */
	struct bits seen;	/* clusters named so far */
};

/* Table entry i: the cluster of its bits, or 0 and they are done with. */
static int take_entry(struct contents *c, uint64_t i, uint64_t *host,
    struct error *err)
{
	const struct qcow2 *q = c->q;
	uint64_t entry = be64_get(c->table[i]);
	bool was = false;
	int rc;

	*host = entry & BITMAP_TABLE_OFFSET;
	if ((entry & ~(BITMAP_TABLE_OFFSET | TABLE_ALL_ONES)) ||
	    (*host && (entry & TABLE_ALL_ONES)))
		return error_set(err, EINVAL, "Bitmap '%s': table entry %"
		    PRIu64 " is invalid", c->map->name, i);
	if (!*host)
		return entry ? bits_add(&c->b->groups, i, 1, NULL, err) : 0;
	if (*host & (q->cluster_size - 1) || *host >= store_size(q->store))
		return error_set(err, EINVAL, "Bitmap '%s': data at %#" PRIx64
		    " is not aligned or past the end of the file",
		    c->map->name, *host);
	rc = bits_add(&c->seen, *host >> q->cluster_bits, 1, &was, err);
	return rc || !was ? rc : error_set(err, EINVAL, "Bitmap '%s': data at "
	    "%#" PRIx64 " is used twice", c->map->name, *host);
}

/* The bits of n table entries from i on, which lie one behind the other. */
static int read_bits(struct contents *c, uint64_t i, uint64_t n,
    uint64_t host, struct error *err)
{
	uint64_t len = n << c->q->cluster_bits;
	int rc;

	if (!n)
		return 0;
	rc = store_pread(c->q->store, c->words, len, host, EVENT_BITMAP_LOAD,
	    err);
	for (uint64_t k = 0; !rc && k < len / 8; k++)
		c->words[k] = le64toh(c->words[k]);
	return rc ? rc : bits_add_words(&c->b->stored,
	    i << c->b->group_bits, c->words, len / 8, err);
}

static int read_table(struct contents *c, struct error *err)
{
	const struct qcow2 *q = c->q;
	uint64_t n = c->map->table_size, i, first = 0, run = 0, from = 0, host;
	uint64_t most = BUFFER >> q->cluster_bits;
	int rc;

	for (i = 0; i < n; i++) {
		if ((rc = take_entry(c, i, &host, err)))
			return rc;
		if (host && run && run < most &&
		    host == from + (run << q->cluster_bits)) {
			run++;
			continue;
		}
		if ((rc = read_bits(c, first, run, from, err)))
			return rc;
		first = i;
		from = host;
		run = host != 0;
	}
	return read_bits(c, first, run, from, err);
}

static int read_contents(struct qcow2 *q, const struct qcow2_bitmap *map,
    struct image_bitmap *b, struct error *err)
{
	uint64_t bytes = map->table_size * 8ull;
	AUTO_FREE be64 *table = NULL;
	AUTO_FREE void *buffer = NULL;
	struct contents c = { .q = q, .map = map, .b = b };
	int rc;

	if (map->table_size != qcow2_bitmap_table_size(q, q->image->size, map))
		return error_set(err, EINVAL, "Bitmap '%s' has a table of %u "
		    "entries, which does not fit the disk", map->name,
		    map->table_size);
	if (!range_ok(map->table_offset, bytes, align_up(store_size(q->store),
	    q->cluster_size)))
		return error_set(err, EINVAL, "Bitmap '%s': table at %#" PRIx64
		    " lies past the end of the file", map->name,
		    map->table_offset);
	b->size = q->image->size;
	b->granularity_bits = map->granularity_bits;
	b->group_bits = q->cluster_bits + 3;
	table = malloc(bytes);
	buffer = malloc(BUFFER);
	if (!table || !buffer)
		return error_errno(err, ENOMEM, "bitmap '%s'", map->name);
	rc = store_pread(q->store, table, bytes, map->table_offset,
	    EVENT_BITMAP_LOAD, err);
	if (rc)
		return rc;
	c.table = table;
	c.words = buffer;
	bits_init(&c.seen);
	rc = read_table(&c, err);
	bits_fini(&c.seen);
	return rc;
}

/* Of an image that may be written to: is it one that follows the writes?  Its
 * flag on disk may be ours. */
static int find_tracked(struct qcow2 *q, const char *name,
    struct qcow2_track **found, struct error *err)
{
	LOCKED(&q->lock);
	int rc = qcow2_track_load(q, err);

	for (unsigned i = 0; !rc && i < q->track_count; i++)
		if (!strcmp(q->track[i].map.name, name))
			*found = &q->track[i];
	return rc;
}

int qcow2_bitmap_open(struct image *img, const char *name,
    struct image_bitmap *b, struct error *err)
{
	struct qcow2 *q = img->state;
	struct qcow2_track *t = NULL;
	struct qcow2_bitmap *list;
	unsigned n, i;
	int rc;

	if (q->at_snapshot)
		return error_set(err, ENOENT, "a snapshot has no bitmaps");
	if (img->writable && (rc = find_tracked(q, name, &t, err)))
		return rc;
	if (t) {
		b->written = &t->dirty;
		b->lost = &q->track_lost;
		return read_contents(q, &t->map, b, err);
	}
	if ((rc = qcow2_bitmaps_load(q, &list, &n, NULL, NULL, err)))
		return rc;
	for (i = 0; i < n && strcmp(list[i].name, name); i++)
		;
	if (i == n)
		rc = error_set(err, ENOENT, "no bitmap '%s'", name);
	else if (list[i].flags & BITMAP_IN_USE)
		rc = error_set(err, EINVAL, "Bitmap '%s' is inconsistent and "
		    "cannot be used", name);
	else
		rc = read_contents(q, &list[i], b, err);
	qcow2_bitmaps_free(list, n);
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bitmap.c - the directory of persistent bitmaps, read
 *
 * A header extension says where the directory lies and how many bitmaps are
 * in it; both must agree with what is found.  Without its autoclear bit the
 * extension is stale and there are no bitmaps.
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

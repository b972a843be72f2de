/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * open.c - the header: reading, checking, writing
 *
 * The header is decoded once, every number held against the format's limits
 * and the file's size (H1), and lives on in struct qcow2_header.  It is
 * written back in two ways: the first sector alone (sizes, offsets, feature
 * bits), which is atomic; or the whole first cluster when names change, in an
 * order that leaves the old or the new header valid at any moment (D5).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "codec.h"
#include "qcow2/qcow2.h"
#include "report.h"

enum { SECTOR = 512 };

/* ---- features */

static const struct {
	uint8_t type, bit;
	const char *name;
} feature_names[] = {
	{ 0, 0, "dirty bit" },
	{ 0, 1, "corrupt bit" },
	{ 0, 2, "external data file" },
	{ 0, 3, "compression type" },
	{ 0, 4, "extended L2 entries" },
	{ 1, 0, "lazy refcounts" },
	{ 2, 0, "bitmaps" },
	{ 2, 1, "raw external data" },
};
#define INCOMPLETE_NAME "image being made, never finished"

/* Which of the incompatible bits we do not know, by the names the image
 * itself gives them. */
static int unknown_features(const struct qcow2 *q, uint64_t bits,
    struct error *err)
{
	char list[512] = "";

	for (unsigned b = 0; b < 64; b++) {
		const char *name = NULL;
		char text[64];
		size_t n = strlen(list);

		if (!(bits >> b & 1))
			continue;
		for (unsigned i = 0; !name && i < q->ext_count; i++) {
			const struct qcow2_ext *x = &q->exts[i];
			const struct qcow2_disk_feature *f = (void *)x->data;

			if (x->type != EXT_FEATURES)
				continue;
			for (; !name && (uint8_t *)(f + 1) <= x->data + x->len;
			    f++)
				if (f->type == 0 && f->bit == b)
					name = f->name;
		}
		if (name)
			snprintf(text, sizeof(text), "%.46s", name);
		else
			snprintf(text, sizeof(text),
			    "Unknown incompatible feature: %llx", 1ull << b);
		snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
		    text);
	}
	return error_set(err, ENOTSUP, "Unsupported qcow2 feature(s): %s",
	    list);
}

/* ---- decoding */

static int check_table(const char *what, uint64_t off, uint64_t entries,
    uint64_t entry_size, uint64_t max_bytes, uint32_t cluster_size,
    uint64_t file_size, struct error *err)
{
	uint64_t bytes;

	if (!mul_ok(entries, entry_size, &bytes) || bytes > max_bytes)
		return error_set(err, EFBIG, "%s too large", what);
	if (!range_ok(off, bytes, SIZE_LIMIT) || off % cluster_size)
		return error_set(err, EINVAL, "%s offset invalid", what);
	if (bytes && off >= file_size)
		return error_set(err, EINVAL,
		    "%s at %#" PRIx64 " lies past the end of the file", what,
		    off);
	return 0;
}

int qcow2_header_decode(const uint8_t *buf, size_t len, uint64_t file_size,
    struct qcow2_header *h, struct error *err)
{
	struct qcow2_disk_header d = { 0 };
	uint32_t cs;
	int rc;

	memcpy(&d, buf, len < sizeof(d) ? len : sizeof(d));
	if (len < QCOW2_V2_HEADER_LEN || be32_get(d.magic) != QCOW2_MAGIC)
		return error_set(err, EINVAL, "Image is not in qcow2 format");
	*h = (struct qcow2_header){
		.version = be32_get(d.version),
		.cluster_bits = be32_get(d.cluster_bits),
		.size = be64_get(d.size),
		.crypt_method = be32_get(d.crypt_method),
		.l1_size = be32_get(d.l1_size),
		.l1_offset = be64_get(d.l1_offset),
		.reftable_offset = be64_get(d.reftable_offset),
		.reftable_clusters = be32_get(d.reftable_clusters),
		.snapshot_count = be32_get(d.snapshot_count),
		.snapshot_offset = be64_get(d.snapshot_offset),
		.backing_offset = be64_get(d.backing_offset),
		.backing_len = be32_get(d.backing_len),
		.refcount_order = 4,
		.header_len = QCOW2_V2_HEADER_LEN,
	};
	if (h->version < 2 || h->version > 3)
		return error_set(err, ENOTSUP,
		    "Unsupported qcow2 version %u", h->version);
	if (h->cluster_bits < 9 || h->cluster_bits > 21)
		return error_set(err, EINVAL,
		    "Unsupported cluster size: 2^%u", h->cluster_bits);
	cs = 1u << h->cluster_bits;
	if (h->version == 3) {
		if (len < QCOW2_V3_HEADER_LEN)
			return error_set(err, EINVAL,
			    "qcow2 header too short");
		h->incompatible = be64_get(d.incompatible);
		h->compatible = be64_get(d.compatible);
		h->autoclear = be64_get(d.autoclear);
		h->refcount_order = be32_get(d.refcount_order);
		h->header_len = be32_get(d.header_len);
		if (h->header_len < QCOW2_V3_HEADER_LEN)
			return error_set(err, EINVAL,
			    "qcow2 header too short");
		if (h->header_len > cs)
			return error_set(err, EINVAL,
			    "qcow2 header exceeds cluster size");
		if (h->header_len > QCOW2_V3_HEADER_LEN)
			h->compression_type = d.compression_type;
		if ((h->incompatible & INCOMPAT_INCOMPLETE) &&
		    (h->compatible & COMPAT_BECOMES_V2)) {
			h->version = 2;
			h->compatible &= ~COMPAT_BECOMES_V2;
		}
	}
	if (h->refcount_order > 6)
		return error_set(err, EINVAL,
		    "Reference count entry width too large; may not exceed "
		    "64 bits");
	if (h->backing_offset > cs)
		return error_set(err, EINVAL, "Invalid backing file offset");
	if (h->backing_offset && (h->backing_len > BACKING_NAME_MAX ||
	    h->backing_len > cs - h->backing_offset))
		return error_set(err, EINVAL, "Backing file name too long");
	if (h->size > SIZE_LIMIT)
		return error_set(err, EFBIG, "Image is too big");
	if (h->crypt_method > 2)
		return error_set(err, EINVAL,
		    "Unsupported encryption method %u", h->crypt_method);
	if (h->reftable_clusters == 0)
		return error_set(err, EINVAL,
		    "Image does not contain a reference count table");
	if ((rc = check_table("Reference count table", h->reftable_offset,
	    h->reftable_clusters, cs, REFTABLE_MAX_BYTES, cs, file_size,
	    err)) ||
	    (rc = check_table("Active L1 table", h->l1_offset, h->l1_size, 8,
	    L1_MAX_BYTES, cs, file_size, err)))
		return rc;
	if (h->snapshot_count > SNAPSHOTS_MAX)
		return error_set(err, EFBIG, "Snapshot table too large");
	return check_table("Snapshot table", h->snapshot_offset,
	    h->snapshot_count, sizeof(struct qcow2_disk_snapshot),
	    SNAPSHOT_TABLE_MAX, cs, file_size, err);
}

/* Extensions within the header cluster, up to the backing name. */
static int read_exts(struct qcow2 *q, const uint8_t *cluster, size_t len,
    struct error *err)
{
	struct image *img = q->image;
	size_t at = q->h.header_len, end = len;

	if (q->h.backing_offset && q->h.backing_offset < end)
		end = q->h.backing_offset;
	while (end >= sizeof(struct qcow2_disk_ext) &&
	    at <= end - sizeof(struct qcow2_disk_ext)) {
		const struct qcow2_disk_ext *d = (const void *)(cluster + at);
		struct qcow2_ext x = { be32_get(d->type), be32_get(d->len),
		    NULL };
		struct qcow2_ext *more;

		if (x.type == EXT_END)
			return 0;
		at += sizeof(*d);
		if (x.len > end - at)
			return error_set(err, EINVAL,
			    "Header extension too large");
		for (unsigned i = 0; i < q->ext_count; i++)
			if (q->exts[i].type == x.type)
				return error_set(err, EINVAL,
				    "header extension %#x occurs twice",
				    x.type);
		if (x.type == EXT_BACKING_FORMAT) {
			if (img->backing_format)
				return error_set(err, EINVAL, "header "
				    "extension %#x occurs twice", x.type);
			img->backing_format = strndup(
			    (const char *)cluster + at, x.len);
			if (!img->backing_format)
				return error_errno(err, ENOMEM, "header");
		} else {
			x.data = malloc(x.len ? x.len : 1);
			more = realloc(q->exts, (q->ext_count + 1) *
			    sizeof(*more));
			if (!x.data || !more) {
				free(x.data);
				return error_errno(err, ENOMEM, "header");
			}
			memcpy(x.data, cluster + at, x.len);
			q->exts = more;
			q->exts[q->ext_count++] = x;
		}
		if (x.type == EXT_DATA_FILE &&
		    !(q->data_file = strndup((char *)x.data, x.len)))
			return error_errno(err, ENOMEM, "header");
		at += min64(align_up(x.len, 8), end - at);
	}
	return 0;
}

static int check_features(struct qcow2 *q, struct error *err)
{
	const struct image *img = q->image;
	uint64_t known = INCOMPAT_DIRTY | INCOMPAT_CORRUPT |
	    INCOMPAT_DATA_FILE | INCOMPAT_COMPRESSION | INCOMPAT_EXT_L2 |
	    (img->args.incomplete ? INCOMPAT_INCOMPLETE : 0);
	const struct qcow2_header *h = &q->h;

	if (h->incompatible & ~known)
		return unknown_features(q, h->incompatible & ~known, err);
	if (h->crypt_method && !img->args.for_check && !img->args.no_backing)
		return error_set(err, ENOTSUP,
		    "encrypted images are not supported yet");
	if ((h->incompatible & INCOMPAT_CORRUPT) && img->writable &&
	    !img->args.for_check)
		return error_set(err, EACCES,
		    "Image is corrupt; cannot be opened read/write");
	if (h->compression_type > 1 ||
	    (h->compression_type != 0) !=
	    ((h->incompatible & INCOMPAT_COMPRESSION) != 0))
		return error_set(err, EINVAL, h->compression_type > 1 ?
		    "qcow2: unknown compression type: %u" :
		    "qcow2: Compression type incompatible feature bit must "
		    "agree with compression type %u", h->compression_type);
	if ((h->incompatible & INCOMPAT_EXT_L2) && h->cluster_bits < 14)
		return error_set(err, EINVAL, "Extended L2 entries are only "
		    "supported with cluster sizes of at least 16384 bytes");
	return 0;
}

static void derive(struct qcow2 *q)
{
	const struct qcow2_header *h = &q->h;

	q->cluster_bits = h->cluster_bits;
	q->cluster_size = 1u << h->cluster_bits;
	q->ext_l2 = h->incompatible & INCOMPAT_EXT_L2;
	q->sub_bits = q->cluster_bits - (q->ext_l2 ? 5 : 0);
	q->entry_bits = q->ext_l2 ? 4 : 3;
	q->l1_shift = 2 * q->cluster_bits - q->entry_bits;
	q->slice_bits = q->cluster_bits > 16 ? 16 : q->cluster_bits;
	q->slice_shift = q->slice_bits - q->entry_bits + q->cluster_bits;
	q->rb_bits = q->cluster_bits + 3 - h->refcount_order;
	q->rb_slice_shift = q->slice_bits + 3 - h->refcount_order;
	q->packed_shift = 62 - (q->cluster_bits - 8);
	q->packed_offset_mask = (1ull << q->packed_shift) - 1;
	q->codec = h->compression_type ? codec_zstd() : codec_deflate();
}

static int read_l1(struct qcow2 *q, struct error *err)
{
	const struct qcow2_header *h = &q->h;
	uint64_t need = h->size ? ((h->size - 1) >> q->l1_shift) + 1 : 0;
	int rc;

	if (h->l1_size < need)
		return error_set(err, EINVAL, "L1 table is too small");
	q->l1 = malloc(max64((uint64_t)h->l1_size * 8, 8));
	if (!q->l1)
		return error_errno(err, ENOMEM, "L1 table");
	rc = store_pread(q->store, (void *)q->l1, (size_t)h->l1_size * 8,
	    h->l1_offset, EVENT_L1_LOAD, err);
	if (rc)
		return error_prefix(err, "Could not read L1 table");
	for (uint64_t i = 0; i < h->l1_size; i++)
		atomic_init(&q->l1[i], be64toh(q->l1[i]));
	q->l1_dirty_from = UINT64_MAX;
	return 0;
}

/* How many bytes of tables the caches may hold: as the options say, or
 * enough for the image, at most these. */
enum { L2_CACHE_MAX = 32 << 20, RB_CACHE_MAX = 4 << 20 };

static int make_caches(struct qcow2 *q, struct opts *opts, struct error *err)
{
	uint64_t l2_bytes = L2_CACHE_MAX, rb_bytes = RB_CACHE_MAX, all = 0,
	    entry_size = 0, tables;
	struct cache_args a = { .store = q->store,
	    .table_size = 1u << q->slice_bits,
	    .load = EVENT_L2_LOAD, .update = EVENT_L2_UPDATE };
	int rc;

	if ((rc = opts_take_size(opts, "cache-size", &all, err)) ||
	    (rc = opts_take_size(opts, "l2-cache-size", &l2_bytes, err)) ||
	    (rc = opts_take_size(opts, "l2-cache-entry-size", &entry_size,
	    err)) ||
	    (rc = opts_take_size(opts, "refcount-cache-size", &rb_bytes,
	    err)))
		return rc;
	if (all && l2_bytes > all)
		l2_bytes = all;
	tables = min64(l2_bytes >> q->slice_bits,
	    (q->h.size >> q->slice_shift) + 1);
	/* Sets fill unevenly: room for twice the tables, if it is small. */
	if (tables < 64)
		tables *= 2;
	a.max_tables = (uint32_t)max64(tables, 8);
	q->l2 = cache_new(&a, err);
	if (!q->l2)
		return -err->code;
	if (!q->image->writable)
		return 0;
	a.load = EVENT_REFBLOCK_LOAD;
	a.update = EVENT_REFBLOCK_UPDATE;
	a.max_tables = (uint32_t)min64(max64(rb_bytes >> q->slice_bits, 8),
	    (uint64_t)RB_CACHE_MAX >> 9);
	q->rb = cache_new(&a, err);
	return q->rb ? 0 : -err->code;
}

static int open_data_file(struct qcow2 *q, struct opts *opts,
    struct error *err)
{
	struct opts *sub = opts_take_sub(opts, "data-file");
	struct image *img = q->image;
	int rc = 0;

	if (!sub)
		return error_errno(err, ENOMEM, "options");
	if (!(q->h.incompatible & INCOMPAT_DATA_FILE)) {
		if (opts_has_prefix(sub, "filename"))
			rc = error_set(err, EINVAL, "'data-file' can only be "
			    "set for images with an external data file");
		goto out;
	}
	/* Looking at the header or the tables alone: it is not opened (H3). */
	if (img->args.no_backing && (!img->writable || img->args.for_check)) {
		q->data = NULL;
		goto out;
	}
	if (!q->data_file && !opts_has(sub, "filename")) {
		rc = error_set(err, EINVAL,
		    "'data-file' is required for this image");
		goto out;
	}
	rc = image_ref(img, q->data_file, sub, &q->data, err);
	if (rc)
		error_prefix(err, "Could not open external data file");
out:
	opts_free(sub);
	return rc;
}

/* Options of the peer's that tune what we do not do by other means are
 * understood, held to their values, and otherwise refused. */
static int take_options(struct qcow2 *q, struct opts *opts, struct error *err)
{
	bool lazy = q->h.compatible & COMPAT_LAZY;
	int rc = opts_take_bool(opts, "lazy-refcounts", &lazy, err);

	if (rc)
		return rc;
	if (lazy && q->h.version < 3)
		return error_set(err, EINVAL, "Lazy refcounts require a qcow2 "
		    "image with at least qemu 1.1 compatibility level");
	q->lazy = lazy;
	return make_caches(q, opts, err);
}

static int read_backing_name(struct qcow2 *q, const uint8_t *cluster,
    struct error *err)
{
	struct image *img = q->image;

	if (!q->h.backing_offset || !q->h.backing_len)
		return 0;
	img->backing_name = strndup((const char *)cluster +
	    q->h.backing_offset, q->h.backing_len);
	return img->backing_name ? 0 : error_errno(err, ENOMEM, "header");
}

static int qcow2_open(struct image *img, struct opts *opts,
    struct error *err)
{
	struct qcow2 *q = img->state;
	AUTO_FREE uint8_t *cluster = NULL;
	uint8_t first[SECTOR];
	uint64_t file_size = store_size(img->store);
	size_t len = min64(SECTOR, file_size);
	int rc;

	q->image = img;
	q->store = q->data = img->store;
	pthread_mutex_init(&q->lock, NULL);
	bits_init(&q->meta);
	rc = store_pread(q->store, first, len, 0, EVENT_HEADER_READ, err);
	if (rc)
		return error_prefix(err, "Could not read qcow2 header");
	if ((rc = qcow2_header_decode(first, len, file_size, &q->h, err)))
		return rc;
	derive(q);
	img->size = q->h.size;
	img->unit = q->cluster_size;
	img->granule = 1u << q->sub_bits;
	img->packed_codec = q->codec;
	q->fresh_from = align_up(file_size, q->cluster_size);
	cluster = calloc(1, q->cluster_size);
	if (!cluster)
		return error_errno(err, ENOMEM, "header");
	/* What lies past a small header cluster is seldom needed. */
	rc = store_pread(q->store, cluster, min64(q->cluster_size, 4096), 0,
	    EVENT_HEADER_READ, err);
	if (!rc && q->cluster_size > 4096 && (q->h.header_len > 2048 ||
	    q->h.backing_offset + q->h.backing_len > 4096))
		rc = store_pread(q->store, cluster, q->cluster_size, 0,
		    EVENT_HEADER_READ, err);
	if (rc)
		return error_prefix(err, "Could not read qcow2 header");
	if ((rc = read_exts(q, cluster, q->cluster_size, err)) ||
	    (rc = read_backing_name(q, cluster, err)) ||
	    (rc = check_features(q, err)) ||
	    (rc = open_data_file(q, opts, err)) ||
	    (rc = read_l1(q, err)) ||
	    (rc = take_options(q, opts, err)))
		return rc;
	img->raw_store = q->h.autoclear & AUTOCLEAR_DATA_RAW &&
	    q->h.incompatible & INCOMPAT_DATA_FILE;
	if ((q->h.incompatible & INCOMPAT_DIRTY) && img->writable &&
	    !img->args.for_check) {
		rc = qcow2_repair_dirty(img, err);
		if (rc)
			return error_prefix(err, "repairing the dirty image");
	}
	return 0;
}

static void qcow2_close(struct image *img)
{
	struct qcow2 *q = img->state;

	if (!q->image)
		return;
	cache_free(q->l2);
	cache_free(q->rb);
	free((void *)q->l1);
	free(q->reftable);
	for (unsigned i = 0; i < q->ext_count; i++)
		free(q->exts[i].data);
	free(q->exts);
	free(q->data_file);
	free(q->dropped.v);
	free(q->durable.v);
	qcow2_track_free(q);
	bits_fini(&q->meta);
	pthread_mutex_destroy(&q->lock);
}

/* ---- writing the header */

static void put_header(const struct qcow2_header *h, uint8_t *buf)
{
	struct qcow2_disk_header d = { .compression_type =
	    h->compression_type };
	bool v2 = h->version == 2,
	    made = h->incompatible & INCOMPAT_INCOMPLETE;
	size_t len = v2 && !made ? QCOW2_V2_HEADER_LEN :
	    min64(h->header_len, sizeof(d));

	be32_put(&d.magic, QCOW2_MAGIC);
	be32_put(&d.version, made ? 3 : h->version);
	be64_put(&d.backing_offset, h->backing_offset);
	be32_put(&d.backing_len, h->backing_len);
	be32_put(&d.cluster_bits, h->cluster_bits);
	be64_put(&d.size, h->size);
	be32_put(&d.crypt_method, h->crypt_method);
	be32_put(&d.l1_size, h->l1_size);
	be64_put(&d.l1_offset, h->l1_offset);
	be64_put(&d.reftable_offset, h->reftable_offset);
	be32_put(&d.reftable_clusters, h->reftable_clusters);
	be32_put(&d.snapshot_count, h->snapshot_count);
	be64_put(&d.snapshot_offset, h->snapshot_offset);
	be64_put(&d.incompatible, h->incompatible);
	be64_put(&d.compatible, h->compatible |
	    (v2 && made ? COMPAT_BECOMES_V2 : 0));
	be64_put(&d.autoclear, h->autoclear);
	be32_put(&d.refcount_order, h->refcount_order);
	be32_put(&d.header_len, h->header_len);
	memcpy(buf, &d, len);
}

int qcow2_write_sector(struct qcow2 *q, struct error *err)
{
	uint8_t sector[SECTOR];
	int rc = store_pread(q->store, sector, SECTOR, 0, EVENT_HEADER_READ,
	    err);

	if (rc)
		return rc;
	put_header(&q->h, sector);
	return store_pwrite(q->store, sector, SECTOR, 0, EVENT_HEADER_UPDATE,
	    err);
}

static bool put_ext(uint8_t *cluster, size_t size, size_t *at, uint32_t type,
    const void *data, size_t len)
{
	struct qcow2_disk_ext d;
	size_t padded = align_up(len, 8);

	if (sizeof(d) + padded > size - *at)
		return false;
	be32_put(&d.type, type);
	be32_put(&d.len, (uint32_t)len);
	memcpy(cluster + *at, &d, sizeof(d));
	memset(cluster + *at + sizeof(d), 0, padded);
	if (len)
		memcpy(cluster + *at + sizeof(d), data, len);
	*at += sizeof(d) + padded;
	return true;
}

static bool put_features(const struct qcow2 *q, uint8_t *cluster, size_t size,
    size_t *at)
{
	struct qcow2_disk_feature f[ARRAY_LEN(feature_names) + 1] = { 0 };
	unsigned n = 0;

	for (; n < ARRAY_LEN(feature_names); n++) {
		f[n].type = feature_names[n].type;
		f[n].bit = feature_names[n].bit;
		memcpy(f[n].name, feature_names[n].name,
		    strlen(feature_names[n].name));
	}
	if (q->h.incompatible & INCOMPAT_INCOMPLETE) {
		f[n].bit = 63;
		memcpy(f[n++].name, INCOMPLETE_NAME, strlen(INCOMPLETE_NAME));
	}
	return put_ext(cluster, size, at, EXT_FEATURES, f, n * sizeof(f[0]));
}

int qcow2_compose(struct qcow2 *q, uint8_t *cluster, struct error *err)
{
	const struct image *img = q->image;
	const char *fmt = img->backing_format, *name = img->backing_name;
	size_t size = q->cluster_size, at = q->h.header_len, room, len = 0;
	uint64_t old_from = q->h.backing_offset,
	    old_to = old_from + q->h.backing_len;
	bool ok = true;

	memset(cluster, 0, min64(size, SECTOR));
	if (fmt && name)
		ok = put_ext(cluster, size, &at, EXT_BACKING_FORMAT, fmt,
		    strlen(fmt));
	for (unsigned i = 0; ok && i < q->ext_count; i++)
		if (q->exts[i].type != EXT_FEATURES)
			ok = put_ext(cluster, size, &at, q->exts[i].type,
			    q->exts[i].data, q->exts[i].len);
	/* The names of the features are a courtesy: left out where the
	 * cluster is too small for them. */
	room = size - at;
	len = name ? strlen(name) : 0;
	if (ok && q->h.header_len > QCOW2_V2_HEADER_LEN && room > sizeof(struct qcow2_disk_ext) +
	    (ARRAY_LEN(feature_names) + 1) *
	    sizeof(struct qcow2_disk_feature) + 8 + 2 * len)
		ok = put_features(q, cluster, size, &at);
	ok = ok && put_ext(cluster, size, &at, EXT_END, NULL, 0);
	q->h.backing_offset = q->h.backing_len = 0;
	if (ok && len) {
		/* Never over the old name, so that either header is good;
		 * unless there is no room elsewhere. */
		if (at < old_to && at + len > old_from &&
		    align_up(old_to, 8) + len <= size)
			at = align_up(old_to, 8);
		ok = len <= size - at && len <= BACKING_NAME_MAX;
		if (ok) {
			memcpy(cluster + at, name, len);
			q->h.backing_offset = at;
			q->h.backing_len = (uint32_t)len;
		}
	}
	if (!ok)
		return error_set(err, ENOSPC,
		    "the header does not fit in one cluster of %u bytes",
		    q->cluster_size);
	put_header(&q->h, cluster);
	return 0;
}

/* Where the extensions of a composed header end. */
static size_t exts_end(const uint8_t *cluster, size_t size)
{
	const struct qcow2_disk_header *h = (const void *)cluster;
	struct qcow2_disk_ext x;
	size_t at = be32_get(h->version) < 3 ? QCOW2_V2_HEADER_LEN :
	    be32_get(h->header_len);

	for (; at <= size && size - at >= sizeof(x); ) {
		memcpy(&x, cluster + at, sizeof(x));
		at += sizeof(x);
		if (be32_get(x.type) == EXT_END)
			break;
		at += min64(align_up(be32_get(x.len), 8), size - at);
	}
	return min64(at, size);
}

/* Behind the first sector, do [off, off + n) agree? */
static bool same_behind(const uint8_t *a, const uint8_t *b, size_t off,
    size_t n)
{
	size_t from = max64(off, SECTOR);

	return off + n <= from || !memcmp(a + from, b + from, off + n - from);
}

/*
 * Would the old header still say what it does, if all but its first sector
 * became that of the new one?  The names of the features do not count.
 */
static bool survives(const uint8_t *old, const uint8_t *new, size_t size)
{
	const struct qcow2_disk_header *h = (const void *)old;
	uint64_t name = be64_get(h->backing_offset);
	size_t end = exts_end(old, size), at, len;
	struct qcow2_disk_ext x;

	if (!range_ok(name, be32_get(h->backing_len), size) ||
	    (name && !same_behind(old, new, name, be32_get(h->backing_len))))
		return false;
	at = be32_get(h->version) < 3 ? QCOW2_V2_HEADER_LEN :
	    be32_get(h->header_len);
	for (; at < end && end - at >= sizeof(x); at += len) {
		if (!same_behind(old, new, at, sizeof(x)))
			return false;
		memcpy(&x, old + at, sizeof(x));
		at += sizeof(x);
		if (be32_get(x.type) == EXT_END)
			break;
		len = min64(align_up(be32_get(x.len), 8), end - at);
		if (be32_get(x.type) != EXT_FEATURES &&
		    !same_behind(old, new, at, len))
			return false;
	}
	return true;
}

/*
 * The composed header goes over the old: all but the first sector (from
 * "from" on), barrier, the first sector, barrier.  What neither uses stays.
 */
static int write_composed(struct qcow2 *q, const uint8_t *cluster,
    size_t from, struct error *err)
{
	size_t end = exts_end(cluster, q->cluster_size);
	int rc;

	end = align_up(max64(end, q->h.backing_offset + q->h.backing_len),
	    SECTOR);
	if (end > from && ((rc = store_pwrite(q->store, cluster + from,
	    end - from, from, EVENT_HEADER_UPDATE, err)) ||
	    (rc = store_sync(q->store, err))))
		return rc;
	if ((rc = store_pwrite(q->store, cluster, SECTOR, 0,
	    EVENT_HEADER_UPDATE, err)))
		return rc;
	return store_sync(q->store, err);
}

/*
 * One sector switches from the old header to the new, so the new one must not
 * touch what the old one has beyond it.  Where they are in each other's way
 * (long extensions), the new one is written a second time, first behind the
 * old with a longer header in front.
 */
int qcow2_write_header(struct qcow2 *q, struct error *err)
{
	size_t size = q->cluster_size, behind;
	AUTO_FREE uint8_t *old = malloc(size);
	AUTO_FREE uint8_t *new = malloc(size);
	struct qcow2_header was = q->h, there;
	int rc;

	if (!old || !new)
		return error_errno(err, ENOMEM, "header");
	if ((rc = store_pread(q->store, old, size, 0, EVENT_HEADER_READ,
	    err)))
		return rc;
	memcpy(new, old, size);
	if ((rc = qcow2_compose(q, new, err)))
		return rc;
	if (be32_get(((struct qcow2_disk_header *)old)->magic) !=
	    QCOW2_MAGIC || survives(old, new, size) || was.version < 3)
		return write_composed(q, new, min64(SECTOR, size), err);
	behind = max64(exts_end(old, size), was.backing_offset +
	    was.backing_len);
	behind = align_up(max64(behind, SECTOR), 8);
	q->h = was;
	q->h.header_len = (uint32_t)behind;
	memcpy(new, old, size);
	if (behind >= size || qcow2_compose(q, new, err)) {
		/* No room: as well as it can be done. */
		q->h = was;
		rc = qcow2_compose(q, new, err);
		return rc ? rc : write_composed(q, new, SECTOR, err);
	}
	if ((rc = write_composed(q, new, behind, err)))
		return rc;
	/* And back to where it belongs, if that is free now. */
	there = q->h;
	memcpy(old, new, size);
	q->h.header_len = was.header_len;
	if (!qcow2_compose(q, new, err) && survives(old, new, size))
		return write_composed(q, new, SECTOR, err);
	q->h = there;
	return 0;
}

int qcow2_set_backing(struct image *img, const char *name, const char *fmt,
    struct error *err)
{
	struct qcow2 *q = img->state;
	char *old_name = img->backing_name, *old_fmt = img->backing_format;
	struct qcow2_header old = q->h;
	int rc;

	img->backing_name = name ? strdup(name) : NULL;
	img->backing_format = fmt ? strdup(fmt) : NULL;
	if ((name && !img->backing_name) || (fmt && !img->backing_format))
		rc = error_errno(err, ENOMEM, "header");
	else if (name && strlen(name) > BACKING_NAME_MAX)
		rc = error_set(err, EINVAL, "backing file name too long");
	else
		rc = qcow2_write_header(q, err);
	if (rc) {
		free(img->backing_name);
		free(img->backing_format);
		img->backing_name = old_name;
		img->backing_format = old_fmt;
		q->h.backing_offset = old.backing_offset;
		q->h.backing_len = old.backing_len;
		return rc;
	}
	free(old_name);
	free(old_fmt);
	return 0;
}

int qcow2_corrupt(struct qcow2 *q, struct error *err, const char *fmt, ...)
{
	struct error ignored;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (q->image->writable && !atomic_exchange(&q->image->failed, EIO) &&
	    q->h.version >= 3) {
		q->h.incompatible |= INCOMPAT_CORRUPT;
		if (!qcow2_write_sector(q, &ignored))
			store_sync(q->store, &ignored);
	}
	return error_set(err, EIO, "image is corrupt: %s", text);
}

/* ---- info */

static int report_bitmaps(struct qcow2 *q, struct report *r,
    struct error *err)
{
	struct qcow2_bitmap *maps = NULL;
	struct report *list = NULL;
	unsigned n = 0;
	int rc = qcow2_bitmaps_load(q, &maps, &n, NULL, NULL, err);

	if (rc)
		return rc;
	if (n)
		list = report_list(r, "bitmaps");
	for (unsigned i = 0; i < n; i++) {
		struct report *o = report_object(list, NULL), *flags;

		flags = report_list(o, "flags");
		if (maps[i].flags & BITMAP_IN_USE)
			report_str(flags, NULL, "in-use");
		if (maps[i].flags & BITMAP_AUTO)
			report_str(flags, NULL, "auto");
		report_str(o, "name", maps[i].name);
		report_u64(o, "granularity", 1ull << maps[i].granularity_bits);
	}
	qcow2_bitmaps_free(maps, n);
	return 0;
}

static int info(struct image *img, struct image_info *info, struct error *err)
{
	struct qcow2 *q = img->state;
	const struct qcow2_header *h = &q->h;
	struct qcow2_snapshot *snaps = NULL;
	struct report *r = report_new();
	unsigned n = 0;
	int rc;

	info->specific = r;
	info->cluster_size = q->cluster_size;
	info->encrypted = h->crypt_method != 0;
	info->dirty = h->incompatible & INCOMPAT_DIRTY;
	info->corrupt = h->incompatible & INCOMPAT_CORRUPT;
	report_str(r, "compat", h->version == 2 ? "0.10" : "1.1");
	report_str(r, "compression-type", h->compression_type ? "zstd" :
	    "zlib");
	if (h->version >= 3) {
		report_bool(r, "lazy-refcounts", h->compatible & COMPAT_LAZY);
		rc = report_bitmaps(q, r, err);
		if (rc)
			return rc;
	}
	report_u64(r, "refcount-bits", 1u << h->refcount_order);
	if (h->incompatible & INCOMPAT_DATA_FILE) {
		report_str(r, "data-file", q->data_file ? q->data_file : "");
		report_bool(r, "data-file-raw",
		    h->autoclear & AUTOCLEAR_DATA_RAW);
	}
	if (h->crypt_method)
		report_str(report_object(r, "encrypt"), "format",
		    h->crypt_method == 1 ? "aes" : "luks");
	if (h->version >= 3) {
		report_bool(r, "corrupt", info->corrupt);
		report_bool(r, "extended-l2", q->ext_l2);
	}
	rc = qcow2_snapshots_load(q, &snaps, &n, NULL, err);
	if (rc)
		return rc;
	if (n) {
		info->snapshots = calloc(n, sizeof(*info->snapshots));
		for (unsigned i = 0; info->snapshots && i < n; i++) {
			info->snapshots[i] = snaps[i].info;
			snaps[i].info.id = snaps[i].info.name = NULL;
			info->snapshot_count++;
		}
	}
	qcow2_snapshots_free(snaps, n);
	return r && (!n || info->snapshots) ? 0 :
	    error_errno(err, ENOMEM, "info");
}

static int probe(const struct probe_input *in)
{
	const struct qcow2_disk_header *d = (const void *)in->head;

	return in->head_len >= 8 && be32_get(d->magic) == QCOW2_MAGIC &&
	    be32_get(d->version) >= 2 ? 100 : 0;
}

static const struct option open_options[] = {
	{ "data-file", OPTION_STR, "the external data file", NULL },
	{ "lazy-refcounts", OPTION_BOOL, "postpone refcount updates", NULL },
	{ "cache-size", OPTION_SIZE, "most memory of all tables", NULL },
	{ "l2-cache-size", OPTION_SIZE, "most memory of L2 tables", NULL },
	{ "l2-cache-entry-size", OPTION_SIZE, "accepted; pieces of up to "
	    "64 KiB are cached", NULL },
	{ "refcount-cache-size", OPTION_SIZE, "most memory of refcounts",
	    NULL },
	{ 0 }
};

const struct format format_qcow2 = {
	.name = "qcow2",
	.state_size = sizeof(struct qcow2),
	.create_options = qcow2_create_options,
	.open_options = open_options,
	.has_backing = true,
	.probe = probe,
	.open = qcow2_open,
	.close = qcow2_close,
	.map = qcow2_map,
	.claim = qcow2_claim,
	.commit = qcow2_commit,
	.abandon = qcow2_abandon,
	.mark = qcow2_mark,
	.flush = qcow2_flush,
	.has_dropped = qcow2_has_dropped,
	.release = qcow2_release,
	.first_write = qcow2_first_write,
	.wrote = qcow2_wrote,
	.settle = qcow2_settle,
	.create = qcow2_create,
	.finish = qcow2_finish,
	.resize = qcow2_resize,
	.check = qcow2_check,
	.info = info,
	.measure = qcow2_measure,
	.set_backing = qcow2_set_backing,
	.make_empty = qcow2_make_empty,
};

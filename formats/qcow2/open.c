/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * open.c - opening an image: extensions, features, options, caches
 *
 * Costs the header and the L1 table, nothing else (H2): refcounts are read by
 * the first write, L2 tables when they are needed.
 */
#include <stdio.h>

#include "codec.h"
#include "qcow2/qcow2.h"
#include "report.h"

enum { SECTOR = 512 };

/* ---- features */

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

/* ---- extensions, features */

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
	    (rc = open_data_file(q, opts, err)))
		return rc;
	if (img->args.snapshot && (rc = qcow2_snapshot_select(q,
	    img->args.snapshot, err)))
		return img->args.policy == POLICY_PEER ?
		    error_prefix(err, "Failed to load snapshot") : rc;
	img->size = q->h.size;
	if ((rc = read_l1(q, err)) || (rc = take_options(q, opts, err)))
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
	return !report_failed(r) && (!n || info->snapshots) ? 0 :
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
	.has_snapshots = true,
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
	.bitmap_open = qcow2_bitmap_open,
};

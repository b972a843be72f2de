/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * header.c - the header decoded, and written back
 *
 * Every number is held against the format's limits and the file's size (H1)
 * and lives on in struct qcow2_header.  It is written back in two ways: the
 * first sector alone (sizes, offsets, feature bits), which is atomic; or the
 * whole first cluster when names change, in an order that leaves the old or
 * the new header valid at any moment (D5).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "qcow2/qcow2.h"

enum { SECTOR = 512 };

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

/* ---- writing */

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

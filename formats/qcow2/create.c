/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create.c - new images, preallocation, measure
 *
 * A new image is laid out on paper first: header, refcount table, refcount
 * blocks, L1, then, with preallocation, all L2 tables and all clusters.
 * Everything it uses lies in one piece from the start of the file, so every
 * refcount in that piece is 1 and the tables are arithmetic, written in large
 * pieces.  The header goes last, behind a barrier: until then the file is no
 * qcow2 image (D5).
 */
#include "qcow2/qcow2.h"

enum prealloc { OFF, METADATA, FALLOC, FULL };
static const char *const prealloc_names[] = {
	"off", "metadata", "falloc", "full", NULL };

enum { PIECE = 1 << 20 };	/* tables are written in pieces of this size */

/* In the order of create's line; from nocow on they are the file's. */
const struct option qcow2_create_options[] = {
	{ "encryption", OPTION_BOOL, "Encrypt the image with format 'aes'. "
	    "(Deprecated in favor of encrypt.format=aes)", NULL },
	{ "encrypt.format", OPTION_STR,
	    "Encrypt the image, format choices: 'aes', 'luks'", NULL },
	{ "encrypt.key-secret", OPTION_STR,
	    "ID of secret providing qcow AES key or LUKS passphrase", NULL },
	{ "encrypt.cipher-alg", OPTION_STR,
	    "Name of encryption cipher algorithm", NULL },
	{ "encrypt.cipher-mode", OPTION_STR,
	    "Name of encryption cipher mode", NULL },
	{ "encrypt.ivgen-alg", OPTION_STR, "Name of IV generator algorithm",
	    NULL },
	{ "encrypt.ivgen-hash-alg", OPTION_STR,
	    "Name of IV generator hash algorithm", NULL },
	{ "encrypt.hash-alg", OPTION_STR, "Name of encryption hash algorithm",
	    NULL },
	{ "encrypt.iter-time", OPTION_NUMBER,
	    "Time to spend in PBKDF in milliseconds", NULL },
	{ "cluster_size", OPTION_SIZE, "qcow2 cluster size", "65536" },
	{ "extended_l2", OPTION_BOOL, "Extended L2 tables", "off" },
	{ "preallocation", OPTION_STR, "Preallocation mode (allowed values: "
	    "off, metadata, falloc, full)", NULL },
	{ "compression_type", OPTION_STR,
	    "Compression method used for image cluster compression", "zlib" },
	{ "size", OPTION_SIZE, "Virtual disk size", NULL },
	{ "compat", OPTION_STR,
	    "Compatibility level (v2 [0.10] or v3 [1.1])", NULL },
	{ "backing_file", OPTION_STR, "File name of a base image", NULL },
	{ "backing_fmt", OPTION_STR, "Image format of the base image", NULL },
	{ "data_file", OPTION_STR, "File name of an external data file",
	    NULL },
	{ "data_file_raw", OPTION_BOOL,
	    "The external data file must stay valid as a raw image", NULL },
	{ "lazy_refcounts", OPTION_BOOL, "Postpone refcount updates", "off" },
	{ "refcount_bits", OPTION_NUMBER,
	    "Width of a reference count entry in bits", "16" },
	{ "nocow", OPTION_BOOL, "Turn off copy-on-write (valid only on btrfs)",
	    NULL },
	{ "extent_size_hint", OPTION_SIZE,
	    "Extent size hint for the image file, 0 to disable", NULL },
	{ 0 }
};

/* ---- options */

struct params {
	uint32_t version, cluster_bits, refcount_order;
	bool ext_l2, lazy, data_raw;
	unsigned compression;		/* 0 zlib, 1 zstd */
	unsigned prealloc;
};

static int needs_v3(const struct params *p, bool data_file,
    struct error *err)
{
	const char *what = NULL;

	if (p->version >= 3)
		return 0;
	if (p->lazy)
		what = "Lazy refcounts only supported";
	else if (p->refcount_order != 4)
		what = "Different refcount widths than 16 bits require "
		    "compatibility level 1.1 or above (use version=v3 or "
		    "greater)";
	else if (data_file)
		what = "External data files are only supported";
	else if (p->ext_l2)
		what = "Extended L2 entries are only supported";
	else if (p->compression)
		what = "Non-zlib compression type is only supported";
	if (!what)
		return 0;
	return error_set(err, EINVAL, "%s%s", what, p->refcount_order != 4 &&
	    !p->lazy ? "" : " with compatibility level 1.1 and above (use "
	    "version=v3 or greater)");
}

static int take_params(struct opts *o, bool data_file, bool backing,
    struct params *p, struct error *err)
{
	static const char *const compats[] = { "0.10", "v2", "1.1", "v3",
	    NULL };
	static const char *const types[] = { "zlib", "zstd", NULL };
	uint64_t cluster = 65536, bits = 16;
	unsigned compat = 2;
	bool encryption = false;
	const char *text;
	int rc = opts_take_bool(o, "encryption", &encryption, err);

	*p = (struct params){ 0 };
	if (rc)
		return rc;
	if (encryption || opts_has_prefix(o, "encrypt"))
		return error_set(err, ENOTSUP,
		    "encryption is not supported yet");
	text = opts_take(o, "compat");
	for (compat = text ? 0 : 2; text && compats[compat] &&
	    strcmp(compats[compat], text); compat++)
		;
	if (!compats[compat])
		return error_set(err, EINVAL,
		    "Parameter 'version' does not accept value '%s'", text);
	text = opts_take(o, "preallocation");
	for (; text && prealloc_names[p->prealloc] &&
	    strcmp(prealloc_names[p->prealloc], text); p->prealloc++)
		;
	if (!prealloc_names[p->prealloc])
		return error_set(err, EINVAL, "Parameter 'preallocation' does "
		    "not accept value '%s'", text);
	text = opts_take(o, "compression_type");
	for (; text && types[p->compression] &&
	    strcmp(types[p->compression], text); p->compression++)
		;
	if (!types[p->compression])
		return error_set(err, EINVAL, "Parameter 'compression-type' "
		    "does not accept value '%s'", text);
	if ((rc = opts_take_size(o, "cluster_size", &cluster, err)) ||
	    (rc = opts_take_u64(o, "refcount_bits", &bits, err)) ||
	    (rc = opts_take_bool(o, "extended_l2", &p->ext_l2, err)) ||
	    (rc = opts_take_bool(o, "lazy_refcounts", &p->lazy, err)) ||
	    (rc = opts_take_bool(o, "data_file_raw", &p->data_raw, err)))
		return rc;
	p->version = compat < 2 ? 2 : 3;
	if (!is_pow2(cluster) || cluster < 512 || cluster > 2 * MIB)
		return error_set(err, EINVAL, "Cluster size must be a power "
		    "of two between 512 and 2048k");
	p->cluster_bits = log2_of(cluster);
	if (!is_pow2(bits) || bits > 64)
		return error_set(err, EINVAL, "Refcount width must be a power "
		    "of two and may not exceed 64 bits");
	p->refcount_order = log2_of(bits);
	if ((rc = needs_v3(p, data_file, err)))
		return rc;
	if (p->ext_l2 && cluster < 16 * KIB)
		return error_set(err, EINVAL, "Extended L2 entries are only "
		    "supported with cluster sizes of at least 16384 bytes");
	if (p->data_raw && !data_file)
		return error_set(err, EINVAL,
		    "data-file-raw requires data-file");
	if (p->data_raw && backing)
		return error_set(err, EINVAL, "Backing file and data-file-raw "
		    "cannot be used at the same time");
	if (p->prealloc && backing && !p->ext_l2)
		return error_set(err, EINVAL, "Backing file and preallocation "
		    "can only be used at the same time if extended_l2 is "
		    "enabled");
	/* All of a raw data file belongs to the disk, whatever it holds. */
	if (p->data_raw && p->prealloc == OFF)
		p->prealloc = METADATA;
	return 0;
}

/* ---- layout */

/* All counts in clusters, all tables in this order from cluster 1 on. */
struct layout {
	struct params p;
	uint64_t l2_tables;	/* of the whole image */
	uint64_t reftable, blocks, l1, l2, data;
	uint64_t total;		/* of the above and the header */
};

/* full: with L2 tables and, unless external, data clusters. */
static int lay_out(const struct params *p, uint64_t size, bool full,
    bool external, struct layout *l, struct error *err)
{
	unsigned entry_bits = p->ext_l2 ? 4 : 3;
	uint64_t cs = 1ull << p->cluster_bits, fixed;
	uint64_t clusters = div_up(size, cs);
	uint64_t per_block = (cs * 8) >> p->refcount_order;
	uint64_t per_l2 = cs >> entry_bits;

	*l = (struct layout){ .p = *p, .reftable = 1, .blocks = 1 };
	l->l2_tables = div_up(clusters, per_l2);
	if (l->l2_tables * 8 > L1_MAX_BYTES)
		return error_set(err, EFBIG, "The image size is too large for "
		    "file format 'qcow2' (try using a larger cluster size)");
	l->l1 = div_up(l->l2_tables * 8, cs);
	l->l2 = full ? l->l2_tables : 0;
	l->data = full && !external ? clusters : 0;
	fixed = 1 + l->l1 + l->l2 + l->data;
	/* Blocks count themselves and the table that names them. */
	for (;;) {
		l->total = fixed + l->reftable + l->blocks;
		if (l->blocks * per_block >= l->total &&
		    l->reftable * cs / 8 >= l->blocks)
			break;
		l->blocks = div_up(l->total, per_block);
		l->reftable = div_up(l->blocks * 8, cs);
		if (l->blocks * per_block < fixed + l->reftable + l->blocks)
			l->blocks++;
	}
	if (l->reftable * cs > REFTABLE_MAX_BYTES)
		return error_set(err, EFBIG, "The image size is too large for "
		    "file format 'qcow2' (try using a larger cluster size)");
	return 0;
}

/* Writes n words, word(arg, i), at host; the rest of the clusters they fill
 * stays as it is: a new file reads as zeros. */
static int write_words(struct store *s, uint64_t host, uint64_t n,
    uint64_t (*word)(const void *, uint64_t), const void *arg,
    struct error *err)
{
	AUTO_FREE be64 *buf = malloc(PIECE);

	if (!buf)
		return error_errno(err, ENOMEM, "tables");
	for (uint64_t i = 0; i < n; ) {
		uint64_t here = min64(n - i, PIECE / 8);
		int rc;

		for (uint64_t k = 0; k < here; k++)
			be64_put(&buf[k], word(arg, i + k));
		rc = store_pwrite(s, buf, here * 8, host + i * 8, EVENT_DATA,
		    err);
		if (rc)
			return rc;
		i += here;
	}
	return 0;
}

static uint64_t at_cluster(const struct layout *l, uint64_t cluster)
{
	return cluster << l->p.cluster_bits;
}

static uint64_t reftable_word(const void *arg, uint64_t i)
{
	const struct layout *l = arg;

	return at_cluster(l, 1 + l->reftable + i);
}

static uint64_t l1_word(const void *arg, uint64_t i)
{
	const struct layout *l = arg;

	return at_cluster(l, 1 + l->reftable + l->blocks + l->l1 + i) |
	    ENTRY_COPIED;
}

struct l2_words {
	const struct layout *l;
	bool external, backing;
};

static uint64_t l2_word(const void *arg, uint64_t i)
{
	const struct l2_words *w = arg;
	const struct layout *l = w->l;
	uint64_t cluster = i, first = w->external ? 0 : l->total - l->data;

	if (l->p.ext_l2) {
		cluster = i / 2;
		if (i % 2)
			return w->backing ? 0 : SUB_ALL_ALLOC;
	}
	return at_cluster(l, first + cluster) | ENTRY_COPIED;
}

/* Refcounts of 1 for the first l->total clusters, whatever their width. */
static int write_blocks(struct store *s, const struct layout *l,
    struct error *err)
{
	uint64_t cs = 1ull << l->p.cluster_bits, host = at_cluster(l,
	    1 + l->reftable), left = l->total;
	uint64_t per_piece = ((uint64_t)PIECE * 8) >> l->p.refcount_order;
	uint64_t piece = min64(PIECE, l->blocks * cs);
	AUTO_FREE uint8_t *buf = calloc(1, piece);

	if (!buf)
		return error_errno(err, ENOMEM, "refcount blocks");
	while (left) {
		uint64_t here = min64(left, per_piece);
		uint64_t bytes = div_up(here << l->p.refcount_order, 8);
		int rc;

		memset(buf, 0, piece);
		for (uint64_t i = 0; i < here; i++)
			qcow2_refcount_put(buf, i, l->p.refcount_order, 1);
		bytes = align_up(bytes, 512);
		rc = store_pwrite(s, buf, bytes, host, EVENT_DATA, err);
		if (rc)
			return rc;
		host += bytes;
		left -= here;
	}
	return 0;
}

static int write_tables(const struct create_args *a, const struct layout *l,
    struct error *err)
{
	struct l2_words w = { l, a->data_store != NULL, a->backing != NULL };
	uint64_t l1_at = 1 + l->reftable + l->blocks, entries = 0;
	int rc;

	if ((rc = write_words(a->store, at_cluster(l, 1), l->blocks,
	    reftable_word, l, err)) || (rc = write_blocks(a->store, l, err)))
		return rc;
	if (l->l2) {
		entries = div_up(a->size, 1ull << l->p.cluster_bits) *
		    (l->p.ext_l2 ? 2 : 1);
		if ((rc = write_words(a->store, at_cluster(l, l1_at), l->l2,
		    l1_word, l, err)) || (rc = write_words(a->store,
		    at_cluster(l, l1_at + l->l1), entries, l2_word, &w, err)))
			return rc;
	}
	return 0;
}

/* ---- create */

/* The header of an image that is being made, through the same code that
 * writes it later. */
static int write_header(const struct create_args *a, const struct layout *l,
    struct error *err)
{
	struct image img = { .store = a->store,
	    .backing_name = (char *)a->backing,
	    .backing_format = (char *)a->backing_format };
	struct qcow2_ext ext = { EXT_DATA_FILE, a->data_file ?
	    (uint32_t)strlen(a->data_file) : 0, (uint8_t *)a->data_file };
	struct qcow2 q = { .image = &img, .store = a->store,
	    .cluster_size = 1u << l->p.cluster_bits,
	    .exts = &ext, .ext_count = a->data_file ? 1 : 0 };
	struct qcow2_header *h = &q.h;

	*h = (struct qcow2_header){
		.version = l->p.version,
		.cluster_bits = l->p.cluster_bits,
		.size = a->size,
		.l1_size = (uint32_t)l->l2_tables,
		.l1_offset = at_cluster(l, 1 + l->reftable + l->blocks),
		.reftable_offset = at_cluster(l, 1),
		.reftable_clusters = (uint32_t)l->reftable,
		.refcount_order = l->p.refcount_order,
		.compression_type = (uint8_t)l->p.compression,
		.header_len = sizeof(struct qcow2_disk_header),
		.incompatible = (a->data_file ? INCOMPAT_DATA_FILE : 0) |
		    (l->p.compression ? INCOMPAT_COMPRESSION : 0) |
		    (l->p.ext_l2 ? INCOMPAT_EXT_L2 : 0),
		.compatible = l->p.lazy ? COMPAT_LAZY : 0,
		.autoclear = l->p.data_raw ? AUTOCLEAR_DATA_RAW : 0,
	};
	if (a->incomplete)
		h->incompatible |= INCOMPAT_INCOMPLETE;
	else if (h->version == 2)
		h->header_len = QCOW2_V2_HEADER_LEN;
	return qcow2_write_header(&q, err);
}

/* A device, or an export of a server, is full of what was there before: zeros
 * where tables will only be written in part, and where data is named that
 * nobody wrote. */
static int clear_device(struct store *s, const struct layout *l,
    struct error *err)
{
	uint64_t clusters = l->p.prealloc == OFF ? l->total - l->data :
	    l->total;
	struct store_stat st;
	int rc = store_stat(s, &st, err);

	if (rc || !st.block_device)
		return rc;
	return store_zero(s, 0, at_cluster(l, clusters), STORE_MAY_PUNCH, err);
}

int qcow2_create(const struct create_args *given, struct error *err)
{
	static const enum store_prealloc modes[] = { PREALLOC_OFF,
	    PREALLOC_OFF, PREALLOC_FALLOC, PREALLOC_FULL };
	struct create_args args = *given, *a = &args;
	bool external = a->data_store != NULL;
	struct layout l;
	struct params p;
	uint64_t bytes;
	int rc;

	if (a->size > SIZE_LIMIT)
		return error_set(err, EFBIG, "Image size is too large");
	a->size = align_up(a->size, 512);
	rc = take_params(a->options, external, a->backing != NULL, &p, err);
	if (rc || (rc = lay_out(&p, a->size, p.prealloc != OFF, external, &l,
	    err)))
		return rc;
	if (a->backing && strlen(a->backing) > BACKING_NAME_MAX)
		return error_set(err, EINVAL, "Backing file name too long");
	/* The space first: nothing is lost when there is not enough. */
	bytes = at_cluster(&l, l.total);
	if (external) {
		if ((rc = store_make_room(a->data_store, a->size,
		    modes[p.prealloc], err)))
			return error_prefix(err, "external data file");
		rc = store_make_room(a->store, bytes, PREALLOC_OFF, err);
	} else {
		rc = store_make_room(a->store, bytes, modes[p.prealloc], err);
	}
	if (rc || (rc = clear_device(a->store, &l, err)) ||
	    (rc = write_tables(a, &l, err)) ||
	    (external && (rc = store_sync(a->data_store, err))) ||
	    (rc = store_sync(a->store, err)))
		return rc;
	return write_header(a, &l, err);
}

int qcow2_finish(struct image *img, struct error *err)
{
	struct qcow2 *q = img->state;
	LOCKED(&q->lock);

	q->h.incompatible &= ~INCOMPAT_INCOMPLETE;
	if (q->h.version == 2)
		q->h.header_len = QCOW2_V2_HEADER_LEN;
	return qcow2_write_header(q, err);
}

/* ---- measure */

int qcow2_measure(uint64_t size, struct opts *opts, measure_walk walk,
    void *arg, struct measure *m, struct error *err)
{
	const char *data_file = opts_take(opts, "data_file");
	bool backing = opts_take(opts, "backing_file") != NULL;
	struct params p;
	struct layout l;
	uint64_t cs, data = 0, meta, last_end = 0, run;
	bool is_data;
	int rc;

	opts_take(opts, "backing_fmt");
	size = align_up(size, 512);
	rc = take_params(opts, data_file != NULL, backing, &p, err);
	if (!rc && (rc = lay_out(&p, size, true, false, &l, err)) == -EFBIG)
		rc = error_set(err, EFBIG, "The image size is too large (try "
		    "using a larger cluster size)");
	if (rc)
		return rc;
	cs = 1ull << p.cluster_bits;
	meta = (l.total - l.data) * cs;
	m->fully_allocated = meta + align_up(size, cs);
	if (p.prealloc == FALLOC || p.prealloc == FULL) {
		m->required = m->fully_allocated;
		return 0;
	}
	for (uint64_t off = 0; walk && off < size; off += run) {
		rc = walk(arg, off, size - off, &is_data, &run, err);
		if (rc)
			return rc;
		if (is_data) {
			uint64_t from = max64(align_down(off, cs), last_end);

			last_end = align_up(off + run, cs);
			data += last_end - min64(from, last_end);
		}
	}
	if (data_file)
		data = 0;
	m->required = meta + data;
	return 0;
}

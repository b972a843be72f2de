/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest.c - the model of guest.h, stores on loan, images in stores */
#include "support/guest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/opts.h"
#include "qcow2/disk.h"

enum { PIECE = 64 * 1024 };

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* ---- dice */

uint64_t dice_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t dice_next(struct dice *d)
{
	return dice_mix(d->state++) >> 1;
}

/* ---- a store on loan */

static struct store *under_of(struct store *s)
{
	return s->state;
}

/* After a write: writers may overtake each other. */
static int follow(struct store *s, int rc)
{
	uint64_t now = store_size(under_of(s)), size = store_size(s);

	while (size < now &&
	    !atomic_compare_exchange_weak(&s->size, &size, now))
		;
	return rc;
}

/* A guest that reads what it writes at the same time gets either: on a disk
 * that is no race, and the thread sanitizer is told so. */
#ifdef __SANITIZE_THREAD__
void AnnotateIgnoreReadsBegin(const char *, int);
void AnnotateIgnoreReadsEnd(const char *, int);
void AnnotateIgnoreWritesBegin(const char *, int);
void AnnotateIgnoreWritesEnd(const char *, int);
#else
#define AnnotateIgnoreReadsBegin(file, line)
#define AnnotateIgnoreReadsEnd(file, line)
#define AnnotateIgnoreWritesBegin(file, line)
#define AnnotateIgnoreWritesEnd(file, line)
#endif

static bool is_data(enum store_event e)
{
	return e == EVENT_DATA || e == EVENT_COW_READ ||
	    e == EVENT_COW_WRITE || e == EVENT_PACKED_READ ||
	    e == EVENT_PACKED_WRITE;
}

static void look_away(enum store_event event)
{
	if (is_data(event)) {
		AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
		AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
	}
}

static void look_again(enum store_event event)
{
	if (is_data(event)) {
		AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
		AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
	}
}

static int lent_preadv(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	int rc;

	look_away(event);
	rc = store_preadv(under_of(s), iov, n, off, event, err);
	look_again(event);
	return rc;
}

static int lent_pwritev(struct store *s, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	int rc;

	look_away(event);
	rc = store_pwritev(under_of(s), iov, n, off, event, err);
	look_again(event);
	return follow(s, rc);
}

static int lent_zero(struct store *s, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	return follow(s, store_zero(under_of(s), off, len, flags, err));
}

static int lent_punch(struct store *s, uint64_t off, uint64_t len,
    struct error *err)
{
	return store_punch(under_of(s), off, len, err);
}

static int lent_sync(struct store *s, struct error *err)
{
	return store_sync(under_of(s), err);
}

static int lent_resize(struct store *s, uint64_t size,
    enum store_prealloc prealloc, struct error *err)
{
	int rc = store_resize(under_of(s), size, prealloc, err);

	atomic_store(&s->size, store_size(under_of(s)));
	return rc;
}

static int lent_extent(struct store *s, uint64_t off, uint64_t len,
    bool *data, uint64_t *run, struct error *err)
{
	return store_extent(under_of(s), off, len, data, run, err);
}

static int lent_stat(struct store *s, struct store_stat *st,
    struct error *err)
{
	return store_stat(under_of(s), st, err);
}

static const struct store_ops lent_ops = {
	.name = "lent",
	.preadv = lent_preadv,
	.pwritev = lent_pwritev,
	.zero = lent_zero,
	.punch = lent_punch,
	.sync = lent_sync,
	.resize = lent_resize,
	.extent = lent_extent,
	.stat = lent_stat,
};

struct store *store_lend(struct store *under, struct error *err)
{
	struct store *s = store_new(&lent_ops, under->name);

	if (!s) {
		error_set(err, ENOMEM, "no memory for a store");
		return NULL;
	}
	s->state = under;
	s->align = under->align;
	s->writable = under->writable;
	atomic_store(&s->size, store_size(under));
	atomic_store(&s->dirty, atomic_load(&under->dirty));
	return s;
}

/* ---- images in stores */

int image_make(struct store *s, const char *format, uint64_t size,
    const char *options, const char *backing, bool incomplete,
    struct error *err)
{
	const struct format *fmt = format_find(format);
	struct create_args a = { .store = s, .size = size,
	    .options = opts_new(), .backing = backing,
	    .backing_format = backing ? "raw" : NULL,
	    .incomplete = incomplete };
	struct error ignored;
	int rc;

	rc = options ? opts_parse(a.options, options, NULL, err) : 0;
	if (!rc && (a.data_file = opts_take(a.options, "data_file"))) {
		struct file_args fa = { .writable = true, .create = true };

		a.data_store = file_open(a.data_file, &fa, err);
		if (!a.data_store)
			rc = -err->code;
	}
	if (!rc)
		rc = fmt->create(&a, err);
	store_close(a.data_store, &ignored);
	opts_free(a.options);
	return rc;
}

struct image *image_in(struct store *s, const struct open_args *args,
    const char *options, struct error *err)
{
	struct open_args a = *args;
	struct image *img = NULL;

	a.store = s;
	a.options = opts_new();
	if (!options || !opts_parse(a.options, options, NULL, err))
		img = image_open("image", &a, err);
	opts_free(a.options);
	return img;
}

/* ---- a snapshot by hand */

struct by_hand {
	struct store *s;
	struct qcow2_disk_header h;
	uint64_t cluster;
	struct error *err;
	int rc;
};

static uint64_t word(struct by_hand *b, uint64_t host)
{
	be64 v = { { 0 } };

	if (!b->rc)
		b->rc = store_pread(b->s, &v, sizeof(v), host, EVENT_DATA,
		    b->err);
	return be64_get(v);
}

static void put_word(struct by_hand *b, uint64_t host, uint64_t value)
{
	be64 v;

	be64_put(&v, value);
	if (!b->rc)
		b->rc = store_pwrite(b->s, &v, sizeof(v), host, EVENT_DATA,
		    b->err);
}

static void count(struct by_hand *b, uint64_t host)
{
	uint64_t i = host / b->cluster, per_block = b->cluster / 2;
	uint64_t block = word(b, be64_get(b->h.reftable_offset) +
	    i / per_block * 8);
	uint64_t at = block + i % per_block * 2;
	be16 v;

	if (!b->rc && !block)
		b->rc = error_set(b->err, EINVAL, "no refcount block");
	if (b->rc || (b->rc = store_pread(b->s, &v, sizeof(v), at,
	    EVENT_DATA, b->err)))
		return;
	be16_put(&v, (uint16_t)(be16_get(v) + 1));
	b->rc = store_pwrite(b->s, &v, sizeof(v), at, EVENT_DATA, b->err);
}

static uint64_t append(struct by_hand *b, const void *data, uint64_t len)
{
	uint64_t host = align_up(store_size(b->s), b->cluster);

	if (!b->rc)
		b->rc = store_pwrite(b->s, data, len, host, EVENT_DATA,
		    b->err);
	if (!b->rc)
		b->rc = store_resize(b->s, align_up(host + len, b->cluster),
		    PREALLOC_OFF, b->err);
	for (uint64_t at = 0; at < len; at += b->cluster)
		count(b, host + at);
	return host;
}

int store_append(struct store *s, const void *data, uint64_t len,
    uint64_t *host, struct error *err)
{
	struct by_hand b = { .s = s, .err = err };

	b.rc = store_pread(s, &b.h, sizeof(b.h), 0, EVENT_DATA, err);
	b.cluster = 1ull << be32_get(b.h.cluster_bits);
	*host = append(&b, data, len);
	return b.rc;
}

/* All that the active tables name is named twice. */
static void share(struct by_hand *b)
{
	bool ext = be64_get(b->h.incompatible) & INCOMPAT_EXT_L2;
	uint64_t l1 = be64_get(b->h.l1_offset), step = ext ? 16 : 8;

	for (uint32_t i = 0; i < be32_get(b->h.l1_size); i++) {
		uint64_t l2 = word(b, l1 + i * 8ull) & L1_OFFSET;

		if (!l2)
			continue;
		count(b, l2);
		put_word(b, l1 + i * 8ull, l2);
		for (uint64_t at = 0; at < b->cluster; at += step) {
			uint64_t e = word(b, l2 + at);

			if (!(e & L2_OFFSET))
				continue;
			count(b, e & L2_OFFSET);
			put_word(b, l2 + at, e & ~ENTRY_COPIED);
		}
	}
}

int store_snapshot(struct store *s, const char *name, struct error *err)
{
	struct by_hand b = { .s = s, .err = err };
	struct qcow2_disk_snapshot d = { .l1_offset = { { 0 } } };
	struct qcow2_disk_snapshot_extra x = { .size = { { 0 } } };
	unsigned n, one = (unsigned)align_up(sizeof(d) + sizeof(x) + 1 +
	    strlen(name), 8);
	AUTO_FREE char *table = NULL;
	AUTO_FREE void *l1 = NULL;

	b.rc = store_pread(s, &b.h, sizeof(b.h), 0, EVENT_DATA, err);
	if (b.rc)
		return b.rc;
	b.cluster = 1ull << be32_get(b.h.cluster_bits);
	n = be32_get(b.h.snapshot_count);
	share(&b);
	l1 = must(malloc(be32_get(b.h.l1_size) * 8ull));
	if (b.rc || (b.rc = store_pread(s, l1, be32_get(b.h.l1_size) * 8ull,
	    be64_get(b.h.l1_offset), EVENT_DATA, err)))
		return b.rc;
	d.l1_size = b.h.l1_size;
	be64_put(&d.l1_offset, append(&b, l1, be32_get(b.h.l1_size) * 8ull));
	be16_put(&d.id_len, 1);
	be16_put(&d.name_len, (uint16_t)strlen(name));
	be32_put(&d.extra_len, sizeof(x));
	x.size = b.h.size;
	be64_put(&x.icount, UINT64_MAX);
	/* Names are of one length, so entries are. */
	table = must(calloc(n + 1, one));
	if (n && store_pread(s, table, (size_t)n * one,
	    be64_get(b.h.snapshot_offset), EVENT_DATA, err))
		return -err->code;
	memcpy(table + n * one, &d, sizeof(d));
	memcpy(table + n * one + sizeof(d), &x, sizeof(x));
	table[n * one + sizeof(d) + sizeof(x)] = (char)('1' + n);
	memcpy(table + n * one + sizeof(d) + sizeof(x) + 1, name,
	    strlen(name));
	/* The old table's cluster is a leak. */
	be64_put(&b.h.snapshot_offset, append(&b, table, (n + 1) * one));
	be32_put(&b.h.snapshot_count, n + 1);
	return b.rc ? b.rc : store_pwrite(s, &b.h, sizeof(b.h), 0,
	    EVENT_DATA, err);
}

static void keep_line(void *arg, const char *line)
{
	char *text = arg;

	if (!*text && !strstr(line, "eaked cluster"))
		strncat(text, line, 400);
}

int image_sound(struct image *img, struct error *err)
{
	char text[512] = "";
	struct check c = { .say = keep_line, .arg = text };
	int rc;

	if (!img->format->check)
		return 0;
	if ((rc = img->format->check(img, &c, err)))
		return rc;
	if (c.corruptions || c.check_errors)
		return error_set(err, EIO, "check finds %" PRIu64
		    " corruptions, %" PRIu64 " errors: %s", c.corruptions,
		    c.check_errors, text);
	return 0;
}

/* ---- the model */

struct guest_version {
	struct guest_version *next;
	uint8_t bytes[GUEST_SECTOR];
};

void guest_init(struct guest *g, uint64_t size, uint64_t max)
{
	*g = (struct guest){ .size = size, .max = max,
	    .now = must(calloc(1, max)), .sizes = { size },
	    .size_count = 1,
	    .old = must(calloc(max / GUEST_SECTOR, sizeof(*g->old))) };
}

static void forget(struct guest *g, uint64_t sector)
{
	struct guest_version *v, *next;

	for (v = g->old[sector]; v; v = next) {
		next = v->next;
		free(v);
	}
	g->old[sector] = NULL;
}

void guest_fini(struct guest *g)
{
	for (uint64_t i = 0; g->old && i < g->max / GUEST_SECTOR; i++)
		forget(g, i);
	free(g->old);
	free(g->now);
	*g = (struct guest){ 0 };
}

void guest_pattern(void *buf, uint64_t off, uint64_t len, uint64_t seq,
    bool easy)
{
	unsigned per_word = easy ? GUEST_SECTOR : 8;
	uint64_t word = 0;
	uint8_t *b = buf;

	for (uint64_t i = 0; i < len; i++) {
		uint64_t at = off + i;

		if (i == 0 || at % per_word == 0)
			word = dice_mix(seq << 40 ^ at / per_word);
		b[i] = (uint8_t)(word >> at % 8 * 8);
	}
}

static void remember(struct guest *g, uint64_t sector, const uint8_t *bytes)
{
	struct guest_version *v = must(malloc(sizeof(*v)));

	memcpy(v->bytes, bytes, GUEST_SECTOR);
	v->next = g->old[sector];
	g->old[sector] = v;
}

void guest_write(struct guest *g, uint64_t off, uint64_t len, const void *buf)
{
	for (uint64_t i = off / GUEST_SECTOR; i * GUEST_SECTOR < off + len;
	    i++)
		remember(g, i, g->now + i * GUEST_SECTOR);
	if (buf)
		memcpy(g->now + off, buf, len);
	else
		memset(g->now + off, 0, len);
}

void guest_may(struct guest *g, uint64_t off, uint64_t len, const void *buf)
{
	static const uint8_t zeros[GUEST_SECTOR];
	const uint8_t *b = buf;

	for (; len; off += GUEST_SECTOR, len -= GUEST_SECTOR) {
		remember(g, off / GUEST_SECTOR, b ? b : zeros);
		b += b ? GUEST_SECTOR : 0;
	}
}

void guest_resize(struct guest *g, uint64_t size)
{
	if (size < g->size)
		guest_write(g, size, g->size - size, NULL);
	g->size = size;
	if (g->size_count < ARRAY_LEN(g->sizes))
		g->sizes[g->size_count++] = size;
}

void guest_flushed(struct guest *g)
{
	for (uint64_t i = 0; i < g->max / GUEST_SECTOR; i++)
		if (g->old[i])
			forget(g, i);
	g->sizes[0] = g->size;
	g->size_count = 1;
}

int guest_adopt(struct guest *g, struct image *img, uint64_t off,
    uint64_t len, struct error *err)
{
	AUTO_FREE uint8_t *buf = must(malloc(len + GUEST_SECTOR));
	int rc = image_read(img, buf, len, off, err);

	if (rc)
		return rc;
	for (uint64_t at = 0; at < len; ) {
		uint64_t here = min64(len - at,
		    GUEST_SECTOR - (off + at) % GUEST_SECTOR);

		if (memcmp(buf + at, g->now + off + at, here)) {
			if (!bytes_are_zero(buf + at, here))
				return error_set(err, EIO, "after a discard "
				    "something new is at %" PRIu64, off + at);
			guest_write(g, off + at, here, NULL);
		}
		at += here;
	}
	return 0;
}

static bool sector_ok(const struct guest *g, uint64_t sector,
    const uint8_t *b, uint64_t *seen_from)
{
	const uint8_t *now = g->now + sector * GUEST_SECTOR;

	for (unsigned i = 0; i < GUEST_SECTOR; i++) {
		const struct guest_version *v = g->old[sector];

		if (b[i] == now[i])
			continue;
		while (v && v->bytes[i] != b[i])
			v = v->next;
		if (!v) {
			*seen_from = sector * GUEST_SECTOR + i;
			return false;
		}
	}
	return true;
}

static int bad_sector(const struct guest *g, uint64_t at, const uint8_t *b,
    bool exact, struct error *err)
{
	uint64_t from = align_down(at, GUEST_SECTOR), where = UINT64_MAX;
	unsigned versions = 0;

	for (const struct guest_version *v = g->old[from / GUEST_SECTOR]; v;
	    v = v->next)
		versions++;
	for (uint64_t o = 0; o < g->max; o += GUEST_SECTOR)
		if (!bytes_are_zero(b, GUEST_SECTOR) &&
		    !memcmp(g->now + o, b, GUEST_SECTOR))
			where = o;
	return error_set(err, EIO, "guest byte %" PRIu64 " is %02x, not %02x"
	    "%s (sector has %u older versions; it is %s%s)", at,
	    b[at - from], g->now[at],
	    exact ? "" : " or what it was since the last flush", versions,
	    bytes_are_zero(b, GUEST_SECTOR) ? "zeros" :
	    !memcmp(b, g->now + from, GUEST_SECTOR) ? "right" : "other data",
	    where != UINT64_MAX ? ", of another place" : "");
}

int guest_check(const struct guest *g, struct image *img, bool exact,
    struct error *err)
{
	AUTO_FREE uint8_t *buf = must(malloc(PIECE));
	unsigned i = 0;
	int rc;

	while (i < g->size_count && g->sizes[i] != img->size)
		i++;
	if (exact ? img->size != g->size : i == g->size_count)
		return error_set(err, EIO, "the image has %" PRIu64 " bytes, "
		    "not %" PRIu64, img->size, g->size);
	for (uint64_t off = 0; off < img->size; off += PIECE) {
		uint64_t len = min64(PIECE, img->size - off), bad;

		if ((rc = image_read(img, buf, len, off, err)))
			return rc;
		if (!memcmp(buf, g->now + off, len))
			continue;
		for (uint64_t at = 0; at < len; at += GUEST_SECTOR) {
			bad = off + at;
			if (exact ? !memcmp(buf + at, g->now + off + at,
			    GUEST_SECTOR) : sector_ok(g, (off + at) /
			    GUEST_SECTOR, buf + at, &bad))
				continue;
			while (exact && buf[bad - off] == g->now[bad])
				bad++;
			return bad_sector(g, bad, buf + at, exact, err);
		}
	}
	return 0;
}

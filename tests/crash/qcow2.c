/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2.c - after a power cut at any moment: leaks at worst, and all that was
 * flushed
 *
 *	qcow2 [-s SEED] [-n STATES] [-v]
 *
 * A workload is a seed: it says which kind of image, and which reads and
 * writes.  The image lies in a memory store under a recording fault store.
 * After each operation some states are made that a cut during it could leave,
 * and each is opened, checked and compared with the model (support/guest.h).
 * Some are opened for writing, written to, and looked at again.
 *
 * A failure names its seed: -s SEED -v runs this workload alone and says what
 * it does.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "qcow2/disk.h"
#include "store/fault.h"
#include "support/bitmap.h"
#include "support/guest.h"

enum {
	STATES = 8000,
	OPS = 40,		/* of one workload */
	BASE_SIZE = 700 * 1024 + 512,
	LONGEST = 200 * 1024,
};

struct variant {
	const char *name, *create;
	uint64_t size;
	bool base;
	const char *open;	/* options; the data file's, too */
	const char *reader;	/* of those who look at a cut */
	bool snapshots, bitmaps;
};

static const struct variant variants[] = {
	{ .name = "512 byte clusters", .create = "cluster_size=512",
	    .size = 160 * 1024 + 512 },
	{ .name = "one bit refcounts", .size = 1 << 20,
	    .create = "cluster_size=4k,refcount_bits=1" },
	{ .name = "backing image", .create = "cluster_size=4k",
	    .size = 600 * 1024, .base = true },
	{ .name = "64 bit refcounts", .size = 200 * 1024,
	    .create = "cluster_size=512,refcount_bits=64",
	    .open = "l2-cache-size=4k,refcount-cache-size=4k" },
	{ .name = "subclusters", .size = 1 << 20, .base = true,
	    .create = "cluster_size=16k,extended_l2=on" },
	{ .name = "lazy refcounts", .size = 1 << 20,
	    .create = "cluster_size=4k,lazy_refcounts=on" },
	{ .name = "snapshots", .create = "cluster_size=4k",
	    .size = 1 << 20, .snapshots = true },
	{ .name = "version 2", .create = "compat=0.10,cluster_size=4k",
	    .size = 1 << 20 },
	{ .name = "version 2, backing image", .size = 300 * 1024,
	    .create = "compat=0.10,cluster_size=512", .base = true },
	{ .name = "data file", .size = 1 << 20,
	    .create = "cluster_size=4k,data_file=data",
	    .reader = "data-file.file.locking=off" },
	{ .name = "lazy refcounts, backing image", .base = true,
	    .size = 150 * 1024,
	    .create = "cluster_size=512,lazy_refcounts=on,refcount_bits=8",
	    .open = "l2-cache-size=4k,refcount-cache-size=4k" },
	{ .name = "64k clusters", .size = 3 << 20,
	    .create = "cluster_size=64k" },
	{ .name = "subclusters, snapshots", .size = 1 << 20,
	    .create = "cluster_size=16k,extended_l2=on", .snapshots = true },
	{ .name = "256k clusters, snapshots", .size = 3 << 20,
	    .create = "cluster_size=256k", .snapshots = true },
	{ .name = "bitmaps", .size = 1 << 20, .bitmaps = true,
	    .create = "cluster_size=4k" },
	{ .name = "512 byte clusters, bitmaps", .size = 3 << 20,
	    .create = "cluster_size=512", .bitmaps = true },
	{ .name = "lazy refcounts, bitmaps", .size = 1 << 20,
	    .create = "cluster_size=4k,lazy_refcounts=on", .bitmaps = true },
};

static struct {
	uint64_t seed;
	unsigned states, limit, failures;
	bool verbose, one;
} run;

/* One workload. */
struct work {
	const struct variant *v;
	uint64_t seed;
	struct dice dice;
	struct store *fault;
	struct image *image;
	struct guest guest;
	struct guest frozen;	/* what the snapshot shows */
	uint64_t seq;
	unsigned op;
	uint64_t state;		/* number of the cut in this workload */
	char what[160];		/* the operation */
	uint8_t *base;		/* contents of the backing image */
	uint8_t *marked;	/* what the disk held when its bitmaps were made */
	uint8_t *buf;
};

static void fail(struct work *w, const char *where, const struct error *err)
{
	run.failures++;
	printf("FAIL seed %" PRIu64 " (%s), operation %u (%s), %s: %s\n",
	    w->seed, w->v->name, w->op, w->what, where, err->text);
}

/* ---- looking at a state */

static struct image *open_cut(struct work *w, unsigned step, uint64_t seed,
    unsigned keep, bool writable, bool for_check, struct store **lent,
    struct error *err)
{
	struct store *s = fault_cut(w->fault, step, seed, keep, err);
	struct open_args a = { .format = "qcow2", .writable = writable,
	    .for_check = for_check, .unmap = true };

	if (!s)
		return NULL;
	if (lent) {
		*lent = s;
		s = store_lend(s, err);
	}
	return image_in(s, &a, w->v->reader, err);
}

static bool is_dirty(struct image *img)
{
	struct image_info info;
	struct error err;
	bool dirty;

	if (image_info(img, &info, &err))
		return false;
	dirty = info.dirty;
	image_info_fini(&info);
	return dirty;
}

/* The snapshot still shows what it did: the image opened through its L1. */
static int check_snapshot(struct work *w, unsigned step, uint64_t seed,
    unsigned keep, struct error *err)
{
	struct store *s = fault_cut(w->fault, step, seed, keep, err);
	struct open_args a = { .format = "qcow2" };
	struct qcow2_disk_header h;
	struct qcow2_disk_snapshot snap;
	struct error ignored;
	struct image *img;
	int rc;

	if (!s)
		return -err->code;
	if (store_pread(s, &h, sizeof(h), 0, EVENT_DATA, err) ||
	    store_pread(s, &snap, sizeof(snap), be64_get(h.snapshot_offset),
	    EVENT_DATA, err)) {
		store_close(s, &ignored);
		return -err->code;
	}
	h.l1_offset = snap.l1_offset;
	h.l1_size = snap.l1_size;
	be64_put(&h.size, w->frozen.size);
	rc = store_pwrite(s, &h, sizeof(h), 0, EVENT_DATA, err);
	if (rc) {
		store_close(s, &ignored);
		return rc;
	}
	img = image_in(s, &a, NULL, err);
	if (!img)
		return -err->code;
	rc = guest_check(&w->frozen, img, true, err);
	image_close(img, &ignored);
	return rc ? error_prefix(err, "snapshot") : 0;
}

/* A bitmap is in doubt (not after a clean close), or true to all that is not
 * as it was when the bitmap was made. */
static int check_bitmap(struct work *w, struct image *img, const char *name,
    bool closed, struct error *err)
{
	struct image_bitmap *b;
	int rc = image_bitmap_open(img, name, &b, err);
	uint64_t n;

	if (!closed && rc == -EINVAL && strstr(err->text, "inconsistent"))
		return 0;
	if (rc)
		return rc;
	for (uint64_t off = 0; !rc && off < img->size; off += n) {
		if (image_bitmap_run(b, off, img->size - off, &n))
			continue;
		n = min64(n, LONGEST);
		rc = image_read(img, w->buf, n, off, err);
		if (!rc && memcmp(w->buf, w->marked + off, n))
			rc = error_set(err, EIO, "a write to [%" PRIu64 ", %"
			    PRIu64 ") is not in the bitmap '%s'", off,
			    off + n, name);
	}
	image_bitmap_close(b);
	return rc;
}

static int check_bitmaps(struct work *w, struct image *img, bool closed,
    struct error *err)
{
	int rc;

	if (!w->v->bitmaps)
		return 0;
	rc = check_bitmap(w, img, "fine", closed, err);
	return rc ? rc : check_bitmap(w, img, "coarse", closed, err);
}

/* Goes on writing where the cut left it: repairs, allocates, gives back.
 * What is written comes back, and the rest is as it was. */
static int go_on(struct work *w, unsigned step, uint64_t seed, unsigned keep,
    struct error *err)
{
	struct open_args look = { .format = "qcow2" };
	struct store *s = NULL;
	struct image *img = open_cut(w, step, seed, keep, true, false, &s,
	    err);
	struct dice d = { seed };
	AUTO_FREE uint8_t *all = NULL;
	struct error ignored, *e = img ? err : &ignored;
	uint64_t size = 0;
	int rc = img ? 0 : -err->code;

	if (!img)
		goto out;
	size = img->size;
	all = malloc(size);
	rc = image_sound(img, err);
	if (rc)
		error_prefix(err, "opened for writing");
	rc = rc ? rc : image_read(img, all, size, 0, err);
	for (unsigned i = 0; !rc && i < 6; i++) {
		uint64_t off = dice_below(&d, size);
		uint64_t len = 1 + dice_below(&d, min64(size - off, 40000));

		if (i == 2) {
			rc = image_zero(img, off, len, IO_MAY_UNMAP, err);
			memset(all + off, 0, len);
		} else {
			guest_pattern(all + off, off, len, seed + i, false);
			rc = image_write(img, all + off, len, off,
			    i & 1 ? IO_FUA : 0, err);
		}
	}
	if (image_close(img, rc ? &ignored : err) && !rc)
		rc = -err->code;
	if (rc)
		goto out;
	s->writable = false;
	img = image_in(store_lend(s, err), &look, w->v->reader, err);
	rc = img ? image_sound(img, err) : -err->code;
	rc = rc ? rc : check_bitmaps(w, img, false, err);
	for (uint64_t off = 0; !rc && off < size; off += LONGEST) {
		uint64_t len = min64(size - off, LONGEST);

		rc = image_read(img, w->buf, len, off, err);
		if (!rc && memcmp(w->buf, all + off, len))
			rc = error_set(err, EIO, "differs somewhere from %"
			    PRIu64 " on", off);
	}
	image_close(img, &ignored);
	if (rc)
		error_prefix(err, "written to again");
out:
	store_close(s, e == err ? &ignored : e);
	return rc;
}

static int look(struct work *w, unsigned step, uint64_t seed, unsigned keep,
    struct error *err)
{
	struct image *img = open_cut(w, step, seed, keep, false, true, NULL,
	    err);
	struct error ignored;
	bool dirty;
	int rc;

	if (!img)
		return error_prefix(err, "opening");
	dirty = is_dirty(img);
	rc = dirty ? 0 : image_sound(img, err);
	if (!rc)
		rc = guest_check(&w->guest, img, false, err);
	if (!rc)
		rc = check_bitmaps(w, img, false, err);
	image_close(img, &ignored);
	if (!rc && w->v->snapshots && seed % 4 == 0)
		rc = check_snapshot(w, step, seed, keep, err);
	/* A data file is not cut: nobody else may write to it. */
	if (!rc && (dirty || seed % 8 == 0) &&
	    !strstr(w->v->create, "data_file"))
		rc = go_on(w, step, seed, keep, err);
	return rc;
}

static bool cut_at(struct work *w, unsigned step)
{
	static const unsigned keeps[] = { 256, 128, 0, 64, 200, 128, 250 };
	uint64_t seed = w->seed * 1000 + w->state++;
	unsigned keep = keeps[seed % ARRAY_LEN(keeps)];
	struct error err = { 0 };
	char where[100];

	run.states++;
	if (!look(w, step, seed, keep, &err))
		return true;
	snprintf(where, sizeof(where), "step %u of %u, dice %" PRIu64
	    ", keep %u", step, fault_steps(w->fault), seed, keep);
	fail(w, where, &err);
	return false;
}

/* Some of the states that a cut could leave during the last operation. */
static bool cuts(struct work *w, unsigned from, unsigned to, unsigned most)
{
	for (unsigned n = 0; n < most && from < to; n++) {
		unsigned step = from + 1 + (unsigned)dice_below(&(struct dice){
		    w->seed << 20 ^ w->state }, to - from);

		if (!cut_at(w, step) || !cut_at(w, step))
			return false;
		from = step;
	}
	return true;
}

/* ---- the workload */

static void say(struct work *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct work *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->what, sizeof(w->what), fmt, ap);
	va_end(ap);
	if (run.verbose)
		printf("  %u: %s\n", w->op, w->what);
}

static void place(struct work *w, uint64_t *off, uint64_t *len)
{
	static const uint64_t most[] = { 100, 512, 3000, 20000, LONGEST };
	uint64_t size = w->guest.size, unit = w->image->unit;

	*len = 1 + dice_below(&w->dice, most[dice_below(&w->dice,
	    ARRAY_LEN(most))]);
	*off = dice_below(&w->dice, size);
	/* Often in one corner, so that places are used again. */
	if (dice_below(&w->dice, 2))
		*off %= min64(size, 5 * unit);
	if (dice_below(&w->dice, 3) == 0)
		*off = align_down(*off, unit);
	if (dice_below(&w->dice, 3) == 0)
		*len = align_up(*len, unit);
	*len = min64(*len, min64(size - *off, LONGEST));
}

static int do_write(struct work *w, struct error *err)
{
	bool fua = dice_below(&w->dice, 12) == 0;
	uint64_t off, len;
	int rc;

	place(w, &off, &len);
	say(w, "write %" PRIu64 "+%" PRIu64 "%s", off, len, fua ? " FUA" : "");
	guest_pattern(w->buf, off, len, ++w->seq, false);
	rc = image_write(w->image, w->buf, len, off, fua ? IO_FUA : 0, err);
	guest_write(&w->guest, off, len, w->buf);
	return rc;
}

static int do_packed(struct work *w, struct error *err)
{
	uint64_t unit = w->image->unit, off, len;
	int rc;

	place(w, &off, &len);
	off = align_down(off, unit);
	len = min64(align_up(len, unit), min64(w->guest.size - off,
	    align_down(LONGEST, unit)));
	if (!w->image->packed_codec || strstr(w->v->create, "data_file") ||
	    !len)
		return do_write(w, err);
	say(w, "packed write %" PRIu64 "+%" PRIu64, off, len);
	guest_pattern(w->buf, off, len, ++w->seq, true);
	rc = image_write(w->image, w->buf, len, off, IO_PACK, err);
	guest_write(&w->guest, off, len, w->buf);
	return rc;
}

static int do_zero(struct work *w, struct error *err)
{
	unsigned flags = dice_below(&w->dice, 2) ? IO_MAY_UNMAP : 0;
	uint64_t off, len;
	int rc;

	place(w, &off, &len);
	say(w, "zero %" PRIu64 "+%" PRIu64 "%s", off, len, flags ? " unmap" :
	    "");
	rc = image_zero(w->image, off, len, flags, err);
	guest_write(&w->guest, off, len, NULL);
	return rc;
}

static int do_discard(struct work *w, struct error *err)
{
	uint64_t off, len;
	int rc;

	place(w, &off, &len);
	say(w, "discard %" PRIu64 "+%" PRIu64, off, len);
	rc = image_discard(w->image, off, len, err);
	return rc ? rc : guest_adopt(&w->guest, w->image, off, len, err);
}

static int do_flush(struct work *w, struct error *err)
{
	say(w, "flush");
	return image_flush(w->image, err);
}

static int do_resize(struct work *w, struct error *err)
{
	static const char *const modes[] = { "off", "metadata", "falloc",
	    "full" };
	uint64_t old = w->guest.size, size, step = 64 * 1024;
	const char *mode = NULL;
	int rc;

	size = dice_below(&w->dice, w->guest.max / GUEST_SECTOR) + 1;
	size *= GUEST_SECTOR;
	if (dice_below(&w->dice, 2))
		size = min64(old + dice_below(&w->dice, step) /
		    GUEST_SECTOR * GUEST_SECTOR, w->guest.max);
	if (w->v->snapshots && strstr(w->v->create, "0.10"))
		return do_write(w, err);
	if (size > old && dice_below(&w->dice, 3) == 0)
		mode = modes[dice_below(&w->dice, ARRAY_LEN(modes))];
	say(w, "resize %" PRIu64 " to %" PRIu64 " %s", old, size,
	    mode ? mode : "");
	rc = image_resize(w->image, size, mode, err);
	if (rc == -ENOTSUP && w->v->bitmaps)	/* tables stay as they are */
		return 0;
	/* What goes may be gone before the size says so. */
	if (size < old && w->base && size < BASE_SIZE) {
		uint64_t from = align_down(size, GUEST_SECTOR);

		guest_may(&w->guest, from, min64(old, BASE_SIZE) - from,
		    w->base + from);
	}
	guest_resize(&w->guest, size);
	return rc;
}

static int do_empty(struct work *w, struct error *err)
{
	uint64_t size = w->guest.size;
	int rc;

	if (!w->base || dice_below(&w->dice, 3))
		return do_flush(w, err);
	say(w, "make empty");
	rc = image_make_empty(w->image, err);
	guest_write(&w->guest, 0, size, NULL);
	guest_write(&w->guest, 0, min64(size, BASE_SIZE), w->base);
	return rc;
}

static int open_image(struct work *w, struct error *err)
{
	struct open_args a = { .format = "qcow2", .writable = true,
	    .unmap = true };
	struct store *s = store_lend(w->fault, err);

	w->image = s ? image_in(s, &a, w->v->open, err) : NULL;
	return w->image ? 0 : -err->code;
}

static int do_reopen(struct work *w, struct error *err)
{
	int rc;

	say(w, "close and open");
	rc = image_close(w->image, err);
	w->image = NULL;
	return rc ? rc : open_image(w, err);
}

static const struct {
	unsigned weight;
	int (*run)(struct work *, struct error *);
	bool flushes;		/* all that was written before */
} ops[] = {
	{ 30, do_write, false }, { 10, do_packed, false },
	{ 12, do_zero, false }, { 12, do_discard, false },
	{ 16, do_flush, true }, { 5, do_resize, false },
	{ 3, do_reopen, true }, { 2, do_empty, true },
};

static bool step(struct work *w)
{
	unsigned before = fault_steps(w->fault), after, i = 0;
	uint64_t pick = dice_below(&w->dice, 90);
	struct error err = { 0 };
	bool flushes;
	int rc;

	while (pick >= ops[i].weight)
		pick -= ops[i++].weight;
	flushes = ops[i].flushes;
	if ((rc = ops[i].run(w, &err))) {
		fail(w, "itself", &err);
		return false;
	}
	after = fault_steps(w->fault);
	if (strstr(w->what, "FUA"))
		flushes = true;
	/* Cuts in rising order; the last one sees all of a flush. */
	if (!cuts(w, before, flushes && after ? after - 1 : after, 4))
		return false;
	if (flushes) {
		guest_flushed(&w->guest);
		if (after > before && !cut_at(w, after))
			return false;
	}
	return true;
}

/* ---- the beginning */

static int put_file(const char *name, const void *buf, uint64_t len)
{
	FILE *f = fopen(name, "wb");

	if (!f || fwrite(buf, 1, len, f) != len || fclose(f))
		return error_errno(&(struct error){ 0 }, errno, "%s", name);
	return 0;
}

/* An image with some data and three snapshots. */
static int make_snapshots(const struct variant *v, struct guest *frozen,
    struct store *s, struct error *err)
{
	static const struct {
		uint32_t off, len;
		const char *then;
	} writes[] = {
		{ 0, 300 << 10, NULL }, { 500 << 10, 70 << 10, "one" },
		{ 20 << 10, 90 << 10, "two" }, { 7000, 20 << 10, "six" },
	};
	struct open_args a = { .format = "qcow2", .writable = true };
	AUTO_FREE uint8_t *buf = malloc(300 << 10);
	int rc = image_make(s, "qcow2", v->size, v->create, NULL, false, err);

	for (unsigned i = 0; !rc && i < ARRAY_LEN(writes); i++) {
		struct image *img = image_in(store_lend(s, err), &a, NULL,
		    err);

		if (!img)
			return -err->code;
		guest_pattern(buf, writes[i].off, writes[i].len, 1000 + i,
		    false);
		rc = image_write(img, buf, writes[i].len, writes[i].off, 0,
		    err);
		if (!rc && i < 2)
			guest_write(frozen, writes[i].off, writes[i].len,
			    buf);
		rc = image_close(img, err) || rc ? -err->code : 0;
		if (!rc && writes[i].then)
			rc = store_snapshot(s, writes[i].then, err);
	}
	guest_flushed(frozen);
	return rc;
}

/* Data in half of the disk, and then bitmaps. */
static int make_bitmaps(struct work *w, struct store *s, struct error *err)
{
	static const struct bitmap_made bitmaps[] = {
		{ "fine", 9, BITMAP_AUTO, NULL, 0 },
		{ "coarse", 14, BITMAP_AUTO, NULL, 0 },
	};
	struct open_args a = { .format = "qcow2", .writable = true };
	struct image *img = image_in(store_lend(s, err), &a, NULL, err);
	uint64_t len = w->guest.size / 2;
	int rc;

	if (!img)
		return -err->code;
	w->marked = calloc(1, w->guest.max);
	guest_pattern(w->marked, 0, len, 0, false);
	rc = image_write(img, w->marked, len, 0, 0, err);
	guest_write(&w->guest, 0, len, w->marked);
	guest_flushed(&w->guest);
	if (image_close(img, err) || rc)
		return -err->code;
	return store_bitmaps(s, bitmaps, 2, err);
}

static int set_up(struct work *w, struct error *err)
{
	struct store *s = memory_open(0, err);
	const struct variant *v = w->v;
	struct error ignored;
	int rc;

	if (!s)
		return -err->code;
	guest_init(&w->guest, v->size, v->size + 512 * 1024);
	w->buf = malloc(LONGEST + BASE_SIZE);
	if (v->base) {
		w->base = calloc(1, BASE_SIZE + GUEST_SECTOR);
		guest_pattern(w->base, 0, BASE_SIZE, 0, false);
		rc = put_file("base", w->base, BASE_SIZE);
		guest_write(&w->guest, 0, min64(v->size, BASE_SIZE), w->base);
		guest_flushed(&w->guest);
	}
	if (v->snapshots)
		guest_init(&w->frozen, v->size, v->size);
	rc = v->snapshots ? make_snapshots(v, &w->frozen, s, err) :
	    image_make(s, "qcow2", v->size, v->create, v->base ? "base" :
	    NULL, false, err);
	if (v->bitmaps)
		rc = rc ? rc : make_bitmaps(w, s, err);
	if (rc) {
		store_close(s, &ignored);
		return rc;
	}
	w->fault = fault_open(s, err);
	if ((rc = fault_record(w->fault, err)) || (rc = open_image(w, err)))
		return rc;
	return v->snapshots ? image_read(w->image, w->guest.now, v->size, 0,
	    err) : 0;
}

static void tear_down(struct work *w)
{
	struct error err;

	image_close(w->image, &err);
	store_close(w->fault, &err);
	guest_fini(&w->guest);
	guest_fini(&w->frozen);
	free(w->base);
	free(w->marked);
	free(w->buf);
}

static void workload(uint64_t seed)
{
	struct work w = { .v = &variants[seed % ARRAY_LEN(variants)],
	    .seed = seed, .dice = { dice_mix(seed) }, .what = "creating" };
	struct error err = { 0 };
	int rc = set_up(&w, &err);

	if (run.verbose)
		printf("seed %" PRIu64 ": %s\n", seed, w.v->name);
	if (rc)
		fail(&w, "itself", &err);
	for (; !rc && w.op < OPS && (run.one || run.states < run.limit);
	    w.op++)
		if (!step(&w))
			break;
	if (!rc && !run.failures && w.image) {
		w.op++;
		say(&w, "compare at the end");
		if (do_reopen(&w, &err) || image_sound(w.image, &err) ||
		    check_bitmaps(&w, w.image, true, &err) ||
		    guest_check(&w.guest, w.image, true, &err))
			fail(&w, "itself", &err);
	}
	tear_down(&w);
}

int main(int argc, char **argv)
{
	const char *states = getenv("CRASH_STATES");
	int c;

	run.limit = states ? (unsigned)atoi(states) : STATES;
	while ((c = getopt(argc, argv, "s:n:v")) != -1)
		switch (c) {
		case 's':
			run.seed = strtoull(optarg, NULL, 0);
			run.one = true;
			break;
		case 'n':
			run.limit = (unsigned)atoi(optarg);
			run.one = false;
			break;
		case 'v':
			run.verbose = true;
			break;
		default:
			fprintf(stderr, "usage: qcow2 [-s SEED] [-n STATES] "
			    "[-v]\n");
			return 2;
		}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (run.one)
		workload(run.seed);
	else
		for (uint64_t s = run.seed; run.states < run.limit &&
		    run.failures < 10; s++)
			workload(s);
	printf("%u states, %u failures\n", run.states, run.failures);
	return run.failures != 0;
}

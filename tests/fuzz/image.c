/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image.c - any bytes as an image: open, map, read, check, repair, write; its
 * snapshots and bitmaps
 *
 * The input is the file.  Whatever is in it, the library answers or refuses:
 * no crash, no endless loop, no memory beyond what the file's size explains.
 * Nothing outside the input is opened.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "image.h"
#include "report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 2000, PIECE = 96 * 1024, LISTED = 4 };

static char buf[PIECE];
static struct error err;

static struct store *as_store(const uint8_t *data, size_t size)
{
	struct store *s = memory_open(size, &err);

	if (!s || (size && store_pwrite(s, data, size, 0, EVENT_DATA, &err)))
		abort();
	return s;
}

static struct image *open_as(struct store *s, const char *format,
    bool writable, bool for_check, const char *snapshot)
{
	struct open_args a = { .format = format, .writable = writable,
	    .for_check = for_check, .snapshot = snapshot, .no_backing = true, .unmap = true,
	    .policy = POLICY_UNTRUSTED, .store = s };
	struct opts *o = opts_new();
	struct image *img;

	if (!o || opts_parse(o, "cache-size=1M,refcount-cache-size=256k",
	    NULL, &err))
		abort();
	if (format && !strcmp(format, "qcow2"))
		a.options = o;
	img = image_open("input", &a, &err);
	opts_free(o);
	return img;
}

/* Offsets worth looking at: the ends, the middle, and what the input says. */
static uint64_t place(const uint8_t *data, size_t size, uint64_t image_size,
    unsigned i)
{
	uint64_t x = 0;

	if (!image_size)
		return 0;
	switch (i) {
	case 0: return 0;
	case 1: return image_size - min64(image_size, 70000);
	case 2: return image_size / 2;
	}
	for (unsigned k = 0; k < 8; k++)
		x = x << 8 | (size ? data[(size - 1) * (k + 1) * i / 80 %
		    size] : 0);
	return x % image_size;
}

static void map_all(struct image *img)
{
	struct walk *w = walk_new(img, &err);
	struct extent_status st;
	uint64_t off = 0;
	struct extent e;

	for (unsigned n = 0; w && n < STEPS && off < img->size; n++) {
		enum map_why why = n & 1 ? MAP_READ : MAP_REPORT;

		if (n & 2 ? walk_map(w, off, img->size - off, why, &e, NULL,
		    &err) : image_map(img, off, img->size - off, why, &e,
		    NULL, &err)) {
			/* Broken here; what comes behind it? */
			off = align_down(off, 65536) + 65536;
			continue;
		}
		if (e.len == 0 || e.len > img->size - off)
			abort();
		extent_report(&e, &st);
		off += e.len;
	}
	walk_free(w);
}

static void look_at_bitmap(struct image *img, const char *name)
{
	struct image_bitmap *b;
	uint64_t off = 0, run;

	if (image_bitmap_open(img, name, &b, &err))
		return;
	for (unsigned n = 0; n < STEPS && off < img->size; n++, off += run) {
		image_bitmap_run(b, off, img->size - off, &run);
		if (!run || run > img->size - off)
			abort();
	}
	image_bitmap_close(b);
}

/* The bitmaps that info lists. */
static void look_at_bitmaps(struct image *img, const struct report *r)
{
	unsigned n = 0;

	for (r = r ? r->first : NULL; r; r = r->next) {
		if (!r->key || strcmp(r->key, "bitmaps"))
			continue;
		for (const struct report *b = r->first; b && n < LISTED;
		    b = b->next, n++)
			for (const struct report *v = b->first; v; v = v->next)
				if (!strcmp(v->key, "name"))
					look_at_bitmap(img, v->str);
	}
}

static void look(struct image *img, const uint8_t *data, size_t size)
{
	struct image_info info;
	struct check c = { 0 };

	if (!image_info(img, &info, &err)) {
		look_at_bitmaps(img, info.specific);
		image_info_fini(&info);
	}
	image_hold(img);
	map_all(img);
	image_drop(img);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t off = place(data, size, img->size, i);

		image_read(img, buf, min64(PIECE, img->size - off), off,
		    &err);
	}
	if (img->format->check)
		img->format->check(img, &c, &err);
}

static void change(struct image *img, const uint8_t *data, size_t size)
{
	uint64_t unit = img->unit, len = img->size;

	memset(buf, 'w', sizeof(buf));
	for (unsigned i = 0; i < 8; i++) {
		uint64_t off = place(data, size, img->size, i);
		uint64_t here = min64(PIECE, img->size - off);

		switch (i) {
		case 2:
			image_zero(img, off, here, IO_MAY_UNMAP, &err);
			break;
		case 3:
			image_discard(img, off, here, &err);
			break;
		case 4:
			off = align_down(off, unit);
			if (unit <= PIECE && img->size - off >= unit)
				image_write(img, buf, unit, off, IO_PACK,
				    &err);
			break;
		case 5:
			image_flush(img, &err);
			break;
		default:
			image_write(img, buf, min64(here, 3000 * i + 1), off,
			    0, &err);
		}
	}
	image_resize(img, align_up(len / 2, 512), NULL, &err);
	image_write(img, buf, min64(img->size, 700), 0, 0, &err);
	if (len < 1ull << 40)
		image_resize(img, align_up(len, 512) + 100 * 1024, NULL,
		    &err);
	image_set_backing(img, "another", "raw", &err);
	image_write(img, buf, min64(img->size, 5000), 0, IO_FUA, &err);
}

/* Repaired, it must be without errors; a second look says so. */
static void repair(struct store *s)
{
	struct check c = { .fix = CHECK_FIX_LEAKS | CHECK_FIX_ERRORS };
	struct image *img = open_as(s, "qcow2", true, true, NULL);

	if (!img)
		return;
	img->format->check(img, &c, &err);
	image_close(img, &err);
}

static void look_at_snapshots(struct store *s, struct image *img,
    const uint8_t *data, size_t size)
{
	struct image_info info;

	if (image_info(img, &info, &err))
		return;
	for (unsigned i = 0; i < info.snapshot_count && i < LISTED; i++) {
		struct store *copy = memory_clone(s, &err);
		struct image *then;

		if (!copy)
			abort();
		then = open_as(copy, "qcow2", false, false, i & 1 ?
		    info.snapshots[i].name : info.snapshots[i].id);
		if (!then)
			continue;
		look(then, data, size);
		image_close(then, &err);
	}
	image_info_fini(&info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *s = as_store(data, size), *copy;
	struct image *img;

	for (unsigned i = 0; i < 3; i++) {
		copy = memory_clone(s, &err);
		if (!copy)
			abort();
		img = open_as(copy, i ? "qcow2" : NULL, false, i == 2,
		    NULL);
		if (!img)
			continue;
		look(img, data, size);
		if (i == 1)
			look_at_snapshots(s, img, data, size);
		image_close(img, &err);
	}
	copy = memory_clone(s, &err);
	if (!copy)
		abort();
	repair(copy);
	img = open_as(s, "qcow2", true, false, NULL);
	if (img) {
		change(img, data, size);
		image_close(img, &err);
	}
	return 0;
}

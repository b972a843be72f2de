/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2-bitmaps.c - persistent bitmaps are read as stored, and follow writes */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "qcow2/disk.h"
#include "store/fault.h"
#include "support/bitmap.h"
#include "support/guest.h"
#include "support/unit.h"

enum { SIZE = 9 << 20 };	/* five table entries of 512 byte clusters */

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

static struct store *make(const char *create, uint64_t size)
{
	struct store *s = memory_open(0, &err);

	OK(image_make(s, "qcow2", size, create, NULL, false, &err));
	return s;
}

static struct image *open_it(struct store *s, bool writable)
{
	struct open_args a = { .format = "qcow2", .writable = writable,
	    .unmap = true };
	struct image *img = image_in(store_lend(s, &err), &a, NULL, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	return img;
}

/* All of a bitmap as text: "+length" of what is dirty, "-length". */
static const char *runs(struct image_bitmap *b, uint64_t off, uint64_t end)
{
	static char text[512];
	uint64_t run;

	text[0] = '\0';
	for (; off < end; off += run) {
		bool dirty = image_bitmap_run(b, off, end - off, &run);
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, "%c%llu", dirty ? '+' :
		    '-', (unsigned long long)run);
		if (!run || run > end - off)
			return "no good run";
	}
	return text;
}

static const char *runs_of(struct image *img, const char *name)
{
	struct image_bitmap *b;
	const char *text;

	if (image_bitmap_open(img, name, &b, &err))
		return err.text;
	text = runs(b, 0, img->size);
	image_bitmap_close(b);
	return text;
}

/* An image of 512 byte clusters with bits in its first and third cluster, all
 * ones in the second and fourth. */
static struct store *made(uint32_t flags)
{
	struct store *s = make("cluster_size=512", SIZE);
	uint8_t bits[512] = { [0] = 0x0e, [511] = 0xc0 };
	uint64_t table[5] = { [1] = 1, [3] = 1 };
	struct bitmap_made m[] = {
		{ "one", 9, flags, table, 0 },
		{ "other", 16, 0, NULL, 0 },
	};

	OK(store_append(s, bits, sizeof(bits), &table[0], &err));
	memset(bits, 0, sizeof(bits));
	bits[511] = 0x80;
	OK(store_append(s, bits, sizeof(bits), &table[2], &err));
	OK(store_bitmaps(s, m, 2, &err));
	return s;
}

static void stored_bits_are_read(void)
{
	struct store *s = made(0);
	struct image *img = open_it(s, false);
	struct image_bitmap *b;
	uint64_t run;

	CU_ASSERT_STRING_EQUAL(runs_of(img, "one"), "-512+1536-2094080"
	    "+2098176-2096640+2097664-1048576");
	CU_ASSERT_STRING_EQUAL(runs_of(img, "other"), "-9437184");
	CU_ASSERT_EQUAL(image_bitmap_open(img, "none", &b, &err), -ENOENT);
	OK(image_bitmap_open(img, "one", &b, &err));
	CU_ASSERT_EQUAL(b->granularity_bits, 9);
	CU_ASSERT_STRING_EQUAL(runs(b, 513, 3000), "+1535-952");
	CU_ASSERT_STRING_EQUAL(runs(b, 600, 601), "+1");
	/* Behind the end, as an overlay of a larger disk asks. */
	CU_ASSERT_FALSE(image_bitmap_run(b, SIZE - 100, 5000, &run));
	CU_ASSERT_EQUAL(run, 5000);
	CU_ASSERT_FALSE(image_bitmap_run(b, SIZE, 7, &run));
	CU_ASSERT_EQUAL(run, 7);
	image_bitmap_close(b);
	image_close(img, &err);
	store_close(s, &err);
}

static void writes_show_at_once_and_stay(void)
{
	struct store *s = made(BITMAP_AUTO);
	struct image *img = open_it(s, true);
	struct image_bitmap *before, *after;
	static const char text[] = "-512+1536-97280+1024-1995776"
	    "+2098176-2096640+2097664-524288+1024-523264";

	OK(image_bitmap_open(img, "one", &before, &err));
	CU_ASSERT_STRING_EQUAL(runs(before, 90000, 200000), "-110000");
	OK(image_write(img, "abc", 3, 99841, 0, &err));
	CU_ASSERT_STRING_EQUAL(runs(before, 90000, 200000), "-9840+512-99648");
	/* Opened when its flag is ours already. */
	OK(image_bitmap_open(img, "one", &after, &err));
	OK(image_zero(img, 99328, 512, 0, &err));
	OK(image_discard(img, SIZE - 524288, 1024, &err));
	CU_ASSERT_STRING_EQUAL(runs(before, 0, SIZE), text);
	CU_ASSERT_STRING_EQUAL(runs(after, 0, SIZE), text);
	CU_ASSERT_STRING_EQUAL(runs_of(img, "other"), "-9437184");
	image_bitmap_close(before);
	image_bitmap_close(after);
	OK(image_close(img, &err));
	img = open_it(s, false);
	CU_ASSERT_STRING_EQUAL(runs_of(img, "one"), text);
	OK(image_sound(img, &err));
	image_close(img, &err);
	store_close(s, &err);
}

/* From the first write to the close: a cut that keeps only what was synced
 * leaves no bitmap that somebody believes, wherever the data went. */
static void in_doubt_from_the_first_write_to_the_close(void)
{
	static const char *const creates[] = { "cluster_size=4k",
	    "cluster_size=4k,data_file=data",
	    "cluster_size=4k,lazy_refcounts=on" };
	struct bitmap_made m = { "one", 16, BITMAP_AUTO, NULL, 0 };
	struct open_args a = { .format = "qcow2" };

	for (unsigned i = 0; i < ARRAY_LEN(creates); i++) {
		struct store *s = make(creates[i], SIZE), *f;
		unsigned first, last;
		struct image *img;

		OK(store_bitmaps(s, &m, 1, &err));
		f = fault_open(s, &err);
		OK(fault_record(f, &err));
		img = open_it(f, true);
		OK(image_write(img, "abc", 3, 0, 0, &err));
		first = fault_steps(f);
		OK(image_flush(img, &err));
		OK(image_zero(img, 1 << 20, 64 << 10, 0, &err));
		OK(image_flush(img, &err));
		last = fault_steps(f);
		OK(image_close(img, &err));
		for (unsigned step = first; step <= last; step++) {
			img = image_in(fault_cut(f, step, 2, 0, &err), &a,
			    NULL, &err);
			CU_ASSERT_PTR_NOT_NULL_FATAL(img);
			CU_ASSERT_STRING_EQUAL(runs_of(img, "one"), "Bitmap "
			    "'one' is inconsistent and cannot be used");
			image_close(img, &err);
		}
		img = open_it(f, false);
		CU_ASSERT_STRING_EQUAL(runs_of(img, "one"),
		    "+65536-983040+65536-8323072");
		image_close(img, &err);
		store_close(f, &err);
	}
}

/* Nothing of a broken table is believed, nor kept as if it were good. */
static void broken_tables_are_told(void)
{
	static const struct {
		uint64_t table[5];
		uint32_t entries;
		const char *text;
	} cases[] = {
		{ { 0x201 }, 5, "table entry 0 is invalid" },
		{ { 0, 2 }, 5, "table entry 1 is invalid" },
		{ { 0, 1ull << 60 }, 5, "table entry 1 is invalid" },
		{ { 0, 1ull << 40 }, 5, "past the end of the file" },
		{ { 512, 512 }, 5, "used twice" },
		{ { 1 }, 4, "does not fit the disk" },
		{ { 1 }, 6, "does not fit the disk" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct store *s = make("cluster_size=512", SIZE);
		struct bitmap_made m = { "one", 9, BITMAP_AUTO,
		    cases[i].table, cases[i].entries };
		struct image *img;

		if (cases[i].entries == 6)
			m.table = NULL;
		OK(store_bitmaps(s, &m, 1, &err));
		img = open_it(s, false);
		CU_ASSERT_PTR_NOT_NULL(strstr(runs_of(img, "one"),
		    cases[i].text));
		image_close(img, &err);
		store_close(s, &err);
	}
}

static void a_table_that_does_not_fit_stays_in_doubt(void)
{
	struct store *s = make("cluster_size=512", SIZE);
	struct bitmap_made m = { "one", 9, BITMAP_AUTO, NULL, 4 };
	struct image *img;

	OK(store_bitmaps(s, &m, 1, &err));
	img = open_it(s, true);
	OK(image_write(img, "abc", 3, SIZE - 3, 0, &err));
	OK(image_close(img, &err));
	img = open_it(s, false);
	CU_ASSERT_PTR_NOT_NULL(strstr(runs_of(img, "one"), "inconsistent"));
	image_close(img, &err);
	store_close(s, &err);
}

/* The peers look through the chain, too. */
static void overlays_find_what_lies_below(void)
{
	struct file_args fa = { .writable = true, .create = true };
	struct bitmap_made low[] = { { "low", 16, 0,
	    (const uint64_t[]){ 1 }, 0 }, { "both", 16, 0, NULL, 0 } };
	struct bitmap_made top = { "both", 16, BITMAP_AUTO,
	    (const uint64_t[]){ 1 }, 0 };
	struct open_args a = { .writable = true };
	struct store *s = file_open("low", &fa, &err);
	struct image *img;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	OK(image_make(s, "qcow2", 1 << 20, "cluster_size=64k", NULL, false,
	    &err));
	OK(store_bitmaps(s, low, 2, &err));
	OK(store_close(s, &err));
	s = memory_open(0, &err);
	OK(image_make(s, "qcow2", SIZE, "cluster_size=64k,backing_fmt=qcow2",
	    NULL, false, &err));
	OK(store_bitmaps(s, &top, 1, &err));
	img = open_it(s, true);
	OK(image_set_backing(img, "low", "qcow2", &err));
	OK(image_close(img, &err));
	img = image_in(s, &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT_STRING_EQUAL(runs_of(img, "low"), "+1048576-8388608");
	CU_ASSERT_STRING_EQUAL(runs_of(img, "both"), "+9437184");
	CU_ASSERT_STRING_EQUAL(runs_of(img, "none"),
	    "Bitmap 'none' is not found");
	OK(image_close(img, &err));
}

static void a_snapshot_has_no_bitmaps(void)
{
	struct store *s = make("cluster_size=4k", SIZE);
	struct bitmap_made m = { "one", 16, BITMAP_AUTO, NULL, 0 };
	struct open_args a = { .format = "qcow2", .snapshot = "then" };
	struct image *img;

	OK(store_snapshot(s, "then", &err));
	OK(store_bitmaps(s, &m, 1, &err));
	img = image_in(s, &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT_STRING_EQUAL(runs_of(img, "one"),
	    "Bitmap 'one' is not found");
	OK(image_close(img, &err));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "stored bits are read", stored_bits_are_read },
		{ "writes show at once, and stay",
		    writes_show_at_once_and_stay },
		{ "in doubt from the first write to the close",
		    in_doubt_from_the_first_write_to_the_close },
		{ "broken tables are told", broken_tables_are_told },
		{ "a table that does not fit stays in doubt",
		    a_table_that_does_not_fit_stays_in_doubt },
		{ "overlays find what lies below",
		    overlays_find_what_lies_below },
		{ "a snapshot has no bitmaps", a_snapshot_has_no_bitmaps },
		{ NULL, NULL }
	};

	return unit_run("qcow2 bitmaps", tests);
}

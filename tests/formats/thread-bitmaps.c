/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-bitmaps.c - what a write changed is dirty when the write returns, for
 * every thread, also for a bitmap opened before the first write */
#include <pthread.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "qcow2/disk.h"
#include "support/bitmap.h"
#include "support/guest.h"
#include "support/unit.h"

enum { WRITERS = 4, WRITES = 2000, GRANULE = 4096, SIZE = 256 << 20 };

static struct {
	struct image *image;
	struct image_bitmap *bitmap;
	atomic_bool stop;
	atomic_uint missed, failed;
} t;

static void *write_some(void *arg)
{
	struct dice d = { (uintptr_t)arg };
	struct error err;
	uint64_t n;

	for (unsigned i = 0; i < WRITES; i++) {
		uint64_t off = dice_below(&d, SIZE - 3 * GRANULE);
		uint64_t len = 1 + dice_below(&d, 2 * GRANULE);
		char byte = 1;
		int rc = i % 8 ? image_write(t.image, &byte, len = 1, off, 0,
		    &err) : image_zero(t.image, off, len, 0, &err);

		t.failed += rc != 0;
		t.missed += !image_bitmap_run(t.bitmap, off, len, &n) ||
		    n < len;
	}
	return NULL;
}

/* What is dirty stays so. */
static void *look(void *arg)
{
	uint64_t before = 0, sum, n;

	while (!t.stop) {
		sum = 0;
		for (uint64_t off = 0; off < SIZE; off += n)
			if (image_bitmap_run(t.bitmap, off, SIZE - off, &n))
				sum += n;
		t.missed += sum < before;
		before = sum;
	}
	return NULL;
}

static void writes_are_dirty_when_they_return(void)
{
	struct bitmap_made m = { "one", 12, BITMAP_AUTO, NULL, 0 };
	struct open_args a = { .format = "qcow2", .writable = true };
	struct store *s;
	pthread_t writer[WRITERS], looker;
	struct error err;

	s = memory_open(0, &err);
	CU_ASSERT_EQUAL_FATAL(image_make(s, "qcow2", SIZE, NULL, NULL, false,
	    &err), 0);
	CU_ASSERT_EQUAL_FATAL(store_bitmaps(s, &m, 1, &err), 0);
	t.image = image_in(store_lend(s, &err), &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t.image);
	CU_ASSERT_EQUAL_FATAL(image_bitmap_open(t.image, "one", &t.bitmap,
	    &err), 0);
	pthread_create(&looker, NULL, look, NULL);
	for (uintptr_t i = 0; i < WRITERS; i++)
		pthread_create(&writer[i], NULL, write_some, (void *)i);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writer[i], NULL);
	t.stop = true;
	pthread_join(looker, NULL);
	CU_ASSERT_EQUAL(t.failed, 0);
	CU_ASSERT_EQUAL(t.missed, 0);
	image_bitmap_close(t.bitmap);
	CU_ASSERT_EQUAL(image_close(t.image, &err), 0);
	store_close(s, &err);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "writes are dirty when they return",
		    writes_are_dirty_when_they_return },
		{ NULL, NULL }
	};

	return unit_run("bitmaps, threads", tests);
}

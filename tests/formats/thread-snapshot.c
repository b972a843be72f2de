/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-snapshot.c - a snapshot opened beside the image it belongs to, which
 * is written to: shut out, or with sharing allowed always as it was */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "support/guest.h"
#include "support/unit.h"

enum { SIZE = 4 << 20, MOST = 100 << 10 };

static struct error err;
static uint8_t frozen[SIZE];
static struct {
	struct image *image, *snapshot;
	atomic_bool stop;
	atomic_uint failed, differ, reads;
} t;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

/* A file with a disk of which half is written, and a snapshot of it. */
static void make(const char *create)
{
	struct file_args fa = { .writable = true, .create = true };
	struct open_args a = { .writable = true, .format = "qcow2" };
	struct store *s = file_open("disk", &fa, &err);
	struct image *img;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	OK(image_make(s, "qcow2", SIZE, create, NULL, false, &err));
	img = image_in(store_lend(s, &err), &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	memset(frozen, 0, SIZE);
	guest_pattern(frozen, 0, SIZE / 2, 1, false);
	OK(image_write(img, frozen, SIZE / 2, 0, 0, &err));
	OK(image_close(img, &err));
	OK(store_snapshot(s, "then", &err));
	OK(store_close(s, &err));
}

static struct image *open_snapshot(bool share)
{
	struct open_args a = { .snapshot = "then", .share = share };

	return image_open("disk", &a, &err);
}

static void *read_snapshot(void *arg)
{
	struct dice d = { (uintptr_t)arg };
	AUTO_FREE uint8_t *buf = malloc(MOST);
	struct error e;

	while (!t.stop) {
		uint64_t len = 1 + dice_below(&d, MOST);
		uint64_t off = dice_below(&d, SIZE - len);

		t.failed += image_read(t.snapshot, buf, len, off, &e) != 0;
		t.differ += memcmp(buf, frozen + off, len) != 0;
		t.reads++;
	}
	return NULL;
}

static void *write_image(void *arg)
{
	struct dice d = { (uintptr_t)arg };
	AUTO_FREE uint8_t *buf = malloc(MOST);
	struct error e;

	for (unsigned i = 0; i < 400; i++) {
		uint64_t len = 1 + dice_below(&d, MOST);
		uint64_t off = dice_below(&d, SIZE - len);

		guest_pattern(buf, off, len, i, false);
		switch (i % 5) {
		case 0: t.failed += image_discard(t.image, off, len, &e) != 0;
			break;
		case 1: t.failed += image_zero(t.image, off, len,
			    IO_MAY_UNMAP, &e) != 0;
			break;
		case 2: t.failed += image_flush(t.image, &e) != 0;
			break;
		default: t.failed += image_write(t.image, buf, len, off, 0,
			    &e) != 0;
		}
	}
	return NULL;
}

static void beside(const char *create)
{
	struct open_args a = { .writable = true, .unmap = true };
	pthread_t reader[2], writer[2];

	make(create);
	t.stop = false;
	t.image = image_open("disk", &a, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t.image);
	CU_ASSERT_PTR_NULL(open_snapshot(false));
	CU_ASSERT_EQUAL(err.code, EAGAIN);
	t.snapshot = open_snapshot(true);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t.snapshot);
	for (uintptr_t i = 0; i < 2; i++) {
		pthread_create(&reader[i], NULL, read_snapshot, (void *)i);
		pthread_create(&writer[i], NULL, write_image, (void *)i);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(writer[i], NULL);
	t.stop = true;
	for (unsigned i = 0; i < 2; i++)
		pthread_join(reader[i], NULL);
	CU_ASSERT_EQUAL(t.failed, 0);
	CU_ASSERT_EQUAL(t.differ, 0);
	CU_ASSERT(t.reads > 0);
	OK(image_sound(t.image, &err));
	OK(image_close(t.snapshot, &err));
	OK(image_close(t.image, &err));
	/* And the other way round. */
	t.snapshot = open_snapshot(false);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t.snapshot);
	CU_ASSERT_PTR_NULL(image_open("disk", &a, &err));
	CU_ASSERT_EQUAL(err.code, EAGAIN);
	OK(image_close(t.snapshot, &err));
}

static void shut_out_or_as_it_was(void)
{
	beside("cluster_size=64k");
	beside("cluster_size=4k");
	beside("cluster_size=16k,extended_l2=on");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "shut out, or as it was", shut_out_or_as_it_was },
		{ NULL, NULL }
	};

	return unit_run("snapshots beside their image", tests);
}

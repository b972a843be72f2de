/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-discard.c - space goes back after the flush, and never what was
 * written again meanwhile, be it of the image file or of its data file */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "support/guest.h"
#include "support/unit.h"

enum { SIZE = 1 << 20, CLUSTER = 4096, WORKERS = 3, ROUNDS = 300 };

static struct error err;
static struct {
	struct image *image;
	atomic_bool stop;
	atomic_uint failed, differ;
} t;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

static struct image *open_it(struct store **s, const char *create)
{
	struct open_args a = { .format = "qcow2", .writable = true,
	    .unmap = true };

	*s = memory_open(0, &err);
	OK(image_make(*s, "qcow2", SIZE, create, NULL, false, &err));
	return image_in(store_lend(*s, &err), &a, NULL, &err);
}

/* Does the file "data" have something there? */
static bool has_data(uint64_t off)
{
	struct file_args a = { .no_lock = true };
	struct store *s = file_open("data", &a, &err);
	bool data = false;
	uint64_t run;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	OK(store_extent(s, off, CLUSTER, &data, &run, &err));
	store_close(s, &err);
	return data;
}

static void a_data_file_gives_back_after_the_flush(void)
{
	struct store *s;
	struct image *img = open_it(&s, "cluster_size=4k,data_file=data");
	char buf[CLUSTER], old[CLUSTER];

	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	memset(buf, 7, sizeof(buf));
	for (unsigned i = 0; i < 3; i++)
		OK(image_write(img, buf, CLUSTER, i * CLUSTER, 0, &err));
	OK(image_flush(img, &err));
	OK(image_discard(img, 0, 2 * CLUSTER, &err));
	CU_ASSERT(has_data(0));
	OK(image_write(img, buf, 100, CLUSTER, 0, &err));
	OK(image_flush(img, &err));
	CU_ASSERT_FALSE(has_data(0));
	CU_ASSERT(has_data(CLUSTER));
	CU_ASSERT(has_data(2 * CLUSTER));
	OK(image_read(img, old, CLUSTER, CLUSTER, &err));
	CU_ASSERT_EQUAL(memcmp(buf, old, 100), 0);
	CU_ASSERT(bytes_are_zero(old + 100, CLUSTER - 100));
	OK(image_close(img, &err));
	store_close(s, &err);
}

static void *flush(void *arg)
{
	struct error e;

	while (!t.stop)
		t.failed += image_flush(t.image, &e) != 0;
	return NULL;
}

/* Discards and writes in a place of its own. */
static void *work(void *arg)
{
	uint64_t place = (uintptr_t)arg * (SIZE / WORKERS) / CLUSTER * CLUSTER;
	struct dice d = { (uintptr_t)arg };
	char is[CLUSTER], was[CLUSTER];
	struct error e;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t off = place + dice_below(&d, 20) * CLUSTER;

		guest_pattern(was, off, CLUSTER, i, false);
		t.failed += image_write(t.image, was, CLUSTER, off, 0, &e) ||
		    image_discard(t.image, off, CLUSTER, &e) ||
		    image_write(t.image, was, CLUSTER, off, 0, &e) ||
		    image_read(t.image, is, CLUSTER, off, &e);
		t.differ += memcmp(is, was, CLUSTER) != 0;
		if (i % 4 == 0)
			t.failed += image_flush(t.image, &e) ||
			    image_read(t.image, is, CLUSTER, off, &e);
		t.differ += memcmp(is, was, CLUSTER) != 0;
	}
	return NULL;
}

static void storm(const char *create)
{
	pthread_t flusher, worker[WORKERS];
	struct store *s;

	t.image = open_it(&s, create);
	t.stop = false;
	CU_ASSERT_PTR_NOT_NULL_FATAL(t.image);
	pthread_create(&flusher, NULL, flush, NULL);
	for (uintptr_t i = 0; i < WORKERS; i++)
		pthread_create(&worker[i], NULL, work, (void *)i);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(worker[i], NULL);
	t.stop = true;
	pthread_join(flusher, NULL);
	CU_ASSERT_EQUAL(t.failed, 0);
	CU_ASSERT_EQUAL(t.differ, 0);
	OK(image_sound(t.image, &err));
	OK(image_close(t.image, &err));
	store_close(s, &err);
}

static void what_was_written_again_stays(void)
{
	storm("cluster_size=4k");
	storm("cluster_size=4k,data_file=data");
}

/* Discards, and then wants the space for something else. */
static void *reuse(void *arg)
{
	char buf[CLUSTER] = { 1 };
	struct error e;

	t.failed += image_discard(t.image, 0, SIZE / 2, &e) ||
	    image_flush(t.image, &e);
	for (uint64_t off = SIZE / 2; off < SIZE; off += CLUSTER)
		t.failed += image_write(t.image, buf, CLUSTER, off, 0, &e) != 0;
	return NULL;
}

static void *shrink(void *arg)
{
	struct error e;

	t.failed += image_resize(t.image, CLUSTER, NULL, &e) != 0;
	return NULL;
}

/* A server sends from where the extent says, and then lets go. */
static void what_is_held_stays(void)
{
	static void *(*const threats[])(void *) = { reuse, shrink };
	static char was[SIZE / 2], is[CLUSTER];
	const struct timespec moment = { 0, 2000000 };
	pthread_t thread;
	struct store *s;
	struct extent e;

	for (unsigned i = 0; i < ARRAY_LEN(threats); i++) {
		t.image = open_it(&s, "cluster_size=4k");
		CU_ASSERT_PTR_NOT_NULL_FATAL(t.image);
		guest_pattern(was, 0, sizeof(was), 5, false);
		OK(image_write(t.image, was, sizeof(was), 0, 0, &err));
		OK(image_flush(t.image, &err));
		image_hold(t.image);
		OK(image_map(t.image, 8 * CLUSTER, CLUSTER, MAP_READ, &e,
		    NULL, &err));
		CU_ASSERT_EQUAL(e.kind, EXTENT_DATA);
		pthread_create(&thread, NULL, threats[i], NULL);
		for (unsigned n = 0; n < 50; n++) {
			nanosleep(&moment, NULL);
			OK(store_pread(e.store, is, CLUSTER, e.host,
			    EVENT_DATA, &err));
			if (memcmp(is, was + 8 * CLUSTER, CLUSTER))
				CU_FAIL("held, and gone");
		}
		image_drop(t.image);
		pthread_join(thread, NULL);
		CU_ASSERT_EQUAL(t.failed, 0);
		OK(image_close(t.image, &err));
		store_close(s, &err);
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a data file gives back after the flush",
		    a_data_file_gives_back_after_the_flush },
		{ "what was written again stays",
		    what_was_written_again_stays },
		{ "what is held stays", what_is_held_stays },
		{ NULL, NULL }
	};

	return unit_run("discard", tests);
}

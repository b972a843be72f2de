/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * thread-api.c - one cowbird_image serves many threads
 *
 * Each thread owns the sectors of its number and writes, reads, maps, zeros
 * and flushes them while the others do the same in the same clusters; at the
 * end every sector holds what its owner wrote last.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cowbird.h"
#include "support/unit.h"

enum {
	THREADS = 6, ROUNDS = 400, SECTOR = 512,
	SECTORS = 3072,			/* 1.5 MiB */
};

struct worker {
	struct cowbird_image *img;
	unsigned number;
	unsigned char last[SECTORS];	/* of the owned sectors */
	unsigned wrong;
};

static void check_sector(struct worker *w, unsigned s)
{
	unsigned char buf[SECTOR], want[SECTOR];

	memset(want, w->last[s], SECTOR);
	if (cowbird_read(w->img, buf, SECTOR, (uint64_t)s * SECTOR, NULL) ||
	    memcmp(buf, want, SECTOR))
		w->wrong++;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned seed = w->number * 7919 + 1;
	unsigned char buf[SECTOR];
	struct cowbird_extent e;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned s = (unsigned)rand_r(&seed) % (SECTORS / THREADS) *
		    THREADS + w->number;
		uint64_t off = (uint64_t)s * SECTOR;
		int rc = 0;

		switch (rand_r(&seed) % 8) {
		case 0:
			rc = cowbird_zero(w->img, off, SECTOR,
			    COWBIRD_MAY_UNMAP, NULL);
			w->last[s] = 0;
			break;
		case 1:
			rc = cowbird_map(w->img, off, SECTOR, &e, NULL);
			break;
		case 2:
			rc = i % 16 ? 0 : cowbird_flush(w->img, NULL);
			break;
		default:
			w->last[s] = (unsigned char)rand_r(&seed);
			memset(buf, w->last[s], SECTOR);
			rc = cowbird_write(w->img, buf, SECTOR, off, 0, NULL);
			break;
		}
		w->wrong += rc != 0;
		check_sector(w, s);
	}
	for (unsigned s = w->number; s < SECTORS; s += THREADS)
		check_sector(w, s);
	return NULL;
}

static void run(const char *name, const char *format, const char *options)
{
	static struct worker w[THREADS];
	pthread_t thread[THREADS];
	struct cowbird_image *img;
	struct cowbird_error err;

	CU_ASSERT_EQUAL_FATAL(cowbird_create(name, format, SECTORS * SECTOR,
	    options, &err), 0);
	img = cowbird_open(name, format, NULL,
	    COWBIRD_WRITABLE | COWBIRD_UNMAP, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	memset(w, 0, sizeof(w));
	for (unsigned i = 0; i < THREADS; i++) {
		w[i].img = img;
		w[i].number = i;
		pthread_create(&thread[i], NULL, work, &w[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		CU_ASSERT_EQUAL(w[i].wrong, 0);
	}
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
	img = cowbird_open(name, format, NULL, 0, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	for (unsigned s = 0; s < SECTORS; s++) {
		w[s % THREADS].img = img;
		check_sector(&w[s % THREADS], s);
	}
	for (unsigned i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL(w[i].wrong, 0);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

static void a_raw_image_serves_many_threads(void)
{
	run("t.raw", "raw", NULL);
}

static void a_qcow2_image_serves_many_threads(void)
{
	run("t.qcow2", "qcow2", NULL);
	run("small.qcow2", "qcow2", "cluster_size=512");
	run("sub.qcow2", "qcow2", "extended_l2=on");
}

/* progress */

static atomic_uint inside;

static int alone(void *arg, uint64_t done, uint64_t total)
{
	unsigned *overlaps = arg;

	if (atomic_fetch_add(&inside, 1))
		++*overlaps;
	atomic_fetch_sub(&inside, 1);
	return done > total / 2;
}

static int alone_to_the_end(void *arg, uint64_t done, uint64_t total)
{
	alone(arg, done, total);
	return 0;
}

static void progress_is_told_by_one_thread_at_a_time(void)
{
	struct cowbird_image *img;
	struct cowbird_error err;
	unsigned overlaps = 0;
	uint64_t at;

	CU_ASSERT_EQUAL_FATAL(cowbird_create("big.raw", "raw", 32 << 20,
	    "preallocation=full", &err), 0);
	img = cowbird_open("big.raw", "raw", NULL, 0, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	CU_ASSERT_EQUAL(cowbird_convert(&img, 1, "big.qcow2", "qcow2", NULL,
	    COWBIRD_COPY_FULL, 8, alone_to_the_end, &overlaps, &err), 0);
	CU_ASSERT_EQUAL(cowbird_convert(&img, 1, "half.qcow2", "qcow2", NULL,
	    COWBIRD_COPY_COMPRESS, 8, alone, &overlaps, &err), -EINTR);
	CU_ASSERT_EQUAL(cowbird_compare(img, img, 8, &at, alone_to_the_end,
	    &overlaps, &err), 0);
	CU_ASSERT_EQUAL(overlaps, 0);
	CU_ASSERT_EQUAL(cowbird_close(img, &err), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a raw image serves many threads",
		    a_raw_image_serves_many_threads },
		{ "a qcow2 image serves many threads",
		    a_qcow2_image_serves_many_threads },
		{ "progress is told by one thread at a time",
		    progress_is_told_by_one_thread_at_a_time },
		{ NULL, NULL }
	};

	return unit_run("thread-api", tests);
}

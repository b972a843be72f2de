/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * thread-engine.c - many threads on one qcow2 image lose and mix up nothing
 *
 * The guest is dealt out in sectors of 512 bytes, in turn to each thread, so
 * that every cluster is everybody's and claims collide all the time; a thread
 * knows what its own sectors hold.  Some tests widen a window by a pause in
 * the store: they fail when the guard they are about is taken away.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/fault.h"
#include "support/guest.h"
#include "support/unit.h"

#ifdef __SANITIZE_THREAD__
enum { ROUNDS = 500 };
#else
enum { ROUNDS = 3000 };
#endif
enum { THREADS = 8, SECTOR = 512, SIZE = 1 << 20, LONGEST = 128 * 1024 };

struct worker {
	pthread_t thread;
	struct image *image;
	unsigned number;
	unsigned failures;
	unsigned stripe;	/* sectors in a row that belong to one */
	const uint8_t *base;
	struct error err;
};

static struct error err;

static uint8_t *base_bytes(void)
{
	uint8_t *b = malloc(SIZE);
	FILE *f = fopen("base", "wb");

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	guest_pattern(b, 0, SIZE, 99, false);
	CU_ASSERT_FATAL(f && fwrite(b, 1, SIZE, f) == SIZE);
	fclose(f);
	return b;
}

/* The fault store stays with the caller. */
static struct image *make(const char *create, bool base, struct store **fault)
{
	struct open_args a = { .format = "qcow2", .writable = true,
	    .unmap = true };
	struct store *s = memory_open(0, &err);
	struct image *img;

	CU_ASSERT_EQUAL_FATAL(image_make(s, "qcow2", SIZE, create,
	    base ? "base" : NULL, false, &err), 0);
	*fault = fault_open(s, &err);
	img = image_in(store_lend(*fault, &err), &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	return img;
}

static void finish(struct image *img, struct store *fault)
{
	struct open_args a = { .format = "qcow2", .for_check = true };

	if (image_close(img, &err)) {
		printf("\n%s\n", err.text);
		CU_FAIL("closing");
	}
	img = image_in(store_lend(fault, &err), &a, NULL, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	if (image_sound(img, &err)) {
		printf("\n%s\n", err.text);
		CU_FAIL("the image is not sound");
	}
	image_close(img, &err);
	store_close(fault, &err);
}

static void bad(struct worker *w, const char *what, uint64_t off)
{
	if (!w->failures++)
		printf("\nthread %u: %s at %" PRIu64 ": %s\n", w->number,
		    what, off, w->err.text);
	w->err.text[0] = '\0';
}

static void run(struct image *img, unsigned stripe, const uint8_t *base,
    unsigned threads, void *(*body)(void *))
{
	struct worker w[THREADS] = { 0 };

	for (unsigned i = 0; i < threads; i++) {
		w[i] = (struct worker){ .image = img, .stripe = stripe,
		    .number = i, .base = base };
		CU_ASSERT_EQUAL_FATAL(pthread_create(&w[i].thread, NULL,
		    body, &w[i]), 0);
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		CU_ASSERT_EQUAL(w[i].failures, 0);
	}
}

/* ---- everything at once */

static bool mine(const struct worker *w, uint64_t sector)
{
	return sector / w->stripe % THREADS == w->number;
}

/* Reads [off, off + len) and holds the own sectors against now. */
static void read_back(struct worker *w, const uint8_t *now, uint8_t *buf,
    uint64_t off, uint64_t len)
{
	if (image_read(w->image, buf, len, off, &w->err)) {
		bad(w, "read", off);
		return;
	}
	for (uint64_t s = div_up(off, SECTOR); (s + 1) * SECTOR <= off + len;
	    s++)
		if (mine(w, s) && memcmp(buf + s * SECTOR - off,
		    now + s * SECTOR, SECTOR)) {
			bad(w, "other data", s * SECTOR);
			return;
		}
}

/* Each run of own sectors in [from, to). */
static void change(struct worker *w, uint8_t *now, struct dice *d,
    uint64_t seq, uint64_t from, uint64_t to)
{
	unsigned how = (unsigned)dice_below(d, 10);

	for (uint64_t s = from, n; s < to; s += n ? n : 1) {
		uint64_t off = s * SECTOR, at = 0, len;
		uint8_t *p = now + off;
		int rc;

		for (n = 0; s + n < to && mine(w, s + n); n++)
			;
		if (!n)
			continue;
		len = n * SECTOR;
		if (how == 0) {		/* not whole sectors */
			at = dice_below(d, SECTOR - 1);
			len = 1 + dice_below(d, len - at - 1);
		}
		if (how < 7) {
			guest_pattern(p + at, off + at, len, seq, false);
			rc = image_write(w->image, p + at, len, off + at,
			    0, &w->err);
		} else if (how < 9) {
			memset(p, 0, len);
			rc = image_zero(w->image, off, len, how == 7 ?
			    IO_MAY_UNMAP : 0, &w->err);
		} else {
			rc = image_discard(w->image, off, len, &w->err);
			if (!rc)
				rc = image_read(w->image, p, len, off,
				    &w->err);
		}
		if (rc)
			bad(w, "change", off);
	}
}

static void *deal(void *arg)
{
	struct worker *w = arg;
	struct dice d = { w->number + 1000 };
	uint8_t *now = calloc(1, SIZE), *buf = malloc(LONGEST);

	if (w->base)
		memcpy(now, w->base, SIZE);
	for (unsigned i = 0; i < ROUNDS && !w->failures; i++) {
		uint64_t len = SECTOR << dice_below(&d, 9);
		uint64_t off = dice_below(&d, SIZE - len);
		unsigned what = (unsigned)dice_below(&d, 12);

		if (dice_below(&d, 3))	/* where all are */
			off %= 128 * 1024;
		if (what == 0) {
			if (image_flush(w->image, &w->err))
				bad(w, "flush", 0);
		} else if (what < 6) {
			read_back(w, now, buf, off, len);
		} else {
			change(w, now, &d, (uint64_t)i << 8 | w->number,
			    off / SECTOR, (off + len) / SECTOR);
		}
	}
	for (uint64_t off = 0; off < SIZE && !w->failures; off += LONGEST)
		read_back(w, now, buf, off, LONGEST);
	free(now);
	free(buf);
	return NULL;
}

static void everything_at_once(const char *create, bool base, unsigned stripe)
{
	uint8_t *b = base ? base_bytes() : NULL;
	struct store *fault;
	struct image *img = make(create, base, &fault);

	run(img, stripe, b, THREADS, deal);
	finish(img, fault);
	free(b);
}

static void small_clusters(void)
{
	everything_at_once("cluster_size=512", false, 3);
}

static void clusters_of_all(void)
{
	everything_at_once("cluster_size=64k", false, 1);
}

static void over_a_backing_image(void)
{
	everything_at_once("cluster_size=16k", true, 1);
}

static void subclusters(void)
{
	everything_at_once("cluster_size=64k,extended_l2=on", true, 5);
}

static void lazy(void)
{
	everything_at_once("cluster_size=4k,lazy_refcounts=on", true, 3);
}

static void large_requests(void)
{
	everything_at_once("cluster_size=64k", true, 255);
}

/* ---- whole clusters, compressed among others */

enum { UNIT = 4096 };

/* Clusters in turn; packed ones share host clusters. */
static void *pack(void *arg)
{
	struct worker *w = arg;
	struct dice d = { w->number + 2000 };
	uint8_t buf[UNIT], back[UNIT];
	uint64_t seq[SIZE / UNIT] = { 0 };

	for (unsigned i = 1; i <= ROUNDS && !w->failures; i++) {
		uint64_t c = dice_below(&d, 16) * THREADS + w->number;
		bool drop = dice_below(&d, 6) == 0;
		int rc;

		guest_pattern(buf, c * UNIT, UNIT, seq[c], true);
		if (!seq[c])
			memset(buf, 0, UNIT);
		if (image_read(w->image, back, UNIT / 2, c * UNIT + 700,
		    &w->err) || memcmp(back, buf + 700, UNIT / 2)) {
			bad(w, "reading", c * UNIT);
			break;
		}
		if (drop) {
			seq[c] = 0;
			rc = image_zero(w->image, c * UNIT, UNIT,
			    IO_MAY_UNMAP, &w->err);
		} else {
			seq[c] = (uint64_t)i << 8 | w->number | 1u << 30;
			guest_pattern(buf, c * UNIT, UNIT, seq[c], true);
			rc = image_write(w->image, buf, UNIT, c * UNIT,
			    i % 4 ? IO_PACK : 0, &w->err);
		}
		if (rc)
			bad(w, "writing", c * UNIT);
		if (i % 40 == 0 && image_flush(w->image, &w->err))
			bad(w, "flush", 0);
	}
	return NULL;
}

static void packed_clusters(void)
{
	struct store *fault;
	struct image *img = make("cluster_size=4k", false, &fault);

	run(img, 1, NULL, THREADS, pack);
	finish(img, fault);
}

/* ---- tables that come and go */

/* A place has the pattern of its own offset. */
static void *read_about(void *arg)
{
	struct worker *w = arg;
	struct dice d = { w->number + 3000 };
	uint8_t buf[4 * SECTOR], want[4 * SECTOR];

	for (unsigned i = 0; i < ROUNDS * 8 && !w->failures; i++) {
		uint64_t off = dice_below(&d, SIZE / SECTOR - 4) * SECTOR;

		if (image_read(w->image, buf, sizeof(buf), off, &w->err))
			bad(w, "read", off);
		guest_pattern(want, off, sizeof(want), 7, true);
		if (memcmp(buf, want, sizeof(buf)))
			bad(w, "other data", off);
	}
	return NULL;
}

/* 32 tables in a cache for 8; one of two places is another's host order, so
 * that a table read for another gives other data. */
static void a_cache_too_small(void)
{
	struct open_args a = { .format = "qcow2" };
	struct store *fault;
	struct image *img = make("cluster_size=512", false, &fault);
	uint8_t buf[SECTOR];

	for (uint64_t i = 0; i < SIZE / SECTOR; i++) {
		uint64_t off = i * 37 % (SIZE / SECTOR) * SECTOR;

		guest_pattern(buf, off, SECTOR, 7, true);
		CU_ASSERT_EQUAL_FATAL(image_write(img, buf, SECTOR, off, 0,
		    &err), 0);
	}
	CU_ASSERT_EQUAL_FATAL(image_close(img, &err), 0);
	img = image_in(store_lend(fault, &err), &a, "l2-cache-size=1k",
	    &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	run(img, 1, NULL, THREADS, read_about);
	finish(img, fault);
}

/* ---- windows held open */

/* Between claim and commit of one cluster its neighbour writes: two claims of
 * the same cluster would each fill the other's part with what was before. */
static void *write_own_part(void *arg)
{
	struct worker *w = arg;
	uint8_t buf[SECTOR];

	for (unsigned c = 0; c < 8; c++) {
		uint64_t off = c * 65536ull + w->number * 4096ull;

		guest_pattern(buf, off, SECTOR, c + 1, false);
		if (image_write(w->image, buf, SECTOR, off, 0, &w->err))
			bad(w, "write", off);
	}
	return NULL;
}

static void two_claims_of_one_cluster(void)
{
	struct fault_rule pause = { .ops = FAULT_WRITE, .event = EVENT_DATA,
	    .pause_ms = 8 }, cow = pause;
	struct store *fault;
	uint8_t *b = base_bytes(), want[SECTOR], got[SECTOR];
	struct image *img = make("cluster_size=64k", true, &fault);

	cow.event = EVENT_COW_WRITE;
	fault_add(fault, &pause, &err);
	fault_add(fault, &cow, &err);
	run(img, 1, NULL, THREADS, write_own_part);
	fault_clear(fault);
	for (uint64_t off = 0; off < 8 * 65536; off += SECTOR) {
		uint64_t c = off / 65536;

		memcpy(want, b + off, SECTOR);
		if (off % 4096 == 0 && off % 65536 < THREADS * 4096)
			guest_pattern(want, off, SECTOR, c + 1, false);
		CU_ASSERT_EQUAL(image_read(img, got, SECTOR, off, &err), 0);
		if (memcmp(got, want, SECTOR)) {
			printf("\nat %" PRIu64 "\n", off);
			CU_FAIL("a neighbour's write is lost");
			break;
		}
	}
	finish(img, fault);
	free(b);
}

/*
 * A reader has mapped a cluster and is slow; meanwhile it is discarded,
 * flushed, given back, and another's data comes in its place.  The reader
 * sees its own bytes or zeros.
 */
enum { PLACES = 8 };

static void *read_slowly(void *arg)
{
	struct worker *w = arg;
	uint8_t buf[SECTOR], mixed[SECTOR];

	for (unsigned i = 0; i < ROUNDS / 5 && !w->failures; i++) {
		uint64_t off = (i % PLACES) * 65536ull;

		if (image_read(w->image, buf, SECTOR, off, &w->err)) {
			bad(w, "read", off);
			break;
		}
		if (bytes_are_zero(buf, SECTOR))
			continue;
		guest_pattern(mixed, off, SECTOR, 5, false);
		if (memcmp(buf, mixed, SECTOR))
			bad(w, "another place's data", off);
	}
	return NULL;
}

static void *discard_and_reuse(void *arg)
{
	struct worker *w = arg;
	uint8_t buf[SECTOR];

	for (unsigned i = 0; i < ROUNDS / 5 && !w->failures; i++) {
		uint64_t off = (i * 7 % PLACES) * 65536ull;

		guest_pattern(buf, off, SECTOR, 5, false);
		if (image_discard(w->image, off, 65536, &w->err) ||
		    image_flush(w->image, &w->err) ||
		    image_write(w->image, buf, SECTOR, off, 0, &w->err))
			bad(w, "discard, flush, write", off);
	}
	return NULL;
}

static void *either(void *arg)
{
	struct worker *w = arg;

	return w->number < 2 ? discard_and_reuse(w) : read_slowly(w);
}

static void a_slow_reader_of_what_is_given_back(void)
{
	struct fault_rule slow = { .ops = FAULT_READ, .event = EVENT_DATA,
	    .pause_ms = 1 };
	struct store *fault;
	struct image *img = make("cluster_size=64k", false, &fault);

	fault_add(fault, &slow, &err);
	run(img, 1, NULL, 5, either);
	fault_clear(fault);
	finish(img, fault);
}

/* A write in place to a cluster that another thread discards: it must have
 * ended before the cluster is given to somebody else. */
static void *write_slowly(void *arg)
{
	struct worker *w = arg;
	uint8_t buf[SECTOR], back[SECTOR];

	for (unsigned i = 0; i < ROUNDS / 8 && !w->failures; i++) {
		uint64_t place = i % PLACES;
		uint64_t off = place * 65536 + w->number * 1024ull;

		if (w->number < 2) {
			/* Goes on and on about all places. */
			image_discard(w->image, place * 65536, 65536,
			    &w->err);
			if (image_flush(w->image, &w->err))
				bad(w, "flush", 0);
			continue;
		}
		/* The own place, out of the discarders' reach. */
		off += PLACES * 65536;
		guest_pattern(buf, off, SECTOR, i, false);
		if (image_write(w->image, buf, SECTOR, off, 0, &w->err) ||
		    image_read(w->image, back, SECTOR, off, &w->err))
			bad(w, "write and read", off);
		else if (memcmp(buf, back, SECTOR))
			bad(w, "another place's write", off);
		/* And in theirs. */
		if (image_write(w->image, buf, SECTOR, off - PLACES * 65536,
		    0, &w->err))
			bad(w, "write", off);
		if (i % 8 == 7 && image_zero(w->image, (PLACES + place) *
		    65536 + w->number * 1024ull, 1, IO_MAY_UNMAP, &w->err))
			bad(w, "zero", off);
	}
	return NULL;
}

static void a_slow_write_to_what_is_given_back(void)
{
	struct fault_rule slow = { .ops = FAULT_WRITE, .event = EVENT_DATA,
	    .pause_ms = 1 };
	struct store *fault;
	struct image *img = make("cluster_size=64k", false, &fault);

	fault_add(fault, &slow, &err);
	run(img, 1, NULL, 6, write_slowly);
	fault_clear(fault);
	finish(img, fault);
}

static const struct unit_test tests[] = {
	{ "512 byte clusters, everything at once", small_clusters },
	{ "64k clusters shared by all", clusters_of_all },
	{ "over a backing image", over_a_backing_image },
	{ "subclusters over a backing image", subclusters },
	{ "lazy refcounts", lazy },
	{ "large requests", large_requests },
	{ "compressed clusters", packed_clusters },
	{ "a cache too small for its readers", a_cache_too_small },
	{ "two claims of one cluster wait for each other",
	    two_claims_of_one_cluster },
	{ "what a slow reader reads is not given away",
	    a_slow_reader_of_what_is_given_back },
	{ "what a slow writer writes is not given away",
	    a_slow_write_to_what_is_given_back },
	{ 0 }
};

int main(void)
{
	return unit_run("engine", tests);
}

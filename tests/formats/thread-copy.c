/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * thread-copy.c - many readers and one writer copy an image into a file
 *
 * Reads and writes are slowed down in turn, so that the pieces that were read
 * wait for the writer and the writer for the readers.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "copy.h"
#include "store/fault.h"
#include "support/guest.h"
#include "support/unit.h"

enum { SIZE = 24 << 20, BLOCK = 64 << 10, THREADS = 8, FIRST = 10 };

static struct error err;

/* What the hooks of the stores see and do. */
struct window {
	unsigned sleep_us;
	atomic_uint inside, together, calls;
	sig_atomic_t stop;
	unsigned stop_at;	/* call; 0: none */
};

static void pass(void *arg)
{
	struct window *w = arg;
	struct timespec t = { 0, w->sleep_us * 1000l };

	if (atomic_fetch_add(&w->inside, 1))
		atomic_fetch_add(&w->together, 1);
	nanosleep(&t, NULL);
	atomic_fetch_sub(&w->inside, 1);
	if (atomic_fetch_add(&w->calls, 1) + 1 == w->stop_at)
		__atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
}

/* A file; its data passes the window. */
static struct store *open_file(const char *name, bool create,
    struct window *w, int error)
{
	struct file_args a = { .writable = true, .create = create };
	struct store *s = file_open(name, &a, &err);
	struct fault_rule first = { .ops = FAULT_READ | FAULT_WRITE,
	    .event = EVENT_DATA, .skip = FIRST, .count = 1, .error = error };
	struct fault_rule all = { .ops = FAULT_READ | FAULT_WRITE,
	    .event = EVENT_DATA, .hook = pass, .hook_arg = w };

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	s = fault_open(s, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	if (error)
		CU_ASSERT_EQUAL_FATAL(fault_add(s, &first, &err), 0);
	CU_ASSERT_EQUAL_FATAL(fault_add(s, &all, &err), 0);
	return s;
}

/* Four blocks of five have data. */
static void there_is_a_disk_with_holes(void)
{
	struct file_args a = { .writable = true, .create = true };
	struct store *s = file_open("source", &a, &err);
	uint8_t *b = malloc(BLOCK);

	CU_ASSERT_FATAL(s && b);
	CU_ASSERT_EQUAL(store_resize(s, SIZE, PREALLOC_OFF, &err), 0);
	for (uint64_t off = 0; off < SIZE; off += BLOCK) {
		guest_pattern(b, off, BLOCK, 1, false);
		if (off / BLOCK % 5 != 2)
			CU_ASSERT_EQUAL(store_pwrite(s, b, BLOCK, off,
			    EVENT_DATA, &err), 0);
	}
	free(b);
	CU_ASSERT_EQUAL(store_close(s, &err), 0);
}

/* Returns what copy_run() does; *end: how long the file is then. */
static int copy(const char *format, const char *to, unsigned threads,
    struct window *reads, struct window *writes, int error, uint64_t *end)
{
	struct open_args raw = { .format = "raw" };
	struct open_args a = { .format = format, .writable = true,
	    .incomplete = true, .incomplete_size = SIZE };
	struct store *s = open_file(to, true, writes, error);
	struct copy_source cs = { .len = SIZE };
	struct copy_args ca = { .sources = &cs, .source_count = 1,
	    .threads = threads, .sparse = 4096, .target_zero = true,
	    .stop = &writes->stop };
	struct error ignored;
	int rc;

	CU_ASSERT_EQUAL_FATAL(image_make(s, format, SIZE, NULL, NULL, true,
	    &err), 0);
	cs.image = image_in(open_file("source", false, reads, 0), &raw, NULL,
	    &err);
	ca.target = image_in(s, &a, NULL, &err);
	CU_ASSERT_FATAL(cs.image && ca.target);
	rc = copy_run(&ca, NULL, &err);
	*end = store_size(s);
	CU_ASSERT(rc || !image_finish(ca.target, &err));
	CU_ASSERT(!image_close(ca.target, &ignored) || rc);
	CU_ASSERT_EQUAL(image_close(cs.image, &ignored), 0);
	return rc;
}

static bool same_file(const char *a, const char *b)
{
	char command[80];

	snprintf(command, sizeof(command), "cmp %s %s", a, b);
	return !system(command);
}

static void result_is_the_same(const char *format)
{
	static const unsigned threads[] = { 1, 2, 3, THREADS };
	uint64_t end;

	for (unsigned i = 0; i < 8; i++) {
		struct window reads = { .sleep_us = i % 2 ? 1000 : 0 };
		struct window writes = { .sleep_us = i % 2 ? 0 : 1000 };

		CU_ASSERT_EQUAL(copy(format, i ? "other" : "first",
		    threads[i / 2], &reads, &writes, 0, &end), 0);
		CU_ASSERT(!i || same_file("first", "other"));
		CU_ASSERT_EQUAL(atomic_load(&writes.together), 0);
	}
}

static void raw_files_are_the_same_for_any_number_of_threads(void)
{
	result_is_the_same("raw");
	CU_ASSERT(same_file("source", "first"));
}

static void qcow2_files_are_the_same_for_any_number_of_threads(void)
{
	result_is_the_same("qcow2");
}

static void nothing_follows_a_failed_write(void)
{
	struct window reads = { 0 }, writes = { .sleep_us = 100 };
	uint64_t end;

	for (unsigned i = 0; i < 8; i++) {
		atomic_store(&writes.calls, 0);
		CU_ASSERT_EQUAL(copy("raw", "failed", THREADS, &reads,
		    &writes, EIO, &end), -EIO);
		CU_ASSERT_EQUAL(atomic_load(&writes.calls), FIRST);
		CU_ASSERT(end < SIZE);
	}
}

static void a_stop_is_heard(void)
{
	struct window reads = { 0 };
	uint64_t end;

	for (unsigned threads = 1; threads <= THREADS; threads++) {
		struct window writes = { .sleep_us = 100, .stop_at = FIRST };

		CU_ASSERT_EQUAL(copy("raw", "stopped", threads, &reads,
		    &writes, 0, &end), -EINTR);
		CU_ASSERT(end < SIZE);
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "there is a disk with holes", there_is_a_disk_with_holes },
		{ "raw files are the same for any number of threads",
		    raw_files_are_the_same_for_any_number_of_threads },
		{ "qcow2 files are the same for any number of threads",
		    qcow2_files_are_the_same_for_any_number_of_threads },
		{ "nothing follows a failed write",
		    nothing_follows_a_failed_write },
		{ "a stop is heard", a_stop_is_heard },
		{ NULL, NULL }
	};

	return unit_run("copy", tests);
}

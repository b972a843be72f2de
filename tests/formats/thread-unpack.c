/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-unpack.c - threads that read a compressed file at any places while it
 * is unpacked see its contents, and may stop at any time */
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/protocol.h"
#include "support/unit.h"

enum { SIZE = 6 << 20, HOLE = 1 << 20, THREADS = 6, READS = 60,
    READ_MAX = 200000 };

static uint8_t *contents;
static struct error err;

static uint32_t next(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	return *x ^= *x << 5;
}

/* The second MiB of three is zeros. */
static void make_contents(void)
{
	uint32_t x = 2463534242u;
	FILE *f = fopen("contents", "we");

	contents = calloc(1, SIZE);
	for (size_t i = 0; i < SIZE; i += 4)
		if (i / HOLE % 3 != 1)
			memcpy(contents + i, &(uint32_t){ next(&x) & 0xffff },
			    4);
	if (!f || fwrite(contents, 1, SIZE, f) != SIZE || fclose(f))
		abort();
}

static struct store *open_packed(const char *name)
{
	struct file_args args = { .no_lock = true };
	struct store *s = file_open(name, &args, &err);

	if (!s || protocol_unpack(&s, NULL, &err)) {
		fprintf(stderr, "%s\n", err.text);
		CU_FAIL_FATAL("not opened");
	}
	CU_ASSERT_EQUAL(store_size(s), SIZE);
	return s;
}

struct reader {
	struct store *s;
	unsigned number;
	unsigned wrong;
};

static void *read_about(void *arg)
{
	struct reader *r = arg;
	uint32_t x = 88675123u + r->number;
	uint8_t *buf = malloc(READ_MAX);
	struct error e;

	for (unsigned i = 0; i < READS; i++) {
		uint64_t off = next(&x) % SIZE, run;
		size_t len = min64(1 + next(&x) % READ_MAX, SIZE - off);
		bool data;

		if (store_pread(r->s, buf, len, off, EVENT_DATA, &e) ||
		    memcmp(buf, contents + off, len))
			r->wrong++;
		if (store_extent(r->s, off, SIZE - off, &data, &run, &e) ||
		    !run || (!data && !bytes_are_zero(contents + off, run)))
			r->wrong++;
	}
	free(buf);
	return NULL;
}

static void all_read(const char *name)
{
	struct store *s = open_packed(name);
	struct reader r[THREADS];
	pthread_t id[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		r[i] = (struct reader){ s, i, 0 };
		if (pthread_create(&id[i], NULL, read_about, &r[i]))
			abort();
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(id[i], NULL);
		CU_ASSERT_EQUAL(r[i].wrong, 0);
	}
	CU_ASSERT_EQUAL(store_close(s, &err), 0);
}

static void xz_of_one_block(void)
{
	all_read("one.xz");
}

static void xz_of_many_blocks(void)
{
	all_read("many.xz");
}

static void zstd_of_one_frame(void)
{
	all_read("one.zst");
}

static void zstd_of_many_frames_without_sizes(void)
{
	all_read("many.zst");
}

static void gzip_in_one_go(void)
{
	all_read("one.gz");
}

static void closing_at_once_ends_the_threads(void)
{
	static const char *const names[] = { "many.xz", "one.xz", "one.zst" };

	for (unsigned i = 0; i < 9; i++)
		CU_ASSERT_EQUAL(store_close(open_packed(names[i % 3]), &err),
		    0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "xz of one block", xz_of_one_block },
		{ "xz of many blocks", xz_of_many_blocks },
		{ "zstd of one frame", zstd_of_one_frame },
		{ "zstd of many frames without sizes",
		    zstd_of_many_frames_without_sizes },
		{ "gzip in one go", gzip_in_one_go },
		{ "closing at once ends the threads",
		    closing_at_once_ends_the_threads },
		{ 0 }
	};
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	if (n <= 0)
		return 1;
	path[n] = '\0';
	strcat(dirname(path), "/../../lib/cowbird");
	setenv("COWBIRD_MODULES", path, 1);
	setenv("TMPDIR", ".", 1);
	make_contents();
	if (system("gzip -1 <contents >one.gz && xz -0 <contents >one.xz && "
	    "xz -0 --block-size=1MiB <contents >many.xz && "
	    "zstd -q contents -o one.zst && "
	    "split -b 1M contents part. && "
	    "for p in part.*; do zstd -q <$p; done >many.zst")) {
		puts("needs gzip, xz and zstd");
		return 77;
	}
	return unit_run("unpack", tests);
}

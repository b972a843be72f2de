/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* thread-store.c - stores that many threads write at once lose nothing */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/fault.h"
#include "store/store.h"
#include "support/unit.h"

enum { THREADS = 4, PIECE = 100, PIECES = 1500, ROUNDS = 3 };

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

struct worker {
	pthread_t thread;
	struct store *store;
	unsigned number;
	unsigned failures;
	uint64_t base;
	struct error err;
};

static void run(struct store *s, void *(*body)(void *))
{
	struct worker w[THREADS] = { 0 };

	for (unsigned i = 0; i < THREADS; i++) {
		w[i].store = s;
		w[i].number = i;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&w[i].thread, NULL, body,
		    &w[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		CU_ASSERT_EQUAL(w[i].failures, 0);
	}
}

static struct store *make(bool direct)
{
	struct file_args args = { .create = true, .direct = direct };
	struct store *s;

	unlink("image");
	s = file_open("image", &args, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static char pattern(unsigned piece, unsigned round)
{
	return (char)(1 + (piece * 7 + round * 31) % 251);
}

/* Pieces of 100 bytes, dealt in turn: five to a sector, each another
 * thread's.  What a thread wrote it finds again at once. */
static void *deal(void *arg)
{
	struct worker *w = arg;
	char buf[PIECE], back[PIECE];

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = w->number; i < PIECES; i += THREADS) {
			uint64_t off = (uint64_t)i * PIECE;

			memset(buf, pattern(i, round), PIECE);
			if (store_pwrite(w->store, buf, PIECE, off, EVENT_DATA,
			    &w->err) < 0 ||
			    store_pread(w->store, back, PIECE, off, EVENT_DATA,
			    &w->err) < 0 || memcmp(buf, back, PIECE))
				w->failures++;
		}
	}
	return NULL;
}

static void check_dealt(struct store *s)
{
	char buf[PIECE];
	unsigned wrong = 0;

	for (unsigned i = 0; i < PIECES; i++) {
		OK(store_pread(s, buf, PIECE, (uint64_t)i * PIECE, EVENT_DATA,
		    &err));
		for (unsigned k = 0; k < PIECE; k++)
			wrong += buf[k] != pattern(i, ROUNDS - 1);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(store_size(s), PIECES * PIECE);
}

static void deal_to_file(bool direct, bool sized)
{
	struct stat st;
	struct store *s = make(direct);

	if (sized)
		OK(store_resize(s, PIECES * PIECE, PREALLOC_FULL, &err));
	run(s, deal);
	check_dealt(s);
	CU_ASSERT_EQUAL(stat("image", &st), 0);
	CU_ASSERT_EQUAL(st.st_size, PIECES * PIECE);
	OK(store_sync(s, &err));
	OK(store_close(s, &err));
}

static void neighbours_in_a_sector_lose_nothing(void)
{
	deal_to_file(true, true);
}

static void neighbours_past_the_end_lose_nothing(void)
{
	deal_to_file(true, false);
}

static void buffered_neighbours_lose_nothing(void)
{
	deal_to_file(false, false);
}

static void neighbours_in_memory_lose_nothing(void)
{
	struct store *s = memory_open(0, &err), *other;

	run(s, deal);
	check_dealt(s);
	/* Now all pages are shared. */
	other = memory_clone(s, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(other);
	run(s, deal);
	check_dealt(s);
	check_dealt(other);
	OK(store_close(other, &err));
	OK(store_close(s, &err));
}

/* The same, where every other piece is made zero. */
static void *deal_zeros(void *arg)
{
	struct worker *w = arg;
	char buf[PIECE];

	for (unsigned i = w->number; i < PIECES; i += THREADS) {
		uint64_t off = (uint64_t)i * PIECE;
		int ret;

		memset(buf, pattern(i, 0), PIECE);
		if (i / THREADS % 2)
			ret = store_pwrite(w->store, buf, PIECE, off,
			    EVENT_DATA, &w->err);
		else
			ret = store_zero(w->store, off, PIECE, i & 1,
			    &w->err);
		w->failures += ret < 0;
	}
	return NULL;
}

static void zeros_beside_writes_are_not_undone(void)
{
	struct store *s = make(true);
	unsigned wrong = 0;
	char buf[PIECE];

	for (unsigned round = 0; round < 5; round++) {
		memset(buf, '?', PIECE);
		for (unsigned i = 0; i < PIECES; i++)
			OK(store_pwrite(s, buf, PIECE, (uint64_t)i * PIECE,
			    EVENT_DATA, &err));
		run(s, deal_zeros);
		for (unsigned i = 0; i < PIECES; i++) {
			OK(store_pread(s, buf, PIECE, (uint64_t)i * PIECE,
			    EVENT_DATA, &err));
			for (unsigned k = 0; k < PIECE; k++)
				wrong += buf[k] != (i / THREADS % 2 ?
				    pattern(i, 0) : 0);
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
	OK(store_close(s, &err));
}

/* Each thread appends, and zeros past the end what another appends after. */
static void *append(void *arg)
{
	struct worker *w = arg;
	char *buf = malloc(8192);

	for (unsigned i = w->number; buf && i < 800; i += THREADS) {
		uint64_t off = (uint64_t)i * 8192;
		int ret;

		memset(buf, (int)(1 + i % 255), 8192);
		if (i % 2)
			ret = store_pwrite(w->store, buf, 8192, off,
			    EVENT_DATA, &w->err);
		else
			ret = store_zero(w->store, off, 8192,
			    i % 4 ? STORE_MAY_PUNCH : 0, &w->err);
		w->failures += ret < 0;
	}
	w->failures += !buf;
	free(buf);
	return NULL;
}

static void zeros_past_the_end_cut_nobody_off(void)
{
	for (int kind = 0; kind < 3; kind++) {
		struct store *s = kind < 2 ? make(kind) : memory_open(0, &err);
		unsigned wrong = 0;
		char c[8192];

		run(s, append);
		CU_ASSERT_EQUAL(store_size(s), 800 * 8192);
		for (unsigned i = 0; i < 800; i++) {
			OK(store_pread(s, c, sizeof(c), (uint64_t)i * 8192,
			    EVENT_DATA, &err));
			for (size_t k = 0; k < sizeof(c); k += 512)
				wrong += c[k] != (char)(i % 2 ? 1 + i % 255 :
				    0);
		}
		CU_ASSERT_EQUAL(wrong, 0);
		OK(store_close(s, &err));
	}
}

/* A write, a flush, and at once every cut of the record must have it. */
static void *write_and_flush(void *arg)
{
	struct worker *w = arg;
	char buf[512], back[512];
	struct error e;

	memset(buf, 'a' + (int)w->number, sizeof(buf));
	for (unsigned i = 0; i < 40; i++) {
		uint64_t off = (uint64_t)(i * THREADS + w->number) * 512;
		struct store *c;

		if (store_pwrite(w->store, buf, sizeof(buf), off, EVENT_DATA,
		    &w->err) < 0 || store_sync(w->store, &w->err) < 0) {
			w->failures++;
			continue;
		}
		c = fault_cut(w->store, fault_steps(w->store), 0, 0, &w->err);
		if (!c || store_pread(c, back, sizeof(back), off, EVENT_DATA,
		    &w->err) < 0 || memcmp(buf, back, sizeof(buf)))
			w->failures++;
		store_close(c, &e);
	}
	return NULL;
}

static void a_flush_covers_every_write_before_it(void)
{
	struct store *s = fault_open(memory_open(0, &err), &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	OK(fault_record(s, &err));
	run(s, write_and_flush);
	OK(store_close(s, &err));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "direct neighbours in a sector lose nothing",
		    neighbours_in_a_sector_lose_nothing },
		{ "direct neighbours past the end lose nothing",
		    neighbours_past_the_end_lose_nothing },
		{ "buffered neighbours lose nothing",
		    buffered_neighbours_lose_nothing },
		{ "neighbours in memory lose nothing",
		    neighbours_in_memory_lose_nothing },
		{ "zeros beside direct writes are not undone",
		    zeros_beside_writes_are_not_undone },
		{ "zeros past the end cut nobody off",
		    zeros_past_the_end_cut_nobody_off },
		{ "a flush covers every write before it",
		    a_flush_covers_every_write_before_it },
		{ NULL, NULL }
	};

	return unit_run("stores under threads", tests);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bits.c - the sparse set agrees with a plain array, and grows */
#include "base/bits.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "support/unit.h"

static void ranges_agree_with_a_plain_array(void)
{
	enum { N = 100000 };
	AUTO_FREE bool *plain = calloc(N, 1);
	unsigned seed = 1;
	struct error err;
	struct bits b;

	bits_init(&b);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t first = (uint64_t)rand_r(&seed) % N;
		uint64_t most = i % 7 ? 200 : 40000;
		uint64_t n = min64((uint64_t)rand_r(&seed) % most, N - first);
		bool *any = memchr(plain + first, true, n), was = !any;

		CU_ASSERT_EQUAL(bits_any(&b, first, n), any != NULL);
		if (rand_r(&seed) % 3 == 0) {
			CU_ASSERT_EQUAL(bits_add(&b, first, n, &was, &err), 0);
			CU_ASSERT_EQUAL(was, any != NULL);
			memset(plain + first, true, n);
		} else {
			bits_remove(&b, first, n);
			memset(plain + first, false, n);
		}
	}
	for (unsigned i = 0; i < N; i++)
		if (bits_any(&b, i, 1) != plain[i])
			CU_FAIL("a bit differs");
	bits_fini(&b);
}

static void runs_agree_with_a_plain_array(void)
{
	enum { N = 200000 };
	AUTO_FREE bool *plain = calloc(N + 1, 1);
	AUTO_FREE uint64_t *words = calloc(N / 64 + 1, 8);
	unsigned seed = 3;
	struct error err;
	struct bits b;
	uint64_t run;

	bits_init(&b);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t first = (uint64_t)rand_r(&seed) % N;
		uint64_t most = i % 9 ? 3 : 30000;
		uint64_t n = min64((uint64_t)rand_r(&seed) % most, N - first);

		memset(plain + first, true, n);
	}
	memset(plain + 70000, false, 66000);	/* leaves that are not there */
	for (unsigned i = 0; i < N; i++)
		words[i / 64] |= (uint64_t)plain[i] << i % 64;
	CU_ASSERT_EQUAL(bits_add_words(&b, 0, words, N / 64, &err), 0);
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t first = (uint64_t)rand_r(&seed) % N, k = first;
		uint64_t n = 1 + (uint64_t)rand_r(&seed) % (N - first);

		while (k < first + n && plain[k] == plain[first])
			k++;
		if (bits_run(&b, first, n, &run) != plain[first] ||
		    run != k - first)
			CU_FAIL("a run differs");
	}
	CU_ASSERT_FALSE(bits_run(&b, N, UINT64_MAX - N, &run));
	CU_ASSERT_EQUAL(run, UINT64_MAX - N);
	CU_ASSERT_FALSE(bits_run(&b, 1ull << 60, 5, &run));
	CU_ASSERT_EQUAL(run, 5);
	CU_ASSERT_EQUAL(bits_add_words(&b, 1ull << 54, words, 1, &err),
	    -EFBIG);
	bits_fini(&b);
}

static void the_tree_grows_and_keeps_what_it_had(void)
{
	struct error err;
	struct bits b;
	bool was;

	bits_init(&b);
	for (unsigned shift = 0; shift < 54; shift++) {
		CU_ASSERT_FALSE(bits_any(&b, 1ull << shift, 1));
		CU_ASSERT_EQUAL(bits_add(&b, 1ull << shift, 1, &was, &err), 0);
		CU_ASSERT_FALSE(was);
	}
	for (unsigned shift = 0; shift < 54; shift++) {
		CU_ASSERT(bits_any(&b, 1ull << shift, 1));
		CU_ASSERT_FALSE(bits_any(&b, (1ull << shift) + 1,
		    shift < 2 ? 0 : (1ull << shift) - 1));
	}
	bits_fini(&b);
}

static void numbers_too_large_are_refused_and_never_there(void)
{
	const uint64_t limit = 1ull << 54;
	struct error err;
	struct bits b;

	bits_init(&b);
	CU_ASSERT_EQUAL(bits_add(&b, limit, 1, NULL, &err), -EFBIG);
	CU_ASSERT_EQUAL(bits_add(&b, limit - 1, 2, NULL, &err), -EFBIG);
	CU_ASSERT_EQUAL(bits_add(&b, 5, UINT64_MAX, NULL, &err), -EFBIG);
	CU_ASSERT_EQUAL(bits_add(&b, UINT64_MAX, UINT64_MAX, NULL, &err),
	    -EFBIG);
	CU_ASSERT_FALSE(bits_any(&b, 0, UINT64_MAX));
	CU_ASSERT_EQUAL(bits_add(&b, limit - 1, 1, NULL, &err), 0);
	CU_ASSERT(bits_any(&b, 0, UINT64_MAX));
	CU_ASSERT_FALSE(bits_any(&b, limit, UINT64_MAX));
	bits_remove(&b, 0, UINT64_MAX);
	CU_ASSERT_FALSE(bits_any(&b, 0, limit));
	bits_fini(&b);
}

static void nothing_is_in_an_empty_range(void)
{
	struct error err;
	struct bits b;
	bool was = true;

	bits_init(&b);
	CU_ASSERT_EQUAL(bits_add(&b, 3, 0, &was, &err), 0);
	CU_ASSERT_FALSE(was);
	CU_ASSERT_EQUAL(bits_add(&b, 3, 1, NULL, &err), 0);
	CU_ASSERT_FALSE(bits_any(&b, 3, 0));
	CU_ASSERT(bits_any(&b, 0, 64));
	bits_fini(&b);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "ranges agree with a plain array",
		    ranges_agree_with_a_plain_array },
		{ "runs agree with a plain array",
		    runs_agree_with_a_plain_array },
		{ "the tree grows and keeps what it had",
		    the_tree_grows_and_keeps_what_it_had },
		{ "numbers too large are refused, and never there",
		    numbers_too_large_are_refused_and_never_there },
		{ "nothing is in an empty range",
		    nothing_is_in_an_empty_range },
		{ NULL, NULL }
	};

	return unit_run("bits", tests);
}

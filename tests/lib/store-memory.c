/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store-memory.c - the store in memory: contents, holes, clones */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/store.h"
#include "support/unit.h"

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

static void agrees_with_a_plain_array(void)
{
	enum { AREA = 700000, MOST = 200000 };
	static uint8_t flat[AREA + MOST], buf[MOST];
	struct store *s = memory_open(0, &err);
	uint64_t size = 0;
	unsigned seed = 3;

	memset(flat, 0, sizeof(flat));
	for (int i = 0; i < 4000; i++) {
		size_t len = (size_t)rand_r(&seed) % (i % 9 ? 9000 : MOST);
		uint64_t off = (uint64_t)rand_r(&seed) % AREA;

		if (i % 3 == 0)
			off = align_down(off, 65536);
		switch (rand_r(&seed) % 6) {
		case 0: case 1:
			memset(buf, rand_r(&seed), len);
			memcpy(flat + off, buf, len);
			OK(store_pwrite(s, buf, len, off, EVENT_DATA, &err));
			size = len ? max64(size, off + len) : size;
			break;
		case 2:
			memset(flat + off, 0, len);
			OK(store_zero(s, off, len, i & 1, &err));
			size = len ? max64(size, off + len) : size;
			break;
		case 3:
			memset(flat + off, 0, len);
			OK(store_punch(s, off, len, &err));
			break;
		case 4:
			if (i % 7)
				break;
			if (off < size)
				memset(flat + off, 0, size - off);
			OK(store_resize(s, off, PREALLOC_OFF, &err));
			size = off;
			break;
		default:
			OK(store_pread(s, buf, len, off, EVENT_DATA, &err));
			CU_ASSERT_EQUAL_FATAL(memcmp(buf, flat + off, len), 0);
		}
		CU_ASSERT_EQUAL_FATAL(store_size(s), size);
	}
	OK(store_close(s, &err));
}

static void pages_not_written_are_holes(void)
{
	/* Under and over each level of the tree. */
	static const uint64_t at[] = { 0, 64 * KIB, 4 * MIB, 300 * MIB,
	    17 * TIB, 1ull << 53, 1ull << 62 };
	struct store *s = memory_open(SIZE_LIMIT, &err);
	uint64_t off = 0, run;
	struct store_stat st;
	bool data;

	for (size_t i = ARRAY_LEN(at); i--; )
		OK(store_pwrite(s, "x", 1, at[i] + 5, EVENT_DATA, &err));
	OK(store_stat(s, &st, &err));
	CU_ASSERT_EQUAL(st.allocated, ARRAY_LEN(at) * 64 * KIB);
	for (size_t i = 1; i < ARRAY_LEN(at); i++) {
		OK(store_extent(s, off, SIZE_LIMIT - off, &data, &run, &err));
		CU_ASSERT(data);
		CU_ASSERT_EQUAL(run, i == 1 ? 128 * KIB : 64 * KIB);
		off += run;
		if (i == 1)
			i++;
		OK(store_extent(s, off + 9, SIZE_LIMIT - off - 9, &data, &run,
		    &err));
		CU_ASSERT(!data);
		CU_ASSERT_EQUAL_FATAL(off + 9 + run, at[i]);
		off = at[i];
	}
	OK(store_punch(s, 0, SIZE_LIMIT, &err));
	OK(store_stat(s, &st, &err));
	CU_ASSERT_EQUAL(st.allocated, 0);
	OK(store_extent(s, 0, SIZE_LIMIT, &data, &run, &err));
	CU_ASSERT(!data);
	CU_ASSERT_EQUAL(run, SIZE_LIMIT);
	OK(store_close(s, &err));
}

static char byte_at(struct store *s, uint64_t off)
{
	char c = '?';

	OK(store_pread(s, &c, 1, off, EVENT_DATA, &err));
	return c;
}

static void clones_do_not_see_each_other(void)
{
	struct store *a = memory_open(0, &err), *b, *c;

	OK(store_pwrite(a, "aaaa", 4, 100, EVENT_DATA, &err));
	OK(store_pwrite(a, "aaaa", 4, MIB, EVENT_DATA, &err));
	b = memory_clone(a, &err);
	c = memory_clone(b, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	OK(store_pwrite(b, "b", 1, 101, EVENT_DATA, &err));
	OK(store_pwrite(a, "A", 1, 102, EVENT_DATA, &err));
	OK(store_punch(c, MIB, 1, &err));
	OK(store_zero(c, 100, 1, 0, &err));
	CU_ASSERT_EQUAL(byte_at(a, 101), 'a');
	CU_ASSERT_EQUAL(byte_at(b, 101), 'b');
	CU_ASSERT_EQUAL(byte_at(b, 102), 'a');
	CU_ASSERT_EQUAL(byte_at(c, 102), 'a');
	CU_ASSERT_EQUAL(byte_at(a, 100), 'a');
	CU_ASSERT_EQUAL(byte_at(c, 100), 0);
	CU_ASSERT_EQUAL(byte_at(a, MIB), 'a');
	CU_ASSERT_EQUAL(byte_at(c, MIB), 0);
	OK(store_close(a, &err));
	CU_ASSERT_EQUAL(byte_at(b, MIB), 'a');
	OK(store_resize(b, 50, PREALLOC_OFF, &err));
	CU_ASSERT_EQUAL(byte_at(c, 101), 'a');
	OK(store_close(b, &err));
	CU_ASSERT_EQUAL(byte_at(c, MIB + 1), 'a');
	OK(store_close(c, &err));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "agrees with a plain array", agrees_with_a_plain_array },
		{ "pages not written are holes", pages_not_written_are_holes },
		{ "clones do not see each other",
		    clones_do_not_see_each_other },
		{ NULL, NULL }
	};

	return unit_run("stores in memory", tests);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bytes.c - byte orders, arithmetic at its limits, the search for zeros */
#include "base/bytes.h"

#include <stdlib.h>

#include "base/auto.h"
#include "support/unit.h"

static void integers_have_the_order_their_name_says(void)
{
	be16 b2 = { { 1, 2 } };
	le16 l2 = { { 1, 2 } };
	be32 b4;
	le64 l8;

	CU_ASSERT_EQUAL(be16_get(b2), 0x0102);
	CU_ASSERT_EQUAL(le16_get(l2), 0x0201);
	be32_put(&b4, 0x514649fb);
	CU_ASSERT(!memcmp(b4.b, "QFI\xfb", 4));
	le64_put(&l8, 0x0807060504030201);
	CU_ASSERT(!memcmp(l8.b, "\1\2\3\4\5\6\7\10", 8));
	CU_ASSERT_EQUAL(le64_get(l8), 0x0807060504030201);
	CU_ASSERT_EQUAL(_Alignof(be64), 1);
	CU_ASSERT_EQUAL(sizeof(le32), 4);
}

static void arithmetic_does_not_wrap(void)
{
	uint64_t r;

	CU_ASSERT(add_ok(UINT64_MAX - 1, 1, &r) && r == UINT64_MAX);
	CU_ASSERT_FALSE(add_ok(UINT64_MAX, 1, &r));
	CU_ASSERT(mul_ok(1ull << 32, (1ull << 32) - 1, &r));
	CU_ASSERT_FALSE(mul_ok(1ull << 32, 1ull << 32, &r));
	CU_ASSERT(range_ok(0, 0, 0));
	CU_ASSERT(range_ok(10, 5, 15));
	CU_ASSERT_FALSE(range_ok(10, 6, 15));
	CU_ASSERT_FALSE(range_ok(16, 0, 15));
	CU_ASSERT_FALSE(range_ok(10, UINT64_MAX, 15));
	CU_ASSERT_EQUAL(align_up(SIZE_LIMIT - 1, 512), SIZE_LIMIT);
	CU_ASSERT_EQUAL(align_up(SIZE_LIMIT, 2 * MIB), 1ull << 63);
	CU_ASSERT_EQUAL(align_down(1023, 512), 512);
	CU_ASSERT_EQUAL(div_up(UINT64_MAX, 2), 1ull << 63);
	CU_ASSERT_EQUAL(div_up(0, 7), 0);
	CU_ASSERT(is_pow2(1) && is_pow2(1ull << 63));
	CU_ASSERT_FALSE(is_pow2(0) || is_pow2(3));
	CU_ASSERT_EQUAL(log2_of(65536), 16);
}

static void one_byte_anywhere_is_found(void)
{
	enum { N = 2048 };
	AUTO_FREE unsigned char *buf = calloc(N + 16, 1);

	CU_ASSERT(bytes_are_zero(buf, 0));
	for (unsigned shift = 0; shift < 16; shift++)
		for (size_t len = 0; len < 700; len += 1 + len / 9) {
			unsigned char *p = buf + shift;

			CU_ASSERT(bytes_are_zero(p, len));
			p[len] = 1;
			CU_ASSERT(bytes_are_zero(p, len));
			p[len] = 0;
			for (size_t i = 0; i < len; i++) {
				p[i] = 0x80;
				if (bytes_are_zero(p, len))
					CU_FAIL("a byte was missed");
				p[i] = 0;
			}
		}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "integers have the order their name says",
		    integers_have_the_order_their_name_says },
		{ "arithmetic does not wrap", arithmetic_does_not_wrap },
		{ "one byte anywhere is found", one_byte_anywhere_is_found },
		{ NULL, NULL }
	};

	return unit_run("bytes", tests);
}

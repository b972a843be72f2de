/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iov.c - what is copied to and from memory in pieces, and nothing beside it */
#include "base/iov.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "support/unit.h"

static uint8_t memory[16];
/* ab..cdef.g: dots belong to nobody; empty pieces at either end and between */
static const struct iovec pieces[] = {
	{ memory, 0 }, { memory, 2 }, { NULL, 0 }, { memory + 4, 4 },
	{ memory + 8, 0 }, { memory + 9, 1 }, { NULL, 0 },
};
enum { N = ARRAY_LEN(pieces), LEN = 7 };

static void fill(void)
{
	memcpy(memory, "ab..cdef.g......", sizeof(memory));
}

/* Where byte i of the pieces lies. */
static unsigned place(unsigned i)
{
	return i < 2 ? i : i < 6 ? i + 2 : 9;
}

static void totals(void)
{
	const struct iovec huge[] = { { memory, SIZE_MAX }, { memory, 1 } };

	CU_ASSERT_EQUAL(iov_total(pieces, N), LEN);
	CU_ASSERT_EQUAL(iov_total(pieces, 0), 0);
	CU_ASSERT_EQUAL(iov_total(huge, 2), UINT64_MAX);
}

/* Every range of the pieces. */
static void each(void (*claim)(unsigned skip, unsigned len))
{
	for (unsigned skip = 0; skip <= LEN; skip++)
		for (unsigned len = 0; len <= LEN - skip; len++) {
			fill();
			claim(skip, len);
		}
}

static void got(unsigned skip, unsigned len)
{
	char buf[LEN + 1] = "-------";

	iov_get(pieces, skip, buf, len);
	CU_ASSERT(!memcmp(buf, &"abcdefg"[skip], len));
	CU_ASSERT(!memcmp(buf + len, "-------", LEN - len));
	CU_ASSERT(!memcmp(memory, "ab..cdef.g......", sizeof(memory)));
}

static void gets(void)
{
	each(got);
}

static void expect(unsigned skip, unsigned len, const char *with)
{
	uint8_t want[sizeof(memory)];

	memcpy(want, "ab..cdef.g......", sizeof(want));
	for (unsigned i = 0; i < len; i++)
		want[place(skip + i)] = (uint8_t)(with ? with[i] : 0);
	CU_ASSERT(!memcmp(memory, want, sizeof(want)));
}

static void put(unsigned skip, unsigned len)
{
	iov_put(pieces, skip, "1234567", len);
	expect(skip, len, "1234567");
	fill();
	iov_put(pieces, skip, NULL, len);
	expect(skip, len, NULL);
}

static void puts_and_zeros(void)
{
	each(put);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "totals", totals },
		{ "out of the pieces", gets },
		{ "into the pieces", puts_and_zeros },
		{ NULL, NULL }
	};

	return unit_run("iov", tests);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core-bus.c - I/O ports: who answers, and in which pieces */
#include "core/bus.h"

#include <stdio.h>
#include <string.h>

#include "support/unit.h"

static struct board *board;
static struct bus *bus;
static char asked[256];

static uint64_t dev_read(void *dev, uint64_t off, unsigned size)
{
	size_t n = strlen(asked);

	snprintf(asked + n, sizeof(asked) - n, "%s%x.%u ", (char *)dev,
	    (unsigned)off, size);
	return 0x44332211 >> 8 * (off & 3);
}

static void dev_write(void *dev, uint64_t off, unsigned size, uint64_t v)
{
	size_t n = strlen(asked);

	snprintf(asked + n, sizeof(asked) - n, "%s%x.%u=%x ", (char *)dev,
	    (unsigned)off, size, (unsigned)v);
}

static const struct io_ops any = { dev_read, dev_write, 0, 0 };
static const struct io_ops bytes = { dev_read, dev_write, 1, 1 };

static uint32_t in(uint16_t port, unsigned size)
{
	asked[0] = 0;
	return bus_in(bus, port, size);
}

static void begin(void)
{
	struct error err;

	board = board_new(&err);
	bus = bus_new(board, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bus);
}

static void end(void)
{
	bus_free(bus);
	board_free(board);
}

static void a_port_nobody_has_reads_as_ones(void)
{
	begin();
	CU_ASSERT_EQUAL(in(0x80, 1), 0xff);
	CU_ASSERT_EQUAL(in(0x80, 2), 0xffff);
	CU_ASSERT_EQUAL(in(0xffff, 4), 0xffffffff);
	bus_out(bus, 0xffff, 4, 0);
	end();
}

static void a_later_region_hides_an_earlier_one(void)
{
	struct bus_region *a, *b;

	begin();
	a = bus_add(bus, 0x100, 16, &any, "a", "a");
	b = bus_add(bus, 0x108, 16, &any, "b", "b");
	in(0x107, 1);
	CU_ASSERT_STRING_EQUAL(asked, "a7.1 ");
	in(0x108, 1);
	CU_ASSERT_STRING_EQUAL(asked, "b0.1 ");
	bus_move(b, 0x200);
	in(0x108, 1);
	CU_ASSERT_STRING_EQUAL(asked, "a8.1 ");
	in(0x20f, 1);
	CU_ASSERT_STRING_EQUAL(asked, "bf.1 ");
	bus_move(b, 0x100);
	in(0x100, 1);
	CU_ASSERT_STRING_EQUAL(asked, "b0.1 ");
	bus_remove(b);
	in(0x100, 1);
	CU_ASSERT_STRING_EQUAL(asked, "a0.1 ");
	CU_ASSERT_EQUAL(in(0x110, 1), 0xff);
	bus_remove(a);
	bus_remove(NULL);
	CU_ASSERT_EQUAL(in(0x100, 1), 0xff);
	end();
}

static void accesses_are_whole_within_a_region_and_bytes_across(void)
{
	begin();
	bus_add(bus, 0x100, 8, &any, "a", "a");
	bus_add(bus, 0x108, 8, &any, "b", "b");
	bus_add(bus, 0x110, 8, &bytes, "c", "c");
	CU_ASSERT_EQUAL(in(0x104, 4), 0x44332211);
	CU_ASSERT_STRING_EQUAL(asked, "a4.4 ");
	CU_ASSERT_EQUAL(in(0x106, 4), 0x22114433);
	CU_ASSERT_STRING_EQUAL(asked, "a6.1 a7.1 b0.1 b1.1 ");
	CU_ASSERT_EQUAL(in(0x110, 2), 0x2211);
	CU_ASSERT_STRING_EQUAL(asked, "c0.1 c1.1 ");
	CU_ASSERT_EQUAL(in(0x117, 2), 0xff44);
	asked[0] = 0;
	bus_out(bus, 0x107, 2, 0xabcd);
	CU_ASSERT_STRING_EQUAL(asked, "a7.1=cd b0.1=ab ");
	asked[0] = 0;
	bus_out(bus, 0x100, 4, 0x12345678);
	CU_ASSERT_STRING_EQUAL(asked, "a0.4=12345678 ");
	end();
}

static void the_last_port_does_not_wrap(void)
{
	begin();
	bus_add(bus, 0, 1, &any, "low", "low");
	bus_add(bus, 0xfffe, 8, &any, "high", "high");
	CU_ASSERT_EQUAL(in(0xfffe, 2), 0x2211);
	CU_ASSERT_EQUAL(in(0xffff, 2), 0xff22);
	CU_ASSERT_STRING_EQUAL(asked, "high1.1 ");
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a port nobody has reads as ones",
		    a_port_nobody_has_reads_as_ones },
		{ "a later region hides an earlier one",
		    a_later_region_hides_an_earlier_one },
		{ "accesses are whole within a region and bytes across",
		    accesses_are_whole_within_a_region_and_bytes_across },
		{ "the last port does not wrap", the_last_port_does_not_wrap },
		{ NULL, NULL }
	};

	return unit_run("ports", tests);
}

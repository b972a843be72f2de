/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq-ioapic.c - edges, levels and ends of interrupt at the I/O APIC */
#include "dev/ioapic.h"

#include "core/board.h"
#include "support/unit.h"

static struct board *board;
static struct mem *mem;
static struct ioapic *apic;
static unsigned sent;
static uint64_t last_addr;
static uint32_t last_data;

static void message(void *sink, uint64_t addr, uint32_t data)
{
	sent++;
	last_addr = addr;
	last_data = data;
}

static void put(unsigned reg, uint32_t v)
{
	mem_io_write(mem, IOAPIC_BASE, 4, reg);
	mem_io_write(mem, IOAPIC_BASE + 0x10, 4, v);
}
static uint32_t get(unsigned reg)
{
	mem_io_write(mem, IOAPIC_BASE, 4, reg);
	return (uint32_t)mem_io_read(mem, IOAPIC_BASE + 0x10, 4);
}
static void entry(unsigned n, uint64_t v)
{
	put(0x11 + 2 * n, (uint32_t)(v >> 32));
	put(0x10 + 2 * n, (uint32_t)v);
}
static void line(unsigned n, bool level)
{
	struct irq l = ioapic_line(apic, n);

	irq_set(&l, level);
}

static void begin(void)
{
	struct error err;

	board = board_new(&err);
	mem = mem_new(board, 1 << 20, &err);
	apic = ioapic_new(mem, (struct msi_sink){ message, NULL }, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(apic);
	sent = 0;
}

static void end(void)
{
	ioapic_free(apic);
	mem_free(mem);
	board_free(board);
}

static void registers_are_those_of_the_datasheet(void)
{
	begin();
	CU_ASSERT_EQUAL(get(1), 0x170020);
	put(1, 0);
	CU_ASSERT_EQUAL(get(1), 0x170020);
	put(0, 0xff000000);
	CU_ASSERT_EQUAL(get(0), 0x0f000000);
	CU_ASSERT_EQUAL(get(0x10), 0x10000);
	CU_ASSERT_EQUAL(get(0x3e), 0x10000);
	entry(23, UINT64_MAX);
	CU_ASSERT_EQUAL(get(0x3e), 0x1afff);
	CU_ASSERT_EQUAL(get(0x3f), 0xff000000);
	put(0x40, 1);
	CU_ASSERT_EQUAL(get(0x40), 0xffffffff);
	CU_ASSERT_EQUAL(mem_io_read(mem, IOAPIC_BASE, 1), 0x40);
	line(24, true);
	end();
}

static void an_edge_is_sent_once(void)
{
	begin();
	entry(4, 3ull << 56 | 0x934);	/* logical 3, lowest priority */
	line(4, true);
	line(4, true);
	CU_ASSERT_EQUAL(sent, 1);
	CU_ASSERT_EQUAL(last_addr, 0xfee03004);
	CU_ASSERT_EQUAL(last_data, 0x134);
	line(4, false);
	line(4, true);
	CU_ASSERT_EQUAL(sent, 2);
	CU_ASSERT_FALSE(get(0x18) & 0x4000);
	line(4, false);
	entry(4, 0x10034);
	line(4, true);			/* masked: lost */
	entry(4, 0x34);
	CU_ASSERT_EQUAL(sent, 2);
	end();
}

static void a_level_is_sent_until_it_goes(void)
{
	begin();
	entry(10, 1ull << 56 | 0xa051);
	line(10, true);
	CU_ASSERT_EQUAL(sent, 1);
	CU_ASSERT_EQUAL(last_addr, 0xfee01000);
	CU_ASSERT_EQUAL(last_data, 0xc051);
	CU_ASSERT_EQUAL(get(0x24), 0xe051);	/* remote IRR */
	line(10, false);
	line(10, true);
	CU_ASSERT_EQUAL(sent, 1);
	ioapic_eoi(apic, 0x52);
	CU_ASSERT_EQUAL(sent, 1);
	ioapic_eoi(apic, 0x51);
	CU_ASSERT_EQUAL(sent, 2);	/* still there */
	line(10, false);
	mem_io_write(mem, IOAPIC_BASE + 0x40, 4, 0x51);
	CU_ASSERT_EQUAL(sent, 2);
	CU_ASSERT_EQUAL(get(0x24), 0xa051);
	/* A level waits behind the mask. */
	entry(10, 0x18051);
	line(10, true);
	CU_ASSERT_EQUAL(sent, 2);
	entry(10, 0x8051);
	CU_ASSERT_EQUAL(sent, 3);
	/* Made an edge and a level again, it is not on its way. */
	entry(10, 0x10051);
	CU_ASSERT_EQUAL(get(0x24), 0x10051);
	entry(10, 0x8051);
	CU_ASSERT_EQUAL(sent, 4);
	end();
}

static unsigned changes;
static void changed(void *opaque) { changes++; }

static void whoever_keeps_routes_is_told(void)
{
	uint64_t addr;
	uint32_t data;
	bool masked;

	begin();
	changes = 0;
	ioapic_watch(apic, changed, NULL);
	entry(1, 2ull << 56 | 0x8061);
	CU_ASSERT(changes > 0);
	ioapic_entry(apic, 1, &addr, &data, &masked);
	CU_ASSERT_EQUAL(addr, 0xfee02000);
	CU_ASSERT_EQUAL(data, 0xc061);
	CU_ASSERT_FALSE(masked);
	ioapic_entry(apic, 2, &addr, &data, &masked);
	CU_ASSERT_TRUE(masked);
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "registers are those of the datasheet",
		    registers_are_those_of_the_datasheet },
		{ "an edge is sent once", an_edge_is_sent_once },
		{ "a level is sent until it goes",
		    a_level_is_sent_until_it_goes },
		{ "whoever keeps routes is told",
		    whoever_keeps_routes_is_told },
		{ NULL, NULL }
	};

	return unit_run("ioapic", tests);
}

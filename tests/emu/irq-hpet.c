/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq-hpet.c - counter, comparators and interrupts of the event timers */
#include "dev/hpet.h"

#include "core/board.h"
#include "support/unit.h"

static struct board *board;
static struct mem *mem;
static struct hpet *hpet;
static unsigned rises[32], messages;
static bool level[32], legacy;
static uint64_t last_addr;
static uint32_t last_data;

static void set(void *sink, unsigned n, bool on)
{
	rises[n] += on && !level[n];
	level[n] = on;
}
static void set_legacy(void *o, bool on) { legacy = on; }
static void message(void *sink, uint64_t addr, uint32_t data)
{
	messages++;
	last_addr = addr;
	last_data = data;
}

static void put(unsigned reg, uint64_t v)
{
	mem_io_write(mem, HPET_BASE + reg, 8, v);
}
static uint64_t get(unsigned reg)
{
	return mem_io_read(mem, HPET_BASE + reg, 8);
}

static void begin(void)
{
	struct hpet_wires w = { .timer = { set, NULL, 0 },
	    .clock = { set, NULL, 8 }, .msi = { message, NULL },
	    .legacy = set_legacy };
	struct error err;

	for (unsigned i = 0; i < 24; i++)
		w.line[i] = (struct irq){ set, NULL, i };
	for (unsigned i = 0; i < 32; i++) {
		rises[i] = 0;
		level[i] = false;
	}
	messages = 0;
	legacy = false;
	board = board_new(&err);
	board_lock(board);
	board_stop_clock(board);
	board_unlock(board);
	mem = mem_new(board, 1 << 20, &err);
	hpet = hpet_new(mem, board, &w, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(hpet);
}

static void end(void)
{
	hpet_free(hpet);
	mem_free(mem);
	board_free(board);
}

static void run(uint64_t ticks)
{
	board_lock(board);
	board_advance(board, ticks * HPET_TICK_NS);
	board_unlock(board);
}

static void the_counter_counts_while_enabled(void)
{
	begin();
	CU_ASSERT_EQUAL(get(0), 10000000ull << 32 | HPET_ID);
	run(100);
	CU_ASSERT_EQUAL(get(0xf0), 0);
	put(0x10, 1);
	run(100);
	CU_ASSERT_EQUAL(get(0xf0), 100);
	put(0x10, 0);
	run(100);
	CU_ASSERT_EQUAL(get(0xf0), 100);
	put(0xf0, 0x1ffffffffull);
	put(0x10, 1);
	run(1);
	CU_ASSERT_EQUAL(get(0xf0), 0x200000000ull);
	CU_ASSERT_EQUAL(mem_io_read(mem, HPET_BASE + 0xf4, 4), 2);
	end();
}

static void a_comparator_fires_once(void)
{
	begin();
	put(0x100, 20 << 9 | 4);
	CU_ASSERT_EQUAL(get(0x100), 0xf00000ull << 32 | 20 << 9 | 0x8034);
	put(0x108, 1000);
	put(0x10, 1);
	run(999);
	CU_ASSERT_EQUAL(rises[20], 0);
	run(1);
	CU_ASSERT_EQUAL(rises[20], 1);
	run(100000);
	CU_ASSERT_EQUAL(rises[20], 1);
	put(0x108, 5);			/* long gone: once in ages */
	run(100000);
	CU_ASSERT_EQUAL(rises[20], 1);
	/* A route there is not. */
	put(0x100, 3 << 9 | 4);
	CU_ASSERT_EQUAL(get(0x100) >> 9 & 31, 0);
	end();
}

static void thirty_two_bits_come_round(void)
{
	begin();
	put(0x100, 20 << 9 | 0x104);
	put(0xf0, 0xffffff00);
	put(0x108, 0x10);
	put(0x10, 1);
	run(0x110);
	CU_ASSERT_EQUAL(rises[20], 1);
	run(0x100000000);
	CU_ASSERT_EQUAL(rises[20], 2);
	end();
}

static void a_periodic_one_fires_again(void)
{
	begin();
	put(0x10, 1);
	run(50);
	put(0x120, 21 << 9 | 0x4c);	/* periodic, value set */
	put(0x128, 10050);
	put(0x128, 10000);
	run(9999);
	CU_ASSERT_EQUAL(rises[21], 0);
	run(1);
	CU_ASSERT_EQUAL(rises[21], 1);
	run(50000);
	CU_ASSERT_EQUAL(rises[21], 6);
	CU_ASSERT_EQUAL(get(0x128), 70050);
	/* By halves, as 32-bit software does. */
	put(0x120, 21 << 9 | 0x14c);
	mem_io_write(mem, HPET_BASE + 0x128, 4, 80050);
	mem_io_write(mem, HPET_BASE + 0x128, 4, 20000);
	run(20000);
	CU_ASSERT_EQUAL(rises[21], 7);
	run(20000);
	CU_ASSERT_EQUAL(rises[21], 8);
	end();
}

static void no_period_floods_the_loop(void)
{
	begin();
	put(0x120, 21 << 9 | 0x4c);
	put(0x128, 1);
	put(0x10, 1);
	run(1000000);			/* 10 ms */
	CU_ASSERT(rises[21] > 100 && rises[21] <= 501);
	put(0x128, 0);
	run(1000);
	end();
}

static void a_level_stays_until_cleared(void)
{
	begin();
	put(0x140, 23 << 9 | 6);
	put(0x148, 10);
	put(0x10, 1);
	run(10);
	CU_ASSERT_TRUE(level[23]);
	CU_ASSERT_EQUAL(get(0x20), 4);
	put(0x20, 3);
	CU_ASSERT_TRUE(level[23]);
	put(0x20, 4);
	CU_ASSERT_FALSE(level[23]);
	CU_ASSERT_EQUAL(get(0x20), 0);
	end();
}

static void legacy_replacement_takes_irq_0_and_8(void)
{
	begin();
	put(0x10, 3);
	CU_ASSERT_TRUE(legacy);
	put(0x100, 4);
	put(0x108, 100);
	put(0x120, 4);
	put(0x128, 200);
	run(100);
	CU_ASSERT_EQUAL(rises[0], 1);
	CU_ASSERT_EQUAL(rises[8], 0);
	run(100);
	CU_ASSERT_EQUAL(rises[8], 1);
	board_lock(board);
	hpet_reset(hpet);
	board_unlock(board);
	CU_ASSERT_FALSE(legacy);
	end();
}

static void messages_are_sent(void)
{
	begin();
	put(0x100, 0x4004);
	put(0x110, 0xfee01000ull << 32 | 0x41);
	put(0x108, 5);
	put(0x10, 1);
	run(5);
	CU_ASSERT_EQUAL(messages, 1);
	CU_ASSERT_EQUAL(last_addr, 0xfee01000);
	CU_ASSERT_EQUAL(last_data, 0x41);
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "the counter counts while enabled",
		    the_counter_counts_while_enabled },
		{ "a comparator fires once", a_comparator_fires_once },
		{ "32 bits come round", thirty_two_bits_come_round },
		{ "a periodic one fires again", a_periodic_one_fires_again },
		{ "no period floods the loop", no_period_floods_the_loop },
		{ "a level stays until it is cleared",
		    a_level_stays_until_cleared },
		{ "legacy replacement takes IRQ 0 and 8",
		    legacy_replacement_takes_irq_0_and_8 },
		{ "messages are sent", messages_are_sent },
		{ NULL, NULL }
	};

	return unit_run("hpet", tests);
}

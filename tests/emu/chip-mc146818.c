/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chip-mc146818.c - the clock: formats, setting, alarm, periodic, update */
#include "rig.h"

#include <unistd.h>

#include "dev/mc146818.h"
#include "support/unit.h"

enum { LINE = 8 };

static struct rig r;
static struct mc146818 *c;

static uint8_t get(unsigned at)
{
	rig_out(&r, 0x70, 1, at);
	return rig_in(&r, 0x71, 1);
}

static void put(unsigned at, uint8_t v)
{
	rig_out(&r, 0x70, 1, at | 0x80);	/* with NMI off, as usual */
	rig_out(&r, 0x71, 1, v);
}

static void start(int64_t at)
{
	struct mc146818_config config = { .start = at };
	struct error err;

	rig_init(&r);
	config.irq = rig_irq(&r, LINE);
	c = mc146818_new(r.bus, r.board, &config, &err);
	rig_must(c, &err);
}

static void end(void)
{
	mc146818_free(c);
	rig_fini(&r);
}

/* Waits for the line with the loop running. */
static bool line_rises(unsigned ms)
{
	uint64_t until = board_now_ns(r.board) + ms * 1000000ull;

	while (!r.level[LINE] && board_now_ns(r.board) < until) {
		rig_turn(&r);
		usleep(500);
	}
	return r.level[LINE];
}

static void digits(void)
{
	/* 29 February 2024, a Thursday, 23:07:05. */
	start(1709248025);
	CU_ASSERT_EQUAL(get(0), 0x05);
	CU_ASSERT_EQUAL(get(2), 0x07);
	CU_ASSERT_EQUAL(get(4), 0x23);
	CU_ASSERT_EQUAL(get(6), 5);
	CU_ASSERT_EQUAL(get(7), 0x29);
	CU_ASSERT_EQUAL(get(8), 0x02);
	CU_ASSERT_EQUAL(get(9), 0x24);
	CU_ASSERT_EQUAL(get(0x32), 0x20);
	CU_ASSERT_EQUAL(get(0x0d), 0x80);
	put(0x0b, 0x06);			/* binary */
	CU_ASSERT_EQUAL(get(4), 23);
	CU_ASSERT_EQUAL(get(7), 29);
	put(0x0b, 0x00);			/* BCD, 12 hours */
	CU_ASSERT_EQUAL(get(4), 0x91);
	end();
	start(0);				/* midnight is 12 AM */
	put(0x0b, 0x00);
	CU_ASSERT_EQUAL(get(4), 0x12);
	CU_ASSERT_EQUAL(get(9), 0x70);
	CU_ASSERT_EQUAL(get(0x32), 0x19);
	end();
}

static void setting(void)
{
	start(1709248025);
	put(0x0b, 0x82);			/* SET */
	put(9, 0x99);
	put(0x32, 0x19);
	put(8, 0x12);
	put(7, 0x31);
	put(4, 0x23);
	put(2, 0x59);
	put(0, 0x59);
	CU_ASSERT_EQUAL(get(0), 0x59);
	usleep(1100000);
	CU_ASSERT_EQUAL(get(0), 0x59);
	put(0x0b, 0x02);
	CU_ASSERT_EQUAL(mc146818_time(c), 946684799);
	usleep(1050000);
	CU_ASSERT_EQUAL(get(9), 0x00);
	CU_ASSERT_EQUAL(get(0x32), 0x20);
	CU_ASSERT_EQUAL(get(7), 0x01);
	put(6, 3);
	CU_ASSERT_EQUAL(get(6), 3);
	/* Whatever is written is a time. */
	for (unsigned i = 0; i < 10; i++)
		put(i == 1 || i == 3 || i == 5 ? 0 : i, 0xff);
	put(0x32, 0xff);
	for (unsigned i = 0; i < 10; i++)
		get(i);
	mc146818_reset(c);
	end();
}

static void memory(void)
{
	start(0);
	mc146818_put(c, 0x5f, 3);
	mc146818_put(c, 0x0b, 0xff);		/* not a byte of memory */
	mc146818_put(c, 999, 0xff);
	CU_ASSERT_EQUAL(get(0x5f), 3);
	CU_ASSERT_EQUAL(get(0x0b), 2);
	put(0x0f, 0x0a);
	mc146818_reset(c);
	CU_ASSERT_EQUAL(get(0x0f), 0x0a);
	end();
}

static void interrupts(void)
{
	start(1709248025);
	/* Once a second, at its end. */
	put(0x0b, 0x12);
	CU_ASSERT(line_rises(1200));
	CU_ASSERT_EQUAL(get(0x0c) & 0x90, 0x90);
	CU_ASSERT(!r.level[LINE]);
	CU_ASSERT_EQUAL(get(0x0c), 0);
	put(0x0b, 0x02);

	/* A second of the next few, whatever minute and hour. */
	put(1, 0x08);
	put(3, 0xff);
	put(5, 0xc0);
	put(0x0b, 0x22);
	CU_ASSERT(line_rises(3000));
	CU_ASSERT_EQUAL(get(0), 0x08);
	CU_ASSERT_EQUAL(get(0x0c) & 0xa0, 0xa0);

	/* 64 times a second; the flag without an interrupt, too. */
	put(0x0b, 0x02);
	put(0x0a, 0x2a);
	get(0x0c);
	usleep(20000);
	CU_ASSERT_EQUAL(get(0x0c), 0x40);
	put(0x0b, 0x42);
	for (unsigned i = 0; i < 5; i++) {
		CU_ASSERT(line_rises(100));
		get(0x0c);
	}
	put(0x0a, 0x20);
	get(0x0c);
	CU_ASSERT(!line_rises(50));
	mc146818_reset(c);
	CU_ASSERT_EQUAL(get(0x0b), 0x02);
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "BCD and binary, 12 and 24 hours", digits },
		{ "the guest holds, sets and starts the clock", setting },
		{ "memory outlives a reset", memory },
		{ "update, alarm and periodic interrupts", interrupts },
		{ NULL, NULL }
	};

	return unit_run("chip-mc146818", tests);
}

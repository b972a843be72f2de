/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq-i8254.c - modes, latches and interrupts of the interval timer */
#include "dev/i8254.h"

#include "support/unit.h"

static struct board *board;
static struct bus *bus;
static struct i8254 *pit;
static unsigned rises;
static bool level;

static void set(void *sink, unsigned n, bool on)
{
	rises += on && !level;
	level = on;
}

static void out(uint16_t port, uint8_t v) { bus_out(bus, port, 1, v); }
static uint8_t in(uint16_t port) { return (uint8_t)bus_in(bus, port, 1); }
static unsigned in16(uint16_t port)
{
	unsigned low = in(port);

	return low | (unsigned)in(port) << 8;
}
static bool out2(void)
{
	bool v;

	board_lock(board);
	v = i8254_out(pit);
	board_unlock(board);
	return v;
}
static void gate2(bool on)
{
	board_lock(board);
	i8254_gate(pit, on);
	board_unlock(board);
}
static void load(unsigned channel, uint8_t mode, unsigned n)
{
	out(0x43, (uint8_t)(channel << 6 | 0x30 | mode));
	out((uint16_t)(0x40 + channel), (uint8_t)n);
	out((uint16_t)(0x40 + channel), (uint8_t)(n >> 8));
}

static void begin(void)
{
	struct error err;

	board = board_new(&err);
	bus = bus_new(board, &err);
	pit = i8254_new(bus, board, (struct irq){ set, NULL, 0 }, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pit);
	board_stop_clock(board);
	rises = 0;
	level = false;
}

static void end(void)
{
	i8254_free(pit);
	bus_free(bus);
	board_free(board);
}

/* Guest time goes on only here, to the first moment after so many ticks. */
static uint64_t run(uint64_t ticks)
{
	board_lock(board);
	board_advance(board, (ticks * 1000000000 + I8254_HZ - 1) / I8254_HZ);
	board_unlock(board);
	return ticks;
}

static void mode_0_counts_down_once(void)
{
	uint64_t d;

	begin();
	gate2(true);
	load(2, 0x0, 2000);
	load(0, 0x0, 1000);
	CU_ASSERT_FALSE(out2());
	CU_ASSERT_FALSE(level);
	CU_ASSERT_EQUAL(in16(0x42), 2000);
	d = run(2500);
	CU_ASSERT_TRUE(out2());
	CU_ASSERT_TRUE(level);
	CU_ASSERT_EQUAL(rises, 1);
	CU_ASSERT_EQUAL(in16(0x42), (2000 - d) & 0xffff);
	load(0, 0x0, 1000);
	CU_ASSERT_FALSE(level);
	out(0x40, 5);			/* the first byte stops it */
	CU_ASSERT_FALSE(level);
	end();
}

static void the_gate_stops_mode_0(void)
{
	begin();
	load(2, 0x0, 500);
	run(3000);
	CU_ASSERT_FALSE(out2());
	CU_ASSERT_EQUAL(in16(0x42), 500);
	gate2(true);
	CU_ASSERT_EQUAL(in16(0x42), 500);
	end();
}

static void mode_1_starts_by_the_gate(void)
{
	uint64_t d;

	begin();
	load(2, 0x2, 60000);
	CU_ASSERT_TRUE(out2());
	gate2(true);
	CU_ASSERT_FALSE(out2());
	gate2(false);
	d = run(100);
	CU_ASSERT_FALSE(out2());
	CU_ASSERT_EQUAL(in16(0x42), 60000 - d);
	end();
}

static void mode_2_interrupts_each_period(void)
{
	uint64_t d;

	begin();
	load(0, 0x4, 2000);
	CU_ASSERT_TRUE(level);		/* OUT is high between the pulses */
	rises = 0;
	d = run(21000);
	CU_ASSERT_EQUAL(rises, 10);
	CU_ASSERT_EQUAL(in16(0x40), 2000 - d % 2000);
	end();
}

static void no_count_floods_the_loop(void)
{
	begin();
	load(0, 0x4, 2);
	rises = 0;
	run(24000);			/* 20 ms */
	CU_ASSERT(rises > 10 && rises <= 1010);
	end();
}

static void mode_3_is_a_square(void)
{
	uint64_t d, half;

	begin();
	gate2(true);
	load(2, 0x6, 5001);
	CU_ASSERT_TRUE(out2());
	CU_ASSERT_EQUAL(in16(0x42), 5000);
	d = run(3000) % 5001;
	half = 2501;
	CU_ASSERT_EQUAL(out2(), d < half);
	CU_ASSERT_EQUAL(in16(0x42), 5000 - 2 * (d < half ? d : d - half));
	gate2(false);
	CU_ASSERT_TRUE(out2());
	gate2(true);
	CU_ASSERT_EQUAL(in16(0x42), 5000);
	end();
}

static void a_new_count_waits_for_the_period(void)
{
	begin();
	load(0, 0x4, 40000);
	rises = 0;
	out(0x40, 0xe8);		/* 1000 */
	out(0x40, 0x03);
	CU_ASSERT_EQUAL(in16(0x40), 40000);
	out(0x43, 0xe2);		/* status of channel 0 */
	CU_ASSERT_EQUAL(in(0x40), 0xf4);	/* not loaded yet */
	run(45500);
	CU_ASSERT_EQUAL(rises, 6);
	CU_ASSERT(in16(0x40) <= 1000);
	out(0x43, 0xe2);
	CU_ASSERT_EQUAL(in(0x40) & 0x7f, 0x34);
	end();
}

static void mode_4_strobes_once(void)
{
	begin();
	load(0, 0x8, 1000);
	CU_ASSERT_TRUE(level);
	rises = 0;
	run(5000);
	CU_ASSERT_EQUAL(rises, 1);
	end();
}

static void latches_hold(void)
{
	begin();
	load(0, 0x4, 0x1234);
	out(0x43, 0x00);		/* counter latch */
	out(0x43, 0xe2 & 0xcf);		/* read-back: count and status */
	load(1, 0x4, 0x4321);
	run(50);
	out(0x43, 0x00);		/* is latched already */
	CU_ASSERT_EQUAL(in(0x40) & 0x3f, 0x34);	/* status first */
	CU_ASSERT_EQUAL(in16(0x40), 0x1234);
	CU_ASSERT(in16(0x40) < 0x1234);
	CU_ASSERT_EQUAL(in(0x43), 0xff);
	end();
}

static void bytes_are_read_and_written_as_told(void)
{
	begin();
	out(0x43, 0x94);		/* channel 2, low byte, mode 2 */
	out(0x42, 0x55);
	CU_ASSERT_EQUAL(in(0x42), 0x55);
	CU_ASSERT_EQUAL(in(0x42), 0x55);
	out(0x43, 0xa4);		/* high byte */
	out(0x42, 0x12);
	CU_ASSERT_EQUAL(in(0x42), 0x12);
	out(0x43, 0x80);
	CU_ASSERT_EQUAL(in(0x42), 0x12);
	load(2, 0x5, 0x0000);		/* BCD, mode 2: 10000 */
	CU_ASSERT_EQUAL(in16(0x42), 0x0000);
	load(2, 0x5, 0x9876);
	CU_ASSERT_EQUAL(in16(0x42), 0x9876);
	end();
}

static void disconnected_it_does_not_interrupt(void)
{
	begin();
	board_lock(board);
	i8254_connect(pit, false);
	board_unlock(board);
	load(0, 0x4, 1000);
	run(5000);
	CU_ASSERT_EQUAL(rises, 0);
	board_lock(board);
	i8254_connect(pit, true);
	board_unlock(board);
	CU_ASSERT_TRUE(level);
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "mode 0 counts down once", mode_0_counts_down_once },
		{ "the gate stops mode 0", the_gate_stops_mode_0 },
		{ "mode 1 starts by the gate", mode_1_starts_by_the_gate },
		{ "mode 2 interrupts each period",
		    mode_2_interrupts_each_period },
		{ "no count floods the loop", no_count_floods_the_loop },
		{ "mode 3 is a square", mode_3_is_a_square },
		{ "a new count waits for the period's end",
		    a_new_count_waits_for_the_period },
		{ "mode 4 strobes once", mode_4_strobes_once },
		{ "latches hold", latches_hold },
		{ "bytes are read and written as told",
		    bytes_are_read_and_written_as_told },
		{ "disconnected it does not interrupt",
		    disconnected_it_does_not_interrupt },
		{ NULL, NULL }
	};

	return unit_run("i8254", tests);
}

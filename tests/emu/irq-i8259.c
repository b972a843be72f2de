/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq-i8259.c - priorities, masks, ends of interrupt and modes of the 8259 */
#include "dev/i8259.h"

#include "core/board.h"
#include "support/unit.h"

static struct board *board;
static struct bus *bus;
static struct i8259 *pic;
static bool intr;

static void set_intr(void *sink, unsigned n, bool level) { intr = level; }

static void line(unsigned n, bool level)
{
	struct irq l = i8259_line(pic, n);

	irq_set(&l, level);
}

static void pulse(unsigned n)
{
	line(n, true);
	line(n, false);
}

static void out(uint16_t port, uint8_t v) { bus_out(bus, port, 1, v); }
static uint8_t in(uint16_t port) { return (uint8_t)bus_in(bus, port, 1); }

static void init(uint8_t icw4)
{
	out(0x20, 0x11);
	out(0x21, 0x08);
	out(0x21, 0x04);
	out(0x21, icw4);
	out(0xa0, 0x11);
	out(0xa1, 0x70);
	out(0xa1, 0x02);
	out(0xa1, icw4);
}

static void begin(uint8_t icw4)
{
	struct error err;

	board = board_new(&err);
	bus = bus_new(board, &err);
	pic = i8259_new(bus, (struct irq){ set_intr, NULL, 0 }, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pic);
	init(icw4);
}

static void end(void)
{
	i8259_free(pic);
	bus_free(bus);
	board_free(board);
}

static void requests_nest_by_priority(void)
{
	begin(1);
	CU_ASSERT_FALSE(intr);
	pulse(5);
	CU_ASSERT_TRUE(intr);
	CU_ASSERT_EQUAL(in(0x20), 0x20);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0d);
	CU_ASSERT_FALSE(intr);
	pulse(6);			/* lower: waits */
	CU_ASSERT_FALSE(intr);
	pulse(1);			/* higher: goes ahead */
	CU_ASSERT_TRUE(intr);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x09);
	out(0x20, 0x0b);		/* read ISR */
	CU_ASSERT_EQUAL(in(0x20), 0x22);
	out(0x20, 0x20);		/* non-specific EOI: the highest */
	CU_ASSERT_EQUAL(in(0x20), 0x20);
	CU_ASSERT_FALSE(intr);
	out(0x20, 0x20);
	CU_ASSERT_TRUE(intr);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0e);
	out(0x20, 0x66);		/* specific EOI */
	CU_ASSERT_EQUAL(in(0x20), 0);
	end();
}

static void the_slave_comes_through_the_cascade(void)
{
	begin(1);
	pulse(12);
	CU_ASSERT_EQUAL(in(0x20), 0x04);
	CU_ASSERT_EQUAL(in(0xa0), 0x10);
	pulse(3);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x74);
	CU_ASSERT_FALSE(intr);		/* 3 ranks below the cascade */
	pulse(8);			/* the cascade is busy */
	CU_ASSERT_FALSE(intr);
	out(0x20, 0x62);
	CU_ASSERT_TRUE(intr);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x70);
	out(0xa0, 0x60);
	out(0x20, 0x62);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0b);
	/* IRQ 12 was never ended. */
	out(0xa0, 0x0b);
	CU_ASSERT_EQUAL(in(0xa0), 0x10);
	end();
}

static void in_special_nested_mode_the_cascade_does_not_wait(void)
{
	begin(0x11);
	pulse(12);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x74);
	pulse(8);
	CU_ASSERT_TRUE(intr);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x70);
	pulse(13);
	CU_ASSERT_FALSE(intr);
	end();
}

static void masked_requests_wait(void)
{
	begin(1);
	out(0x21, 0xff);
	CU_ASSERT_EQUAL(in(0x21), 0xff);
	pulse(4);
	CU_ASSERT_FALSE(intr);
	out(0x21, 0xef);
	CU_ASSERT_TRUE(intr);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0c);
	end();
}

static void a_request_that_went_is_spurious(void)
{
	begin(1);
	out(0x4d0, 0x20);
	out(0x4d1, 0x02);
	line(5, true);
	line(5, false);
	CU_ASSERT_FALSE(intr);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0f);
	out(0x20, 0x0b);
	CU_ASSERT_EQUAL(in(0x20), 0);
	end();
}

static void levels_ask_until_they_go(void)
{
	begin(1);
	out(0x4d0, 0xff);
	out(0x4d1, 0xff);
	CU_ASSERT_EQUAL(in(0x4d0), 0xf8);
	CU_ASSERT_EQUAL(in(0x4d1), 0xde);
	line(11, true);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x73);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	CU_ASSERT_TRUE(intr);		/* still there */
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x73);
	line(11, false);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	CU_ASSERT_FALSE(intr);
	/* An edge that stays high asks once. */
	line(1, true);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x09);
	out(0x20, 0x20);
	CU_ASSERT_FALSE(intr);
	end();
}

static void automatic_eoi_and_rotation(void)
{
	begin(3);
	pulse(3);
	pulse(4);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0b);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0c);
	out(0x20, 0x80);		/* rotate in automatic EOI mode */
	pulse(3);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0b);
	pulse(3);
	pulse(4);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0c);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0b);
	init(1);
	out(0x20, 0xc4);		/* 4 is the lowest: 5 the highest */
	pulse(4);
	pulse(0);
	pulse(5);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0d);
	out(0x20, 0xa0);		/* EOI, and 5 becomes the lowest */
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x08);
	pulse(5);
	CU_ASSERT_FALSE(intr);
	out(0x20, 0xe0);		/* specific, rotate: 0 the lowest */
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0c);
	end();
}

static void special_mask_mode_lets_lower_levels_in(void)
{
	begin(1);
	pulse(2 + 1);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0b);
	out(0x20, 0x68);
	out(0x21, 0x08);
	pulse(6);
	CU_ASSERT_TRUE(intr);
	CU_ASSERT_EQUAL(i8259_acknowledge(pic), 0x0e);
	out(0x20, 0x20);		/* ends 6: 3 is masked */
	out(0x20, 0x0b);
	CU_ASSERT_EQUAL(in(0x20), 0x08);
	out(0x20, 0x48);
	pulse(6);
	CU_ASSERT_FALSE(intr);
	end();
}

static void a_poll_is_an_acknowledgement(void)
{
	begin(1);
	out(0x20, 0x0c);
	CU_ASSERT_EQUAL(in(0x20) & 0x80, 0);
	pulse(6);
	out(0x20, 0x0c);
	CU_ASSERT_EQUAL(in(0x20), 0x86);
	CU_ASSERT_FALSE(intr);
	CU_ASSERT_EQUAL(in(0x20), 0);	/* IRR again */
	out(0x20, 0x0b);
	CU_ASSERT_EQUAL(in(0x20), 0x40);
	end();
}

static void initialising_forgets(void)
{
	begin(1);
	out(0x21, 0xaa);
	pulse(4);
	pulse(0);
	i8259_acknowledge(pic);
	init(1);
	CU_ASSERT_EQUAL(in(0x21), 0);
	CU_ASSERT_EQUAL(in(0x20), 0);
	CU_ASSERT_FALSE(intr);
	out(0x20, 0x12);		/* single, no ICW4 */
	out(0x21, 0x40);
	out(0x21, 0x55);		/* the mask already */
	CU_ASSERT_EQUAL(in(0x21), 0x55);
	end();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "requests nest by priority", requests_nest_by_priority },
		{ "the slave comes through the cascade",
		    the_slave_comes_through_the_cascade },
		{ "in special fully nested mode the cascade does not wait",
		    in_special_nested_mode_the_cascade_does_not_wait },
		{ "masked requests wait", masked_requests_wait },
		{ "a request that went is spurious",
		    a_request_that_went_is_spurious },
		{ "levels ask until they go", levels_ask_until_they_go },
		{ "automatic EOI and rotation", automatic_eoi_and_rotation },
		{ "special mask mode lets lower levels in",
		    special_mask_mode_lets_lower_levels_in },
		{ "a poll is an acknowledgement",
		    a_poll_is_an_acknowledgement },
		{ "initialising forgets", initialising_forgets },
		{ NULL, NULL }
	};

	return unit_run("i8259", tests);
}

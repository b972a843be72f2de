/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8259.c - the pair of interrupt controllers of a PC
 *
 * Intel 8259A datasheet (231468); edge or level by input as in the 82371SB
 * (PIIX3) datasheet, 2.3.3 and 4D0h/4D1h.  The slave hangs on input 2 of the
 * master, which is taken as a level: it follows the slave's INT output.
 */
#include "dev/i8259.h"

#include <stdlib.h>
#include <string.h>

#define CASCADE 2

struct chip {
	struct i8259 *pair;
	bool master;

	uint8_t lines;		/* inputs as they are */
	uint8_t irr;		/* requests: edges until acknowledged, levels */
	uint8_t isr, imr;
	uint8_t elcr;		/* level triggered inputs */
	uint8_t elcr_may;	/* those that can be */

	/* Initialization command words; init is the next one expected. */
	uint8_t init;		/* 0: none, 2, 3, 4 */
	bool single, wants_icw4;
	uint8_t base;		/* ICW2: vector of input 0 */
	bool auto_eoi, special_nested;

	/* Operation command words. */
	uint8_t lowest;		/* the input of lowest priority */
	bool rotate_auto, special_mask, read_isr, poll;
};

struct i8259 {
	struct chip master, slave;
	struct irq intr;
	struct bus_region *ports[3];
};

/* --- Priorities ----------------------------------------------------------- */

/* The set input of highest priority; 8 when there is none. */
static unsigned
first(const struct chip *c, uint8_t set)
{
	for (unsigned i = 1; i <= 8; i++)
		if (set >> ((c->lowest + i) & 7) & 1)
			return (c->lowest + i) & 7;
	return 8;
}

/* 0 is the highest, 8 none. */
static unsigned
rank(const struct chip *c, unsigned input)
{
	return input == 8 ? 8 : (input - c->lowest - 1) & 7;
}

/* The input to be acknowledged now; 8: none.  Fully nested structure: only
 * what ranks above all that is in service.  In special mask mode levels that
 * are masked hold nothing up; in special fully nested mode the cascade does
 * not hold itself up (the slave knows better). */
static unsigned
request(const struct chip *c)
{
	unsigned want = first(c, c->irr & (uint8_t)~c->imr);
	unsigned busy = first(c, c->special_mask ?
	    c->isr & (uint8_t)~c->imr : c->isr);

	if (rank(c, want) < rank(c, busy))
		return want;
	if (c->special_mask) {
		/* A lower level behind one that is busy itself. */
		uint8_t free = c->irr & (uint8_t)~(c->imr | c->isr);

		want = first(c, free);
		return rank(c, want) < rank(c, busy) ? want : 8;
	}
	if (c->special_nested && c->master && want == CASCADE && want == busy)
		return want;
	return 8;
}

static void
update(struct i8259 *p)
{
	uint8_t bit = 1u << CASCADE;

	if (request(&p->slave) < 8)
		p->master.irr |= bit;
	else
		p->master.irr &= (uint8_t)~bit;
	irq_set(&p->intr, request(&p->master) < 8);
}

static void
set_line(void *sink, unsigned n, bool level)
{
	struct chip *c = sink;
	uint8_t bit = (uint8_t)(1u << n);

	if (!!(c->lines & bit) == level)
		return;
	if (level) {
		c->lines |= bit;
		c->irr |= bit;
	} else {
		c->lines &= (uint8_t)~bit;
		/* An edge stays latched, so that a pulse counts. */
		if (c->elcr & bit)
			c->irr &= (uint8_t)~bit;
	}
	update(c->pair);
}

struct irq
i8259_line(struct i8259 *p, unsigned n)
{
	struct irq none = { NULL, NULL, 0 };

	if (n == CASCADE || n > 15)
		return none;
	return (struct irq){ set_line, n < 8 ? &p->master : &p->slave, n & 7 };
}

/* The first INTA cycle for this chip. */
static unsigned
take(struct chip *c)
{
	unsigned input = request(c);
	uint8_t bit = (uint8_t)(1u << input);

	if (input == 8)
		return 8;
	if (!(c->elcr & bit))
		c->irr &= (uint8_t)~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_auto)
		c->lowest = (uint8_t)input;
	return input;
}

uint8_t
i8259_acknowledge(struct i8259 *p)
{
	unsigned input = take(&p->master);
	struct chip *c = &p->master;

	if (input == CASCADE) {
		c = &p->slave;
		input = take(c);
	}
	update(p);
	/* No request any more: input 7's vector, and not in service. */
	return c->base + (input == 8 ? 7 : (uint8_t)input);
}

/* --- Command words -------------------------------------------------------- */

static void
icw1(struct chip *c, uint8_t v)
{
	c->init = 2;
	c->single = v & 0x02;
	c->wants_icw4 = v & 0x01;
	/* Edges are forgotten; inputs that are levels stay requests. */
	c->irr = c->lines & c->elcr;
	c->imr = c->isr = 0;
	c->lowest = 7;
	c->special_mask = c->read_isr = c->poll = c->rotate_auto = false;
	c->auto_eoi = c->special_nested = false;
}

static void
end_of_interrupt(struct chip *c, unsigned input, bool rotate)
{
	if (input == 8)
		return;
	c->isr &= (uint8_t)~(1u << input);
	if (rotate)
		c->lowest = (uint8_t)input;
}

static void
ocw2(struct chip *c, uint8_t v)
{
	unsigned level = v & 7;
	uint8_t busy = c->special_mask ? c->isr & (uint8_t)~c->imr : c->isr;

	switch (v >> 5) {
	case 0:			/* rotate in automatic EOI mode: clear, set */
	case 4:
		c->rotate_auto = v >> 7;
		break;
	case 1:			/* non-specific EOI, 5: and rotate */
	case 5:
		end_of_interrupt(c, first(c, busy), v >> 7);
		break;
	case 3:			/* specific EOI, 7: and rotate */
	case 7:
		end_of_interrupt(c, level, v >> 7);
		break;
	case 6:
		c->lowest = (uint8_t)level;
		break;
	}
}

static void
ocw3(struct chip *c, uint8_t v)
{
	if (v & 0x40)
		c->special_mask = v & 0x20;
	if (v & 0x02)
		c->read_isr = v & 0x01;
	c->poll = v & 0x04;
}

static void
write_data(struct chip *c, uint8_t v)
{
	switch (c->init) {
	case 2:
		c->base = v & 0xf8;
		c->init = !c->single ? 3 : c->wants_icw4 ? 4 : 0;
		break;
	case 3:			/* where the cascade is; it is wired */
		c->init = c->wants_icw4 ? 4 : 0;
		break;
	case 4:
		c->special_nested = v & 0x10;
		c->auto_eoi = v & 0x02;
		c->init = 0;
		break;
	default:
		c->imr = v;
	}
}

static void
port_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct chip *c = dev;
	uint8_t v = (uint8_t)value;

	if (off & 1)
		write_data(c, v);
	else if (v & 0x10)
		icw1(c, v);
	else if (v & 0x08)
		ocw3(c, v);
	else
		ocw2(c, v);
	update(c->pair);
}

static uint64_t
port_read(void *dev, uint64_t off, unsigned size)
{
	struct chip *c = dev;

	if (c->poll) {		/* the read is the INTA cycle */
		unsigned input = take(c);

		c->poll = false;
		update(c->pair);
		return input == 8 ? 7 : 0x80 | input;
	}
	if (off & 1)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

static uint64_t
elcr_read(void *dev, uint64_t off, unsigned size)
{
	struct i8259 *p = dev;

	return off ? p->slave.elcr : p->master.elcr;
}

static void
elcr_write(void *dev, uint64_t off, unsigned size, uint64_t v)
{
	struct i8259 *p = dev;
	struct chip *c = off ? &p->slave : &p->master;

	c->elcr = (uint8_t)v & c->elcr_may;
	c->irr = (c->irr & (uint8_t)~c->elcr) | (c->lines & c->elcr);
	update(p);
}

/* --- Making it ------------------------------------------------------------ */

static void
reset(struct i8259 *p, struct chip *c)
{
	struct chip fresh = { .pair = p, .master = c == &p->master,
	    .lines = c->lines, .elcr_may = c->elcr_may, .lowest = 7 };

	*c = fresh;
}

void
i8259_reset(struct i8259 *p)
{
	reset(p, &p->master);
	reset(p, &p->slave);
	update(p);
}

struct i8259 *
i8259_new(struct bus *bus, struct irq intr, struct error *err)
{
	static const struct io_ops chip = { port_read, port_write, 1, 1 };
	static const struct io_ops elcr = { elcr_read, elcr_write, 1, 1 };
	struct i8259 *p = calloc(1, sizeof(*p));

	if (p) {
		p->intr = intr;
		/* Timer, keyboard, cascade; clock, coprocessor: edges. */
		p->master.elcr_may = 0xf8;
		p->slave.elcr_may = 0xde;
		i8259_reset(p);
		p->ports[0] = bus_add(bus, 0x20, 2, &chip, &p->master, "pic");
		p->ports[1] = bus_add(bus, 0xa0, 2, &chip, &p->slave, "pic");
		p->ports[2] = bus_add(bus, 0x4d0, 2, &elcr, p, "elcr");
	}
	if (!p || !p->ports[0] || !p->ports[1] || !p->ports[2]) {
		error_errno(err, ENOMEM, "interrupt controllers");
		i8259_free(p);
		return NULL;
	}
	return p;
}

void
i8259_free(struct i8259 *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < 3; i++)
		bus_remove(p->ports[i]);
	free(p);
}

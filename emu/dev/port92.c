/* SPDX-License-Identifier: GPL-2.0-or-later */
/* port92.c - the PS/2's system control port A: bit 1 is A20, bit 0 rising is
 * a reset (IBM Personal System/2 Hardware Interface Technical Reference) */
#include "dev/port92.h"

#include <stdlib.h>

enum { RESET = 0x01, A20 = 0x02 };

struct port92 {
	struct bus_region *port;
	struct irq a20, reset;
	uint8_t value;
};

static uint64_t
port_read(void *opaque, uint64_t off, unsigned size)
{
	struct port92 *c = opaque;

	return c->value;
}

static void
port_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct port92 *c = opaque;
	bool rises = value & RESET && !(c->value & RESET);

	c->value = value & (RESET | A20);
	irq_set(&c->a20, value & A20);
	if (rises)
		irq_set(&c->reset, true);
}

static const struct io_ops ops = {
	.read = port_read,
	.write = port_write,
	.max = 1,
};

void
port92_reset(struct port92 *c)
{
	c->value = 0;
	irq_set(&c->a20, false);
	irq_set(&c->reset, false);
}

struct port92 *
port92_new(struct bus *bus, const struct irq *a20, const struct irq *reset,
    struct error *err)
{
	struct port92 *c = calloc(1, sizeof(*c));

	if (c) {
		c->a20 = *a20;
		c->reset = *reset;
		c->port = bus_add(bus, 0x92, 1, &ops, c, "port92");
		if (c->port)
			return c;
	}
	error_errno(err, ENOMEM, "port 92h");
	port92_free(c);
	return NULL;
}

void
port92_free(struct port92 *c)
{
	if (!c)
		return;
	bus_remove(c->port);
	free(c);
}

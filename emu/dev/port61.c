/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port61.c - the PC's system control port B, and port 80h
 *
 * Bit 0 is the gate of timer channel 2, bit 1 lets its output through to the
 * speaker; bit 4 toggles with each refresh of memory, every 15.085 us, by
 * which old programs wait; bit 5 is the output of channel 2.
 */
#include "dev/port61.h"

#include <stdlib.h>

enum { GATE = 0x01, SPEAKER = 0x02, REFRESH = 0x10, OUT = 0x20,
	KEPT = 0x0f, REFRESH_NS = 15085 };

struct port61 {
	struct bus_region *port, *post;
	struct board *board;
	struct port61_wires wires;
	uint8_t value, shown;
};

static uint64_t
port_read(void *opaque, uint64_t off, unsigned size)
{
	struct port61 *c = opaque;
	uint8_t v = c->value;

	if (board_now_ns(c->board) / REFRESH_NS & 1)
		v |= REFRESH;
	if (c->wires.out && c->wires.out(c->wires.timer))
		v |= OUT;
	return v;
}

static void
port_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct port61 *c = opaque;

	c->value = value & KEPT;
	if (c->wires.gate)
		c->wires.gate(c->wires.timer, value & GATE);
}

static uint64_t
post_read(void *opaque, uint64_t off, unsigned size)
{
	struct port61 *c = opaque;

	return c->shown;
}

static void
post_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct port61 *c = opaque;

	c->shown = value;
}

static const struct io_ops port_ops = {
	.read = port_read,
	.write = port_write,
	.max = 1,
};

static const struct io_ops post_ops = {
	.read = post_read,
	.write = post_write,
	.max = 1,
};

void
port61_reset(struct port61 *c)
{
	c->shown = 0;
	port_write(c, 0, 1, 0);
}

struct port61 *
port61_new(struct bus *bus, struct board *board,
    const struct port61_wires *wires, struct error *err)
{
	struct port61 *c = calloc(1, sizeof(*c));

	if (c) {
		c->board = board;
		c->wires = *wires;
		c->port = bus_add(bus, 0x61, 1, &port_ops, c, "port61");
		c->post = bus_add(bus, 0x80, 1, &post_ops, c, "post");
		if (c->port && c->post)
			return c;
	}
	error_errno(err, ENOMEM, "port 61h");
	port61_free(c);
	return NULL;
}

void
port61_free(struct port61 *c)
{
	if (!c)
		return;
	bus_remove(c->port);
	bus_remove(c->post);
	free(c);
}

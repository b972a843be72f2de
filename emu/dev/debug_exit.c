/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debug_exit.c - a port by which a guest ends the emulator */
#include "dev/debug_exit.h"

#include <stdlib.h>

struct debug_exit {
	struct bus_region *port;
	struct board *board;
};

static uint64_t
port_read(void *opaque, uint64_t off, unsigned size)
{
	return 0;
}

static void
port_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct debug_exit *c = opaque;

	board_quit(c->board, (int)(value << 1 & 0xff) | 1);
}

static const struct io_ops ops = {
	.read = port_read,
	.write = port_write,
};

struct debug_exit *
debug_exit_new(struct bus *bus, struct board *board, uint16_t port, unsigned n,
    struct error *err)
{
	struct debug_exit *c = calloc(1, sizeof(*c));

	if (c) {
		c->board = board;
		c->port = bus_add(bus, port, n, &ops, c, "isa-debug-exit");
		if (c->port)
			return c;
	}
	error_errno(err, ENOMEM, "isa-debug-exit");
	debug_exit_free(c);
	return NULL;
}

void
debug_exit_free(struct debug_exit *c)
{
	if (!c)
		return;
	bus_remove(c->port);
	free(c);
}

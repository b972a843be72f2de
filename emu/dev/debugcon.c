/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debugcon.c - a port whose bytes go to a file or terminal of the host; it
 * reads as E9h, by which SeaBIOS knows that somebody listens */
#include "dev/debugcon.h"

#include <stdlib.h>

enum { PRESENT = 0xe9 };

struct debugcon {
	struct bus_region *port;
	struct chardev *chr;
};

static uint64_t
port_read(void *opaque, uint64_t off, unsigned size)
{
	return PRESENT;
}

/* What the back end does not take is lost: a guest cannot be made to wait. */
static void
port_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct debugcon *c = opaque;
	uint8_t b = value;

	chardev_write(c->chr, &b, 1);
}

static const struct io_ops ops = {
	.read = port_read,
	.write = port_write,
	.max = 1,
};

struct debugcon *
debugcon_new(struct bus *bus, uint16_t port, struct chardev *chr,
    struct error *err)
{
	struct debugcon *c = calloc(1, sizeof(*c));

	if (c) {
		c->chr = chr;
		c->port = bus_add(bus, port, 1, &ops, c, "debugcon");
		if (c->port)
			return c;
	}
	error_errno(err, ENOMEM, "debugcon");
	debugcon_free(c);
	return NULL;
}

void
debugcon_free(struct debugcon *c)
{
	if (!c)
		return;
	bus_remove(c->port);
	free(c);
}

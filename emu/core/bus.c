/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bus.c - the 64 Ki I/O ports
 *
 * A table says for each port which region is on top there.
 */
#include "core/bus.h"

#include <stdlib.h>
#include <string.h>

#define PORTS 0x10000u

struct bus_region {
	struct bus *bus;
	uint32_t port, n;
	const struct io_ops *ops;
	void *dev;
	char *name;
	struct bus_region *above, *below;	/* by age */
};

struct bus {
	struct board *board;
	struct bus_region *top;		/* the latest */
	struct bus_region *at[PORTS];
};

struct bus *
bus_new(struct board *board, struct error *err)
{
	struct bus *b = calloc(1, sizeof(*b));

	if (!b)
		error_errno(err, ENOMEM, "I/O ports");
	else
		b->board = board;
	return b;
}

void
bus_free(struct bus *b)
{
	if (!b)
		return;
	while (b->top) {
		struct bus_region *r = b->top;

		b->top = r->below;
		free(r->name);
		free(r);
	}
	free(b);
}

static bool
covers(const struct bus_region *r, uint32_t port)
{
	return port >= r->port && port - r->port < r->n;
}

static void
fill(struct bus *b, uint32_t port, uint32_t n)
{
	for (; n > 0 && port < PORTS; n--, port++) {
		struct bus_region *r = b->top;

		while (r && !covers(r, port))
			r = r->below;
		if (b->at[port] != r)
			b->at[port] = r;
	}
}

struct bus_region *
bus_add(struct bus *b, uint16_t port, unsigned n, const struct io_ops *ops,
    void *dev, const char *name)
{
	struct bus_region *r = malloc(sizeof(*r));
	char *copy = strdup(name ? name : "");

	if (!r || !copy) {
		free(r);
		free(copy);
		return NULL;
	}
	*r = (struct bus_region){ b, port, n, ops, dev, copy, NULL, b->top };
	if (b->top)
		b->top->above = r;
	b->top = r;
	fill(b, port, n);
	return r;
}

void
bus_move(struct bus_region *r, uint16_t port)
{
	uint32_t old = r->port;

	r->port = port;
	fill(r->bus, old, r->n);
	fill(r->bus, port, r->n);
}

void
bus_remove(struct bus_region *r)
{
	if (!r)
		return;
	if (r->above)
		r->above->below = r->below;
	else
		r->bus->top = r->below;
	if (r->below)
		r->below->above = r->above;
	fill(r->bus, r->port, r->n);
	free(r->name);
	free(r);
}

/* How much of an access goes to the region at its first port: all or a byte. */
static unsigned
part(const struct bus *b, const struct bus_region *r, uint32_t port,
    unsigned size)
{
	for (unsigned i = 1; i < size; i++)
		if (port + i >= PORTS || b->at[port + i] != r)
			return 1;
	return size;
}

uint32_t
bus_in(struct bus *b, uint16_t port, unsigned size)
{
	uint32_t value = 0;

	board_lock(b->board);
	for (unsigned i = 0, n; i < size; i += n) {
		uint32_t p = (uint32_t)port + i, v = UINT32_MAX;
		struct bus_region *r = p < PORTS ? b->at[p] : NULL;

		n = i ? 1 : part(b, r, p, size);
		if (r)
			v = (uint32_t)io_read(r->ops, r->dev, p - r->port, n,
			    4);
		if (n < 4)
			v &= (1u << 8 * n) - 1;
		value |= v << 8 * i;
	}
	board_unlock(b->board);
	return value;
}

void
bus_out(struct bus *b, uint16_t port, unsigned size, uint32_t value)
{
	board_lock(b->board);
	for (unsigned i = 0, n; i < size; i += n) {
		uint32_t p = (uint32_t)port + i;
		struct bus_region *r = p < PORTS ? b->at[p] : NULL;

		n = i ? 1 : part(b, r, p, size);
		if (r)
			io_write(r->ops, r->dev, p - r->port, n,
			    value >> 8 * i, 4);
	}
	board_unlock(b->board);
}

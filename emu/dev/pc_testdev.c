/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc_testdev.c - what test suites for processors (kvm-unit-tests) use
 *
 * Ports E0h and E8h are 32 bits that keep what is written, E8h by bytes; port
 * E4h asks for a page to be forgotten and mapped again, which needs nothing
 * done here; ports 2000h on are interrupt lines; and 64 KiB at FF000000h are
 * memory that is reached as a device is.
 */
#include "dev/pc_testdev.h"

#include <stdlib.h>
#include <string.h>

enum { MEMORY = 0x10000 };
#define MEMORY_AT 0xff000000ull

struct pc_testdev {
	struct bus_region *word, *flush, *bytes, *lines;
	struct mem_region *mem;
	struct irq line[PC_TESTDEV_LINES];
	uint8_t value[4];
	uint8_t memory[MEMORY];
};

static uint64_t
word_read(void *opaque, uint64_t off, unsigned size)
{
	struct pc_testdev *c = opaque;
	uint64_t v = 0;

	if (off + size <= sizeof(c->value))
		memcpy(&v, c->value + off, size);
	return v;
}

static void
word_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct pc_testdev *c = opaque;

	if (off + size <= sizeof(c->value))
		memcpy(c->value + off, &value, size);
}

static uint64_t
flush_read(void *opaque, uint64_t off, unsigned size)
{
	return 0;
}

static void
flush_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
}

static void
line_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct pc_testdev *c = opaque;

	if (off < PC_TESTDEV_LINES)
		irq_set(&c->line[off], value & 0xff);
}

static uint64_t
memory_read(void *opaque, uint64_t off, unsigned size)
{
	struct pc_testdev *c = opaque;
	uint64_t v = 0;

	if (off + size <= MEMORY)
		memcpy(&v, c->memory + off, size);
	return v;
}

static void
memory_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct pc_testdev *c = opaque;

	if (off + size <= MEMORY)
		memcpy(c->memory + off, &value, size);
}

static const struct io_ops word_ops = { .read = word_read,
	.write = word_write };
static const struct io_ops byte_ops = { .read = word_read,
	.write = word_write, .max = 1 };
static const struct io_ops flush_ops = { .read = flush_read,
	.write = flush_write };
static const struct io_ops line_ops = { .read = flush_read,
	.write = line_write, .max = 1 };
static const struct io_ops memory_ops = { .read = memory_read,
	.write = memory_write };

struct pc_testdev *
pc_testdev_new(struct bus *bus, struct mem *mem,
    const struct irq line[PC_TESTDEV_LINES], struct error *err)
{
	struct pc_testdev *c = calloc(1, sizeof(*c));

	if (c) {
		memcpy(c->line, line, sizeof(c->line));
		c->word = bus_add(bus, 0xe0, 4, &word_ops, c, "pc-testdev");
		c->flush = bus_add(bus, 0xe4, 4, &flush_ops, c,
		    "pc-testdev-flush");
		c->bytes = bus_add(bus, 0xe8, 4, &byte_ops, c,
		    "pc-testdev-bytes");
		c->lines = bus_add(bus, 0x2000, PC_TESTDEV_LINES, &line_ops,
		    c, "pc-testdev-lines");
		c->mem = mem_add_io(mem, MEMORY_AT, MEMORY, &memory_ops, c,
		    "pc-testdev");
		if (c->word && c->flush && c->bytes && c->lines && c->mem)
			return c;
	}
	error_errno(err, ENOMEM, "pc-testdev");
	pc_testdev_free(c);
	return NULL;
}

void
pc_testdev_free(struct pc_testdev *c)
{
	if (!c)
		return;
	bus_remove(c->word);
	bus_remove(c->flush);
	bus_remove(c->bytes);
	bus_remove(c->lines);
	mem_remove(c->mem);
	free(c);
}

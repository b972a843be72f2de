/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rig.h - a board without a processor, to drive devices by their ports
 *
 * Interrupt lines and messages are counted.  rig_settle() lets everything
 * that was submitted to the disks end and be told, so that tests (and fuzz
 * targets) see one order of events.
 */
#ifndef EMU_RIG_H
#define EMU_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/board.h"
#include "core/bus.h"
#include "core/mem.h"
#include "dev/disk.h"
#include "dev/pci.h"
#include "image.h"

enum { RIG_RAM = 4 * 1024 * 1024, RIG_LINES = 32, RIG_DISKS = 4 };

struct rig {
	struct board *board;
	struct mem *mem;
	struct bus *bus;
	struct pci_bus *pci;
	struct disk *disk[RIG_DISKS];
	struct image *image[RIG_DISKS];
	unsigned disks;
	bool level[RIG_LINES];		/* as the devices set them */
	unsigned rises[RIG_LINES];
	bool pirq[4];
	unsigned messages, last_message;
};

static inline void rig_line(void *sink, unsigned n, bool level)
{
	struct rig *r = sink;

	r->rises[n] += level && !r->level[n];
	r->level[n] = level;
}

static inline void rig_pirq(void *opaque, unsigned line, bool level)
{
	((struct rig *)opaque)->pirq[line] = level;
}

static inline void rig_message(void *sink, uint64_t addr, uint32_t data)
{
	struct rig *r = sink;

	r->messages++;
	r->last_message = data;
}

static inline struct irq rig_irq(struct rig *r, unsigned n)
{
	return (struct irq){ rig_line, r, n };
}

static inline void rig_must(bool ok, const struct error *err)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", err->text);
	abort();
}

/* Leaves the board lock held. */
static inline void rig_init(struct rig *r)
{
	struct error err;

	memset(r, 0, sizeof(*r));
	r->board = board_new(&err);
	rig_must(r->board, &err);
	board_lock(r->board);
	r->mem = mem_new(r->board, RIG_RAM, &err);
	rig_must(r->mem, &err);
	r->bus = bus_new(r->board, &err);
	rig_must(r->bus, &err);
	r->pci = pci_bus_new(r->mem, r->bus,
	    (struct msi_sink){ rig_message, r }, rig_pirq, r, &err);
	rig_must(r->pci, &err);
}

/* A disk over a store, which it takes. */
static inline struct disk *rig_disk_on(struct rig *r, struct store *s,
    bool read_only, bool discard)
{
	struct open_args a = { .format = "raw", .writable = !read_only,
	    .unmap = discard, .store = s };
	struct error err;
	struct image *img = image_open("disk", &a, &err);
	struct disk *d;

	rig_must(img, &err);
	d = disk_new(r->board, img, "disk", read_only, discard, &err);
	rig_must(d, &err);
	r->image[r->disks] = img;
	r->disk[r->disks++] = d;
	return d;
}

/* A disk in memory. */
static inline struct disk *rig_disk(struct rig *r, uint64_t size,
    bool read_only, bool discard)
{
	struct error err;
	struct store *s = memory_open(size, &err);

	rig_must(s, &err);
	return rig_disk_on(r, s, read_only, discard);
}

static inline void rig_quit(void *opaque)
{
	board_quit(opaque, 0);
}

static inline void rig_idle(void *opaque)
{
	++*(unsigned *)opaque;
}

/* One turn of the loop: what was posted, and timers that are due. */
static inline void rig_turn(struct rig *r)
{
	struct board_work quit = { .fn = rig_quit, .opaque = r->board };

	board_post(r->board, &quit);
	board_unlock(r->board);
	board_run(r->board);
	board_lock(r->board);
}

static inline void rig_settle(struct rig *r)
{
	for (unsigned i = 0; i < r->disks; i++) {
		unsigned idle = 0;

		disk_drain(r->disk[i], rig_idle, &idle);
		while (!idle)
			rig_turn(r);
	}
}

static inline void rig_fini(struct rig *r)
{
	struct error err;

	rig_settle(r);
	board_unlock(r->board);
	for (unsigned i = 0; i < r->disks; i++)
		rig_must(!disk_free(r->disk[i], &err), &err);
	board_lock(r->board);
	pci_bus_free(r->pci);
	bus_free(r->bus);
	mem_free(r->mem);
	board_unlock(r->board);
	board_free(r->board);
}

/* ---- accesses: bus_in() and bus_out() take the lock themselves */

static inline uint32_t rig_in(struct rig *r, uint16_t port, unsigned size)
{
	uint32_t v;

	board_unlock(r->board);
	v = bus_in(r->bus, port, size);
	board_lock(r->board);
	return v;
}

static inline void rig_out(struct rig *r, uint16_t port, unsigned size,
    uint32_t v)
{
	board_unlock(r->board);
	bus_out(r->bus, port, size, v);
	board_lock(r->board);
}

static inline uint64_t rig_peek(struct rig *r, uint64_t gpa, unsigned size)
{
	uint64_t v;

	board_unlock(r->board);
	v = mem_io_read(r->mem, gpa, size);
	board_lock(r->board);
	return v;
}

static inline void rig_poke(struct rig *r, uint64_t gpa, unsigned size,
    uint64_t v)
{
	board_unlock(r->board);
	mem_io_write(r->mem, gpa, size, v);
	board_lock(r->board);
}

static inline uint32_t rig_config(struct rig *r, unsigned devfn, unsigned off,
    unsigned size)
{
	rig_out(r, 0xcf8, 4, 0x80000000 | devfn << 8 | (off & 0xfc));
	return rig_in(r, 0xcfc + (off & 3), size);
}

static inline void rig_config_set(struct rig *r, unsigned devfn, unsigned off,
    unsigned size, uint32_t v)
{
	rig_out(r, 0xcf8, 4, 0x80000000 | devfn << 8 | (off & 0xfc));
	rig_out(r, 0xcfc + (off & 3), size, v);
}

/* The guest's memory as the host sees it. */
static inline uint8_t *rig_ram(struct rig *r, uint64_t gpa)
{
	return (uint8_t *)mem_ram(r->mem, 0, RIG_RAM) + gpa;
}

/* What byte i of sector s of a test disk holds. */
static inline uint8_t rig_byte(uint64_t at)
{
	return (uint8_t)(at / 512 * 7 + at % 512 * 3 + 1);
}

static inline void rig_fill(struct rig *r, unsigned disk)
{
	uint64_t n = r->image[disk]->size;
	uint8_t *b = malloc(n);
	struct error err;

	for (uint64_t i = 0; i < n; i++)
		b[i] = rig_byte(i);
	rig_must(!image_write(r->image[disk], b, n, 0, 0, &err), &err);
	free(b);
}

static inline bool rig_matches(const uint8_t *b, uint64_t at, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (b[i] != rig_byte(at + i))
			return false;
	return true;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bus.h - the 64 Ki I/O ports
 *
 * Memory-mapped registers are regions of mem.h; ports are regions here.  The
 * device's functions are the same (struct io_ops).  A port nobody has reads as
 * ones.  "bus_in" and "bus_out" take the board lock, all else wants it held.
 */
#ifndef CORE_BUS_H
#define CORE_BUS_H

#include "core/board.h"
#include "core/mem.h"

struct bus;
struct bus_region;

struct bus *bus_new(struct board *, struct error *err);
void bus_free(struct bus *);

/* n ports from port on, what is beyond FFFFh is cut off; a later region hides
 * an earlier one.  The name is copied.  NULL: no memory. */
struct bus_region *bus_add(struct bus *, uint16_t port, unsigned n,
    const struct io_ops *, void *dev, const char *name);
void bus_move(struct bus_region *, uint16_t port);
void bus_remove(struct bus_region *);	/* and frees; NULL is allowed */

/* size 1, 2 or 4: an access that goes past a region is split into bytes. */
uint32_t bus_in(struct bus *, uint16_t port, unsigned size);
void bus_out(struct bus *, uint16_t port, unsigned size, uint32_t value);

#endif

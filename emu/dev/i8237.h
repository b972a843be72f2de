/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8237.h - the ISA DMA controllers: two 8237A and the page registers
 *
 * A device that has its request line up moves data by i8237_move(); where the
 * channel is not ready it is called once the guest has unmasked it.
 */
#ifndef DEV_I8237_H
#define DEV_I8237_H

#include "core/bus.h"

struct i8237;

/* Ports 00h-0Fh, C0h-DFh, 80h-8Fh. */
struct i8237 *i8237_new(struct bus *, struct mem *, struct error *err);
void i8237_free(struct i8237 *);	/* NULL is allowed */
void i8237_reset(struct i8237 *);

/* go(opaque) is called when channel 0..7 but 4 becomes unmasked. */
void i8237_attach(struct i8237 *, unsigned channel, void (*go)(void *opaque),
    void *opaque);

/*
 * Moves at most len bytes between buf and the memory the channel is set to;
 * the bytes it took, 0 while it is masked, off or set the other way.  *end is
 * set when the count ran out (TC).
 */
unsigned i8237_move(struct i8237 *, unsigned channel, void *buf, unsigned len,
    bool to_memory, bool *end);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8259.h - the pair of interrupt controllers of a PC, with the PIIX's edge
 * or level registers
 *
 * Board lock held for all.
 */
#ifndef DEV_I8259_H
#define DEV_I8259_H

#include "core/bus.h"
#include "core/irq.h"

struct i8259;

/* Ports 20h, A0h, 4D0h.  intr is the INTR output. */
struct i8259 *i8259_new(struct bus *, struct irq intr, struct error *err);
void i8259_free(struct i8259 *);	/* NULL is allowed */
void i8259_reset(struct i8259 *);

/* Input n, 0..15; 2 is the cascade and not wired. */
struct irq i8259_line(struct i8259 *, unsigned n);

/* The processor's INTA cycles: the vector, a spurious one if there is no
 * request any more. */
uint8_t i8259_acknowledge(struct i8259 *);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i16550.h - a serial port */
#ifndef DEV_I16550_H
#define DEV_I16550_H

#include "core/bus.h"
#include "core/chardev.h"
#include "core/irq.h"

struct i16550;

/* Eight ports; chr is borrowed, NULL: nothing is plugged in. */
struct i16550 *i16550_new(struct bus *, struct board *, uint16_t port,
    const struct irq *, struct chardev *chr, struct error *err);
void i16550_free(struct i16550 *);	/* NULL is allowed */
void i16550_reset(struct i16550 *);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8254.h - the interval timer: channel 0 interrupts, channel 2 is the
 * speaker's and a stop-watch
 *
 * Board lock held for all.
 */
#ifndef DEV_I8254_H
#define DEV_I8254_H

#include "core/bus.h"
#include "core/irq.h"

#define I8254_HZ 1193182

struct i8254;

/* Ports 40h..43h; out is channel 0's. */
struct i8254 *i8254_new(struct bus *, struct board *, struct irq out,
    struct error *err);
void i8254_free(struct i8254 *);	/* NULL is allowed */
void i8254_reset(struct i8254 *);

/* Channel 2, for port 61h. */
void i8254_gate(void *i8254, bool on);
bool i8254_out(void *i8254);

/* Off: channel 0 interrupts no more (the HPET has its line). */
void i8254_connect(void *i8254, bool on);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i8042.h - keyboard controller with a PS/2 keyboard and mouse */
#ifndef DEV_I8042_H
#define DEV_I8042_H

#include "core/bus.h"
#include "core/display.h"
#include "core/irq.h"

struct i8042;

struct i8042_wires {
	struct irq keyboard, mouse;	/* 1 and 12 */
	struct irq reset;
	struct irq a20;			/* high: address bit 20 passes */
};

/* At ports 60h and 64h. */
struct i8042 *i8042_new(struct bus *, const struct i8042_wires *,
    struct error *err);
void i8042_free(struct i8042 *);	/* NULL is allowed */
void i8042_reset(struct i8042 *);
/* Where user interfaces send keys and movements. */
struct input_sink i8042_input(struct i8042 *);

#endif

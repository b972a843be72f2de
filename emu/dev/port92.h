/* SPDX-License-Identifier: GPL-2.0-or-later */
/* port92.h - the PS/2's system control port A: A20 and a fast reset */
#ifndef DEV_PORT92_H
#define DEV_PORT92_H

#include "core/bus.h"
#include "core/irq.h"

struct port92;

/* a20: high while the port wants address bit 20 to pass. */
struct port92 *port92_new(struct bus *, const struct irq *a20,
    const struct irq *reset, struct error *err);
void port92_free(struct port92 *);	/* NULL is allowed */
void port92_reset(struct port92 *);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pc_testdev.h - what test suites for processors use: "pc-testdev" */
#ifndef DEV_PC_TESTDEV_H
#define DEV_PC_TESTDEV_H

#include "core/bus.h"
#include "core/irq.h"
#include "core/mem.h"

struct pc_testdev;

enum { PC_TESTDEV_LINES = 24 };

struct pc_testdev *pc_testdev_new(struct bus *, struct mem *,
    const struct irq line[PC_TESTDEV_LINES], struct error *err);
void pc_testdev_free(struct pc_testdev *);	/* NULL is allowed */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debug_exit.h - a port by which a guest ends the emulator */
#ifndef DEV_DEBUG_EXIT_H
#define DEV_DEBUG_EXIT_H

#include "core/bus.h"

struct debug_exit;

/* n ports from port on.  A write of v ends the emulator with code v * 2 + 1:
 * never 0, so that it is not taken for a proper end. */
struct debug_exit *debug_exit_new(struct bus *, struct board *, uint16_t port,
    unsigned n, struct error *err);
void debug_exit_free(struct debug_exit *);	/* NULL is allowed */

#endif

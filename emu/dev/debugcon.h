/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debugcon.h - a port whose bytes go to a file or terminal of the host */
#ifndef DEV_DEBUGCON_H
#define DEV_DEBUGCON_H

#include "core/bus.h"
#include "core/chardev.h"

struct debugcon;

/* chr is borrowed. */
struct debugcon *debugcon_new(struct bus *, uint16_t port, struct chardev *,
    struct error *err);
void debugcon_free(struct debugcon *);	/* NULL is allowed */

#endif

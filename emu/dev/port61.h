/* SPDX-License-Identifier: GPL-2.0-or-later */
/* port61.h - the PC's system control port B, between the timer's channel 2 and
 * the speaker */
#ifndef DEV_PORT61_H
#define DEV_PORT61_H

#include "core/bus.h"

struct port61;

struct port61_wires {
	void (*gate)(void *timer, bool on);	/* of channel 2 */
	bool (*out)(void *timer);		/* its output now */
	void *timer;				/* borrowed */
};

/* At port 61h, and port 80h (what a BIOS shows while it tests). */
struct port61 *port61_new(struct bus *, struct board *,
    const struct port61_wires *, struct error *err);
void port61_free(struct port61 *);	/* NULL is allowed */
void port61_reset(struct port61 *);

#endif

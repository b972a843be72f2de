/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mc146818.h - the real-time clock and its battery-backed memory */
#ifndef DEV_MC146818_H
#define DEV_MC146818_H

#include "core/bus.h"
#include "core/irq.h"

struct mc146818;

struct mc146818_config {
	/* What the clock shows at start, in seconds since 1970, as a calendar
	 * without time zone (for local time the caller adds the zone). */
	int64_t start;
	bool host;	/* runs with the host's clock, also while stopped */
	struct irq irq;
};

/* At ports 70h and 71h. */
struct mc146818 *mc146818_new(struct bus *, struct board *,
    const struct mc146818_config *, struct error *err);
void mc146818_free(struct mc146818 *);	/* NULL is allowed */
void mc146818_reset(struct mc146818 *);	/* keeps time and memory */
/* Off: it interrupts no more (the HPET has its line). */
void mc146818_connect(struct mc146818 *, bool on);

/* Memory byte 0eh to 7fh, for the board to tell firmware what there is. */
void mc146818_put(struct mc146818 *, unsigned at, uint8_t value);
uint8_t mc146818_get(const struct mc146818 *, unsigned at);
/* Seconds since 1970 that the clock shows now. */
int64_t mc146818_time(struct mc146818 *);

#endif

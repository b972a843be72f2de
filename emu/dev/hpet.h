/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hpet.h - the high precision event timers: a 100 MHz counter and three
 * comparators
 *
 * Board lock held for all.
 */
#ifndef DEV_HPET_H
#define DEV_HPET_H

#include "core/irq.h"
#include "core/mem.h"

#define HPET_BASE 0xfed00000ull
#define HPET_TICK_NS 10
/* Its EVENT_TIMER_BLOCK_ID, for the ACPI table. */
#define HPET_ID 0x8086a201u

struct hpet;

struct hpet_wires {
	struct irq timer, clock;	/* IRQ 0 and 8: legacy replacement */
	struct irq line[24];	/* of the I/O APIC; 20..23 are used */
	struct msi_sink msi;	/* send NULL: no messages */
	/* Legacy replacement goes on or off: the 8254 and the RTC interrupt
	 * no more, or again. */
	void (*legacy)(void *opaque, bool on);
	void *opaque;
};

struct hpet *hpet_new(struct mem *, struct board *,
    const struct hpet_wires *, struct error *err);
void hpet_free(struct hpet *);	/* NULL is allowed */
void hpet_reset(struct hpet *);

#endif

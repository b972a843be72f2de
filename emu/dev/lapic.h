/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.h - the processors' local APICs, and the messages between them, the
 * I/O APIC and devices
 *
 * Processor n has APIC id n.  The functions lapic_*() are what the processor's
 * own thread calls (struct cpu_apic has their form): without the board lock,
 * which they take when they must.  The board lock comes before a local APIC's
 * own lock.  Intel SDM 3A chapter 11 is cited by section.
 */
#ifndef DEV_LAPIC_H
#define DEV_LAPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/board.h"
#include "core/irq.h"

#define LAPIC_BASE 0xfee00000ull

struct lapic;
struct lapics;

/* What the APICs do to processors and other chips. */
struct lapic_wires {
	void *opaque;		/* borrowed; given to all of these */
	/* To processor cpu; any thread, with the board lock or without. */
	void (*interrupt)(void *opaque, unsigned cpu);
	void (*nmi)(void *opaque, unsigned cpu);
	void (*init)(void *opaque, unsigned cpu);
	void (*sipi)(void *opaque, unsigned cpu, uint8_t vector);
	/* Its time stamp counter now, and how fast it counts. */
	uint64_t (*tsc)(void *opaque, unsigned cpu);
	uint64_t tsc_hz;
	/* INTA cycle to the 8259, and the end of a level triggered interrupt
	 * for the I/O APIC; board lock held.  NULL: no such chip. */
	uint8_t (*extint)(void *opaque);
	void (*eoi)(void *opaque, uint8_t vector);
};

struct lapics *lapics_new(struct board *, unsigned n,
    const struct lapic_wires *, struct error *err);
void lapics_free(struct lapics *);	/* NULL is allowed */
void lapics_reset(struct lapics *);	/* board lock held */

struct lapic *lapics_cpu(struct lapics *, unsigned cpu);
/* INTR of the 8259 (LINT0 of all), NMI (LINT1 of all). */
struct irq lapics_intr(struct lapics *);
struct irq lapics_nmi(struct lapics *);
/* Interrupt messages; board lock held. */
struct msi_sink lapics_msi(struct lapics *);

/* For the processor's thread. */
int lapic_acknowledge(void *lapic);
uint32_t lapic_read(void *lapic, unsigned reg);
void lapic_write(void *lapic, unsigned reg, uint32_t value);
bool lapic_rdmsr(void *lapic, uint32_t msr, uint64_t *value);
bool lapic_wrmsr(void *lapic, uint32_t msr, uint64_t value);
uint64_t lapic_base(void *lapic);
uint8_t lapic_tpr(void *lapic);
void lapic_set_tpr(void *lapic, uint8_t cr8);

#endif

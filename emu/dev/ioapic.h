/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioapic.h - the I/O APIC: 24 lines become messages to the local APICs
 *
 * Board lock held for all.
 */
#ifndef DEV_IOAPIC_H
#define DEV_IOAPIC_H

#include "core/irq.h"
#include "core/mem.h"

#define IOAPIC_BASE 0xfec00000ull
#define IOAPIC_LINES 24

struct ioapic;

struct ioapic *ioapic_new(struct mem *, struct msi_sink, struct error *err);
void ioapic_free(struct ioapic *);	/* NULL is allowed */
void ioapic_reset(struct ioapic *);

struct irq ioapic_line(struct ioapic *, unsigned n);

/* A local APIC has ended a level triggered interrupt of this vector. */
void ioapic_eoi(struct ioapic *, uint8_t vector);

/* Entry n as a message, and changed() after the guest wrote to any: for
 * kernels that keep the routes (KVM with its local APICs alone). */
void ioapic_watch(struct ioapic *, void (*changed)(void *opaque),
    void *opaque);
void ioapic_entry(const struct ioapic *, unsigned n, uint64_t *addr,
    uint32_t *data, bool *masked);

#endif

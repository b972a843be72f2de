/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * processors.h - processors and interrupt controllers, ours or KVM's
 *
 * The rest of the board sees lines, a sink for messages, and processors that
 * are held, let go and reset together.  Board lock held, once they run.
 */
#ifndef PROCESSORS_H
#define PROCESSORS_H

#include "accel/vcpu.h"
#include "core/irq.h"
#include "machine.h"

struct processors;

/* The interrupt controllers; no processor yet. */
struct processors *processors_new(const struct machine_config *,
    struct board *, struct mem *, struct bus *, struct error *err);
/* The processors, held, once the board is complete. */
int processors_make(struct processors *, const struct vcpu_events *,
    struct error *err);
void processors_free(struct processors *);	/* NULL is allowed */

/* ISA interrupt n, 0..15, or pin 16..23 of the I/O APIC. */
struct irq processors_line(struct processors *, unsigned n);
struct msi_sink processors_msi(struct processors *);

void processors_hold(struct processors *);
void processors_go(struct processors *);
void processors_reset(struct processors *);	/* while held; chips, too */

struct vcpus *processors_vcpus(struct processors *);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* piix3.h - the ISA bridge: where PCI interrupts go, and reset */
#ifndef DEV_PIIX3_H
#define DEV_PIIX3_H

#include "dev/pci.h"

struct piix3;

/* Interrupt outputs, and the wire that resets the machine. */
struct piix3_wires {
	struct irq isa[16];
	struct irq reset;
};

/* PCI function 1.0.  The bus frees it. */
struct piix3 *piix3_new(struct pci_bus *, const struct piix3_wires *,
    struct error *err);
/* The line an ISA device pulls; PCI lines routed to the same one are ORed. */
struct irq piix3_isa_irq(struct piix3 *, unsigned n);
/* PIRQA..PIRQD, 0 to 3. */
void piix3_pirq(struct piix3 *, unsigned line, bool level);

#endif

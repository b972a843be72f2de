/* SPDX-License-Identifier: GPL-2.0-or-later */
/* piix4_pm.h - power management: the ACPI registers, and an SMBus with
 * nobody on it */
#ifndef DEV_PIIX4_PM_H
#define DEV_PIIX4_PM_H

#include "dev/pci.h"

struct piix4_pm;

/* Where firmware puts the registers; the ACPI tables must say the same. */
enum {
	PIIX4_PM_BASE = 0x600,	/* PM1a event; control at + 4 */
	PIIX4_PM_TIMER = 8,
	PIIX4_PM_GPE0 = 0xc,
	PIIX4_SMI_COMMAND = 0xb2,
	PIIX4_ACPI_ON = 0xf1,	/* to the command port */
	PIIX4_ACPI_OFF = 0xf0,
};

struct piix4_pm_wires {
	struct irq sci;
	/* The guest goes to a sleeping state: 0 is S5, power off. */
	void (*sleep)(void *opaque, unsigned type);
	void *opaque;
};

/* PCI function 1.3.  The bus frees it. */
struct piix4_pm *piix4_pm_new(struct pci_bus *, struct bus *, struct board *,
    const struct piix4_pm_wires *, struct error *err);
/* The power button was pressed. */
void piix4_pm_button(struct piix4_pm *);

#endif

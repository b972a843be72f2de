/* SPDX-License-Identifier: GPL-2.0-or-later */
/* piix3_ide.h - the IDE function of the PIIX3: two channels, bus master */
#ifndef DEV_PIIX3_IDE_H
#define DEV_PIIX3_IDE_H

#include "dev/ide.h"
#include "dev/pci.h"

struct piix3_ide;

/*
 * Function 1 of the PIIX3 in a slot, with ports 1F0h and 170h and the lines
 * of ISA interrupts 14 and 15.  drive[]: primary master, slave, secondary
 * master, slave; a disk of NULL is no drive.  The bus frees it.
 */
int piix3_ide_new(struct pci_bus *, struct bus *, struct mem *, unsigned slot,
    const struct irq line[2], const struct ide_config drive[4],
    struct piix3_ide **, struct error *err);

/* Default translation of a drive, for the CMOS; false: no such disk. */
bool piix3_ide_geometry(const struct piix3_ide *, unsigned drive,
    unsigned *cylinders, unsigned *heads, unsigned *sectors);

#endif

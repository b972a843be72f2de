/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pci_testdev.h - a PCI function that counts writes: "pci-testdev" */
#ifndef DEV_PCI_TESTDEV_H
#define DEV_PCI_TESTDEV_H

#include "dev/pci.h"

/* slot or PCI_ANY_SLOT; id is the user's, borrowed, or NULL.  The bus frees
 * it. */
int pci_testdev_new(struct pci_bus *, unsigned slot, const char *id,
    struct error *err);

#endif

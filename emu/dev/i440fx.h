/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i440fx.h - the host bridge: which of C0000h-FFFFFh is RAM */
#ifndef DEV_I440FX_H
#define DEV_I440FX_H

#include "dev/pci.h"

/* PCI function 0.0.  What lies below 1 MiB beside RAM (ROMs, video memory)
 * must have been added to mem before.  The bus frees it. */
struct pci_dev *i440fx_new(struct pci_bus *, struct mem *, struct error *err);

#endif

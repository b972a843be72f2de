/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vga.h - a VGA on PCI with the Bochs VBE extensions ("-vga std") */
#ifndef DEV_VGA_H
#define DEV_VGA_H

#include "core/board.h"
#include "core/bus.h"
#include "core/display.h"
#include "core/mem.h"
#include "dev/pci.h"

struct vga;

struct vga_config {
	const uint8_t *rom;	/* its BIOS, copied; NULL: none */
	uint64_t rom_len;
	unsigned slot;		/* or PCI_ANY_SLOT */
	const char *id;		/* the user's, or NULL */
};

/* Freed with the bus. */
struct vga *vga_new(struct pci_bus *, struct mem *, struct bus *,
    struct board *, const struct vga_config *, struct error *err);
struct display_source vga_source(struct vga *);

#endif

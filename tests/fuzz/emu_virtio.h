/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emu_virtio.h - a guest against a virtio device
 *
 * The first byte says whether a driver has set the device up before (old or
 * version 1), with which features; its rings begin in the window, full of the
 * input.
 */
#ifndef FUZZ_EMU_VIRTIO_H
#define FUZZ_EMU_VIRTIO_H

#include "dev/virtio_pci.h"
#include "fuzz/emu_fuzz.h"

enum { SLOT = 4, FN = PCI_DEVFN(SLOT, 0), BAR0 = 0xc000, BAR1 = 0xfe010000,
	BAR4 = 0xfe000000 };

static inline void virtio_queue_at(struct fuzz *f, unsigned q)
{
	uint64_t at = WINDOW + 0x2000 * (q % 4);

	rig_poke(&f->r, BAR4 + 22, 2, q);
	rig_poke(&f->r, BAR4 + 24, 2, 8);
	rig_poke(&f->r, BAR4 + 32, 4, at);
	rig_poke(&f->r, BAR4 + 40, 4, at + 0x200);
	rig_poke(&f->r, BAR4 + 48, 4, at + 0x400);
	rig_poke(&f->r, BAR4 + 28, 2, 1);
}

static inline void virtio_old_queue_at(struct fuzz *f, unsigned q)
{
	rig_out(&f->r, BAR0 + 14, 2, q);
	rig_out(&f->r, BAR0 + 8, 4, (WINDOW + 0x4000 * (q % 4)) >> 12);
}

static inline void virtio_fuzz(struct fuzz *f, unsigned queues)
{
	unsigned how = fuzz_take(f, 1);

	f->devfn = FN;
	f->port[0] = (struct fuzz_range){ BAR0, 32 };
	f->mmio[0] = (struct fuzz_range){ BAR4, 0x3100 };
	f->mmio[1] = (struct fuzz_range){ BAR4 + 0x3000, 16 };
	f->mmio[2] = (struct fuzz_range){ BAR1, 0x100 };
	rig_config_set(&f->r, FN, 0x10, 4, BAR0);
	rig_config_set(&f->r, FN, 0x14, 4, BAR1);
	rig_config_set(&f->r, FN, 0x20, 4, BAR4);
	rig_config_set(&f->r, FN, 0x24, 4, 0);
	rig_config_set(&f->r, FN, 0x04, 2, 7);
	if (how & 1) {
		rig_poke(&f->r, BAR4 + 20, 1, 3);
		rig_poke(&f->r, BAR4 + 12, 4,
		    how & 4 ? 0x30000202 : 0x10000202);
		rig_poke(&f->r, BAR4 + 8, 4, 1);
		rig_poke(&f->r, BAR4 + 12, 4, 1);
		rig_poke(&f->r, BAR4 + 20, 1, 11);
		for (unsigned q = 0; q < queues; q++)
			virtio_queue_at(f, q);
		rig_poke(&f->r, BAR4 + 20, 1, 15);
	} else if (how & 2) {
		rig_out(&f->r, BAR0 + 18, 1, 3);
		rig_out(&f->r, BAR0 + 4, 4, how & 4 ? 0x30000202 : 0x10000002);
		for (unsigned q = 0; q < queues; q++)
			virtio_old_queue_at(f, q);
		rig_out(&f->r, BAR0 + 18, 1, 7);
	}
	fuzz_steps(f);
}

#endif

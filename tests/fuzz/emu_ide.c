/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emu_ide.c - a guest against the IDE adapter, a disk and a CD-ROM
 *
 * The input is read as emu_fuzz.h says; the bus masters' tables begin in the
 * window.
 */
#include "dev/piix3_ide.h"
#include "fuzz/emu_fuzz.h"

enum { BM = 0xc000, FN = PCI_DEVFN(1, 1) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	struct ide_config drive[4] = { { 0 } };
	struct piix3_ide *ide;
	struct irq line[2];
	struct error err;

	fuzz_begin(&f, data, size);
	line[0] = rig_irq(&f.r, 14);
	line[1] = rig_irq(&f.r, 15);
	drive[0].disk = rig_disk(&f.r, 1 << 20, false, true);
	drive[1].disk = rig_disk(&f.r, 1 << 16, true, false);
	drive[2].disk = rig_disk(&f.r, 1 << 20, true, false);
	drive[2].cd = true;
	rig_must(!piix3_ide_new(f.r.pci, f.r.bus, f.r.mem, 1, line, drive,
	    &ide, &err), &err);
	f.devfn = FN;
	f.port[0] = (struct fuzz_range){ 0x1f0, 8 };
	f.port[1] = (struct fuzz_range){ 0x170, 8 };
	f.port[2] = (struct fuzz_range){ 0x3f6, 1 };
	f.port[3] = (struct fuzz_range){ 0x376, 1 };
	f.port[4] = (struct fuzz_range){ BM, 16 };
	rig_config_set(&f.r, FN, 0x20, 4, BM);
	rig_config_set(&f.r, FN, 0x04, 2, 5);
	rig_out(&f.r, BM + 4, 4, WINDOW);
	rig_out(&f.r, BM + 12, 4, WINDOW);
	fuzz_steps(&f);
	rig_fini(&f.r);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emu_floppy.c - a guest against the floppy and DMA controllers
 *
 * The input is read as emu_fuzz.h says; its first byte chooses diskettes.
 */
#include "dev/i82078.h"
#include "fuzz/emu_fuzz.h"

static struct i82078 *fdc;
static struct i8237 *dma;

static void reset(struct fuzz *f)
{
	i82078_reset(fdc);
	i8237_reset(dma);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t sizes[] = { 1440, 2880, 360, 1200, 720, 100 };
	static struct fuzz f;
	struct disk *drive[2];
	struct error err;
	unsigned kind;

	fuzz_begin(&f, data, size);
	kind = fuzz_take(&f, 1);
	drive[0] = rig_disk(&f.r, sizes[kind % 6] * 1024, false, false);
	drive[1] = kind & 0x80 ? NULL : rig_disk(&f.r, 737, true, false);
	dma = i8237_new(f.r.bus, f.r.mem, &err);
	rig_must(dma, &err);
	fdc = i82078_new(f.r.bus, dma, rig_irq(&f.r, 6), drive, &err);
	rig_must(fdc, &err);
	f.port[0] = (struct fuzz_range){ 0x3f0, 8 };
	f.port[1] = (struct fuzz_range){ 0x3f5, 1 };
	f.port[2] = (struct fuzz_range){ 0x00, 16 };
	f.port[3] = (struct fuzz_range){ 0x80, 16 };
	f.port[4] = (struct fuzz_range){ 0xc0, 32 };
	f.more = reset;
	/* Out of reset, and channel 2 reads into the window. */
	rig_out(&f.r, 0x3f2, 1, 0x1c);
	rig_out(&f.r, 0x81, 1, WINDOW >> 16);
	rig_out(&f.r, 0x0b, 1, 0x46);
	rig_out(&f.r, 0x05, 2, 0xff);
	rig_out(&f.r, 0x0a, 1, 0x02);
	fuzz_steps(&f);
	i82078_free(fdc);
	i8237_free(dma);
	rig_fini(&f.r);
	return 0;
}

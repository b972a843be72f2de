/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emu_vga.c - a guest against the VGA
 *
 * Its ports, its window, its BARs; the input is read as emu_fuzz.h says.  The
 * operation of our own looks at the screen as a person would, moves a BAR,
 * sets VBE registers, resets, or lets time pass.
 */
#include "dev/vga.h"
#include "fuzz/emu_fuzz.h"

static struct display_source screen;

static void look(void)
{
	volatile uint32_t sum = 0;
	struct picture p;

	if (!screen.picture(screen.dev, &p))
		return;
	/* All of what was promised is there. */
	for (size_t i = 0; i < (size_t)p.width * p.height; i++)
		sum += p.pixel[i];
	for (size_t i = 0; i < (size_t)p.columns * p.rows; i++)
		sum += p.cell[i];
}

static void more(struct fuzz *f)
{
	switch (fuzz_take(f, 1) % 5) {
	case 0:
		look();
		break;
	case 1:
		rig_out(&f->r, 0x1ce, 2, fuzz_take(f, 1) & 15);
		rig_out(&f->r, 0x1cf, 2, fuzz_take(f, 2));
		break;
	case 2:
		pci_bus_reset(f->r.pci);
		break;
	case 3:
		board_advance(f->r.board, fuzz_take(f, 3));
		break;
	case 4:		/* the palette is the screen's: something is seen */
		rig_in(&f->r, 0x3da, 1);
		rig_out(&f->r, 0x3c0, 1, 0x20);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	static uint8_t rom[5000];
	struct vga_config c = { .rom = rom, .rom_len = sizeof(rom),
		.slot = 2 };
	struct error err;
	struct vga *vga;

	fuzz_begin(&f, data, size);
	vga = vga_new(f.r.pci, f.r.mem, f.r.bus, f.r.board, &c, &err);
	rig_must(vga, &err);
	screen = vga_source(vga);
	f.more = more;
	f.devfn = PCI_DEVFN(2, 0);
	f.port[0] = (struct fuzz_range){ 0x3b0, 0x30 };
	f.port[1] = (struct fuzz_range){ 0x1ce, 4 };
	f.mmio[0] = (struct fuzz_range){ 0xa0000, 0x20000 };
	f.mmio[1] = (struct fuzz_range){ 0xe0000000, 16 << 20 };
	f.mmio[2] = (struct fuzz_range){ 0xe1000000, 0x1000 };
	rig_config_set(&f.r, f.devfn, 0x10, 4, 0xe0000000);
	rig_config_set(&f.r, f.devfn, 0x18, 4, 0xe1000000);
	rig_config_set(&f.r, f.devfn, 0x04, 2, 3);
	fuzz_steps(&f);
	look();
	rig_fini(&f.r);
	return 0;
}

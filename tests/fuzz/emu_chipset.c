/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emu_chipset.c - a guest against the chipset and the old chips of the board
 *
 * i440FX, PIIX3, power management, clock, keyboard controller, serial port,
 * fw_cfg, pci-testdev.  The input is read as emu_fuzz.h says; the operation
 * of our own chooses a PCI function, types, moves the mouse, resets the bus,
 * or lets time pass.
 */
#include "dev/i16550.h"
#include "dev/i440fx.h"
#include "dev/i8042.h"
#include "dev/mc146818.h"
#include "dev/pci_testdev.h"
#include "dev/piix3.h"
#include "dev/piix4_pm.h"
#include "dev/port61.h"
#include "dev/port92.h"
#include "fuzz/emu_fuzz.h"
#include "fw/fw_cfg.h"

static struct input_sink input;

static void more(struct fuzz *f)
{
	static const uint8_t functions[] = { 0, 8, 0x0b, 0x20 };

	switch (fuzz_take(f, 1) % 5) {
	case 0:
		f->devfn = functions[fuzz_take(f, 1) % 4];
		break;
	case 1:
		input.key(input.dev, fuzz_take(f, 1), fuzz_take(f, 1) & 1);
		break;
	case 2:
		input.pointer(input.dev, (int32_t)fuzz_take(f, 4),
		    (int32_t)fuzz_take(f, 4), (int8_t)fuzz_take(f, 1),
		    fuzz_take(f, 1));
		break;
	case 3:
		pci_bus_reset(f->r.pci);
		break;
	case 4:
		board_advance(f->r.board, fuzz_take(f, 3));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	struct piix3_wires piix3 = { 0 };
	struct piix4_pm_wires pm = { 0 };
	struct i8042_wires kbd = { .a20 = { .set = NULL } };
	struct port61_wires speaker = { 0 };
	struct irq none = { 0 };
	struct mc146818_config rtc = { .start = 1700000000 };
	struct mc146818 *clock;
	struct i8042 *keyboard;
	struct i16550 *serial;
	struct port61 *port61;
	struct port92 *port92;
	struct fw_cfg *fw;
	struct error err;

	fuzz_begin(&f, data, size);
	for (unsigned i = 0; i < 16; i++)
		piix3.isa[i] = rig_irq(&f.r, i);
	pm.sci = rig_irq(&f.r, 9);
	kbd.keyboard = rig_irq(&f.r, 1);
	kbd.mouse = rig_irq(&f.r, 12);
	rtc.irq = rig_irq(&f.r, 8);
	rig_must(i440fx_new(f.r.pci, f.r.mem, &err), &err);
	rig_must(piix3_new(f.r.pci, &piix3, &err), &err);
	rig_must(piix4_pm_new(f.r.pci, f.r.bus, f.r.board, &pm, &err), &err);
	rig_must(!pci_testdev_new(f.r.pci, 4, NULL, &err), &err);
	clock = mc146818_new(f.r.bus, f.r.board, &rtc, &err);
	keyboard = i8042_new(f.r.bus, &kbd, &err);
	serial = i16550_new(f.r.bus, f.r.board, 0x3f8, &none, NULL, &err);
	port61 = port61_new(f.r.bus, f.r.board, &speaker, &err);
	port92 = port92_new(f.r.bus, &none, &none, &err);
	fw = fw_cfg_new(f.r.bus, f.r.mem, &err);
	rig_must(clock && keyboard && serial && port61 && port92 && fw, &err);
	fw_cfg_add_file(fw, "some", "contents", 8, &err);
	input = i8042_input(keyboard);

	f.more = more;
	f.devfn = 8;
	f.port[0] = (struct fuzz_range){ 0x60, 0x13 };
	f.port[1] = (struct fuzz_range){ 0x92, 1 };
	f.port[2] = (struct fuzz_range){ 0xb2, 2 };
	f.port[3] = (struct fuzz_range){ 0x3f8, 8 };
	f.port[4] = (struct fuzz_range){ 0x510, 12 };
	f.port[5] = (struct fuzz_range){ 0x600, 0x110 };
	f.mmio[0] = (struct fuzz_range){ 0xa0000, 0x60000 };
	f.mmio[1] = (struct fuzz_range){ 0xe0000000, 0x1000 };
	rig_config_set(&f.r, 0x0b, 0x40, 4, 0x601);
	rig_config_set(&f.r, 0x0b, 0x90, 4, 0x701);
	rig_config_set(&f.r, 0x0b, 0xd2, 1, 1);
	rig_config_set(&f.r, 0x0b, 0x04, 2, 1);
	rig_config_set(&f.r, 0x0b, 0x80, 1, 1);
	rig_config_set(&f.r, 0x20, 0x10, 4, 0xe0000000);
	rig_config_set(&f.r, 0x20, 0x04, 2, 3);
	fuzz_steps(&f);

	fw_cfg_free(fw);
	port92_free(port92);
	port61_free(port61);
	i16550_free(serial);
	i8042_free(keyboard);
	mc146818_free(clock);
	rig_fini(&f.r);
	return 0;
}

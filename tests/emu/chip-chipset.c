/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chip-chipset.c - i440FX, PIIX3, PIIX4 power management, ports 61h and 92h */
#include "rig.h"

#include <unistd.h>

#include "dev/debug_exit.h"
#include "dev/i440fx.h"
#include "dev/piix3.h"
#include "dev/piix4_pm.h"
#include "dev/port61.h"
#include "dev/port92.h"
#include "support/unit.h"

static struct rig r;
static struct error err;

static uint32_t config(unsigned devfn, unsigned off, unsigned size)
{
	rig_out(&r, 0xcf8, 4, 0x80000000u | devfn << 8 | (off & 0xfc));
	return rig_in(&r, 0xcfc + (off & 3), size);
}

static void set_config(unsigned devfn, unsigned off, unsigned size,
    uint32_t v)
{
	rig_out(&r, 0xcf8, 4, 0x80000000u | devfn << 8 | (off & 0xfc));
	rig_out(&r, 0xcfc + (off & 3), size, v);
}

static void pam(void)
{
	static uint8_t rom[0x20000] __attribute__((aligned(4096)));
	struct mem_region *bios, *none;

	rig_init(&r);
	memset(rom, 0xbb, sizeof(rom));
	none = mem_add_ram(r.mem, 0xa0000, 0x40000, MEM_NONE, NULL, "none");
	bios = mem_add_ram(r.mem, 0xe0000, 0x20000, MEM_ROM, rom, "bios");
	rig_must(i440fx_new(r.pci, r.mem, &err), &err);
	CU_ASSERT_EQUAL(config(0, 0, 4), 0x12378086);
	CU_ASSERT_EQUAL(config(0, 0x2c, 4), 0x11001af4);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xc8000, 1), 0xff);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xf0000, 1), 0xbb);
	/* Each piece: PAM1 low is C0000h, PAM6 high EC000h, PAM0 F0000h. */
	for (unsigned i = 0; i < 12; i++) {
		uint64_t at = 0xc0000 + 0x4000 * i;
		uint8_t below = at < 0xe0000 ? 0xff : 0xbb;

		set_config(0, 0x5a + i / 2, 1, 3 << 4 * (i & 1));
		rig_poke(&r, at, 1, 0x10 + i);
		rig_poke(&r, at + 0x3fff, 1, 0x20 + i);
		CU_ASSERT_EQUAL(rig_peek(&r, at, 1), 0x10 + i);
		CU_ASSERT_EQUAL(mem_page(r.mem, at).kind, MEM_RAM);
		/* Read only. */
		set_config(0, 0x5a + i / 2, 1, 1 << 4 * (i & 1));
		rig_poke(&r, at, 1, 0x99);
		CU_ASSERT_EQUAL(rig_peek(&r, at, 1), 0x10 + i);
		/* Writes to RAM, reads from PCI. */
		set_config(0, 0x5a + i / 2, 1, 2 << 4 * (i & 1));
		CU_ASSERT_EQUAL(rig_peek(&r, at, 1), below);
		rig_poke(&r, at, 1, 0x30 + i);
		CU_ASSERT_EQUAL(rig_peek(&r, at, 1), below);
		set_config(0, 0x5a + i / 2, 1, 1 << 4 * (i & 1));
		CU_ASSERT_EQUAL(rig_peek(&r, at, 1), 0x30 + i);
		set_config(0, 0x5a + i / 2, 1, 0);
		CU_ASSERT_EQUAL(rig_peek(&r, at, 1), below);
		CU_ASSERT_EQUAL(rig_peek(&r, at + 0x3fff, 1), below);
	}
	set_config(0, 0x59, 1, 0x30);
	rig_poke(&r, 0xfffff, 1, 0x42);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xfffff, 1), 0x42);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xeffff, 1), 0xbb);
	pci_bus_reset(r.pci);
	CU_ASSERT_EQUAL(config(0, 0x59, 1), 0);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xfffff, 1), 0xbb);

	/* SMRAM, until it is locked. */
	set_config(0, 0x72, 1, 0x4a);
	rig_poke(&r, 0xa0000, 1, 0x66);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xa0000, 1), 0x66);
	set_config(0, 0x72, 1, 0x1a);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xa0000, 1), 0xff);
	set_config(0, 0x72, 1, 0x4a);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xa0000, 1), 0xff);
	pci_bus_free(r.pci);
	r.pci = NULL;
	mem_remove(bios);
	mem_remove(none);
	rig_fini(&r);
}

enum { RESET = 20, SCI = 21 };

static void routing(void)
{
	struct piix3_wires w = { .reset = rig_irq(&r, RESET) };
	struct piix3 *p;
	struct irq isa;

	rig_init(&r);
	for (unsigned i = 0; i < 16; i++)
		w.isa[i] = rig_irq(&r, i);
	p = piix3_new(r.pci, &w, &err);
	rig_must(p, &err);
	piix3_pirq(p, 0, true);			/* routed nowhere */
	for (unsigned i = 0; i < 16; i++)
		CU_ASSERT(!r.level[i]);
	set_config(8, 0x60, 1, 11);
	CU_ASSERT(r.level[11]);
	set_config(8, 0x61, 1, 11);
	piix3_pirq(p, 1, true);
	piix3_pirq(p, 0, false);
	CU_ASSERT(r.level[11]);
	piix3_pirq(p, 1, false);
	CU_ASSERT(!r.level[11]);
	/* Shared with a device on the ISA side. */
	isa = piix3_isa_irq(p, 11);
	irq_set(&isa, true);
	piix3_pirq(p, 1, true);
	irq_set(&isa, false);
	CU_ASSERT(r.level[11]);
	set_config(8, 0x61, 1, 0x80);
	CU_ASSERT(!r.level[11]);
	/* The timer's line cannot be had. */
	set_config(8, 0x61, 1, 0);
	CU_ASSERT(!r.level[0]);

	CU_ASSERT_EQUAL(rig_in(&r, 0xcf9, 1), 0);
	rig_out(&r, 0xcf9, 1, 2);
	CU_ASSERT(!r.level[RESET]);
	rig_out(&r, 0xcf9, 1, 6);
	CU_ASSERT(r.level[RESET]);
	pci_bus_reset(r.pci);
	CU_ASSERT(!r.level[RESET]);
	CU_ASSERT_EQUAL(config(8, 0x60, 4), 0x80808080);
	rig_fini(&r);
}

static unsigned slept = 99;

static void go_to_sleep(void *opaque, unsigned type)
{
	slept = type;
}

static void power(void)
{
	struct piix4_pm_wires w = { .sci = rig_irq(&r, SCI),
		.sleep = go_to_sleep };
	struct piix4_pm *p;
	uint32_t a, b;

	rig_init(&r);
	p = piix4_pm_new(r.pci, r.bus, r.board, &w, &err);
	rig_must(p, &err);
	CU_ASSERT_EQUAL(config(0x0b, 0x58, 4) >> 25 & 1, 1);
	CU_ASSERT_EQUAL(rig_in(&r, 0x604, 2), 0xffff);
	set_config(0x0b, 0x40, 4, 0x601);
	CU_ASSERT_EQUAL(rig_in(&r, 0x604, 2), 0xffff);
	set_config(0x0b, 0x80, 1, 1);
	CU_ASSERT_EQUAL(rig_in(&r, 0x604, 2), 0);

	a = rig_in(&r, 0x608, 4);
	usleep(2000);
	b = rig_in(&r, 0x608, 4);
	CU_ASSERT(((b - a) & 0xffffff) >= 7159 - 1);	/* 2 ms */
	CU_ASSERT(a < 1 << 24 && b < 1 << 24);

	/* A button is an event, and an interrupt once ACPI is on. */
	rig_out(&r, 0x602, 2, 0x0100);
	piix4_pm_button(p);
	CU_ASSERT_EQUAL(rig_in(&r, 0x600, 2) & 0x0100, 0x0100);
	CU_ASSERT(!r.level[SCI]);
	rig_out(&r, PIIX4_SMI_COMMAND, 1, PIIX4_ACPI_ON);
	CU_ASSERT_EQUAL(rig_in(&r, 0x604, 2), 1);
	CU_ASSERT(r.level[SCI]);
	rig_out(&r, 0x600, 2, 0x0100);
	CU_ASSERT(!r.level[SCI]);
	CU_ASSERT_EQUAL(rig_in(&r, 0x600, 4), 0x01000000);

	rig_out(&r, 0x604, 2, 5 << 10 | 1);
	CU_ASSERT_EQUAL(slept, 99);
	rig_out(&r, 0x604, 2, 0x2000 | 1);
	CU_ASSERT_EQUAL(slept, 0);
	CU_ASSERT_EQUAL(rig_in(&r, 0x604, 2), 1);

	/* Nobody answers on the SMBus. */
	set_config(0x0b, 0x90, 4, 0x701);
	set_config(0x0b, 0xd2, 1, 1);
	set_config(0x0b, 4, 2, 1);
	rig_out(&r, 0x704, 1, 0xa1);
	rig_out(&r, 0x702, 1, 0x48);
	CU_ASSERT_EQUAL(rig_in(&r, 0x700, 1), 4);
	rig_out(&r, 0x700, 1, 4);
	CU_ASSERT_EQUAL(rig_in(&r, 0x700, 1), 0);

	/* The window moves, and goes. */
	set_config(0x0b, 0x40, 4, 0xb001);
	CU_ASSERT_EQUAL(rig_in(&r, 0x604, 2), 0xffff);
	CU_ASSERT_EQUAL(rig_in(&r, 0xb004, 2), 1);
	pci_bus_reset(r.pci);
	CU_ASSERT_EQUAL(rig_in(&r, 0xb004, 2), 0xffff);
	rig_fini(&r);
}

static bool gate;

static void set_gate(void *timer, bool on)
{
	gate = on;
}

static bool get_out(void *timer)
{
	return gate;
}

static void ports(void)
{
	struct port61_wires w = { .gate = set_gate, .out = get_out };
	struct irq a20 = rig_irq(&r, 0), reset = rig_irq(&r, RESET);
	struct port61 *b;
	struct port92 *a;
	struct debug_exit *e;
	unsigned seen = 0;

	rig_init(&r);
	b = port61_new(r.bus, r.board, &w, &err);
	a = port92_new(r.bus, &a20, &reset, &err);
	CU_ASSERT_EQUAL(rig_in(&r, 0x61, 1) & 0x2f, 0);
	rig_out(&r, 0x61, 1, 0xf3);
	CU_ASSERT_EQUAL(rig_in(&r, 0x61, 1) & 0x2f, 0x23);
	for (unsigned i = 0; i < 200 && seen != 3; i++) {
		seen |= 1 << (rig_in(&r, 0x61, 1) >> 4 & 1);
		usleep(7);
	}
	CU_ASSERT_EQUAL(seen, 3);		/* refresh toggles */
	rig_out(&r, 0x80, 1, 0x5a);
	CU_ASSERT_EQUAL(rig_in(&r, 0x80, 1), 0x5a);

	rig_out(&r, 0x92, 1, 2);
	CU_ASSERT(r.level[0] && !r.level[RESET]);
	rig_out(&r, 0x92, 1, 1);
	CU_ASSERT(!r.level[0] && r.level[RESET]);
	port92_reset(a);
	CU_ASSERT(!r.level[RESET]);

	e = debug_exit_new(r.bus, r.board, 0x501, 2, &err);
	rig_out(&r, 0x501, 1, 0x10);
	board_unlock(r.board);
	CU_ASSERT_EQUAL(board_run(r.board), 0x21);
	board_lock(r.board);
	debug_exit_free(e);
	port61_free(b);
	port92_free(a);
	rig_fini(&r);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "PAM shows RAM or ROM, piece by piece", pam },
		{ "PIRQs go where PIIX3 routes them; CF9h resets", routing },
		{ "PIIX4: timer, button, ACPI on, power off, SMBus", power },
		{ "ports 61h, 80h, 92h and debug exit", ports },
		{ NULL, NULL }
	};

	return unit_run("chip-chipset", tests);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chip-testdevs.c - pc-testdev and pci-testdev */
#include "rig.h"

#include "dev/pc_testdev.h"
#include "dev/pci_testdev.h"
#include "support/unit.h"

static struct rig r;
static struct error err;

static void pc(void)
{
	struct irq line[PC_TESTDEV_LINES];
	struct pc_testdev *t;

	rig_init(&r);
	for (unsigned i = 0; i < PC_TESTDEV_LINES; i++)
		line[i] = rig_irq(&r, i);
	t = pc_testdev_new(r.bus, r.mem, line, &err);
	rig_must(t, &err);
	rig_out(&r, 0xe0, 4, 0x12345678);
	CU_ASSERT_EQUAL(rig_in(&r, 0xe0, 4), 0x12345678);
	CU_ASSERT_EQUAL(rig_in(&r, 0xe1, 1), 0x56);
	CU_ASSERT_EQUAL(rig_in(&r, 0xe8, 4), 0x12345678);
	rig_out(&r, 0xe4, 4, 0x1000);
	rig_out(&r, 0x2005, 1, 1);
	CU_ASSERT(r.level[5] && !r.level[4]);
	rig_out(&r, 0x2005, 1, 0);
	CU_ASSERT(!r.level[5]);
	rig_poke(&r, 0xff00fff8, 8, 0x1122334455667788);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xff00fffc, 4), 0x11223344);
	pc_testdev_free(t);
	rig_fini(&r);
}

static void pci(void)
{
	const uint64_t at = 0xe0000000;
	unsigned n = 0;

	rig_init(&r);
	rig_must(!pci_testdev_new(r.pci, 4, "x", &err), &err);
	rig_out(&r, 0xcf8, 4, 0x80002010);
	rig_out(&r, 0xcfc, 4, at);
	rig_out(&r, 0xcf8, 4, 0x80002004);
	rig_out(&r, 0xcfc, 2, 2);
	for (;; n++) {
		uint32_t off, data, width;

		rig_poke(&r, at, 1, n);
		width = rig_peek(&r, at + 1, 1);
		if (width != 1)
			break;
		CU_ASSERT(rig_peek(&r, at + 16, 1) == 'm');
		off = rig_peek(&r, at + 4, 4);
		data = rig_peek(&r, at + 8, 4);
		for (unsigned i = 0; i < 7; i++)
			rig_poke(&r, at + off, width, data);
		rig_poke(&r, at + off + 1, width, data);
		CU_ASSERT_EQUAL(rig_peek(&r, at + 12, 4), 7);
	}
	CU_ASSERT_EQUAL(n, 3);
	rig_fini(&r);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "ports, lines and memory of pc-testdev", pc },
		{ "pci-testdev counts the writes of its tests", pci },
		{ NULL, NULL }
	};

	return unit_run("chip-testdevs", tests);
}

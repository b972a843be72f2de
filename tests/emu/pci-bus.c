/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pci-bus.c - configuration cycles, BARs, INTx, MSI and MSI-X */
#include "rig.h"

#include "dev/pci_regs.h"
#include "support/unit.h"

enum { FAR = 0x80000000u };

static struct rig r;

struct toy {
	struct pci_dev pci;
	uint64_t off, value;	/* of the last write */
	unsigned size;
	uint8_t vram[65536] __attribute__((aligned(4096)));
};

static uint64_t toy_read(void *opaque, uint64_t off, unsigned size)
{
	return 0x1122334455667788ull + off;
}

static void toy_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	struct toy *t = opaque;

	t->off = off;
	t->size = size;
	t->value = v;
}

static const struct io_ops toy_ops = { .read = toy_read, .write = toy_write };

static struct toy *toy_new(unsigned slot, unsigned fn)
{
	static const struct pci_id id = { .vendor = 0x1234, .device = 0x5678,
		.class_code = 3, .pin = 1, .revision = 7 };
	struct toy *t = aligned_alloc(4096, align_up(sizeof(*t), 4096));
	struct error err;

	memset(t, 0, sizeof(*t));
	t->pci.name = "toy";
	t->pci.bar[0] = (struct pci_bar){ .size = 4096, .ops = &toy_ops };
	t->pci.bar[1] = (struct pci_bar){ .size = 32, .io = true,
		.ops = &toy_ops };
	t->pci.bar[2] = (struct pci_bar){ .size = 65536, .wide = true,
		.prefetch = true, .ram = t->vram };
	rig_must(!pci_init(&t->pci, r.pci, &id, slot, fn, &err), &err);
	return t;
}

static uint32_t config(struct toy *t, unsigned off, unsigned size)
{
	rig_out(&r, 0xcf8, 4, FAR | t->pci.devfn << 8 | (off & 0xfc));
	return rig_in(&r, 0xcfc + (off & 3), size);
}

static void set_config(struct toy *t, unsigned off, unsigned size, uint32_t v)
{
	rig_out(&r, 0xcf8, 4, FAR | t->pci.devfn << 8 | (off & 0xfc));
	rig_out(&r, 0xcfc + (off & 3), size, v);
}

static void header(void)
{
	struct toy *t;

	rig_init(&r);
	t = toy_new(5, 0);
	CU_ASSERT_EQUAL(config(t, 0, 4), 0x56781234);
	CU_ASSERT_EQUAL(config(t, 0x0b, 1), 3);
	CU_ASSERT_EQUAL(config(t, 0x3d, 1), 1);
	set_config(t, 0, 4, 0);
	CU_ASSERT_EQUAL(config(t, 0, 4), 0x56781234);
	set_config(t, PCI_LINE, 1, 0x5a);
	CU_ASSERT_EQUAL(config(t, PCI_LINE, 1), 0x5a);
	/* Nobody there, another bus, no enable bit. */
	rig_out(&r, 0xcf8, 4, FAR | 6 << 11);
	CU_ASSERT_EQUAL(rig_in(&r, 0xcfc, 4), UINT32_MAX);
	rig_out(&r, 0xcf8, 4, FAR | 1 << 16 | 5 << 11);
	CU_ASSERT_EQUAL(rig_in(&r, 0xcfc, 4), UINT32_MAX);
	rig_out(&r, 0xcf8, 4, 5 << 11);
	CU_ASSERT_EQUAL(rig_in(&r, 0xcfc, 4), UINT32_MAX);
	/* Only whole words are addresses. */
	rig_out(&r, 0xcf8, 4, FAR | 5 << 11);
	rig_out(&r, 0xcf8, 2, 0);
	rig_out(&r, 0xcf9, 1, 0);
	CU_ASSERT_EQUAL(rig_in(&r, 0xcfc, 4), 0x56781234);
	CU_ASSERT_EQUAL(config(t, 0x0e, 1), 0);
	toy_new(5, 3);
	CU_ASSERT_EQUAL(config(t, 0x0e, 1), 0x80);
	rig_fini(&r);
}

static void bars(void)
{
	struct toy *t;

	rig_init(&r);
	t = toy_new(PCI_ANY_SLOT, 0);
	CU_ASSERT_EQUAL(t->pci.devfn, PCI_DEVFN(3, 0));
	set_config(t, 0x10, 4, UINT32_MAX);
	set_config(t, 0x14, 4, UINT32_MAX);
	set_config(t, 0x18, 4, UINT32_MAX);
	set_config(t, 0x1c, 4, UINT32_MAX);
	CU_ASSERT_EQUAL(config(t, 0x10, 4), 0xfffff000);
	CU_ASSERT_EQUAL(config(t, 0x14, 4), 0xffffffe1);
	CU_ASSERT_EQUAL(config(t, 0x18, 4), 0xffff000c);
	CU_ASSERT_EQUAL(config(t, 0x1c, 4), 0xffffffff);
	CU_ASSERT_EQUAL(config(t, 0x20, 4), 0);

	/* Nothing is mapped before the command register says so. */
	set_config(t, 0x10, 4, 0xe0000000);
	set_config(t, 0x14, 4, 0xc000);
	set_config(t, 0x18, 4, 0x10000000);
	set_config(t, 0x1c, 4, 1);		/* at 4 GiB + 256 MiB */
	CU_ASSERT_EQUAL(rig_peek(&r, 0xe0000000, 4), UINT32_MAX);
	set_config(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xe0000010, 4), 0x55667798);
	CU_ASSERT_EQUAL(rig_in(&r, 0xc000, 4), UINT32_MAX);
	set_config(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	CU_ASSERT_EQUAL(rig_in(&r, 0xc004, 4), 0x5566778c);
	rig_poke(&r, 0xe0000020, 4, 0xabcd);
	CU_ASSERT_EQUAL(t->off, 0x20);
	CU_ASSERT_EQUAL(t->value, 0xabcd);
	t->vram[5] = 0x77;
	CU_ASSERT_EQUAL(rig_peek(&r, 0x110000005, 1), 0x77);
	CU_ASSERT_EQUAL(mem_page(r.mem, 0x110000000).kind, MEM_RAM);

	/* Moved, and never over RAM. */
	set_config(t, 0x10, 4, 0xd0000000);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xe0000010, 4), UINT32_MAX);
	CU_ASSERT_EQUAL(rig_peek(&r, 0xd0000010, 4), 0x55667798);
	rig_poke(&r, 0x2000, 4, 0x1234);
	set_config(t, 0x10, 4, 0x2000);
	CU_ASSERT_EQUAL(rig_peek(&r, 0x2000, 4), 0x1234);
	set_config(t, 0x10, 4, 0xfffff000);	/* a size being asked for */
	CU_ASSERT_EQUAL(t->pci.bar[0].at, 0);
	pci_bus_reset(r.pci);
	CU_ASSERT_EQUAL(config(t, PCI_COMMAND, 2), 0);
	CU_ASSERT_EQUAL(config(t, 0x18, 4), 0x0000000c);
	CU_ASSERT_EQUAL(rig_in(&r, 0xc004, 4), UINT32_MAX);
	rig_fini(&r);
}

static void lines(void)
{
	struct toy *a, *b;

	rig_init(&r);
	a = toy_new(3, 0);
	b = toy_new(7, 0);
	pci_set_intx(&a->pci, true);
	CU_ASSERT(r.pirq[2]);		/* 3 - 1 + INTA */
	pci_set_intx(&b->pci, true);
	pci_set_intx(&a->pci, false);
	CU_ASSERT(r.pirq[2]);
	CU_ASSERT_EQUAL(config(b, PCI_STATUS, 2) & PCI_STATUS_INTX,
	    PCI_STATUS_INTX);
	set_config(b, PCI_COMMAND, 2, PCI_COMMAND_INTX_OFF);
	CU_ASSERT(!r.pirq[2]);
	CU_ASSERT_EQUAL(config(b, PCI_STATUS, 2) & PCI_STATUS_INTX,
	    PCI_STATUS_INTX);
	set_config(b, PCI_COMMAND, 2, 0);
	CU_ASSERT(r.pirq[2]);
	pci_bus_reset(r.pci);
	CU_ASSERT(!r.pirq[2]);
	rig_fini(&r);
}

static void msi(void)
{
	struct toy *t;
	unsigned cap;

	rig_init(&r);
	t = toy_new(4, 0);
	CU_ASSERT_EQUAL_FATAL(pci_add_msi(&t->pci), 0);
	cap = config(t, PCI_CAPS, 1);
	CU_ASSERT_EQUAL(config(t, cap, 1), PCI_CAP_MSI);
	set_config(t, cap + PCI_MSI_ADDRESS, 4, 0xfee00000);
	set_config(t, cap + PCI_MSI_DATA, 2, 0x41);
	pci_msi_send(&t->pci);
	CU_ASSERT_EQUAL(r.messages, 0);
	set_config(t, cap + PCI_MSI_CONTROL, 2, 1);
	pci_msi_send(&t->pci);
	CU_ASSERT_EQUAL(r.messages, 0);		/* no bus mastering */
	set_config(t, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	pci_msi_send(&t->pci);
	CU_ASSERT_EQUAL(r.messages, 1);
	CU_ASSERT_EQUAL(r.last_message, 0x41);
	pci_set_intx(&t->pci, true);
	CU_ASSERT(!r.pirq[3]);
	set_config(t, cap + PCI_MSI_MASK, 4, 1);
	pci_msi_send(&t->pci);
	pci_msi_send(&t->pci);
	CU_ASSERT_EQUAL(r.messages, 1);
	CU_ASSERT_EQUAL(config(t, cap + PCI_MSI_PENDING, 4), 1);
	set_config(t, cap + PCI_MSI_MASK, 4, 0);
	CU_ASSERT_EQUAL(r.messages, 2);
	CU_ASSERT_EQUAL(config(t, cap + PCI_MSI_PENDING, 4), 0);
	rig_fini(&r);
}

static void msix(void)
{
	struct error err;
	struct toy *t;
	unsigned cap, pba;
	uint64_t at = 0xe0000000;

	rig_init(&r);
	t = toy_new(4, 0);
	/* In a BAR of its own, and in one that the device has. */
	CU_ASSERT(pci_add_msix(&t->pci, 3, 1, 0, &err) < 0);	/* ports */
	CU_ASSERT(pci_add_msix(&t->pci, 600, 0, 0, &err) < 0);	/* too many */
	CU_ASSERT_EQUAL_FATAL(pci_add_msix(&t->pci, 3, 0, 0x800, &err), 0);
	cap = config(t, PCI_CAPS, 1);
	CU_ASSERT_EQUAL(config(t, cap, 1), PCI_CAP_MSIX);
	CU_ASSERT_EQUAL(config(t, cap + 2, 2), 2);
	CU_ASSERT_EQUAL(config(t, cap + 4, 4), 0x800);
	pba = config(t, cap + 8, 4);
	set_config(t, 0x10, 4, at);
	set_config(t, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	CU_ASSERT_EQUAL(rig_peek(&r, at, 4), 0x55667788);
	CU_ASSERT_EQUAL(rig_peek(&r, at + 0x81c, 4), 1);	/* masked */
	rig_poke(&r, at + 0x810, 8, 0xfee01000);
	rig_poke(&r, at + 0x818, 4, 0x55);
	set_config(t, cap + 2, 2, PCI_MSIX_ENABLE);
	pci_msix_send(&t->pci, 1);
	pci_msix_send(&t->pci, 99);
	CU_ASSERT_EQUAL(r.messages, 0);
	CU_ASSERT_EQUAL(rig_peek(&r, at + pba, 4), 2);
	rig_poke(&r, at + 0x81c, 4, 0);
	CU_ASSERT_EQUAL(r.messages, 1);
	CU_ASSERT_EQUAL(r.last_message, 0x55);
	CU_ASSERT_EQUAL(rig_peek(&r, at + pba, 4), 0);
	set_config(t, cap + 2, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL);
	pci_msix_send(&t->pci, 1);
	CU_ASSERT_EQUAL(r.messages, 1);
	set_config(t, cap + 2, 2, PCI_MSIX_ENABLE);
	CU_ASSERT_EQUAL(r.messages, 2);
	CU_ASSERT_EQUAL(rig_peek(&r, at + 0x811, 2), 0xe010);
	rig_fini(&r);
}

static void full(void)
{
	static const struct pci_id id = { .vendor = 1, .device = 1 };
	struct pci_dev *d;
	struct error err;
	unsigned n = 0;

	rig_init(&r);
	for (;;) {
		d = calloc(1, sizeof(*d));
		d->name = "filler";
		if (pci_init(d, r.pci, &id, PCI_ANY_SLOT, 0, &err) < 0)
			break;
		n++;
	}
	CU_ASSERT_EQUAL(n, 29);
	CU_ASSERT(pci_init(d, r.pci, &id, 3, 0, &err) < 0);
	CU_ASSERT(pci_init(d, r.pci, &id, 40, 0, &err) < 0);
	free(d);
	/* Capabilities fit into 256 bytes or are refused. */
	d = pci_next(r.pci, NULL);
	for (n = 0; pci_add_cap(d, PCI_CAP_VENDOR, 20); n++)
		;
	CU_ASSERT_EQUAL(n, 9);
	rig_fini(&r);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "configuration cycles reach the function they name",
		  header },
		{ "BARs tell their size and follow what the guest writes",
		  bars },
		{ "INTx lines are the OR of their functions", lines },
		{ "MSI is sent, masked and remembered", msi },
		{ "MSI-X vectors live in a BAR beside registers", msix },
		{ "what does not fit is refused", full },
		{ NULL, NULL }
	};

	return unit_run("pci-bus", tests);
}

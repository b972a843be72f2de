/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3_ide.c - the IDE function of the PIIX3
 *
 * 82371SB (PIIX3), Intel 290550, cited by section.  The channels are always
 * at their old ports: timings (IDETIM) are kept and mean nothing here, their
 * decode enable included, so that a kernel started without firmware finds its
 * disks.
 */
#include "dev/piix3_ide.h"

#include <stdlib.h>

#include "dev/pci_regs.h"

enum { IDETIM = 0x40, SIDETIM = 0x44, BMIBA = 4 };

struct port {			/* what a region's functions are handed */
	struct piix3_ide *ide;
	struct ide_channel *ch;
};

struct piix3_ide {
	struct pci_dev pci;	/* first: the bus knows it as this */
	struct ide_channel ch[2];
	struct port port[2];
	struct bus_region *region[4];
};

static uint64_t command_read(void *opaque, uint64_t off, unsigned size)
{
	return ide_read(((struct port *)opaque)->ch, off, size);
}

static void command_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	ide_write(((struct port *)opaque)->ch, off, size, v);
}

/* Registers are bytes, but for the data port, which takes all sizes. */
static uint64_t block_read(void *opaque, uint64_t off, unsigned size)
{
	uint64_t v = 0;

	if (!off)
		return command_read(opaque, 0, size);
	for (unsigned i = 0; i < size; i++)
		v |= (command_read(opaque, off + i, 1) & 0xff) << 8 * i;
	return v;
}

static void block_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	if (!off) {
		command_write(opaque, 0, size, v);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		command_write(opaque, off + i, 1, v >> 8 * i & 0xff);
}

static const struct io_ops command_ops = { block_read, block_write, 1, 4 };

static uint64_t control_read(void *opaque, uint64_t off, unsigned size)
{
	return ide_alt_status(((struct port *)opaque)->ch);
}

static void control_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	ide_control(((struct port *)opaque)->ch, v);
}

static const struct io_ops control_ops = { control_read, control_write, 1, 1 };

/* 2.5: eight ports for each channel. */
static uint64_t master_read(void *opaque, uint64_t off, unsigned size)
{
	struct piix3_ide *p = opaque;

	return bm_read(&p->ch[off >> 3].bm, off & 7, size);
}

static void master_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	struct piix3_ide *p = opaque;
	struct ide_channel *ch = &p->ch[off >> 3];

	if (bm_write(&ch->bm, off & 7, size, v))
		ide_bm_started(ch);
}

static const struct io_ops master_ops = { master_read, master_write, 1, 4 };

static void config_written(struct pci_dev *d, unsigned off, unsigned n)
{
	struct piix3_ide *p = (struct piix3_ide *)d;

	/* Bus mastering may have been allowed while a drive waited. */
	if (off <= PCI_COMMAND + 1 && off + n > PCI_COMMAND)
		for (unsigned i = 0; i < 2; i++)
			ide_bm_started(&p->ch[i]);
}

static void reset(struct pci_dev *d)
{
	struct piix3_ide *p = (struct piix3_ide *)d;

	for (unsigned i = 0; i < 2; i++)
		ide_reset(&p->ch[i]);
}

static void free_ide(struct pci_dev *d)
{
	struct piix3_ide *p = (struct piix3_ide *)d;

	for (unsigned i = 0; i < 4; i++)
		bus_remove(p->region[i]);
	for (unsigned i = 0; i < 2; i++)
		ide_fini(&p->ch[i]);
	free(p);
}

int piix3_ide_new(struct pci_bus *pci, struct bus *bus, struct mem *mem,
    unsigned slot, const struct irq line[2], const struct ide_config drive[4],
    struct piix3_ide **out, struct error *err)
{
	static const struct pci_id id = { .vendor = 0x8086, .device = 0x7010,
	    .class_code = 0x01, .subclass = 0x01, .interface = 0x80 };
	static const uint16_t ports[2][2] = {
	    { 0x1f0, 0x3f6 }, { 0x170, 0x376 } };
	struct piix3_ide *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return error_set(err, ENOMEM, "no memory for the IDE adapter");
	p->pci.name = "piix3-ide";
	p->pci.config_written = config_written;
	p->pci.reset = reset;
	p->pci.free = free_ide;
	p->pci.bar[BMIBA] = (struct pci_bar){ .size = 16, .io = true,
	    .ops = &master_ops, .opaque = p };
	for (unsigned i = 0; i < 2; i++) {
		p->ch[i].bm.pci = &p->pci;
		p->ch[i].bm.mem = mem;
		p->port[i] = (struct port){ p, &p->ch[i] };
	}
	for (unsigned i = 0; i < 2; i++) {
		rc = ide_init(&p->ch[i], i, drive + 2 * i, line[i], err);
		if (rc)
			goto fail;
	}
	for (unsigned i = 0; i < 2; i++) {
		p->region[2 * i] = bus_add(bus, ports[i][0], 8, &command_ops,
		    &p->port[i], "ide");
		p->region[2 * i + 1] = bus_add(bus, ports[i][1], 1,
		    &control_ops, &p->port[i], "ide");
		if (!p->region[2 * i] || !p->region[2 * i + 1]) {
			rc = error_set(err, ENOMEM, "no memory for ports");
			goto fail;
		}
	}
	rc = pci_init(&p->pci, pci, &id, slot, 1, err);
	if (rc)
		goto fail;
	/* 2.3: timings, 16 bits for each channel and 8 for the slaves. */
	for (unsigned i = IDETIM; i <= SIDETIM; i++)
		p->pci.writable[i] = 0xff;
	*out = p;
	return 0;
fail:
	free_ide(&p->pci);
	return rc;
}

bool piix3_ide_geometry(const struct piix3_ide *p, unsigned drive,
    unsigned *cylinders, unsigned *heads, unsigned *sectors)
{
	const struct ide_drive *d;

	if (drive > 3)
		return false;
	d = &p->ch[drive / 2].drive[drive % 2];
	if (!d->disk || d->cd)
		return false;
	*cylinders = d->cylinders;
	*heads = d->heads;
	*sectors = d->sectors;
	return true;
}

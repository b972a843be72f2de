/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i440fx.c - Intel 82441FX, the host bridge (PMC)
 *
 * Of all its registers two matter to software on a virtual board: PAM says
 * for each of 13 pieces of C0000h-FFFFFh whether reads and writes go to RAM
 * or to PCI, where the ROMs are; SMRAM may show the RAM under video memory.
 * A piece is a region of its own over what mem shows there without it.
 *
 * Intel 82441FX datasheet (order number 290549), sections 3.2.
 */
#include "dev/i440fx.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dev/pci_regs.h"

enum {
	PAM0 = 0x59,		/* 3.2.18: 59h to 5fh */
	PAM_END = 0x60,
	SMRAM = 0x72,		/* 3.2.24 */
	SMRAM_OPEN = 0x40,
	SMRAM_CLOSED = 0x20,
	SMRAM_LOCK = 0x10,
	SMRAM_ENABLE = 0x08,
	SMRAM_BASE = 0x02,	/* A0000h, all there is */
	READ = 1, WRITE = 2,	/* a piece's two bits */
	PIECES = 13,
	VIDEO = 0xa0000,
	VIDEO_SIZE = 0x20000,
	HIGH = 0xc0000,		/* first byte PAM knows of */
	HIGH_SIZE = 0x40000,
};

struct piece {
	struct i440fx *chip;
	uint32_t at, len;
	unsigned mode;		/* READ, WRITE as shown now */
	struct mem_region *region;	/* NULL: PCI is seen */
};

struct i440fx {
	struct pci_dev pci;
	struct mem *mem;
	uint8_t *ram;		/* of [0, 1 MiB) */
	struct piece piece[PIECES];
	struct mem_region *smram;
	/* What PCI has at C0000h-FFFFFh, for reads while writes go to RAM. */
	const uint8_t *rom[HIGH_SIZE / PAGE_SIZE];
};

/* Writes to RAM, reads from PCI: rare (a ROM copying itself), so by hand. */
static uint64_t
split_read(void *opaque, uint64_t off, unsigned size)
{
	struct piece *p = opaque;
	uint64_t at = p->at - HIGH + off, v = UINT64_MAX;
	const uint8_t *rom = p->chip->rom[at / PAGE_SIZE];

	if (rom && at % PAGE_SIZE + size <= PAGE_SIZE) {
		v = 0;
		memcpy(&v, rom + at % PAGE_SIZE, size);
	}
	return v;
}

static void
split_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct piece *p = opaque;

	if (off + size <= p->len) {
		memcpy(p->chip->ram + p->at + off, &value, size);
		mem_code_write(p->chip->mem, p->at + off, size);
	}
}

static const struct io_ops split_ops = {
	.read = split_read,
	.write = split_write,
};

static void
piece_show(struct piece *p, unsigned mode)
{
	struct i440fx *c = p->chip;

	if (mode == p->mode)
		return;
	p->mode = mode;
	mem_remove(p->region);
	p->region = NULL;
	if (mode == WRITE)
		p->region = mem_add_io(c->mem, p->at, p->len, &split_ops, p,
		    "pam-write");
	else if (mode)
		p->region = mem_add_ram(c->mem, p->at, p->len,
		    mode & WRITE ? MEM_RAM : MEM_ROM, c->ram + p->at,
		    mode & WRITE ? "pam-ram" : "pam-rom");
}

/* PAM0 has one piece in its high half, the others two each. */
static unsigned
piece_mode(const struct i440fx *c, unsigned n)
{
	unsigned nibble = n == PIECES - 1 ? 1 : n + 2;

	return c->pci.config[PAM0 + nibble / 2] >> 4 * (nibble & 1) & 3;
}

static void
smram_show(struct i440fx *c)
{
	unsigned v = c->pci.config[SMRAM];
	bool open = v & SMRAM_OPEN && v & SMRAM_ENABLE && !(v & SMRAM_CLOSED);

	if (open == !!c->smram)
		return;
	mem_remove(c->smram);
	c->smram = !open ? NULL : mem_add_ram(c->mem, VIDEO, VIDEO_SIZE,
	    MEM_RAM, c->ram + VIDEO, "smram");
}

static void
update(struct i440fx *c)
{
	for (unsigned i = 0; i < PIECES; i++)
		piece_show(&c->piece[i], piece_mode(c, i));
	smram_show(c);
}

static void
config_written(struct pci_dev *d, unsigned off, unsigned n)
{
	struct i440fx *c = (struct i440fx *)d;

	/* Locked: OPEN falls and nothing changes until reset. */
	if (d->config[SMRAM] & SMRAM_LOCK) {
		d->config[SMRAM] &= ~SMRAM_OPEN;
		d->writable[SMRAM] = SMRAM_CLOSED;
	}
	if (off < PAM_END && off + n > PAM0)
		update(c);
	if (off <= SMRAM && off + n > SMRAM)
		smram_show(c);
}

static void
reset(struct pci_dev *d)
{
	struct i440fx *c = (struct i440fx *)d;

	memset(d->config + PAM0, 0, PAM_END - PAM0);
	d->config[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	d->config[SMRAM] = SMRAM_BASE;
	d->writable[SMRAM] = SMRAM_OPEN | SMRAM_CLOSED | SMRAM_LOCK |
	    SMRAM_ENABLE;
	update(c);
}

static void
chip_free(struct pci_dev *d)
{
	struct i440fx *c = (struct i440fx *)d;

	for (unsigned i = 0; i < PIECES; i++)
		mem_remove(c->piece[i].region);
	mem_remove(c->smram);
	free(c);
}

struct pci_dev *
i440fx_new(struct pci_bus *bus, struct mem *mem, struct error *err)
{
	static const struct pci_id id = { .vendor = 0x8086, .device = 0x1237,
		.class_code = 0x06, .revision = 0x02 };
	struct i440fx *c = calloc(1, sizeof(*c));

	if (!c) {
		error_errno(err, ENOMEM, "i440fx");
		return NULL;
	}
	c->pci.name = "i440FX";
	c->pci.config_written = config_written;
	c->pci.reset = reset;
	c->pci.free = chip_free;
	c->mem = mem;
	c->ram = mem_ram(mem, 0, MIB);
	if (!c->ram) {
		error_set(err, EINVAL, "the machine has no RAM below 1 MiB");
		free(c);
		return NULL;
	}
	for (unsigned i = 0; i < PIECES; i++) {
		struct piece *p = &c->piece[i];

		p->chip = c;
		p->at = HIGH + 0x4000 * i;
		p->len = i == PIECES - 1 ? 0x10000 : 0x4000;
	}
	for (unsigned i = 0; i < ARRAY_LEN(c->rom); i++)
		c->rom[i] = mem_page(mem, HIGH + i * PAGE_SIZE).host;
	if (pci_init(&c->pci, bus, &id, 0, 0, err) < 0) {
		free(c);
		return NULL;
	}
	/* Its windows are always open. */
	c->pci.writable[PCI_COMMAND] = PCI_COMMAND_PARITY;
	memset(c->pci.writable + PAM0, 0x33, PAM_END - PAM0);
	c->pci.writable[PAM0] = 0x30;
	c->pci.config[PCI_STATUS + 1] = PCI_STATUS_MEDIUM >> 8;
	reset(&c->pci);
	return &c->pci;
}

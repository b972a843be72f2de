/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.c - a PCI bus: configuration cycles, BARs and interrupts
 *
 * Configuration space is bytes with a mask of what the guest may change
 * beside them, so most registers need no code: a write is masked in, and
 * update() then makes the world agree with the bytes: BARs are mapped where
 * the command register and the address say, INTx is driven, messages that
 * waited are sent.  It is called after every write and is cheap when nothing
 * differs.
 *
 * PCI Local Bus Specification 3.0 by section.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dev/pci.h"
#include "dev/pci_regs.h"

enum { LINES = 4, ROM_BAR = 6 };

struct pci_bus {
	struct mem *mem;
	struct bus *bus;
	struct msi_sink msi;
	void (*pirq)(void *opaque, unsigned line, bool level);
	void *opaque;
	const struct io_ops *cf9;
	void *cf9_dev;
	struct bus_region *address, *data;
	uint32_t latch;		/* CONFIG_ADDRESS (3.2.2.3.2) */
	unsigned raised[LINES];	/* how many functions hold the line */
	struct pci_dev *dev[256];
};

/* --- Configuration bytes ------------------------------------------------- */

static unsigned
get16(const struct pci_dev *d, unsigned off)
{
	return d->config[off] | d->config[off + 1] << 8;
}

static uint32_t
get32(const struct pci_dev *d, unsigned off)
{
	return get16(d, off) | (uint32_t)get16(d, off + 2) << 16;
}

static void
put16(uint8_t *at, unsigned v)
{
	at[0] = v;
	at[1] = v >> 8;
}

static void
put32(uint8_t *at, uint32_t v)
{
	put16(at, v & 0xffff);
	put16(at + 2, v >> 16);
}

/* --- BARs (6.2.5) -------------------------------------------------------- */

static struct pci_bar *
bar_of(struct pci_dev *d, unsigned n)
{
	return n == ROM_BAR ? &d->rom : &d->bar[n];
}

static unsigned
bar_reg(unsigned n)
{
	return n == ROM_BAR ? PCI_ROM : PCI_BAR0 + 4 * n;
}

static uint64_t msix_read(void *opaque, uint64_t off, unsigned size);
static void msix_write(void *opaque, uint64_t off, unsigned size, uint64_t v);

/* The BAR with the vector table: the device's own registers are around it. */
static const struct io_ops msix_ops = {
	.read = msix_read,
	.write = msix_write,
	.min = 1,
	.max = 4,
};

/* Where the guest wants the BAR, 0 when it is not to be seen. */
static uint64_t
bar_wanted(struct pci_dev *d, unsigned n)
{
	const struct pci_bar *bar = bar_of(d, n);
	unsigned reg = bar_reg(n);
	unsigned command = get16(d, PCI_COMMAND);
	uint64_t at, last, low = mem_ram_low(d->bus->mem);
	uint64_t high = mem_ram_high(d->bus->mem);

	if (!bar->size)
		return 0;
	if (!(command & (bar->io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
		return 0;
	if (n == ROM_BAR && !(d->config[reg] & 1))
		return 0;
	at = get32(d, reg);
	if (bar->wide)
		at |= (uint64_t)get32(d, reg + 4) << 32;
	at &= ~(bar->size - 1);
	last = at + bar->size - 1;
	if (!at || last < at)
		return 0;
	if (bar->io)
		return last <= 0xffff ? at : 0;
	/* All ones is a size being asked for, not an address. */
	if (last == UINT32_MAX || last >> MEM_BITS)
		return 0;
	/* The host bridge keeps RAM's addresses for RAM. */
	if (at < low || (high && at < 4 * GIB + high && last >= 4 * GIB))
		return 0;
	return at;
}

static void
bar_unmap(struct pci_bar *bar)
{
	mem_remove(bar->mem);
	bus_remove(bar->port);
	bar->mem = NULL;
	bar->port = NULL;
	bar->at = 0;
}

static void
bar_map(struct pci_dev *d, unsigned n, uint64_t at)
{
	struct pci_bar *bar = bar_of(d, n);
	struct mem *mem = d->bus->mem;
	const struct io_ops *ops = bar->ops;
	void *opaque = bar->opaque ? bar->opaque : d;

	if (d->msix_cap && d->msix_bar == n) {
		ops = &msix_ops;
		opaque = d;
	}
	if (bar->io)
		bar->port = bus_add(d->bus->bus, at, bar->size, ops, opaque,
		    d->name);
	else if (ops)
		bar->mem = mem_add_io(mem, at, bar->size, ops, opaque,
		    d->name);
	else
		bar->mem = mem_add_ram(mem, at, bar->size,
		    n == ROM_BAR ? MEM_ROM : MEM_RAM, bar->ram, d->name);
	/* Without memory for the region the guest sees no device there. */
	bar->at = bar->port || bar->mem ? at : 0;
}

static void
bar_update(struct pci_dev *d, unsigned n)
{
	struct pci_bar *bar = bar_of(d, n);
	uint64_t at = bar_wanted(d, n);

	if (at == bar->at)
		return;
	if (at && bar->mem) {
		mem_move(bar->mem, at);
		bar->at = at;
	} else if (at && bar->port) {
		bus_move(bar->port, at);
		bar->at = at;
	} else {
		bar_unmap(bar);
		if (at)
			bar_map(d, n, at);
	}
}

void
pci_bar_changed(struct pci_dev *d, unsigned n)
{
	struct pci_bar *bar = bar_of(d, n);
	unsigned reg = bar_reg(n);
	uint64_t mask = ~(bar->size - 1);

	bar_unmap(bar);
	if (!bar->size)
		mask = 0;
	put32(d->config + reg, 0);
	put32(d->writable + reg, mask);
	if (n == ROM_BAR) {
		d->writable[reg] |= bar->size ? 1 : 0;
	} else if (bar->size) {
		d->config[reg] = bar->io ? 1 :
		    (bar->wide ? 4 : 0) | (bar->prefetch ? 8 : 0);
		if (bar->wide) {
			put32(d->config + reg + 4, 0);
			put32(d->writable + reg + 4, mask >> 32);
		}
	}
	bar_update(d, n);
}

/* --- Interrupts ---------------------------------------------------------- */

bool
pci_may_dma(const struct pci_dev *d)
{
	return d->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

bool
pci_msi_on(const struct pci_dev *d)
{
	return d->msi_cap && d->config[d->msi_cap + PCI_MSI_CONTROL] & 1;
}

bool
pci_msix_on(const struct pci_dev *d)
{
	return d->msix_cap &&
	    get16(d, d->msix_cap + PCI_MSIX_CONTROL) & PCI_MSIX_ENABLE;
}

/* Drives the line as command and status registers say (6.2.2, 6.2.3). */
static void
intx_update(struct pci_dev *d)
{
	unsigned pin = d->config[PCI_PIN];
	bool level = d->intx && pin && !pci_msi_on(d) && !pci_msix_on(d) &&
	    !(get16(d, PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
	unsigned line = ((d->devfn >> 3) + pin - 2) & 3;
	struct pci_bus *b = d->bus;

	d->config[PCI_STATUS] &= ~PCI_STATUS_INTX;
	if (d->intx)
		d->config[PCI_STATUS] |= PCI_STATUS_INTX;
	if (level == d->wire)
		return;
	d->wire = level;
	b->raised[line] += level ? 1 : -1;
	if (b->raised[line] == (level ? 1 : 0))
		b->pirq(b->opaque, line, level);
}

void
pci_set_intx(struct pci_dev *d, bool level)
{
	if (d->intx == level)
		return;
	d->intx = level;
	intx_update(d);
}

/* A message is a memory write of the device: bus mastering must be on. */
static void
message(struct pci_dev *d, uint64_t addr, uint32_t data)
{
	const struct msi_sink *msi = &d->bus->msi;

	if (pci_may_dma(d) && msi->send)
		msi->send(msi->sink, addr, data);
}

/* 6.8.1.3: a masked message is remembered in the pending bit. */
void
pci_msi_send(struct pci_dev *d)
{
	unsigned cap = d->msi_cap;

	if (!pci_msi_on(d))
		return;
	if (d->config[cap + PCI_MSI_MASK] & 1) {
		d->config[cap + PCI_MSI_PENDING] = 1;
		return;
	}
	message(d, get32(d, cap + PCI_MSI_ADDRESS) |
	    (uint64_t)get32(d, cap + PCI_MSI_ADDRESS + 4) << 32,
	    get16(d, cap + PCI_MSI_DATA));
}

static void
msi_update(struct pci_dev *d)
{
	unsigned cap = d->msi_cap;

	if (cap && pci_msi_on(d) && d->config[cap + PCI_MSI_PENDING] &&
	    !(d->config[cap + PCI_MSI_MASK] & 1)) {
		d->config[cap + PCI_MSI_PENDING] = 0;
		pci_msi_send(d);
	}
}

int
pci_add_msi(struct pci_dev *d)
{
	unsigned cap = pci_add_cap(d, PCI_CAP_MSI, PCI_MSI_LEN);

	if (!cap)
		return -ENOSPC;
	d->msi_cap = cap;
	put16(d->config + cap + PCI_MSI_CONTROL, PCI_MSI_WIDE |
	    PCI_MSI_MASKABLE);
	d->writable[cap + PCI_MSI_CONTROL] = 1;
	put32(d->writable + cap + PCI_MSI_ADDRESS, ~3u);
	put32(d->writable + cap + PCI_MSI_ADDRESS + 4, ~0u);
	put16(d->writable + cap + PCI_MSI_DATA, 0xffff);
	d->writable[cap + PCI_MSI_MASK] = 1;
	return 0;
}

/* --- MSI-X (6.8.2) ------------------------------------------------------- */

static void
vector_send(struct pci_dev *d, struct msix_vector *v)
{
	if (v->masked ||
	    get16(d, d->msix_cap + PCI_MSIX_CONTROL) & PCI_MSIX_MASK_ALL) {
		v->pending = true;
		return;
	}
	v->pending = false;
	message(d, v->addr, v->data);
}

void
pci_msix_send(struct pci_dev *d, unsigned vector)
{
	if (vector < d->msix_n && pci_msix_on(d))
		vector_send(d, &d->msix[vector]);
}

static void
msix_update(struct pci_dev *d)
{
	if (!pci_msix_on(d))
		return;
	for (unsigned i = 0; i < d->msix_n; i++) {
		if (d->msix[i].pending)
			vector_send(d, &d->msix[i]);
	}
}

/* An entry as the guest sees it (6.8.2.6 to 6.8.2.9). */
static void
vector_bytes(const struct msix_vector *v, uint8_t b[16])
{
	put32(b, v->addr);
	put32(b + 4, v->addr >> 32);
	put32(b + 8, v->data);
	put32(b + 12, v->masked);
}

static uint64_t
msix_read(void *opaque, uint64_t off, unsigned size)
{
	struct pci_dev *d = opaque;
	const struct pci_bar *bar = &d->bar[d->msix_bar];
	uint64_t table = off - d->msix_at, pba = off - d->msix_pba, v = 0;

	if (table < 16 * d->msix_n) {
		uint8_t b[16 + 8] = { 0 };

		vector_bytes(&d->msix[table / 16], b);
		memcpy(&v, b + table % 16, size);
	} else if (pba < div_up(d->msix_n, 64) * 8) {
		for (unsigned i = 0; i < size * 8; i++) {
			unsigned n = pba * 8 + i;

			if (n < d->msix_n && d->msix[n].pending)
				v |= 1ull << i;
		}
	} else if (bar->ops && bar->ops->read) {
		v = bar->ops->read(bar->opaque ? bar->opaque : d, off, size);
	}
	return v;
}

static void
msix_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_dev *d = opaque;
	const struct pci_bar *bar = &d->bar[d->msix_bar];
	uint64_t table = off - d->msix_at, pba = off - d->msix_pba;

	if (table < 16 * d->msix_n) {
		struct msix_vector *v = &d->msix[table / 16];
		uint8_t b[16 + 8];
		le32 part[4];

		vector_bytes(v, b);
		memcpy(b + table % 16, &value, size);
		memcpy(part, b, sizeof(part));
		v->addr = le32_get(part[0]) & ~3u;
		v->addr |= (uint64_t)le32_get(part[1]) << 32;
		v->data = le32_get(part[2]);
		v->masked = le32_get(part[3]) & 1;
		if (v->pending && pci_msix_on(d))
			vector_send(d, v);
	} else if (pba < div_up(d->msix_n, 64) * 8) {
		return;		/* read-only */
	} else if (bar->ops && bar->ops->write) {
		bar->ops->write(bar->opaque ? bar->opaque : d, off, size,
		    value);
	}
}

int
pci_add_msix(struct pci_dev *d, unsigned n, unsigned bar, uint32_t offset,
    struct error *err)
{
	struct pci_bar *b = &d->bar[bar];
	uint32_t pba = align_up(offset + 16 * n, 8);
	uint32_t end = pba + div_up(n, 64) * 8;
	unsigned cap;

	if (!n || n > 2048)
		return error_set(err, EINVAL, "%s: %u MSI-X vectors, "
		    "1 to 2048 can be", d->name, n);
	if (b->size && (b->io || !b->ops || b->ops->min > 1 ||
	    (b->ops->max && b->ops->max < 4) || end > b->size))
		return error_set(err, EINVAL,
		    "%s: no place for MSI-X vectors in BAR %u", d->name, bar);
	cap = pci_add_cap(d, PCI_CAP_MSIX, PCI_MSIX_LEN);
	if (!cap)
		return error_set(err, ENOSPC,
		    "%s: no room for the MSI-X capability", d->name);
	d->msix = calloc(n, sizeof(*d->msix));
	if (!d->msix)
		return error_errno(err, ENOMEM, "%s", d->name);
	for (unsigned i = 0; i < n; i++)
		d->msix[i].masked = true;
	d->msix_n = n;
	d->msix_bar = bar;
	d->msix_at = offset;
	d->msix_pba = pba;
	d->msix_cap = cap;
	put16(d->config + cap + PCI_MSIX_CONTROL, n - 1);
	put16(d->writable + cap + PCI_MSIX_CONTROL, PCI_MSIX_ENABLE |
	    PCI_MSIX_MASK_ALL);
	put32(d->config + cap + PCI_MSIX_TABLE, offset | bar);
	put32(d->config + cap + PCI_MSIX_PBA, pba | bar);
	if (!b->size) {
		b->size = 4096;
		while (b->size < end)
			b->size *= 2;
	}
	pci_bar_changed(d, bar);
	return 0;
}

/* --- Configuration cycles (3.2.2.3.2) ------------------------------------ */

/* Makes the machine agree with the configuration bytes. */
static void
update(struct pci_dev *d)
{
	for (unsigned n = 0; n <= ROM_BAR; n++)
		bar_update(d, n);
	intx_update(d);
	msi_update(d);
	msix_update(d);
}

static void
config_write(struct pci_dev *d, unsigned off, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t mask = d->writable[off + i];
		uint8_t b = value >> 8 * i;
		uint8_t *at = &d->config[off + i];

		*at = (*at & ~mask) | (b & mask);
		*at &= ~(b & d->w1c[off + i]);
	}
	update(d);
	if (d->config_written)
		d->config_written(d, off, size);
}

static uint32_t
config_read(struct pci_dev *d, unsigned off, unsigned size)
{
	uint32_t v = 0;

	if (d->config_reading)
		d->config_reading(d, off, size);
	for (unsigned i = 0; i < size; i++)
		v |= (uint32_t)d->config[off + i] << 8 * i;
	return v;
}

/* The function the address register names, NULL when nobody answers. */
static struct pci_dev *
addressed(const struct pci_bus *b)
{
	if (!(b->latch & 0x80000000) || b->latch & 0x00ff0000)
		return NULL;
	return b->dev[b->latch >> 8 & 0xff];
}

static uint64_t
address_read(void *opaque, uint64_t off, unsigned size)
{
	struct pci_bus *b = opaque;

	if (off == 0 && size == 4)
		return b->latch;
	if (off == 1 && size == 1 && b->cf9)
		return b->cf9->read(b->cf9_dev, 0, 1);
	return UINT64_MAX;
}

/* Only whole words are for the host bridge. */
static void
address_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_bus *b = opaque;

	if (off == 0 && size == 4)
		b->latch = value & 0x80fffffc;
	else if (off == 1 && size == 1 && b->cf9)
		b->cf9->write(b->cf9_dev, 0, 1, value);
}

static uint64_t
data_read(void *opaque, uint64_t off, unsigned size)
{
	struct pci_bus *b = opaque;
	struct pci_dev *d = addressed(b);

	if (!d || off + size > 4)
		return UINT64_MAX;
	return config_read(d, (b->latch & 0xfc) + off, size);
}

static void
data_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_bus *b = opaque;
	struct pci_dev *d = addressed(b);

	if (d && off + size <= 4)
		config_write(d, (b->latch & 0xfc) + off, size, value);
}

static const struct io_ops address_ops = {
	.read = address_read,
	.write = address_write,
};

static const struct io_ops data_ops = {
	.read = data_read,
	.write = data_write,
};

/* --- Functions ----------------------------------------------------------- */

static int
find_slot(struct pci_bus *b, unsigned *slot)
{
	for (unsigned s = 3; s < 32; s++) {
		unsigned fn = 0;

		while (fn < 8 && !b->dev[PCI_DEVFN(s, fn)])
			fn++;
		if (fn == 8) {
			*slot = s;
			return 0;
		}
	}
	return -ENOSPC;
}

int
pci_init(struct pci_dev *d, struct pci_bus *b, const struct pci_id *id,
    unsigned slot, unsigned fn, struct error *err)
{
	if (slot == PCI_ANY_SLOT && find_slot(b, &slot) < 0)
		return error_set(err, ENOSPC, "%s: all PCI slots are taken",
		    d->name);
	if (slot > 31 || fn > 7)
		return error_set(err, EINVAL, "%s: no PCI address %x.%u",
		    d->name, slot, fn);
	if (b->dev[PCI_DEVFN(slot, fn)])
		return error_set(err, EBUSY,
		    "%s: PCI address %02x.%u is taken by %s", d->name, slot,
		    fn, b->dev[PCI_DEVFN(slot, fn)]->name);
	d->bus = b;
	d->devfn = PCI_DEVFN(slot, fn);
	d->cap_end = 0x40;
	b->dev[d->devfn] = d;

	put16(d->config + PCI_VENDOR, id->vendor);
	put16(d->config + PCI_DEVICE, id->device);
	d->config[PCI_REVISION] = id->revision;
	d->config[PCI_INTERFACE] = id->interface;
	d->config[PCI_SUBCLASS] = id->subclass;
	d->config[PCI_CLASS] = id->class_code;
	put16(d->config + PCI_SUBVENDOR, id->subvendor ? id->subvendor :
	    0x1af4);
	put16(d->config + PCI_SUBDEVICE, id->subdevice ? id->subdevice :
	    0x1100);
	d->config[PCI_PIN] = id->pin;

	put16(d->writable + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
	    PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
	    (id->pin ? PCI_COMMAND_INTX_OFF : 0));
	d->writable[PCI_CACHE_LINE] = 0xff;
	d->writable[PCI_LATENCY] = 0xff;
	d->writable[PCI_LINE] = id->pin ? 0xff : 0;

	/* Function 0 says that there are others (6.2.1). */
	for (unsigned f = 1; f < 8; f++) {
		struct pci_dev *first = b->dev[PCI_DEVFN(slot, 0)];

		if (first && b->dev[PCI_DEVFN(slot, f)])
			first->config[PCI_HEADER] |= 0x80;
	}
	for (unsigned n = 0; n <= ROM_BAR; n++) {
		if (bar_of(d, n)->size)
			pci_bar_changed(d, n);
	}
	return 0;
}

unsigned
pci_add_cap(struct pci_dev *d, uint8_t id, unsigned len)
{
	unsigned off = d->cap_end;

	if (!off || off + len > 256)
		return 0;
	d->cap_end = align_up(off + len, 4) < 256 ? align_up(off + len, 4) : 0;
	d->config[off] = id;
	d->config[off + 1] = d->config[PCI_CAPS];
	d->config[PCI_CAPS] = off;
	d->config[PCI_STATUS] |= PCI_STATUS_CAPS;
	return off;
}

struct pci_dev *
pci_next(struct pci_bus *b, const struct pci_dev *d)
{
	for (unsigned i = d ? d->devfn + 1 : 0; i < 256; i++) {
		if (b->dev[i])
			return b->dev[i];
	}
	return NULL;
}

/* --- The bus ------------------------------------------------------------- */

struct pci_bus *
pci_bus_new(struct mem *mem, struct bus *bus, struct msi_sink msi,
    void (*pirq)(void *opaque, unsigned line, bool level), void *opaque,
    struct error *err)
{
	struct pci_bus *b = calloc(1, sizeof(*b));

	if (!b) {
		error_errno(err, ENOMEM, "the PCI bus");
		return NULL;
	}
	b->mem = mem;
	b->bus = bus;
	b->msi = msi;
	b->pirq = pirq;
	b->opaque = opaque;
	b->address = bus_add(bus, 0xcf8, 4, &address_ops, b, "pci-address");
	b->data = bus_add(bus, 0xcfc, 4, &data_ops, b, "pci-data");
	if (!b->address || !b->data) {
		error_errno(err, ENOMEM, "the PCI bus");
		pci_bus_free(b);
		return NULL;
	}
	return b;
}

void
pci_bus_cf9(struct pci_bus *b, const struct io_ops *ops, void *dev)
{
	b->cf9 = ops;
	b->cf9_dev = dev;
}

void
pci_bus_free(struct pci_bus *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < 256; i++) {
		struct pci_dev *d = b->dev[i];

		if (!d)
			continue;
		b->dev[i] = NULL;
		for (unsigned n = 0; n <= ROM_BAR; n++)
			bar_unmap(bar_of(d, n));
		free(d->msix);
		d->msix = NULL;
		if (d->free)
			d->free(d);
		else
			free(d);
	}
	bus_remove(b->address);
	bus_remove(b->data);
	free(b);
}

/* RST# (4.3.2): what the header's writable bits and the capabilities of this
 * file are afterwards; the rest is for the device's own reset. */
static void
dev_reset(struct pci_dev *d)
{
	static const uint8_t bytes[] = { PCI_COMMAND, PCI_COMMAND + 1,
		PCI_CACHE_LINE, PCI_LATENCY, PCI_LINE };

	for (unsigned i = 0; i < ARRAY_LEN(bytes); i++)
		d->config[bytes[i]] &= ~d->writable[bytes[i]];
	for (unsigned i = PCI_BAR0; i < PCI_BAR0 + 24; i++)
		d->config[i] &= ~d->writable[i];
	for (unsigned i = PCI_ROM; i < PCI_ROM + 4; i++)
		d->config[i] &= ~d->writable[i];
	for (unsigned i = 0; d->msi_cap && i < PCI_MSI_LEN; i++)
		d->config[d->msi_cap + i] &= ~d->writable[d->msi_cap + i];
	if (d->msi_cap)
		d->config[d->msi_cap + PCI_MSI_PENDING] = 0;
	if (d->msix_cap)
		d->config[d->msix_cap + PCI_MSIX_CONTROL + 1] &= ~0xc0;
	for (unsigned i = 0; i < d->msix_n; i++)
		d->msix[i] = (struct msix_vector){ .masked = true };
	d->intx = false;
	update(d);
	if (d->reset)
		d->reset(d);
}

void
pci_bus_reset(struct pci_bus *b)
{
	b->latch = 0;
	for (unsigned i = 0; i < 256; i++) {
		if (b->dev[i])
			dev_reset(b->dev[i]);
	}
}

/* --- "info pci" ---------------------------------------------------------- */

/* Appendix D, those we may have. */
static const char *
class_name(const struct pci_dev *d)
{
	switch (d->config[PCI_CLASS] << 8 | d->config[PCI_SUBCLASS]) {
	case 0x0100: return "SCSI controller";
	case 0x0101: return "IDE controller";
	case 0x0200: return "Ethernet controller";
	case 0x0300: return "VGA controller";
	case 0x0600: return "Host bridge";
	case 0x0601: return "ISA bridge";
	case 0x0680: return "Bridge";
	case 0x0780: return "Communication controller";
	case 0x0c03: return "USB controller";
	}
	return "Device";
}

void
pci_show(struct pci_bus *b, void (*line)(void *opaque, const char *),
    void *opaque)
{
	char text[160];

	for (struct pci_dev *d = NULL; (d = pci_next(b, d)); ) {
		snprintf(text, sizeof(text), "  Bus  0, device %3u, function "
		    "%u:", d->devfn >> 3, d->devfn & 7);
		line(opaque, text);
		snprintf(text, sizeof(text), "    %s: PCI device %04x:%04x",
		    class_name(d), get16(d, PCI_VENDOR),
		    get16(d, PCI_DEVICE));
		line(opaque, text);
		snprintf(text, sizeof(text), "      PCI subsystem %04x:%04x",
		    get16(d, PCI_SUBVENDOR), get16(d, PCI_SUBDEVICE));
		line(opaque, text);
		if (d->config[PCI_PIN]) {
			snprintf(text, sizeof(text), "      IRQ %u, pin %c",
			    d->config[PCI_LINE], '@' + d->config[PCI_PIN]);
			line(opaque, text);
		}
		for (unsigned n = 0; n <= ROM_BAR; n++) {
			const struct pci_bar *bar = bar_of(d, n);
			uint64_t at = get32(d, bar_reg(n));

			if (!bar->size)
				continue;
			if (bar->wide)
				at |= (uint64_t)get32(d, bar_reg(n) + 4) << 32;
			at &= ~(bar->size - 1);
			snprintf(text, sizeof(text), "      BAR%u: %s at "
			    "%#llx [%#llx]%s.", n, bar->io ? "I/O" :
			    bar->wide ? "64 bit memory" :
			    bar->prefetch ? "32 bit prefetchable memory" :
			    "32 bit memory", (unsigned long long)at,
			    (unsigned long long)(at + bar->size - 1),
			    bar->at ? "" : " (off)");
			line(opaque, text);
		}
		snprintf(text, sizeof(text), "      id \"%.100s\"",
		    d->id ? d->id : "");
		line(opaque, text);
	}
}

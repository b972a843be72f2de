/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.h - one PCI bus: configuration mechanism 1, BARs, INTx, MSI and MSI-X
 *
 * A function embeds struct pci_dev as its first member, fills in the header
 * by pci_init() and its BARs by pci_bar_*(), and is done: the bus decodes
 * configuration cycles, maps and moves the BARs as the guest enables them,
 * and routes INTA..INTD to the bridge's PIRQ lines.
 *
 * PCI Local Bus Specification 3.0 is cited by section.  All with the board
 * lock held.
 */
#ifndef DEV_PCI_H
#define DEV_PCI_H

#include "core/bus.h"
#include "core/irq.h"
#include "core/mem.h"

struct pci_bus;
struct pci_dev;

#define PCI_DEVFN(slot, fn) (((slot) << 3) | (fn))
#define PCI_ANY_SLOT 0xff	/* the first free one from 3 on */

struct pci_bar {
	uint64_t size;		/* 0: there is none; a power of two */
	bool io, wide, prefetch;	/* ports; 64 bit; prefetchable */
	const struct io_ops *ops;	/* NULL: ram */
	void *opaque;		/* for ops; the dev itself when NULL */
	uint8_t *ram;		/* host memory shown directly (VRAM, ROM) */
	/* the bus's own */
	struct mem_region *mem;
	struct bus_region *port;
	uint64_t at;
};

struct msix_vector { uint64_t addr; uint32_t data; bool masked, pending; };

struct pci_dev {
	const char *name;	/* "virtio-blk-pci", for messages */
	const char *id;		/* the user's id=, or NULL */
	struct pci_bus *bus;
	uint8_t devfn;
	uint8_t config[256];
	uint8_t writable[256];	/* bits the guest may change */
	uint8_t w1c[256];	/* bits that are cleared by writing 1 */
	struct pci_bar bar[6];
	struct pci_bar rom;	/* expansion ROM: ram set, size a power of 2 */
	/* Before the guest reads configuration bytes [off, off + n), for those
	 * that are read from elsewhere.  NULL: there are none. */
	void (*config_reading)(struct pci_dev *, unsigned off, unsigned n);
	/* After the guest changed configuration bytes [off, off + n). NULL: none. */
	void (*config_written)(struct pci_dev *, unsigned off, unsigned n);
	void (*reset)(struct pci_dev *);	/* NULL: none */
	void (*free)(struct pci_dev *);		/* NULL: free() */
	/* the bus's own */
	bool intx;		/* level the device wants */
	bool wire;		/* level it has on the bus */
	uint8_t cap_end;	/* where the next capability goes */
	uint8_t msi_cap, msix_cap;	/* offsets, 0: none */
	struct msix_vector *msix;
	unsigned msix_n, msix_bar;
	uint32_t msix_at, msix_pba;	/* of table and pending bits */
};

struct pci_id {
	uint16_t vendor, device;
	uint8_t class_code, subclass, interface, revision;
	uint16_t subvendor, subdevice;
	uint8_t pin;		/* 0: none, 1 INTA .. 4 INTD */
};

/*
 * The bus with its ports CF8h/CFCh.  pirq(opaque, line, level) is called with
 * line = (slot - 1 + pin - 1) & 3, which is how the board's slots are wired to
 * PIRQA..PIRQD; level is already the OR of all on that line.
 */
struct pci_bus *pci_bus_new(struct mem *, struct bus *, struct msi_sink,
    void (*pirq)(void *opaque, unsigned line, bool level), void *opaque,
    struct error *err);
void pci_bus_free(struct pci_bus *);	/* and its devices */
/* Byte port CF9h lies inside the address register: where it goes to. */
void pci_bus_cf9(struct pci_bus *, const struct io_ops *, void *dev);
void pci_bus_reset(struct pci_bus *);	/* all devices */

/* Fills in the header of a zeroed dev and puts it on the bus.  slot may be
 * PCI_ANY_SLOT.  Fails when the slot and function are taken or none is free. */
int pci_init(struct pci_dev *, struct pci_bus *, const struct pci_id *,
    unsigned slot, unsigned fn, struct error *err);

/* A capability of len bytes (the 2-byte header included); its offset, 0 when
 * there is no room.  The rest of it is zeros and read-only. */
unsigned pci_add_cap(struct pci_dev *, uint8_t id, unsigned len);

/* MSI-X with n vectors, its table and pending bits in BAR bar (6.8.2) from
 * offset on.  The bar is made here when its size is 0; else the device's ops
 * see what lies outside of both, in accesses of at most 4 bytes. */
int pci_add_msix(struct pci_dev *, unsigned n, unsigned bar, uint32_t offset,
    struct error *err);
int pci_add_msi(struct pci_dev *);	/* one vector, 64 bit, maskable */

/* Tells the bus that a BAR (6: the ROM) was filled in after pci_init(). */
void pci_bar_changed(struct pci_dev *, unsigned n);

void pci_set_intx(struct pci_dev *, bool level);
bool pci_msi_on(const struct pci_dev *);
bool pci_msix_on(const struct pci_dev *);
void pci_msi_send(struct pci_dev *);
void pci_msix_send(struct pci_dev *, unsigned vector);	/* held while masked */
/* While MSI or MSI-X is on pci_set_intx() does not reach the bus, and without
 * bus mastering no message is sent. */

/* Bus mastering is on: without it a device must not DMA (6.2.2). */
bool pci_may_dma(const struct pci_dev *);

/* "info pci": one line or more per function. */
void pci_show(struct pci_bus *, void (*line)(void *opaque, const char *),
    void *opaque);
/* The next function after dev (NULL: the first), for tables and firmware. */
struct pci_dev *pci_next(struct pci_bus *, const struct pci_dev *dev);

#endif

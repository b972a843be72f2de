/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_driver.h - a small virtio driver, which can lie
 *
 * Queue n lies at RING + n * 64 KiB, its size is 16; chains are built by hand
 * from descriptors.  By the registers of version 1, or by the old ones.
 */
#ifndef EMU_VIRTIO_DRIVER_H
#define EMU_VIRTIO_DRIVER_H

#include "dev/virtio_pci.h"
#include "emu/rig.h"

enum { BAR0 = 0xc000, BAR1 = 0xfe010000, BAR4 = 0xfe000000, RING = 0x100000,
	SIZE = 16 };
enum { D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4 };

struct driver {
	struct rig *rig;
	unsigned devfn;
	bool old;
	uint64_t features;
	uint16_t avail[8], seen[8];
};

static inline uint64_t ring_of(const struct driver *d, unsigned q)
{
	return RING + q * 0x10000;
}

/* Old layout within one page-aligned piece: used is on the second page. */
static inline uint64_t avail_of(const struct driver *d, unsigned q)
{
	return ring_of(d, q) + 16 * (d->old ? 256 : SIZE);
}

static inline uint64_t used_of(const struct driver *d, unsigned q)
{
	return d->old ? ring_of(d, q) + 0x2000 : ring_of(d, q) + 0x800;
}

static inline unsigned size_of(const struct driver *d)
{
	return d->old ? 256 : SIZE;
}

static inline uint32_t common(struct driver *d, unsigned off, unsigned size)
{
	return rig_peek(d->rig, BAR4 + off, size);
}

static inline void common_set(struct driver *d, unsigned off, unsigned size,
    uint32_t v)
{
	rig_poke(d->rig, BAR4 + off, size, v);
}

static inline uint8_t dev_status(struct driver *d)
{
	return d->old ? rig_in(d->rig, BAR0 + 18, 1) : common(d, 20, 1);
}

static inline void driver_map(struct driver *d, struct rig *rig, unsigned slot)
{
	memset(d, 0, sizeof(*d));
	d->rig = rig;
	d->devfn = PCI_DEVFN(slot, 0);
	rig_config_set(rig, d->devfn, 0x10, 4, BAR0);
	rig_config_set(rig, d->devfn, 0x14, 4, BAR1);
	rig_config_set(rig, d->devfn, 0x20, 4, BAR4);
	rig_config_set(rig, d->devfn, 0x24, 4, 0);
	rig_config_set(rig, d->devfn, 0x04, 2, 7);
}

static inline void driver_queues(struct driver *d, unsigned queues)
{
	for (unsigned q = 0; q < queues; q++) {
		memset(rig_ram(d->rig, ring_of(d, q)), 0, 0x4000);
		if (d->old) {
			rig_out(d->rig, BAR0 + 14, 2, q);
			rig_out(d->rig, BAR0 + 8, 4, ring_of(d, q) >> 12);
			continue;
		}
		common_set(d, 22, 2, q);
		common_set(d, 24, 2, SIZE);
		common_set(d, 32, 4, ring_of(d, q));
		common_set(d, 36, 4, 0);
		common_set(d, 40, 4, avail_of(d, q));
		common_set(d, 44, 4, 0);
		common_set(d, 48, 4, used_of(d, q));
		common_set(d, 52, 4, 0);
		common_set(d, 28, 2, 1);
	}
}

/* From reset to DRIVER_OK with these features and queues. */
static inline void driver_start(struct driver *d, uint64_t features,
    unsigned queues)
{
	memset(d->avail, 0, sizeof(d->avail));
	memset(d->seen, 0, sizeof(d->seen));
	d->features = features;
	if (d->old) {
		rig_out(d->rig, BAR0 + 18, 1, 0);
		rig_out(d->rig, BAR0 + 18, 1, 3);
		rig_out(d->rig, BAR0 + 4, 4, (uint32_t)features);
		driver_queues(d, queues);
		rig_out(d->rig, BAR0 + 18, 1, 7);
		return;
	}
	common_set(d, 20, 1, 0);
	common_set(d, 20, 1, 3);
	common_set(d, 8, 4, 0);
	common_set(d, 12, 4, (uint32_t)features);
	common_set(d, 8, 4, 1);
	common_set(d, 12, 4, (uint32_t)(features >> 32) | 1);
	common_set(d, 20, 1, 11);
	driver_queues(d, queues);
	common_set(d, 20, 1, 15);
}

static inline void put_desc(struct driver *d, uint64_t table, unsigned i,
    uint64_t gpa, uint32_t len, unsigned flags, unsigned next)
{
	uint8_t *p = rig_ram(d->rig, table + 16 * i);

	le64_put((le64 *)p, gpa);
	le32_put((le32 *)(p + 8), len);
	le16_put((le16 *)(p + 12), flags);
	le16_put((le16 *)(p + 14), next);
}

/* Makes chain "head" available, without telling. */
static inline void offer(struct driver *d, unsigned q, unsigned head)
{
	uint8_t *a = rig_ram(d->rig, avail_of(d, q));

	le16_put((le16 *)(a + 4 + 2 * (d->avail[q] % size_of(d))), head);
	le16_put((le16 *)(a + 2), ++d->avail[q]);
}

static inline void kick(struct driver *d, unsigned q)
{
	if (d->old)
		rig_out(d->rig, BAR0 + 16, 2, q);
	else
		common_set(d, 0x3000 + 4 * q, 2, q);
}

static inline uint16_t used_index(struct driver *d, unsigned q)
{
	return le16_get(*(le16 *)(rig_ram(d->rig, used_of(d, q)) + 2));
}

/* The next used element; false: there is none. */
static inline bool taken(struct driver *d, unsigned q, uint32_t *id,
    uint32_t *len)
{
	uint8_t *u = rig_ram(d->rig, used_of(d, q));

	if (used_index(d, q) == d->seen[q])
		return false;
	u += 4 + 8 * (d->seen[q]++ % size_of(d));
	*id = le32_get(*(le32 *)u);
	*len = le32_get(*(le32 *)(u + 4));
	return true;
}

#endif

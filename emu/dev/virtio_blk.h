/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio_blk.h - a virtio disk: "virtio-blk-pci" */
#ifndef DEV_VIRTIO_BLK_H
#define DEV_VIRTIO_BLK_H

#include "dev/disk.h"
#include "dev/virtio_pci.h"

/* Zero: the usual. */
struct virtio_blk_config {
	struct virtio_pci_config pci;
	struct disk *disk;		/* borrowed, with a medium */
	const char *serial;		/* up to 20 characters */
	unsigned queues;		/* num-queues: 1 */
	unsigned queue_size;		/* 256 */
	unsigned logical_block, physical_block;	/* 512 */
	unsigned cylinders, heads, sectors;
	bool no_discard, no_write_zeroes, no_config_wce;
};

/* The bus frees it. */
int virtio_blk_new(struct pci_bus *, struct board *, struct mem *,
    const struct virtio_blk_config *, struct error *err);

#endif

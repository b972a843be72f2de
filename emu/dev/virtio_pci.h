/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_pci.h - virtio over PCI, transitional: the registers of old drivers
 * in BAR 0, those of version 1 in BAR 4, MSI-X in BAR 1
 */
#ifndef DEV_VIRTIO_PCI_H
#define DEV_VIRTIO_PCI_H

#include "dev/pci.h"
#include "dev/virtio.h"

struct virtio_pci_config {
	unsigned slot;			/* or PCI_ANY_SLOT */
	bool disable_legacy, disable_modern;
	unsigned vectors;		/* 0: one a queue, one for changes */
	bool no_msix;
	const char *id;
};

/* First member of a device's struct. */
struct virtio_pci {
	struct pci_dev pci;
	struct virtio v;
	bool legacy, modern;
	uint8_t isr;
	uint8_t status_before;	/* of a reset that is not over */
	uint16_t config_vector, selected;
	uint32_t features_selected, driver_features_selected;
	uint64_t driver_features;
	unsigned pci_cfg;	/* offset of that capability */
	void (*free)(struct virtio_pci *);	/* after virtio_fini() */
};

/* v is filled in by virtio_init(); class_code and subclass as the peers'. */
int virtio_pci_init(struct virtio_pci *, struct pci_bus *,
    const struct virtio_pci_config *, uint8_t class_code, uint8_t subclass,
    struct error *err);

#endif

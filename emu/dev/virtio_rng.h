/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio_rng.h - random bytes of the host: "virtio-rng-pci" */
#ifndef DEV_VIRTIO_RNG_H
#define DEV_VIRTIO_RNG_H

#include "dev/virtio_pci.h"

/* At most max_bytes in each period_ms; zero: 1 MiB in 100 ms. */
struct virtio_rng_config {
	struct virtio_pci_config pci;
	uint64_t max_bytes;
	uint32_t period_ms;
};

/* The bus frees it. */
int virtio_rng_new(struct pci_bus *, struct board *, struct mem *,
    const struct virtio_rng_config *, struct error *err);

#endif

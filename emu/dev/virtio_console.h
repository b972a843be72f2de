/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_console.h - consoles and serial ports over virtio: "virtio-serial-pci"
 * with "virtconsole" and "virtserialport"
 */
#ifndef DEV_VIRTIO_CONSOLE_H
#define DEV_VIRTIO_CONSOLE_H

#include "core/chardev.h"
#include "dev/virtio_pci.h"

enum { VIRTIO_CONSOLE_PORTS = 31, VIRTIO_CONSOLE_NAME = 64 };

struct virtio_port_config {
	struct chardev *chr;	/* borrowed; NULL: written into the void */
	bool console;		/* virtconsole, else virtserialport */
	const char *name;	/* of a virtserialport, or NULL */
};

/* ports[0] is the first console (or a port nobody has); max_ports is what the
 * guest is told there may be, 0: 31. */
struct virtio_console_config {
	struct virtio_pci_config pci;
	const struct virtio_port_config *ports;
	unsigned n, max_ports;
};

/* The bus frees it. */
int virtio_console_new(struct pci_bus *, struct board *, struct mem *,
    const struct virtio_console_config *, struct error *err);

#endif

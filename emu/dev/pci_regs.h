/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci_regs.h - the configuration header, type 0, and the capabilities we have
 *
 * Offsets into struct pci_dev.config; PCI Local Bus Specification 3.0, 6.1,
 * 6.2 and 6.8.
 */
#ifndef DEV_PCI_REGS_H
#define DEV_PCI_REGS_H

enum {
	PCI_VENDOR = 0x00,
	PCI_DEVICE = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_INTERFACE = 0x09,
	PCI_SUBCLASS = 0x0a,
	PCI_CLASS = 0x0b,
	PCI_CACHE_LINE = 0x0c,
	PCI_LATENCY = 0x0d,
	PCI_HEADER = 0x0e,
	PCI_BAR0 = 0x10,
	PCI_SUBVENDOR = 0x2c,
	PCI_SUBDEVICE = 0x2e,
	PCI_ROM = 0x30,
	PCI_CAPS = 0x34,
	PCI_LINE = 0x3c,
	PCI_PIN = 0x3d,

	/* command, 6.2.2 */
	PCI_COMMAND_IO = 0x0001,
	PCI_COMMAND_MEMORY = 0x0002,
	PCI_COMMAND_MASTER = 0x0004,
	PCI_COMMAND_PARITY = 0x0040,
	PCI_COMMAND_SERR = 0x0100,
	PCI_COMMAND_INTX_OFF = 0x0400,

	/* status, 6.2.3 */
	PCI_STATUS_INTX = 0x0008,
	PCI_STATUS_CAPS = 0x0010,
	PCI_STATUS_FAST_BACK = 0x0080,
	PCI_STATUS_MEDIUM = 0x0200,	/* DEVSEL timing */

	PCI_CAP_MSI = 0x05,
	PCI_CAP_VENDOR = 0x09,
	PCI_CAP_MSIX = 0x11,

	/* MSI with 64 bit address and a mask, 6.8.1 */
	PCI_MSI_CONTROL = 2,
	PCI_MSI_ADDRESS = 4,
	PCI_MSI_DATA = 12,
	PCI_MSI_MASK = 16,
	PCI_MSI_PENDING = 20,
	PCI_MSI_LEN = 24,
	PCI_MSI_WIDE = 0x0080,
	PCI_MSI_MASKABLE = 0x0100,

	/* MSI-X, 6.8.2 */
	PCI_MSIX_CONTROL = 2,
	PCI_MSIX_TABLE = 4,
	PCI_MSIX_PBA = 8,
	PCI_MSIX_LEN = 12,
	PCI_MSIX_MASK_ALL = 0x4000,
	PCI_MSIX_ENABLE = 0x8000,
};

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg.h - what the board tells its firmware
 *
 * Items by number, and files by name, which are items with numbers of their
 * own.  Interface: "QEMU Firmware Configuration (fw_cfg) Device"; ports 510h,
 * 511h and DMA at 514h.
 */
#ifndef FW_FW_CFG_H
#define FW_FW_CFG_H

#include <stddef.h>

#include "core/bus.h"
#include "core/mem.h"

struct fw_cfg;

enum {
	FW_CFG_UUID = 0x02,
	FW_CFG_RAM_SIZE = 0x03,
	FW_CFG_NO_GRAPHIC = 0x04,
	FW_CFG_CPUS = 0x05,
	FW_CFG_KERNEL_ADDR = 0x07,
	FW_CFG_KERNEL_SIZE = 0x08,
	FW_CFG_INITRD_ADDR = 0x0a,
	FW_CFG_INITRD_SIZE = 0x0b,
	FW_CFG_BOOT_DEVICE = 0x0c,
	FW_CFG_NUMA = 0x0d,
	FW_CFG_BOOT_MENU = 0x0e,
	FW_CFG_MAX_CPUS = 0x0f,
	FW_CFG_KERNEL_ENTRY = 0x10,
	FW_CFG_KERNEL_DATA = 0x11,
	FW_CFG_INITRD_DATA = 0x12,
	FW_CFG_CMDLINE_ADDR = 0x13,
	FW_CFG_CMDLINE_SIZE = 0x14,
	FW_CFG_CMDLINE_DATA = 0x15,
	FW_CFG_SETUP_ADDR = 0x16,
	FW_CFG_SETUP_SIZE = 0x17,
	FW_CFG_SETUP_DATA = 0x18,
	FW_CFG_IRQ0_OVERRIDE = 0x8002,
	FW_CFG_HPET = 0x8004,
};

struct fw_cfg *fw_cfg_new(struct bus *, struct mem *, struct error *err);
void fw_cfg_free(struct fw_cfg *);	/* NULL is allowed */
void fw_cfg_reset(struct fw_cfg *);

/* Adds an item, or replaces it; data is copied. */
int fw_cfg_add(struct fw_cfg *, uint16_t key, const void *data, size_t len,
    struct error *err);
/* Numbers, little endian. */
int fw_cfg_add16(struct fw_cfg *, uint16_t key, uint16_t, struct error *err);
int fw_cfg_add32(struct fw_cfg *, uint16_t key, uint32_t, struct error *err);
int fw_cfg_add64(struct fw_cfg *, uint16_t key, uint64_t, struct error *err);
/* The same without a copy: data is borrowed (kernels, initial RAM disks). */
int fw_cfg_lend(struct fw_cfg *, uint16_t key, const void *data, size_t len,
    struct error *err);
/* A file, or its new contents; name has at most 55 characters. */
int fw_cfg_add_file(struct fw_cfg *, const char *name, const void *data,
    size_t len, struct error *err);

#endif

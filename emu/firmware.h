/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firmware.h - ROMs on the board, and what firmware is told about it */
#ifndef FIRMWARE_H
#define FIRMWARE_H

#include "dev/i82078.h"
#include "dev/mc146818.h"
#include "dev/pci.h"
#include "dev/piix3_ide.h"
#include "fw/fw_cfg.h"
#include "fw/rom.h"
#include "machine.h"

struct firmware;

/* Loads the BIOS and puts it below 4 GiB, its last 128 KiB below 1 MiB too. */
struct firmware *firmware_new(const struct machine_config *, struct mem *,
    struct bus *, struct error *err);
void firmware_free(struct firmware *);	/* NULL is allowed */
void firmware_reset(struct firmware *);

/* What the firmware asks about: NULL where there is no such thing. */
struct firmware_board {
	struct mem *mem;
	struct mc146818 *rtc;
	const struct piix3_ide *ide;
	const struct i82078 *floppy;
	/* PCI address of each drive on virtio, by its place in the config. */
	uint8_t devfn[MACHINE_DRIVES];
	bool hpet;
	uint32_t hpet_id;
};

/* Fills in CMOS memory and fw_cfg, once the board is complete. */
int firmware_tell(struct firmware *, const struct machine_config *,
    const struct firmware_board *, struct error *err);

#endif

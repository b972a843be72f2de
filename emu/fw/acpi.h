/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi.h - the tables that say what is on the board
 *
 * Given to the firmware as files of fw_cfg with a list of commands by which
 * it places and links them.
 */
#ifndef FW_ACPI_H
#define FW_ACPI_H

#include "fw/fw_cfg.h"

struct acpi_config {
	unsigned cpus;		/* local APIC ids 0 .. cpus - 1 */
	uint64_t ram_low;	/* bytes of RAM below the PCI hole */
	uint16_t pm_base;	/* PIIX4's registers */
	uint16_t smi_command;
	uint8_t acpi_on, acpi_off;	/* to the command port */
	bool hpet, com1, com2, floppy;
	uint32_t hpet_id;	/* low half of its capability register */
	unsigned ioapic_id;
};

int acpi_add(struct fw_cfg *, const struct acpi_config *, struct error *err);

#endif

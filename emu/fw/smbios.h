/* SPDX-License-Identifier: GPL-2.0-or-later */
/* smbios.h - the tables "dmidecode" shows */
#ifndef FW_SMBIOS_H
#define FW_SMBIOS_H

#include "fw/fw_cfg.h"

struct smbios_config {
	uint64_t ram_low, ram_high;	/* bytes */
	unsigned cpus;
	uint8_t uuid[16];	/* in the order of its text */
	const char *version;	/* of this program */
};

int smbios_add(struct fw_cfg *, const struct smbios_config *,
    struct error *err);

#endif

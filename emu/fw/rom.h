/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rom.h - firmware files of the distribution */
#ifndef FW_ROM_H
#define FW_ROM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { ROM_MAX = 16 << 20 };

struct rom {
	uint8_t *data;		/* pages, of "mapped" bytes */
	size_t len, mapped;
};

/*
 * Finds a firmware file and reads it: name as it is when it has a slash, else
 * in the folder dir (may be NULL), in $COWBIRD_FIRMWARE, and in the places
 * where distributions put SeaBIOS.  ROM_MAX bytes at most.
 */
int rom_load(struct rom *, const char *name, const char *dir,
    struct error *err);
void rom_unload(struct rom *);

#endif

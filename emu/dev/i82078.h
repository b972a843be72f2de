/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i82078.h - the floppy disk controller and its two drives */
#ifndef DEV_I82078_H
#define DEV_I82078_H

#include "core/bus.h"
#include "core/irq.h"
#include "dev/disk.h"
#include "dev/i8237.h"

struct i82078;

/* Ports 3F0h-3F5h and 3F7h, DMA channel 2, one line (ISA interrupt 6).
 * drive[]: borrowed; NULL: no drive.  The size of the image says what kind of
 * drive and diskette it is. */
struct i82078 *i82078_new(struct bus *, struct i8237 *, struct irq,
    struct disk *const drive[2], struct error *err);
void i82078_free(struct i82078 *);	/* NULL is allowed */
void i82078_reset(struct i82078 *);

/* The drive's kind as CMOS register 10h has it: 0 none, 1 360K, 2 1.2M,
 * 3 720K, 4 1.44M, 5 2.88M. */
unsigned i82078_drive_kind(const struct i82078 *, unsigned drive);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emu_fuzz.h - bytes as what a guest does to a device
 *
 * The input is a list of steps, each an operation and its operands: accesses
 * to the device's ports, its registers in memory and its configuration space,
 * bytes into guest memory, waiting for the disks.  Guest memory begins as the
 * input over and over, so that what the device reads by DMA is the fuzzer's,
 * too.  Nothing it says may crash, hang or grow the machine.
 */
#ifndef FUZZ_EMU_FUZZ_H
#define FUZZ_EMU_FUZZ_H

#include "emu/rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* WINDOW: where tables and rings are put, and most bytes go. */
enum { WINDOW = 0x100000, WINDOW_LEN = 0x10000, FUZZ_STEPS = 2000 };

struct fuzz_range {
	uint64_t at;
	uint32_t len;
};

struct fuzz {
	struct rig r;
	const uint8_t *p;
	size_t left;
	struct fuzz_range port[6];	/* len 0 ends them */
	struct fuzz_range mmio[3];
	unsigned devfn;
	/* One more operation, of the device's own; NULL: none. */
	void (*more)(struct fuzz *);
};

static inline uint32_t fuzz_take(struct fuzz *f, unsigned n)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!f->left)
			break;
		v |= (uint32_t)*f->p++ << 8 * i;
		f->left--;
	}
	return v;
}

static inline void fuzz_begin(struct fuzz *f, const uint8_t *data, size_t size)
{
	memset(f, 0, sizeof(*f));
	rig_init(&f->r);
	f->p = data;
	f->left = size;
	for (unsigned i = 0; i < WINDOW_LEN && size; i++)
		*rig_ram(&f->r, WINDOW + i) = data[i % size];
}

/* One of the ranges and a place in it. */
static inline bool fuzz_place(struct fuzz *f, const struct fuzz_range *range,
    unsigned n, uint64_t *at)
{
	unsigned count = 0, which;

	while (count < n && range[count].len)
		count++;
	if (!count)
		return false;
	which = fuzz_take(f, 1) % count;
	*at = range[which].at + fuzz_take(f, range[which].len > 256 ? 2 : 1) %
	    range[which].len;
	return true;
}

static inline void fuzz_memory(struct fuzz *f)
{
	unsigned at = fuzz_take(f, 2), n = fuzz_take(f, 1) % 64 + 1;

	for (unsigned i = 0; i < n && f->left; i++)
		*rig_ram(&f->r, WINDOW + (at + i) % WINDOW_LEN) =
		    fuzz_take(f, 1);
}

static inline void fuzz_steps(struct fuzz *f)
{
	for (unsigned n = 0; n < FUZZ_STEPS && f->left; n++) {
		unsigned op = fuzz_take(f, 1), size = 1 << (op >> 4 & 3);
		uint64_t at;

		switch (op & 15) {
		case 0: case 1: case 2:
			if (fuzz_place(f, f->port, 6, &at))
				rig_out(&f->r, at, size > 4 ? 4 : size,
				    fuzz_take(f, size > 4 ? 4 : size));
			break;
		case 3: case 4:
			if (fuzz_place(f, f->port, 6, &at))
				rig_in(&f->r, at, size > 4 ? 4 : size);
			break;
		case 5: case 6:
			if (fuzz_place(f, f->mmio, 3, &at))
				rig_poke(&f->r, at, size,
				    fuzz_take(f, size > 4 ? 4 : size));
			break;
		case 7:
			if (fuzz_place(f, f->mmio, 3, &at))
				rig_peek(&f->r, at, size);
			break;
		case 8: case 9: case 10:
			fuzz_memory(f);
			break;
		case 11:
			at = fuzz_take(f, 1) & ~(size - 1ull);
			rig_config_set(&f->r, f->devfn, (unsigned)at,
			    size > 4 ? 4 : size,
			    fuzz_take(f, size > 4 ? 4 : size));
			break;
		case 12:
			at = fuzz_take(f, 1) & ~(size - 1ull);
			rig_config(&f->r, f->devfn, (unsigned)at,
			    size > 4 ? 4 : size);
			break;
		case 13:		/* a run of reads: PIO */
			if (fuzz_place(f, f->port, 6, &at))
				for (unsigned i = 0; i < 300; i++)
					rig_in(&f->r, at, size > 4 ? 4 : size);
			break;
		case 14:
			rig_settle(&f->r);
			break;
		case 15:
			if (f->more)
				f->more(f);
			else
				pci_bus_reset(f->r.pci);
			break;
		}
	}
	rig_settle(&f->r);
}

#endif

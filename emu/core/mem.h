/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem.h - guest-physical memory
 *
 * RAM is one anonymous mapping.  A page table from guest frame to what lies
 * there (RAM, ROM, device, nothing) answers every access in a load or two and
 * needs no lock to read.  What changes it (PAM registers, PCI BARs, A20) runs
 * with the board lock held and tells the processors through the listener,
 * who then forget their translations.
 *
 * Devices reach guest memory only by the checked functions below: an address
 * the guest chose is never turned into a pointer anywhere else, and a DMA
 * never reaches a device (no re-entrancy).
 *
 * Units: gpa is a guest-physical address, frame is gpa >> 12, len bytes.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"

#define PAGE_BITS 12
#define PAGE_SIZE 4096ull
#define MEM_BITS 40		/* physical address bits of the machine */

struct board;
struct mem;

/* A device's registers.  off is relative to the region; size is 1, 2, 4 or 8,
 * never crosses the region's end and is aligned if "aligned" is set.  Accesses
 * larger than max are split, smaller than min are widened (read) or, for
 * writes, given as they are.  Board lock held. */
struct io_ops {
	uint64_t (*read)(void *dev, uint64_t off, unsigned size);
	void (*write)(void *dev, uint64_t off, unsigned size, uint64_t value);
	unsigned min, max;	/* 0: 1 and 8 (4 for ports) */
};

/* Calls them by these rules for size bytes, of any number up to 8; max is
 * what ops->max 0 means.  For mem.c and bus.c. */
uint64_t io_read(const struct io_ops *, void *dev, uint64_t off,
    unsigned size, unsigned max);
void io_write(const struct io_ops *, void *dev, uint64_t off, unsigned size,
    uint64_t value, unsigned max);

enum mem_kind {
	MEM_NONE,		/* reads as ones, writes are lost */
	MEM_RAM,
	MEM_ROM,		/* reads as RAM, writes are lost */
	MEM_IO,
};

/* What is at a frame; host is NULL for NONE and IO. */
struct mem_page {
	enum mem_kind kind;
	uint8_t *host;		/* of the page's first byte */
};

/*
 * The machine's RAM: below the PCI hole from 0, the rest from 4 GiB.  The
 * hole begins at 3.5 GiB for machines whose RAM ends below it, else 3 GiB.
 * Fails if size is not a multiple of 1 MiB or the host has not that much.
 */
struct mem *mem_new(struct board *, uint64_t ram_size, struct error *err);
void mem_free(struct mem *);		/* NULL is allowed */

uint64_t mem_ram_low(const struct mem *);	/* bytes below the hole */
uint64_t mem_ram_high(const struct mem *);	/* bytes from 4 GiB on */

/* --- The layout; board lock held ------------------------------------------ */

/*
 * Puts a region over [gpa, gpa + len), whole pages for RAM and ROM.  host is
 * borrowed and outlives the mem.  A later region hides earlier ones where
 * they overlap; removing it shows them again.  The name, copied, is for
 * "info mtree".  NULL: no memory.
 */
struct mem_region;
struct mem_region *mem_add_ram(struct mem *, uint64_t gpa, uint64_t len,
    enum mem_kind, void *host, const char *name);
struct mem_region *mem_add_io(struct mem *, uint64_t gpa, uint64_t len,
    const struct io_ops *, void *dev, const char *name);
/* Keeps its rank among those that overlap; cannot fail. */
void mem_move(struct mem_region *, uint64_t gpa);
void mem_remove(struct mem_region *);	/* and frees; NULL is allowed */

/* RAM of the machine itself at gpa as a host pointer, for building firmware
 * tables and loading kernels; NULL if [gpa, gpa + len) is not all RAM. */
void *mem_ram(struct mem *, uint64_t gpa, uint64_t len);

/* Each run of RAM and ROM as the guest sees it now, in order: engine kvm
 * makes its slots of them. */
void mem_each(struct mem *, void (*run)(void *opaque, uint64_t gpa,
    uint64_t len, enum mem_kind, uint8_t *host), void *opaque);

/* Called with the board lock held after the layout changed. */
struct mem_listener {
	void (*changed)(void *opaque);
	/* Bytes that somebody holds decoded code of were written: frame, and
	 * which of its 64-byte lines.  Any thread, board lock held or not. */
	void (*code_written)(void *opaque, uint64_t frame, uint64_t lines);
	/* A frame without decoded code has some now.  Any thread. */
	void (*code_added)(void *opaque, uint64_t frame);
	void *opaque;
};
/* Copied.  Before the processors run; MEM_LISTENERS at most. */
#define MEM_LISTENERS 16
void mem_listen(struct mem *, const struct mem_listener *);
/* The listeners with this opaque hear no more; when nobody calls them. */
void mem_unlisten(struct mem *, const void *opaque);

/* "info mtree": one line per region. */
void mem_show(struct mem *, void (*line)(void *opaque, const char *text),
    void *opaque);

/* A20 (port 92h, 8042): when off, address bit 20 reads as 0.  Lock held. */
void mem_set_a20(struct mem *, bool on);
bool mem_a20(const struct mem *);	/* any thread */

/* --- Access by processors; any thread, no lock ---------------------------- */

/* The page at gpa (A20 applied). */
struct mem_page mem_page(const struct mem *, uint64_t gpa);

/* A device access: takes the board lock.  Also answers for RAM and ROM and
 * nothing, so that a caller with an odd access need not look first. */
uint64_t mem_io_read(struct mem *, uint64_t gpa, unsigned size);
void mem_io_write(struct mem *, uint64_t gpa, unsigned size, uint64_t value);

/* --- DMA; any thread, no lock --------------------------------------------- */

/* Copies; false (and all ones read) if any byte is not RAM (ROM may be read). */
bool mem_read(struct mem *, uint64_t gpa, void *buf, uint64_t len);
bool mem_write(struct mem *, uint64_t gpa, const void *buf, uint64_t len);

/* RAM as iovecs for I/O that reads or writes guest memory in place: appends to
 * iov[*n..max), false if any byte is not RAM or max is too small.  After a
 * device wrote through them: mem_written() for the same range. */
bool mem_iov(struct mem *, uint64_t gpa, uint64_t len, struct iovec *iov,
    int *n, int max);
void mem_written(struct mem *, uint64_t gpa, uint64_t len);

/* --- Decoded code --------------------------------------------------------- */

/*
 * Which frames hold code that processors have decoded.  A processor adds the
 * lines it decoded; whoever writes to one of them calls the listeners.  A page
 * with any line set must not be written without asking: the processors keep
 * it out of their write translations.  True: the frame had none so far; the
 * listeners were told (code_added).
 */
bool mem_code_add(struct mem *, uint64_t frame, uint64_t lines, unsigned cpu);
/* This processor has no code of the frame any more. */
void mem_code_drop(struct mem *, uint64_t frame, unsigned cpu);
bool mem_has_code(const struct mem *, uint64_t frame);
uint64_t mem_code_lines(const struct mem *, uint64_t frame);
/* The lines of its page that [gpa, gpa + len) touches; len not 0, no further
 * than the page. */
static inline uint64_t
mem_lines(uint64_t gpa, uint64_t len)
{
	uint64_t off = gpa & (PAGE_SIZE - 1);

	return UINT64_MAX << off / 64 &
	    UINT64_MAX >> (63 - (off + len - 1) / 64);
}
/* [gpa, gpa + len) was written to, or is about to be. */
void mem_code_write(struct mem *, uint64_t gpa, uint64_t len);

#endif

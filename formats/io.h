/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.h - what io.c and space.c share: ranges, and the ends of every request */
#ifndef IO_H
#define IO_H

#include "image.h"

enum { PIECES = 64 };

struct iov_pos {
	const struct iovec *iov;
	int n;
	size_t skip;		/* bytes of iov[0] used up */
};

/* Errors unless [off, off + len) lies in the image. */
int io_check_range(struct image *, uint64_t off, uint64_t len,
    const char *what, struct error *);

/* Before a request that changes something, with no gate held: the image is
 * writable, nothing failed, and the driver has seen its first write. */
int io_begin_writing(struct image *, struct error *);
/* The guest is about to change these bytes. */
void io_note(struct image *, uint64_t off, uint64_t len);
/* After it, with no gate held: FUA, writethrough, and the flush a driver
 * asks for because it has dropped much. */
int io_after_write(struct image *, unsigned flags, struct error *);

/* Holds [off, off + len), whole units, against allocations and marks.  p is
 * the caller's, and zeroed; the gate is held. */
void io_lock(struct image *, struct pending *p, uint64_t off, uint64_t len);
void io_unlock(struct image *, struct pending *p);

/* Does the range read as zeros, by the map?  The gate is held. */
bool io_old_is_zero(struct image *, uint64_t off, uint64_t len);

int io_write_plain(struct image *, struct iov_pos *, uint64_t len,
    uint64_t off, struct error *);
/* The same under detect-zeroes. */
int io_write_detecting(struct image *, struct iov_pos *, uint64_t len,
    uint64_t off, struct error *);

#endif

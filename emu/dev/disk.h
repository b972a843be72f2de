/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.h - guest disks over libcowbird, on threads of their own
 *
 * The only place in the emulator that knows images.  A controller fills in a
 * struct disk_req and submits it; worker threads do the I/O straight from or
 * into guest memory and done() is called in the loop's thread with the board
 * lock held.  A slow disk never stops a processor.
 *
 * Requests run in any order, several at once; a flush covers the writes that
 * were done() before it was submitted.
 */
#ifndef DEV_DISK_H
#define DEV_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"
#include "core/board.h"

struct disk;
struct image;

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_ZERO };

struct disk_req {
	enum disk_op op;
	bool fua, may_unmap;	/* WRITE: flush; ZERO: holes are welcome */
	uint64_t off, len;	/* bytes; must lie inside the disk */
	struct iovec *iov;	/* READ, WRITE: the caller's until done() */
	int iovcnt;
	void (*done)(struct disk_req *);
	void *opaque;		/* the caller's */
	int ret;		/* 0 or -errno, set before done() */
	bool more;		/* set before done(): that of another request
				 * of this disk follows at once */
	struct disk_req *next;	/* disk.c's own */
};

/* Takes over image (closed by disk_free()), NULL for an empty drive. */
struct disk *disk_new(struct board *, struct image *, const char *id,
    bool read_only, bool discard, struct error *err);
/* Waits for what is under way, flushes and closes; the flush's error.  To be
 * called once the loop has ended and before controllers and memory are freed:
 * done() is not called any more.  NULL is allowed. */
int disk_free(struct disk *, struct error *err);

uint64_t disk_size(const struct disk *);	/* bytes; 0: no medium */
bool disk_read_only(const struct disk *);
bool disk_has_medium(const struct disk *);
bool disk_discards(const struct disk *);	/* discards do something */

/* Board lock held.  done() comes later, never from within. */
void disk_submit(struct disk *, struct disk_req *);
/* Serves a small read at once if the page cache has it and nothing has to be
 * waited for: true, and done() is not called.  Else nothing has happened. */
bool disk_read_now(struct disk *, const struct disk_req *);
/* Calls idle(opaque) once nothing of this disk is under way (controller
 * reset, machine stop); at once if so already.  The same pair again while it
 * is waited for is one call; at most 8 pairs. */
void disk_drain(struct disk *, void (*idle)(void *opaque), void *opaque);

#endif

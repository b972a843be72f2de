/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.h - a stream of characters: what a serial port or a monitor is
 * connected to
 *
 * The back end (stdio, file, socket, pty, null) is made from a command line
 * word in ctl/chardev.c; the front end (16550, monitor, virtio console) sees
 * only this.  Board lock held for all; back ends never block: what the host
 * does not take is kept up to a bound, then refused.
 */
#ifndef CORE_CHARDEV_H
#define CORE_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;

/* What the front end offers.  Any may be NULL. */
struct chardev_user {
	/* Bytes that may be given to received() now. */
	size_t (*room)(void *opaque);
	void (*received)(void *opaque, const uint8_t *buf, size_t len);
	/* The back end takes bytes again after a short chardev_write(). */
	void (*writable)(void *opaque);
	/* A peer came or went (sockets); true at once for those always there. */
	void (*connected)(void *opaque, bool yes);
	void (*break_received)(void *opaque);
};

/* One front end at a time; NULL user detaches. */
void chardev_attach(struct chardev *, const struct chardev_user *,
    void *opaque);
/* Bytes taken, 0..len. */
size_t chardev_write(struct chardev *, const uint8_t *buf, size_t len);
/* The front end has room() again. */
void chardev_wake(struct chardev *);

#endif

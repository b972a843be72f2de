/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev_impl.h - what the back ends share (chardev.c) and add to it
 *
 * A back end is a struct that begins with struct chardev.  Most are a
 * descriptor to read from and one to write to, which chardev.c serves.
 */
#ifndef CTL_CHARDEV_IMPL_H
#define CTL_CHARDEV_IMPL_H

#include "ctl/chardev.h"

struct chardev_backend {
	size_t size;		/* of its struct */
	int (*open)(struct chardev *, const struct chardev_config *,
	    struct error *);
	/* Nobody is at the other end any more.  NULL: nothing to do. */
	void (*hangup)(struct chardev *);
	void (*close)(struct chardev *);	/* NULL: none */
	void (*describe)(const struct chardev *, char *, size_t);
	/* Those that are no descriptors; NULL: they are. */
	size_t (*write)(struct chardev *, const uint8_t *, size_t);
	void (*wake)(struct chardev *);
};

struct chardev {
	const struct chardev_backend *backend;
	struct board *board;
	char *label, *id;
	const struct chardev_user *user;
	void *opaque;
	bool shared;		/* chardev_share() has given it away */
	bool connected;		/* somebody is at the other end */

	int in, out;		/* -1: none; may be the same */
	bool is_socket;
	struct board_fd *in_fd, *out_fd;
	bool full;		/* the front end waits for room */
};

/* Serves these descriptors, which are closed by chardev_disconnect() unless
 * they are the standard ones; tells the front end. */
int chardev_connect(struct chardev *, int in, int out, struct error *);
void chardev_disconnect(struct chardev *);
size_t chardev_room(const struct chardev *);	/* of the front end */

extern const struct chardev_backend chardev_file, chardev_stdio, chardev_pipe,
    chardev_socket, chardev_pty;

/* chardev_mux.c: over a back end, which it owns. */
struct chardev *chardev_mux_new(struct board *, struct chardev *below,
    const char *label);
struct chardev *chardev_mux_share(struct chardev *, struct error *);
void chardev_mux_on_quit(struct chardev *, void (*quit)(void *), void *);
void chardev_mux_free(struct chardev *);
bool chardev_is_mux(const struct chardev *);

#endif

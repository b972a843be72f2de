/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.h - back ends for streams of characters (core/chardev.h)
 *
 * What a user says about one (-serial stdio, -chardev socket,id=a,path=b) is
 * parsed into a typed struct; a back end is made of that.  Several front ends
 * may share one if it was made with mux: what is typed goes to one of them,
 * Ctrl-A C switches to the next.
 */
#ifndef CTL_CHARDEV_H
#define CTL_CHARDEV_H

#include "core/board.h"
#include "core/chardev.h"

struct opts;

enum chardev_kind {
	CHARDEV_NONE,		/* no such stream */
	CHARDEV_NULL,		/* takes everything and says nothing */
	CHARDEV_FILE,		/* is written to, from either end */
	CHARDEV_STDIO,		/* a terminal is raw until it is freed */
	CHARDEV_PIPE,		/* PATH.in and PATH.out, or PATH both ways */
	CHARDEV_SOCKET,		/* path, or host and port */
	CHARDEV_PTY,
	CHARDEV_REF,		/* the one with this id: "chardev:ID" */
};

struct chardev_config {
	enum chardev_kind kind;
	const char *id;		/* NULL: it has none */
	const char *path;	/* FILE, PIPE, SOCKET */
	bool append;		/* FILE */
	bool signals;		/* STDIO: the interrupt key ends the program */
	bool mux;		/* may be shared */
	bool monitor;		/* "mon:...": the monitor shares it */
	const char *host, *port;	/* SOCKET without a path */
	bool server, wait, nodelay;
	bool no_ipv4, no_ipv6;
	uint64_t reconnect_s;	/* clients: try again after; 0: never */
	struct opts *text;	/* holds the strings */
};

/* The value of -serial, -monitor, -debugcon: "stdio", "file:PATH",
 * "unix:PATH,server=on", "mon:stdio", "chardev:ID", ... */
int chardev_parse(struct chardev_config *, const char *text,
    struct error *err);
/* The value of -chardev: "socket,id=a,path=b,server=on". */
int chardev_parse_opts(struct chardev_config *, const char *text,
    struct error *err);
void chardev_config_fini(struct chardev_config *);	/* zeros are allowed */

/* Not for CHARDEV_NONE and _REF.  A server that is to wait for its client
 * does so here.  label is for people ("serial0"). */
struct chardev *chardev_new(struct board *, const struct chardev_config *,
    const char *label, struct error *err);
/* Those it was shared with have detached.  NULL is allowed. */
void chardev_free(struct chardev *);

/* The stream for one more front end: itself for the first, an end of its own
 * for each if it was made with mux.  Belongs to the first. */
struct chardev *chardev_share(struct chardev *, struct error *err);
/* Ctrl-A X on a shared one. */
void chardev_on_quit(struct chardev *, void (*quit)(void *opaque),
    void *opaque);
/* "info chardev": "serial0: filename=pty:/dev/pts/3" */
void chardev_describe(const struct chardev *, char *text, size_t size);
const char *chardev_id(const struct chardev *);	/* or NULL */

#endif

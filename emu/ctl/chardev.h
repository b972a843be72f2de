/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chardev.h - back ends for streams of characters (core/chardev.h) */
#ifndef CTL_CHARDEV_H
#define CTL_CHARDEV_H

#include "core/board.h"
#include "core/chardev.h"

enum chardev_kind {
	CHARDEV_NONE,		/* no such stream */
	CHARDEV_NULL,		/* takes everything and says nothing */
	CHARDEV_FILE,		/* is written to, from its beginning or its end */
	CHARDEV_STDIO,		/* a terminal is in raw mode until it is freed */
};

struct chardev_config {
	enum chardev_kind kind;
	const char *path;	/* FILE */
	bool append;		/* FILE */
	bool signals;		/* STDIO: the interrupt key ends the program */
};

/* "null", "stdio", "file:PATH" or "none"; path points into text. */
int chardev_parse(struct chardev_config *, const char *text,
    struct error *err);
/* Not for CHARDEV_NONE. */
struct chardev *chardev_new(struct board *, const struct chardev_config *,
    struct error *err);
void chardev_free(struct chardev *);	/* NULL is allowed */

#endif

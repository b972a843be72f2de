/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chardev.h - back ends for streams of characters (core/chardev.h) */
#ifndef CTL_CHARDEV_H
#define CTL_CHARDEV_H

#include "core/board.h"
#include "core/chardev.h"

/* Takes everything and says nothing. */
struct chardev *chardev_null(struct board *, struct error *err);
/* A file that is written to, from its beginning or its end. */
struct chardev *chardev_file(struct board *, const char *path, bool append,
    struct error *err);
/* Standard input and output.  A terminal is in raw mode until it is freed;
 * signals: its interrupt key still ends the program. */
struct chardev *chardev_stdio(struct board *, bool signals,
    struct error *err);
void chardev_free(struct chardev *);	/* NULL is allowed */

#endif

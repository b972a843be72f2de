/* SPDX-License-Identifier: GPL-2.0-or-later */
/* curses.h - the text screen on the terminal we were started from */
#ifndef UI_CURSES_H
#define UI_CURSES_H

#include "core/board.h"
#include "core/display.h"
#include "ui/keys.h"

struct curses_display;

/*
 * Takes over the terminal.  Keys go to the typist; Ctrl-A x calls quit(),
 * Ctrl-A Ctrl-A types Ctrl-A.  One at a time.  ENOTSUP in a build without
 * ncurses, ENOTTY without a terminal.
 */
struct curses_display *curses_new(struct board *, struct display_source,
    struct typist *, void (*quit)(void *opaque), void *opaque,
    struct error *err);
void curses_free(struct curses_display *);	/* NULL is allowed */

#endif

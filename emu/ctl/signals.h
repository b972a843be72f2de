/* SPDX-License-Identifier: GPL-2.0-or-later */
/* signals.h - signals that ask the program to end */
#ifndef CTL_SIGNALS_H
#define CTL_SIGNALS_H

#include "core/board.h"

/* From now on SIGINT, SIGTERM and SIGHUP call ended(opaque, signal) in the
 * loop's thread with the lock held; a second one ends the program at once. */
int signals_catch(struct board *, void (*ended)(void *opaque, int sig),
    void *opaque, struct error *err);
void signals_release(void);	/* before the board is freed */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* terminal.h - the terminal on standard input: raw while we run */
#ifndef CTL_TERMINAL_H
#define CTL_TERMINAL_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Raw mode, if standard input is a terminal.  signals: its interrupt, quit
 * and suspend keys work; else they are bytes like others.  However the
 * program ends, by exit() or by a signal, the terminal is as it was; after a
 * suspension it is raw again.
 */
int terminal_raw(bool signals, struct error *err);
void terminal_restore(void);

#endif

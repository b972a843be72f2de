/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - what the machine does, for people who look for a fault ("-d")
 *
 * Items are chosen before anything runs and stay.  Asking costs a load and a
 * branch that is not taken; it stands where things are rare (a block is
 * decoded, an exception delivered), never in the path of each instruction.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>

#include "base/error.h"

enum log_item {
	LOG_IN_ASM = 1,		/* code as it is decoded */
	LOG_INT = 2,		/* exceptions and interrupts as delivered */
	LOG_CPU_RESET = 4,	/* registers before a reset */
	LOG_GUEST_ERRORS = 8,	/* what a guest did against the rules */
};

extern unsigned log_items;

static inline bool log_on(enum log_item item)
{
	return __builtin_expect(log_items & item, 0);
}

/* "int,cpu_reset": adds to the items; path NULL: standard error.  "help" is
 * not for here. */
int log_start(const char *items, const char *path, struct error *err);
void log_help(void);			/* the items, on stdout */

/* One line; any thread. */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

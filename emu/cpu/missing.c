/* SPDX-License-Identifier: GPL-2.0-or-later */
/* missing.c - stands in for files that are on their way; goes with them */
#include <stdlib.h>

#include "cpu/state.h"

#define WEAK __attribute__((weak))
void fp_reset(struct cpu *), fp_enter(struct cpu *), fp_leave(struct cpu *);
void fp_mode_changed(struct cpu *);
WEAK void fp_reset(struct cpu *c) { }
WEAK void fp_enter(struct cpu *c) { }
WEAK void fp_leave(struct cpu *c) { }
WEAK void fp_mode_changed(struct cpu *c) { }

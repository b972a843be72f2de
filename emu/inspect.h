/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inspect.h - a processor's registers and code as text, for the monitor */
#ifndef INSPECT_H
#define INSPECT_H

#include "cpu/cpu.h"

void inspect_registers(const struct cpu_regs *, bool a20,
    void (*line)(void *arg, const char *text), void *arg);
/* By its name in lower case; "pc" and "sp" are of the present mode. */
bool inspect_register(const struct cpu_regs *, const char *name,
    uint64_t *value);
/* A linear address, by the page tables; false: not mapped. */
bool inspect_translate(const struct cpu_regs *, struct mem *, uint64_t linear,
    uint64_t *gpa);
/* One instruction's length, 0: more bytes are needed. */
unsigned inspect_code(const struct cpu_regs *, uint64_t addr,
    const uint8_t *bytes, unsigned n, char *text, size_t size);

#endif

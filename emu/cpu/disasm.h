/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disasm.h - struct insn as text, in Intel's syntax
 */
#ifndef CPU_DISASM_H
#define CPU_DISASM_H

#include <stddef.h>

#include "cpu/insn.h"

#define DISASM_MAX 128		/* no text is longer, its NUL included */

/* Writes the instruction as it reads in a block that starts at block_rip:
 * "lock add dword ptr [rax+rbx*4-0x8], 0x1".  Cut at size like snprintf. */
void disasm(const struct insn *, enum decode_bits, uint64_t block_rip,
    char *text, size_t size);

#endif

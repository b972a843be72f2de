/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bind.h - decoded instructions and the functions that run them
 */
#ifndef CPU_BIND_H
#define CPU_BIND_H

#include "cpu/insn.h"

/*
 * Sets run in the n instructions of a block.  flat: it is 64-bit code, or
 * 32-bit code with flat segments.  Changes nothing else but PREFIX_LOCK, which
 * XCHG with memory implies.  Any thread.
 */
void bind_block(struct insn *, unsigned n, bool flat);

/* The handler of all forms. */
cpu_exec *bind_generic(const struct insn *);

#endif

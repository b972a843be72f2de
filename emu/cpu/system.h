/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * system.h - control registers, MSRs and time as others than their
 * instructions need them
 */
#ifndef CPU_SYSTEM_H
#define CPU_SYSTEM_H

#include "cpu/state.h"

static inline void
cpu_need_cpl0(struct cpu *c, const struct insn *i)
{
	if (c->cpl != 0)
		cpu_gp(c, i, 0);
}

/* False: there is no such register, or the value is refused (#GP). */
bool msr_read(struct cpu *, uint32_t msr, uint64_t *v);
bool msr_write(struct cpu *, uint32_t msr, uint64_t v);

uint64_t cpu_tsc(const struct cpu *);
void cpu_tsc_reset(struct cpu *);

/* IOPL or the TSS's bitmap allow the port; #GP(0) if not (SDM 1, 19.5.2). */
void cpu_check_io(struct cpu *, const struct insn *, uint16_t port,
    unsigned size);

#endif

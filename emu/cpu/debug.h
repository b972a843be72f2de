/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug.h - debug registers (SDM 3B, 17.2)
 *
 * While any breakpoint is enabled the loop runs one instruction at a time
 * (cpu_careful()), pages watched for data stay out of the translation tables,
 * and what was hit is collected in cpu.pending_db for the trap after the
 * instruction.
 */
#ifndef CPU_DEBUG_H
#define CPU_DEBUG_H

#include "cpu/state.h"

#define DR6_ONES 0xffff0ff0u
#define DR6_BD 0x2000u
#define DR6_BS 0x4000u
#define DR6_BT 0x8000u
#define DR7_GD 0x2000u
#define DR7_ENABLES 0xffu

static inline bool
debug_active(const struct cpu *c)
{
	return c->dr[7] & DR7_ENABLES;
}

bool debug_match(const struct cpu *, uint64_t lin, unsigned len, bool write,
    uint32_t *hits);

static inline bool
debug_watches_page(const struct cpu *c, uint64_t page)
{
	uint32_t hits;

	return unlikely(debug_active(c)) &&
	    (debug_match(c, page, PAGE_SIZE, true, &hits) ||
	    debug_match(c, page, PAGE_SIZE, false, &hits));
}

static inline void
debug_check_access(struct cpu *c, uint64_t lin, unsigned len, bool write)
{
	uint32_t hits;

	if (unlikely(debug_active(c)) &&
	    debug_match(c, lin, len, write, &hits)) {
		c->pending_db |= hits;
		c->fuel = 1;
	}
}

/* Instruction breakpoints at lin; the DR6 bits. */
uint32_t debug_match_fetch(const struct cpu *, uint64_t lin);
/* I/O breakpoints (CR4.DE), for IN and OUT. */
void debug_check_io(struct cpu *, uint16_t port, unsigned size);

#endif

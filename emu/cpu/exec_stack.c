/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_stack.c - the stack
 *
 * SDM 2: PUSH POP PUSHA POPA ENTER LEAVE of general registers, memory and
 * immediates.  RSP changes last: what faults leaves it as it was.
 */
#include "cpu/ops.h"
#include "cpu/table.h"

static NOINLINE void
push(struct cpu *c, const struct insn *i)
{
	cpu_push(c, i, i->size, opd_get(c, i, 0, i->size));
}
EXEC(x_push) { push(c, i); }

/* An address that uses RSP sees it after the pop (SDM 2, POP). */
static void
pop_to_memory(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t v = mem_load(c, i, cpu_stack_linear(c, i, 0, size, TLB_READ),
	    size);
	uint64_t sp = sp_plus(c, size), ea = cpu_ea(c, i);

	if (i->base == RSP)
		ea += sp - c->gpr[RSP];
	mem_store(c, i, cpu_linear_at(c, i, ea, size, TLB_WRITE), v, size);
	cpu_set_sp(c, sp);
}

static NOINLINE void
pop(struct cpu *c, const struct insn *i)
{
	if (opd_is_mem(i, 0)) {
		pop_to_memory(c, i);
	} else {
		uint64_t v = cpu_pop(c, i, i->size);

		gpr_put(c, i->opd[0].off, v, i->size);
	}
}
EXEC(x_pop) { pop(c, i); }

static NOINLINE void
push_all(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, n;

	for (n = 0; n < 8; n++) {
		int64_t at = -(int64_t)((n + 1) * size);

		mem_store(c, i, cpu_stack_linear(c, i, at, size, TLB_WRITE),
		    reg_get(c, n, size), size);
	}
	cpu_set_sp(c, sp_plus(c, -(int64_t)(8 * size)));
}
EXEC(x_pusha) { push_all(c, i); }

static NOINLINE void
pop_all(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, n;
	uint64_t v[8];

	for (n = 0; n < 8; n++)
		v[7 - n] = mem_load(c, i, cpu_stack_linear(c, i, n * size,
		    size, TLB_READ), size);
	for (n = 0; n < 8; n++)
		if (n != RSP)
			reg_put(c, n, v[n], size);
	cpu_set_sp(c, sp_plus(c, 8 * size));
}
EXEC(x_popa) { pop_all(c, i); }

/* [rBP + delta] as a stack address, for what is relative to rSP. */
static int64_t
from_bp(const struct cpu *c, int64_t delta)
{
	return (int64_t)(c->gpr[RBP] - c->gpr[RSP]) + delta;
}

/* ENTER size, level: the old frame pointer, level - 1 outer ones copied from
 * the frame before, the new one; then room for locals. */
static NOINLINE void
enter(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size, level = i->imm2 & 31, n;
	int64_t at = -(int64_t)size;
	uint64_t frame = sp_plus(c, at), v;

	mem_store(c, i, cpu_stack_linear(c, i, at, size, TLB_WRITE),
	    reg_get(c, RBP, size), size);
	for (n = 1; n < level; n++) {
		v = mem_load(c, i, cpu_stack_linear(c, i,
		    from_bp(c, -(int64_t)(n * size)), size, TLB_READ), size);
		at -= size;
		mem_store(c, i, cpu_stack_linear(c, i, at, size, TLB_WRITE),
		    v, size);
	}
	if (level) {
		at -= size;
		mem_store(c, i, cpu_stack_linear(c, i, at, size, TLB_WRITE),
		    frame, size);
	}
	/* The new stack pointer must be good to write to (SDM 2, ENTER). */
	at -= (uint16_t)i->imm;
	cpu_probe(c, i, cpu_stack_linear(c, i, at, size, TLB_WRITE), size,
	    TLB_WRITE);
	reg_put(c, RBP, frame, size);
	cpu_set_sp(c, sp_plus(c, at));
}
EXEC(x_enter) { enter(c, i); }

static NOINLINE void
leave(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	int64_t at = from_bp(c, 0);
	uint64_t v = mem_load(c, i, cpu_stack_linear(c, i, at, size, TLB_READ),
	    size);

	cpu_set_sp(c, sp_plus(c, at + size));
	reg_put(c, RBP, v, size);
}
EXEC(x_leave) { leave(c, i); }

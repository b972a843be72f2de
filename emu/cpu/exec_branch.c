/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_branch.c - near transfers of control
 *
 * SDM 2: JMP Jcc CALL RET LOOPcc JrCXZ, BOUND.  A target that is no good is a
 * fault of the branch itself, so it is checked before anything changes.
 */
#include "cpu/ops.h"
#include "cpu/table.h"

INLINE uint64_t
target(const struct cpu *c, const struct insn *i)
{
	return c->gpr[REG_BLOCK] + i->imm;
}

void
x_jmp(struct cpu *c, const struct insn *i)
{
	if (i->opd[0].kind == OPD_REL)
		cpu_jump_direct(c, i);
	else
		cpu_jump_rip(c, i, opd_get(c, i, 0, i->size));
}

void
x_jcc(struct cpu *c, const struct insn *i)
{
	if (flags_cond(&c->flags, i->cond))
		cpu_jump_direct(c, i);
	else
		cpu_jump_next(c, i);
}

void
x_call(struct cpu *c, const struct insn *i)
{
	bool direct = i->opd[0].kind == OPD_REL;
	uint64_t to = cpu_check_target(c, i, direct ? target(c, i) :
	    opd_get(c, i, 0, i->size));

	cpu_push(c, i, i->size, insn_next_rip(c, i));
	if (direct)
		cpu_jump_direct(c, i);
	else
		cpu_jump_rip(c, i, to);
}

/* The immediate releases so many bytes of parameters. */
void
x_ret(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t to = mem_load(c, i, cpu_stack_linear(c, i, 0, size, TLB_READ),
	    size);

	to = cpu_check_target(c, i, to);
	cpu_set_sp(c, sp_plus(c, size + (i->opd[0].kind == OPD_IMM ?
	    (int64_t)(i->imm & 0xffff) : 0)));
	cpu_jump_rip(c, i, to);
}

/* --- Counting in rCX, of the address size -------------------------------------- */

/* insn.amask of a branch is a chain slot (block.h): its size says the same. */
INLINE uint64_t
counter(const struct cpu *c, const struct insn *i)
{
	return reg_get(c, RCX, i->asize);
}

INLINE void
loop(struct cpu *c, const struct insn *i, bool also)
{
	uint64_t n = (counter(c, i) - 1) & size_mask(i->asize);

	if (n && also)
		cpu_check_target(c, i, target(c, i));
	reg_put(c, RCX, n, i->asize);
	if (n && also)
		cpu_jump_direct(c, i);
	else
		cpu_jump_next(c, i);
}

void
x_loop(struct cpu *c, const struct insn *i)
{
	loop(c, i, true);
}
void
x_loope(struct cpu *c, const struct insn *i)
{
	loop(c, i, flags_zf(&c->flags));
}
void
x_loopne(struct cpu *c, const struct insn *i)
{
	loop(c, i, !flags_zf(&c->flags));
}

void
x_jcxz(struct cpu *c, const struct insn *i)
{
	if (counter(c, i) == 0)
		cpu_jump_direct(c, i);
	else
		cpu_jump_next(c, i);
}

/* Signed index against the two limits in memory, both included. */
static NOINLINE void
bound(struct cpu *c, const struct insn *i)
{
	unsigned size = i->size;
	uint64_t ea = cpu_ea(c, i);
	uint64_t lower = mem_load(c, i, cpu_linear_at(c, i, ea, size,
	    TLB_READ), size);
	uint64_t upper = mem_load(c, i, cpu_linear_at(c, i, ea + size, size,
	    TLB_READ), size);
	int64_t n = flags_sext(gpr_get(c, i->opd[0].off, size), size);

	if (n < flags_sext(lower, size) || n > flags_sext(upper, size))
		cpu_fault(c, i, EXC_BR);
}
EXEC(x_bound) { bound(c, i); }

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fast_flow.c - jumps, calls and the stack in flat modes
 *
 * 64-bit mode (an operand size of 8 says so) and 32-bit mode with flat
 * segments: the stack pointer is 64 or 32 bits wide, addresses need no check
 * but that they are canonical.
 */
#include "cpu/fast.h"

/* --- Jumps ---------------------------------------------------------------------- */

#define JCC(n, unused)							\
	HANDLER(jcc_##n)						\
	{								\
		if (flags_cond(&c->flags, n))				\
			jump_direct64(c, i);				\
		else							\
			jump_next64(c, i);				\
	}
CONDS(JCC, 0)

#define ENTRY(n, name) name##_##n,

static cpu_exec *
pick_jcc(const struct insn *i, const struct bind *b)
{
	static cpu_exec *const all[16] = { CONDS(ENTRY, jcc) };

	return b->flat && i->size >= 4 ? all[i->cond] : NULL;
}

HANDLER(jmp_rel)
{
	jump_direct64(c, i);
}

/* To rip by the table of jumps; rip is a good target. */
INLINE void
jump_table(struct cpu *c, const struct insn *i, uint64_t rip)
{
	struct block *b = jump_find(c, rip);

	if (likely(b && --c->fuel > 0))
		block_enter(c, b, rip);
	else
		cpu_jump_rip(c, i, rip);
}

#define JUMP_RIP(z)							\
	HANDLER(jmp_r##z)						\
	{								\
		uint64_t to = REG(0, z);				\
		if (z == 8 && unlikely(!cpu_canonical(to))) {		\
			x_jmp(c, i);					\
			return;						\
		}							\
		jump_table(c, i, to);					\
	}								\
	HANDLER(jmp_m##z)						\
	{								\
		OPERAND(p, ea_any, z, TLB_READ, x_jmp)			\
		uint64_t to = host_get(p, z);				\
		if (z == 8 && unlikely(!cpu_canonical(to))) {		\
			x_jmp(c, i);					\
			return;						\
		}							\
		jump_table(c, i, to);					\
	}
JUMP_RIP(4) JUMP_RIP(8)

static cpu_exec *
pick_jmp(const struct insn *i, const struct bind *b)
{
	bool wide = i->size == 8;

	if (!b->flat || i->size < 4)
		return NULL;
	switch (i->opd[0].kind) {
	case OPD_REL: return jmp_rel;
	case OPD_GPR: return wide ? jmp_r8 : jmp_r4;
	case OPD_MEM: return !is_plain(i) ? NULL : wide ? jmp_m8 : jmp_m4;
	default: return NULL;
	}
}

/* --- The stack ------------------------------------------------------------------- */

/* A stack pointer of z bytes. */
#define WRAP(sp, z) ((sp) & size_mask(z))

/* Host memory of the place below the top, which sp then points to. */
#define BELOW(p, sp, z, slow)						\
	uint64_t sp = WRAP(c->gpr[RSP] - z, z);				\
	HOST(p, sp, z, TLB_WRITE, slow)
#define TOP(p, z, slow) HOST(p, WRAP(c->gpr[RSP], z), z, TLB_READ, slow)

#define STACK(z)							\
	HANDLER(push_r##z)						\
	{								\
		BELOW(p, sp, z, x_push)					\
		host_put(p, REG(0, z), z);				\
		c->gpr[RSP] = sp;					\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(push_i##z)						\
	{								\
		BELOW(p, sp, z, x_push)					\
		host_put(p, i->imm, z);					\
		c->gpr[RSP] = sp;					\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(push_m##z)						\
	{								\
		OPERAND(m, ea_any, z, TLB_READ, x_push)			\
		BELOW(p, sp, z, x_push)					\
		host_put(p, host_get(m, z), z);				\
		c->gpr[RSP] = sp;					\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(pop_r##z)						\
	{								\
		TOP(p, z, x_pop)					\
		uint64_t v = host_get(p, z);				\
		/* POP rSP: what was popped stays */			\
		c->gpr[RSP] = WRAP(c->gpr[RSP] + z, z);			\
		gpr_put(c, i->opd[0].off, v, z);			\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(leave##z)						\
	{								\
		uint64_t bp = WRAP(c->gpr[RBP], z);			\
		HOST(p, bp, z, TLB_READ, x_leave)			\
		c->gpr[RSP] = WRAP(bp + z, z);				\
		c->gpr[RBP] = host_get(p, z);				\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(call_rel##z)						\
	{								\
		uint64_t to = WRAP(c->gpr[REG_BLOCK] + i->imm, z);	\
		if (z == 8 && unlikely(!cpu_canonical(to))) {		\
			x_call(c, i);					\
			return;						\
		}							\
		BELOW(p, sp, z, x_call)					\
		host_put(p, insn_next_rip(c, i), z);			\
		c->gpr[RSP] = sp;					\
		jump_direct64(c, i);					\
	}								\
	HANDLER(call_r##z)						\
	{								\
		uint64_t to = REG(0, z);				\
		if (z == 8 && unlikely(!cpu_canonical(to))) {		\
			x_call(c, i);					\
			return;						\
		}							\
		BELOW(p, sp, z, x_call)					\
		host_put(p, insn_next_rip(c, i), z);			\
		c->gpr[RSP] = sp;					\
		jump_table(c, i, to);					\
	}								\
	HANDLER(call_m##z)						\
	{								\
		OPERAND(m, ea_any, z, TLB_READ, x_call)			\
		uint64_t to = host_get(m, z);				\
		if (z == 8 && unlikely(!cpu_canonical(to))) {		\
			x_call(c, i);					\
			return;						\
		}							\
		BELOW(p, sp, z, x_call)					\
		host_put(p, insn_next_rip(c, i), z);			\
		c->gpr[RSP] = sp;					\
		jump_table(c, i, to);					\
	}								\
	HANDLER(ret##z)							\
	{								\
		TOP(p, z, x_ret)					\
		uint64_t to = host_get(p, z);				\
		if (z == 8 && unlikely(!cpu_canonical(to))) {		\
			x_ret(c, i);					\
			return;						\
		}							\
		c->gpr[RSP] = WRAP(c->gpr[RSP] + z, z);			\
		jump_table(c, i, to);					\
	}
STACK(4) STACK(8)

/* In 64-bit mode sizes are 8 (2 is left to x_NAME), in 32-bit mode 4. */
static bool
stack_size(const struct insn *i, const struct bind *b)
{
	return b->flat && i->size >= 4;
}

static cpu_exec *
pick_push(const struct insn *i, const struct bind *b)
{
	bool wide = i->size == 8;

	if (!stack_size(i, b))
		return NULL;
	switch (i->opd[0].kind) {
	case OPD_GPR: return wide ? push_r8 : push_r4;
	case OPD_IMM: return wide ? push_i8 : push_i4;
	case OPD_MEM: return !is_plain(i) ? NULL : wide ? push_m8 : push_m4;
	default: return NULL;
	}
}

static cpu_exec *
pick_pop(const struct insn *i, const struct bind *b)
{
	if (!stack_size(i, b) || i->opd[0].kind != OPD_GPR)
		return NULL;
	return i->size == 8 ? pop_r8 : pop_r4;
}

static cpu_exec *
pick_leave(const struct insn *i, const struct bind *b)
{
	return !stack_size(i, b) ? NULL : i->size == 8 ? leave8 : leave4;
}

static cpu_exec *
pick_call(const struct insn *i, const struct bind *b)
{
	bool wide = i->size == 8;

	if (!stack_size(i, b))
		return NULL;
	switch (i->opd[0].kind) {
	case OPD_REL: return wide ? call_rel8 : call_rel4;
	case OPD_GPR: return wide ? call_r8 : call_r4;
	case OPD_MEM: return !is_plain(i) ? NULL : wide ? call_m8 : call_m4;
	default: return NULL;
	}
}

static cpu_exec *
pick_ret(const struct insn *i, const struct bind *b)
{
	if (!stack_size(i, b) || i->opd[0].kind != OPD_NONE)
		return NULL;
	return i->size == 8 ? ret8 : ret4;
}

const struct fast fast_flow[] = {
	{ x_jcc, pick_jcc, false },
	{ x_jmp, pick_jmp, false },
	{ x_push, pick_push, false },
	{ x_pop, pick_pop, false },
	{ x_leave, pick_leave, false },
	{ x_call, pick_call, false },
	{ x_ret, pick_ret, false },
	{ NULL }
};

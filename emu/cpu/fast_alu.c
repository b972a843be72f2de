/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fast_alu.c - additions, logic and comparisons, one handler a form */
#include "cpu/fast.h"

/*
 * For each operation, size and form: PUT keeps the result or not.  Those
 * named _dead compute flags that go nowhere, so the compiler does not.
 */
#define ALU_REGS(op, z, PUT)						\
	HANDLER(op##_rr##z)						\
	{								\
		DEST;							\
		uint64_t res = op_##op(&c->flags, REG(0, z), REG(1, z), z); \
		PUT(gpr_put(c, off, res, z));				\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(op##_ri##z)						\
	{								\
		DEST;							\
		uint64_t res = op_##op(&c->flags, REG(0, z), i->imm, z); \
		PUT(gpr_put(c, off, res, z));				\
		CPU_NEXT(c, i);						\
	}

#define ALU_DEAD(op, z)							\
	HANDLER(op##_rr##z##_dead)					\
	{								\
		struct flags f = c->flags;				\
		DEST;							\
		gpr_put(c, off, op_##op(&f, REG(0, z), REG(1, z), z), z); \
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(op##_ri##z##_dead)					\
	{								\
		struct flags f = c->flags;				\
		DEST;							\
		gpr_put(c, off, op_##op(&f, REG(0, z), i->imm, z), z);	\
		CPU_NEXT(c, i);						\
	}

#define ALU_RM(op, slow, z, form, ea, PUT)				\
	HANDLER(op##_##form##z)						\
	{								\
		DEST;							\
		OPERAND(p, ea, z, TLB_READ, slow)			\
		uint64_t res = op_##op(&c->flags, REG(0, z),		\
		    host_get(p, z), z);					\
		PUT(gpr_put(c, off, res, z));				\
		CPU_NEXT(c, i);						\
	}

#define ALU_M(op, slow, z, form, ea, kind, b, PUT)			\
	HANDLER(op##_##form##z)						\
	{								\
		OPERAND(p, ea, z, kind, slow)				\
		uint64_t res = op_##op(&c->flags, host_get(p, z), b, z); \
		PUT(host_put(p, res, z));				\
		CPU_NEXT(c, i);						\
	}

#define ALU_SIZE(op, slow, kind, PUT, z)				\
	ALU_REGS(op, z, PUT)						\
	ALU_RM(op, slow, z, rm, ea_base, PUT)				\
	ALU_RM(op, slow, z, rma, ea_any, PUT)				\
	ALU_M(op, slow, z, mr, ea_base, kind, REG(1, z), PUT)		\
	ALU_M(op, slow, z, mra, ea_any, kind, REG(1, z), PUT)		\
	ALU_M(op, slow, z, mi, ea_base, kind, i->imm, PUT)		\
	ALU_M(op, slow, z, mia, ea_any, kind, i->imm, PUT)

#define KEEP(x) x
#define DROP(x) (void)res

#define ALU_ROW(op, z) {						\
	op##_rr##z, op##_ri##z, op##_rm##z, op##_rma##z,		\
	op##_mr##z, op##_mra##z, op##_mi##z, op##_mia##z }

#define ALU_PICK(op)							\
	static cpu_exec *const op##_forms[4][FORMS] = {			\
		ALU_ROW(op, 1), ALU_ROW(op, 2),				\
		ALU_ROW(op, 4), ALU_ROW(op, 8)				\
	};								\
	static cpu_exec *						\
	pick_##op##_live(const struct insn *i, const struct bind *b)	\
	{								\
		enum shape form = form_of(i);				\
		cpu_exec *fused = fast_fused(i, b);			\
									\
		if (fused)						\
			return fused;					\
		return form == FORM_NONE ? NULL :			\
		    op##_forms[size_log(i->size)][form];		\
	}

#define ALU(op)								\
	ALU_SIZE(op, x_##op, TLB_WRITE, KEEP, 1)			\
	ALU_SIZE(op, x_##op, TLB_WRITE, KEEP, 2)			\
	ALU_SIZE(op, x_##op, TLB_WRITE, KEEP, 4)			\
	ALU_SIZE(op, x_##op, TLB_WRITE, KEEP, 8)			\
	ALU_DEAD(op, 4)							\
	ALU_DEAD(op, 8)							\
	ALU_PICK(op)							\
	static cpu_exec *						\
	pick_##op(const struct insn *i, const struct bind *b)		\
	{								\
		static cpu_exec *const dead[2][2] = {			\
			{ op##_rr4_dead, op##_ri4_dead },		\
			{ op##_rr8_dead, op##_ri8_dead },		\
		};							\
		enum shape form = form_of(i);				\
									\
		if (b->dead && form <= FORM_RI && i->size >= 4)		\
			return dead[i->size == 8][form];		\
		return pick_##op##_live(i, b);				\
	}

ALU(add) ALU(or) ALU(adc) ALU(sbb) ALU(and) ALU(sub) ALU(xor)

/* What CMP and TEST do is SUB and AND, and the result is dropped. */
#define op_cmp op_sub
#define op_test op_and
#define COMPARE(op)							\
	ALU_SIZE(op, x_##op, TLB_READ, DROP, 1)				\
	ALU_SIZE(op, x_##op, TLB_READ, DROP, 2)				\
	ALU_SIZE(op, x_##op, TLB_READ, DROP, 4)				\
	ALU_SIZE(op, x_##op, TLB_READ, DROP, 8)				\
	ALU_PICK(op)
COMPARE(cmp) COMPARE(test)

/* --- One operand --------------------------------------------------------------- */

#define UNARY_SIZE(op, z)						\
	HANDLER(op##_r##z)						\
	{								\
		DEST;							\
		gpr_put(c, off, op_##op(&c->flags, REG(0, z), 0, z), z); \
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(op##_r##z##_dead)					\
	{								\
		struct flags f = c->flags;				\
		DEST;							\
		gpr_put(c, off, op_##op(&f, REG(0, z), 0, z), z);	\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(op##_m##z)						\
	{								\
		OPERAND(p, ea_any, z, TLB_WRITE, x_##op)		\
		host_put(p, op_##op(&c->flags, host_get(p, z), 0, z), z); \
		CPU_NEXT(c, i);						\
	}

#define UNARY(op)							\
	UNARY_SIZE(op, 1)						\
	UNARY_SIZE(op, 2)						\
	UNARY_SIZE(op, 4)						\
	UNARY_SIZE(op, 8)						\
	static cpu_exec *						\
	pick_##op(const struct insn *i, const struct bind *b)		\
	{								\
		static cpu_exec *const by_form[4][3] = {			\
			{ op##_r1, op##_r1_dead, op##_m1 },		\
			{ op##_r2, op##_r2_dead, op##_m2 },		\
			{ op##_r4, op##_r4_dead, op##_m4 },		\
			{ op##_r8, op##_r8_dead, op##_m8 },		\
		};							\
		unsigned size = size_log(i->size);			\
		cpu_exec *fused = fast_fused(i, b);			\
									\
		if (i->opd[0].kind == OPD_MEM)				\
			return is_plain(i) ? by_form[size][2] : NULL;	\
		return fused ? fused : by_form[size][b->dead];		\
	}
UNARY(inc) UNARY(dec) UNARY(neg) UNARY(not)

const struct fast fast_alu[] = {
	{ x_add, pick_add, true },
	{ x_or, pick_or, true },
	{ x_adc, pick_adc, true },
	{ x_sbb, pick_sbb, true },
	{ x_and, pick_and, true },
	{ x_sub, pick_sub, true },
	{ x_xor, pick_xor, true },
	{ x_cmp, pick_cmp_live, true },
	{ x_test, pick_test_live, true },
	{ x_inc, pick_inc, true },
	{ x_dec, pick_dec, true },
	{ x_neg, pick_neg, true },
	{ x_not, pick_not, true },
	{ NULL }
};

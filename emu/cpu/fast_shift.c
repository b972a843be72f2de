/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fast_shift.c - shifts, bits and products in registers; one handler a form */
#include "cpu/fast.h"

/* By an immediate, which is not 0 then, and by CL. */
#define SHIFT_SIZE(op, z)						\
	HANDLER(op##_ri##z)						\
	{								\
		unsigned off = i->opd[0].off, n = shift_count(i->imm, z); \
		if (n == 0)						\
			__builtin_unreachable();			\
		gpr_put(c, off, op_##op(&c->flags, REG(0, z), n, z), z); \
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(op##_ri##z##_dead)					\
	{								\
		unsigned off = i->opd[0].off, n = shift_count(i->imm, z); \
		struct flags f = c->flags;				\
		if (n == 0)						\
			__builtin_unreachable();			\
		gpr_put(c, off, op_##op(&f, REG(0, z), n, z), z);	\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(op##_rr##z)						\
	{								\
		unsigned off = i->opd[0].off;				\
		gpr_put(c, off, op_##op(&c->flags, REG(0, z),		\
		    gpr_get8(c, 8 * RCX), z), z);			\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(op##_rr##z##_dead)					\
	{								\
		unsigned off = i->opd[0].off;				\
		struct flags f = c->flags;				\
		gpr_put(c, off, op_##op(&f, REG(0, z),			\
		    gpr_get8(c, 8 * RCX), z), z);			\
		CPU_NEXT(c, i);						\
	}
#define SHIFT(op)							\
	SHIFT_SIZE(op, 4)						\
	SHIFT_SIZE(op, 8)						\
	static cpu_exec *						\
	pick_##op(const struct insn *i, const struct bind *b)		\
	{								\
		static cpu_exec *const by_form[2][2][2] = {		\
			{ { op##_rr4, op##_rr4_dead },			\
			  { op##_ri4, op##_ri4_dead } },		\
			{ { op##_rr8, op##_rr8_dead },			\
			  { op##_ri8, op##_ri8_dead } },		\
		};							\
		enum shape form = form_of(i);				\
									\
		if (form > FORM_RI || i->size < 4 ||			\
		    (form == FORM_RI && !shift_count(i->imm, i->size)))	\
			return NULL;					\
		return by_form[i->size == 8][form][b->dead];		\
	}
SHIFT(shl) SHIFT(shr) SHIFT(sar) SHIFT(rol) SHIFT(ror)

/* --- BMI2: the count in a register or an immediate ------------------------------- */

#define SHIFT_X(op, z)							\
	HANDLER(op##x_##z)						\
	{								\
		struct flags f = { 0 };					\
		uint64_t n = i->opd[2].kind == OPD_IMM ? i->imm :	\
		    REG(2, z);						\
		gpr_put(c, i->opd[0].off, op_##op(&f, REG(1, z), n, z), z); \
		CPU_NEXT(c, i);						\
	}
#define PICK_X(op)							\
	SHIFT_X(op, 4)							\
	SHIFT_X(op, 8)							\
	static cpu_exec *						\
	pick_##op##x(const struct insn *i, const struct bind *b)	\
	{								\
		if (i->opd[1].kind != OPD_GPR)				\
			return NULL;					\
		return i->size == 8 ? op##x_8 : op##x_4;		\
	}
PICK_X(shl) PICK_X(shr) PICK_X(sar) PICK_X(ror)

/* --- Bits -------------------------------------------------------------------------- */

#define BIT_SIZE(op, z)							\
	HANDLER(op##_rr##z)						\
	{								\
		unsigned off = i->opd[0].off;				\
		gpr_put(c, off, op_##op(&c->flags, REG(0, z), REG(1, z), \
		    z), z);						\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(op##_ri##z)						\
	{								\
		unsigned off = i->opd[0].off;				\
		gpr_put(c, off, op_##op(&c->flags, REG(0, z), i->imm, z), \
		    z);							\
		CPU_NEXT(c, i);						\
	}
#define BIT(op)								\
	BIT_SIZE(op, 4)							\
	BIT_SIZE(op, 8)							\
	static cpu_exec *						\
	pick_##op(const struct insn *i, const struct bind *b)		\
	{								\
		static cpu_exec *const by_form[2][2] = {			\
			{ op##_rr4, op##_ri4 }, { op##_rr8, op##_ri8 }	\
		};							\
		enum shape form = form_of(i);				\
									\
		return form > FORM_RI || i->size < 4 ? NULL :		\
		    by_form[i->size == 8][form];				\
	}
BIT(bts) BIT(btr) BIT(btc)

/* The register is not written: its upper half would be cleared. */
#define BT_SIZE(z)							\
	HANDLER(bt_rr##z)						\
	{								\
		op_bt(&c->flags, REG(0, z), REG(1, z), z);		\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(bt_ri##z)						\
	{								\
		op_bt(&c->flags, REG(0, z), i->imm, z);			\
		CPU_NEXT(c, i);						\
	}
BT_SIZE(4) BT_SIZE(8)

static cpu_exec *
pick_bt(const struct insn *i, const struct bind *b)
{
	static cpu_exec *const by_form[2][2] = {
		{ bt_rr4, bt_ri4 }, { bt_rr8, bt_ri8 }
	};
	enum shape form = form_of(i);

	return form > FORM_RI || i->size < 4 ? NULL :
	    by_form[i->size == 8][form];
}

/* --- Products ------------------------------------------------------------------------ */

#define IMUL_SIZE(z)							\
	HANDLER(imul_rr##z)						\
	{								\
		unsigned off = i->opd[0].off;				\
		gpr_put(c, off, op_imul(&c->flags, REG(0, z), REG(1, z), \
		    z), z);						\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(imul_rri##z)						\
	{								\
		unsigned off = i->opd[0].off;				\
		gpr_put(c, off, op_imul(&c->flags, REG(1, z), i->imm, z), \
		    z);							\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(imul_rm##z)						\
	{								\
		unsigned off = i->opd[0].off;				\
		OPERAND(p, ea_any, z, TLB_READ, x_imul)			\
		gpr_put(c, off, op_imul(&c->flags, REG(0, z),		\
		    host_get(p, z), z), z);				\
		CPU_NEXT(c, i);						\
	}
IMUL_SIZE(4) IMUL_SIZE(8)

static cpu_exec *
pick_imul(const struct insn *i, const struct bind *b)
{
	bool wide = i->size == 8;

	if (i->size < 4)
		return NULL;
	switch (form_of(i)) {
	case FORM_RR:
		if (i->opd[2].kind == OPD_IMM)
			return wide ? imul_rri8 : imul_rri4;
		return wide ? imul_rr8 : imul_rr4;
	case FORM_RM:
	case FORM_RM_ANY:
		if (i->opd[2].kind == OPD_IMM)
			return NULL;
		return wide ? imul_rm8 : imul_rm4;
	default:
		return NULL;
	}
}

static cpu_exec *
pick_none(const struct insn *i, const struct bind *b)
{
	return NULL;
}

const struct fast fast_shift[] = {
	{ x_shl, pick_shl, true },
	{ x_shr, pick_shr, true },
	{ x_sar, pick_sar, true },
	{ x_rol, pick_rol, true },
	{ x_ror, pick_ror, true },
	{ x_shlx, pick_shlx, true },
	{ x_shrx, pick_shrx, true },
	{ x_sarx, pick_sarx, true },
	{ x_rorx, pick_rorx, true },
	{ x_bt, pick_bt, true },
	{ x_bts, pick_bts, true },
	{ x_btr, pick_btr, true },
	{ x_btc, pick_btc, true },
	{ x_imul, pick_imul, true },
	/* No fast by_form, but they cannot fault either. */
	{ x_rcl, pick_none, true },
	{ x_rcr, pick_none, true },
	{ x_shld, pick_none, true },
	{ x_shrd, pick_none, true },
	{ x_mul, pick_none, true },
	{ x_mulx, pick_none, true },
	{ x_bswap, pick_none, true },
	{ x_bsf, pick_none, true },
	{ x_bsr, pick_none, true },
	{ x_lzcnt, pick_none, true },
	{ x_tzcnt, pick_none, true },
	{ x_popcnt, pick_none, true },
	{ x_andn, pick_none, true },
	{ x_nop, pick_none, true },
	{ NULL }
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fast_move.c - moves, extensions, addresses, conditions; one handler a form */
#include "cpu/fast.h"

#define MOVE_SIZE(z)							\
	HANDLER(mov_rr##z)						\
	{								\
		gpr_put(c, i->opd[0].off, REG(1, z), z);		\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(mov_ri##z)						\
	{								\
		gpr_put(c, i->opd[0].off, i->imm, z);			\
		CPU_NEXT(c, i);						\
	}								\
	MOVE_RM(rm, z, ea_base)						\
	MOVE_RM(rma, z, ea_any)						\
	MOVE_M(mr, z, ea_base, REG(1, z))				\
	MOVE_M(mra, z, ea_any, REG(1, z))				\
	MOVE_M(mi, z, ea_base, i->imm)					\
	MOVE_M(mia, z, ea_any, i->imm)

#define MOVE_RM(form, z, ea)						\
	HANDLER(mov_##form##z)						\
	{								\
		OPERAND(p, ea, z, TLB_READ, x_mov)			\
		gpr_put(c, i->opd[0].off, host_get(p, z), z);		\
		CPU_NEXT(c, i);						\
	}
#define MOVE_M(form, z, ea, value)					\
	HANDLER(mov_##form##z)						\
	{								\
		OPERAND(p, ea, z, TLB_WRITE, x_mov)			\
		host_put(p, value, z);					\
		CPU_NEXT(c, i);						\
	}
MOVE_SIZE(1) MOVE_SIZE(2) MOVE_SIZE(4) MOVE_SIZE(8)

static cpu_exec *
pick_mov(const struct insn *i, const struct bind *b)
{
#define ROW(z) { mov_rr##z, mov_ri##z, mov_rm##z, mov_rma##z,		\
	mov_mr##z, mov_mra##z, mov_mi##z, mov_mia##z }
	static cpu_exec *const by_form[4][FORMS] = {
		ROW(1), ROW(2), ROW(4), ROW(8)
	};
#undef ROW
	enum shape form = form_of(i);
	cpu_exec *pair = fast_pair(i, b);

	if (pair)
		return pair;
	return form == FORM_NONE ? NULL : by_form[size_log(i->size)][form];
}

/* --- Extensions: from size z to 32 or 64 bits ----------------------------------- */

#define EXTEND(name, slow, z, to, convert)				\
	HANDLER(name##_rr)						\
	{								\
		gpr_put(c, i->opd[0].off, convert(REG(1, z)), to);	\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(name##_rm)						\
	{								\
		OPERAND(p, ea_base, z, TLB_READ, slow)			\
		gpr_put(c, i->opd[0].off, convert(host_get(p, z)), to);	\
		CPU_NEXT(c, i);						\
	}								\
	HANDLER(name##_rma)						\
	{								\
		OPERAND(p, ea_any, z, TLB_READ, slow)			\
		gpr_put(c, i->opd[0].off, convert(host_get(p, z)), to);	\
		CPU_NEXT(c, i);						\
	}
#define SIGN1(v) ((uint64_t)(int8_t)(v))
#define SIGN2(v) ((uint64_t)(int16_t)(v))
#define SIGN4(v) ((uint64_t)(int32_t)(v))
#define ZERO(v) (v)
EXTEND(movzx1, x_movzx, 1, 8, ZERO)	/* 32 bits are the same */
EXTEND(movzx2, x_movzx, 2, 8, ZERO)
EXTEND(movsx14, x_movsx, 1, 4, SIGN1)
EXTEND(movsx18, x_movsx, 1, 8, SIGN1)
EXTEND(movsx24, x_movsx, 2, 4, SIGN2)
EXTEND(movsx28, x_movsx, 2, 8, SIGN2)
EXTEND(movsxd, x_movsxd, 4, 8, SIGN4)

#define FORMS_OF(name) { name##_rr, name##_rm, name##_rma }

static cpu_exec *
extension(cpu_exec *const by_form[3], const struct insn *i)
{
	switch (form_of(i)) {
	case FORM_RR: return by_form[0];
	case FORM_RM: return by_form[1];
	case FORM_RM_ANY: return by_form[2];
	default: return NULL;
	}
}

static cpu_exec *
pick_movzx(const struct insn *i, const struct bind *b)
{
	static cpu_exec *const by_form[2][3] = {
		FORMS_OF(movzx1), FORMS_OF(movzx2)
	};

	return i->size < 4 ? NULL : extension(by_form[i->opd[1].size == 2], i);
}

static cpu_exec *
pick_movsx(const struct insn *i, const struct bind *b)
{
	static cpu_exec *const by_form[2][2][3] = {
		{ FORMS_OF(movsx14), FORMS_OF(movsx18) },
		{ FORMS_OF(movsx24), FORMS_OF(movsx28) }
	};

	return i->size < 4 ? NULL :
	    extension(by_form[i->opd[1].size == 2][i->size == 8], i);
}

static cpu_exec *
pick_movsxd(const struct insn *i, const struct bind *b)
{
	static cpu_exec *const by_form[3] = FORMS_OF(movsxd);

	return i->size == 8 ? extension(by_form, i) : NULL;
}

/* --- Addresses ------------------------------------------------------------------- */

#define LEA(name, ea, z)						\
	HANDLER(name)							\
	{								\
		gpr_put(c, i->opd[0].off, ea(c, i), z);			\
		CPU_NEXT(c, i);						\
	}
LEA(lea_base4, ea_base, 4)
LEA(lea_base8, ea_base, 8)
LEA(lea_any4, ea_any, 4)
LEA(lea_any8, ea_any, 8)

static cpu_exec *
pick_lea(const struct insn *i, const struct bind *b)
{
	if (i->size < 4)
		return NULL;
	if (is_base(i))
		return i->size == 8 ? lea_base8 : lea_base4;
	return i->size == 8 ? lea_any8 : lea_any4;
}

/* --- Conversions in rAX ------------------------------------------------------------ */

HANDLER(cwde)
{
	gpr_put32(c, 0, (uint32_t)(int16_t)c->gpr[RAX]);
	CPU_NEXT(c, i);
}
HANDLER(cdqe)
{
	c->gpr[RAX] = (uint64_t)(int32_t)c->gpr[RAX];
	CPU_NEXT(c, i);
}
HANDLER(cdq)
{
	c->gpr[RDX] = (uint32_t)((int32_t)c->gpr[RAX] >> 31);
	CPU_NEXT(c, i);
}
HANDLER(cqo)
{
	c->gpr[RDX] = (uint64_t)((int64_t)c->gpr[RAX] >> 63);
	CPU_NEXT(c, i);
}

static cpu_exec *
pick_cbw(const struct insn *i, const struct bind *b)
{
	return i->size == 8 ? cdqe : i->size == 4 ? cwde : NULL;
}

static cpu_exec *
pick_cwd(const struct insn *i, const struct bind *b)
{
	return i->size == 8 ? cqo : i->size == 4 ? cdq : NULL;
}

/* --- Conditions as values ------------------------------------------------------------ */

#define CMOV_RR(n, z)							\
	HANDLER(cmov_rr##z##_##n)					\
	{								\
		unsigned off = i->opd[0].off;				\
		uint64_t v = REG(1, z);					\
		if (!flags_cond(&c->flags, n))				\
			v = REG(0, z);					\
		gpr_put(c, off, v, z);					\
		CPU_NEXT(c, i);						\
	}
#define CMOV_RM(n, z)							\
	HANDLER(cmov_rm##z##_##n)					\
	{								\
		unsigned off = i->opd[0].off;				\
		OPERAND(p, ea_any, z, TLB_READ, x_cmovcc)		\
		uint64_t v = host_get(p, z);				\
		if (!flags_cond(&c->flags, n))				\
			v = REG(0, z);					\
		gpr_put(c, off, v, z);					\
		CPU_NEXT(c, i);						\
	}
CONDS(CMOV_RR, 4)
CONDS(CMOV_RR, 8)
CONDS(CMOV_RM, 4)
CONDS(CMOV_RM, 8)

#define ENTRY(n, name) name##_##n,

static cpu_exec *
pick_cmov(const struct insn *i, const struct bind *b)
{
	static cpu_exec *const rr[2][16] = {
		{ CONDS(ENTRY, cmov_rr4) }, { CONDS(ENTRY, cmov_rr8) }
	};
	static cpu_exec *const rm[2][16] = {
		{ CONDS(ENTRY, cmov_rm4) }, { CONDS(ENTRY, cmov_rm8) }
	};
	bool wide = i->size == 8;

	if (i->size < 4)
		return NULL;
	switch (form_of(i)) {
	case FORM_RR: return rr[wide][i->cond];
	case FORM_RM: case FORM_RM_ANY: return rm[wide][i->cond];
	default: return NULL;
	}
}

#define SET(n, z)							\
	HANDLER(set_##n)						\
	{								\
		gpr_put8(c, i->opd[0].off, flags_cond(&c->flags, n));	\
		CPU_NEXT(c, i);						\
	}
CONDS(SET, 1)

static cpu_exec *
pick_set(const struct insn *i, const struct bind *b)
{
	static cpu_exec *const all[16] = { CONDS(ENTRY, set) };

	return i->opd[0].kind == OPD_GPR ? all[i->cond] : NULL;
}

const struct fast fast_move[] = {
	{ x_mov, pick_mov, true },
	{ x_movzx, pick_movzx, true },
	{ x_movsx, pick_movsx, true },
	{ x_movsxd, pick_movsxd, true },
	{ x_lea, pick_lea, true },
	{ x_cbw, pick_cbw, true },
	{ x_cwd, pick_cwd, true },
	{ x_cmovcc, pick_cmov, true },
	{ x_setcc, pick_set, true },
	{ NULL }
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fast_fuse.c - what sets flags and the conditional jump after it, in one
 *
 * The first of the two does both; the second stays where it is, for whoever
 * comes to it alone.  The flags are set all the same: they may be looked at
 * after the jump.  The condition is found from the operands, not from them.
 */
#include "cpu/fast.h"

/* The condition after a - b. */
INLINE bool
cond_sub(const struct flags *f, uint64_t a, uint64_t b, unsigned size,
    unsigned cond)
{
	int64_t sa = flags_sext(a, size), sb = flags_sext(b, size);
	uint64_t mask = size_mask(size);
	bool yes;

	a &= mask;
	b &= mask;
	switch (cond >> 1) {
	case 1: yes = a < b; break;
	case 2: yes = a == b; break;
	case 3: yes = a <= b; break;
	case 6: yes = sa < sb; break;
	case 7: yes = sa <= sb; break;
	default: return flags_cond(f, cond);	/* OF, SF, PF */
	}
	return yes ^ (cond & 1);
}

/* Locals, for the compiler to see the condition through them. */
#define BRANCH(condition)						\
	if (condition)							\
		jump_direct64(c, i + 1);				\
	else								\
		jump_next64(c, i + 1)

#define FUSE_SUB(n, op, form, z, A, B, PUT)				\
	HANDLER(op##_##form##z##_##n)					\
	{								\
		DEST;							\
		A							\
		uint64_t b = B, res = a - b;				\
		struct flags f;						\
		flags_sub(&f, a, b, res, z);				\
		c->flags.res = f.res;					\
		c->flags.aux = f.aux;					\
		PUT;							\
		BRANCH(cond_sub(&f, a, b, z, n));			\
	}

#define FUSE_OP(n, op, form, z, A, B, PUT)				\
	HANDLER(op##_##form##z##_##n)					\
	{								\
		DEST;							\
		A							\
		uint64_t b = B, res;					\
		struct flags f = c->flags;				\
		res = op_##op(&f, a, b, z);				\
		c->flags.res = f.res;					\
		c->flags.aux = f.aux;					\
		PUT;							\
		BRANCH(flags_cond(&f, n));				\
		(void)res;						\
	}

#define op_test op_and
#define FROM_REG(z) uint64_t a = REG(0, z);
#define FROM_MEM(ea, slow, z)						\
	OPERAND(p, ea, z, TLB_READ, slow)				\
	uint64_t a = host_get(p, z);
/* cmp r, m: a is the register, b the memory */
#define WITH_MEM(ea, slow, z)						\
	OPERAND(p, ea, z, TLB_READ, slow)				\
	uint64_t a = REG(0, z);
#define TO_REG(z) gpr_put(c, off, res, z)
#define NOWHERE ((void)0)

#define ENTRY(n, name) name##_##n,
#define TABLE(name)							\
	static cpu_exec *const name[16] = { CONDS(ENTRY, name) };

#define CMP_SIZE(z)							\
	CONDS(FUSE_SUB, cmp, rr, z, FROM_REG(z), REG(1, z), NOWHERE)	\
	CONDS(FUSE_SUB, cmp, ri, z, FROM_REG(z), i->imm, NOWHERE)	\
	CONDS(FUSE_SUB, cmp, rm, z, WITH_MEM(ea_any, x_cmp, z),		\
	    host_get(p, z), NOWHERE)					\
	CONDS(FUSE_SUB, cmp, mr, z, FROM_MEM(ea_any, x_cmp, z),		\
	    REG(1, z), NOWHERE)						\
	CONDS(FUSE_SUB, cmp, mi, z, FROM_MEM(ea_any, x_cmp, z),		\
	    i->imm, NOWHERE)						\
	TABLE(cmp_rr##z) TABLE(cmp_ri##z) TABLE(cmp_rm##z)		\
	TABLE(cmp_mr##z) TABLE(cmp_mi##z)
CMP_SIZE(1) CMP_SIZE(2) CMP_SIZE(4) CMP_SIZE(8)

#define TEST_SIZE(z)							\
	CONDS(FUSE_OP, test, rr, z, FROM_REG(z), REG(1, z), NOWHERE)	\
	CONDS(FUSE_OP, test, ri, z, FROM_REG(z), i->imm, NOWHERE)	\
	CONDS(FUSE_OP, test, mi, z, FROM_MEM(ea_any, x_test, z),	\
	    i->imm, NOWHERE)						\
	TABLE(test_rr##z) TABLE(test_ri##z) TABLE(test_mi##z)
TEST_SIZE(1) TEST_SIZE(4) TEST_SIZE(8)

#define ARITH_SIZE(z)							\
	CONDS(FUSE_SUB, sub, rr, z, FROM_REG(z), REG(1, z), TO_REG(z))	\
	CONDS(FUSE_SUB, sub, ri, z, FROM_REG(z), i->imm, TO_REG(z))	\
	CONDS(FUSE_OP, add, rr, z, FROM_REG(z), REG(1, z), TO_REG(z))	\
	CONDS(FUSE_OP, add, ri, z, FROM_REG(z), i->imm, TO_REG(z))	\
	CONDS(FUSE_OP, and, rr, z, FROM_REG(z), REG(1, z), TO_REG(z))	\
	CONDS(FUSE_OP, and, ri, z, FROM_REG(z), i->imm, TO_REG(z))	\
	CONDS(FUSE_OP, dec, r, z, FROM_REG(z), 1, TO_REG(z))		\
	CONDS(FUSE_OP, inc, r, z, FROM_REG(z), 1, TO_REG(z))		\
	TABLE(sub_rr##z) TABLE(sub_ri##z)				\
	TABLE(add_rr##z) TABLE(add_ri##z)				\
	TABLE(and_rr##z) TABLE(and_ri##z)				\
	TABLE(dec_r##z) TABLE(inc_r##z)
ARITH_SIZE(4) ARITH_SIZE(8)

/* --- Choosing --------------------------------------------------------------------- */

typedef cpu_exec *const by_cond[16];

static by_cond *
pick_cmp(const struct insn *i, unsigned size)
{
	static by_cond *const by_form[4][5] = {
		{ &cmp_rr1, &cmp_ri1, &cmp_rm1, &cmp_mr1, &cmp_mi1 },
		{ &cmp_rr2, &cmp_ri2, &cmp_rm2, &cmp_mr2, &cmp_mi2 },
		{ &cmp_rr4, &cmp_ri4, &cmp_rm4, &cmp_mr4, &cmp_mi4 },
		{ &cmp_rr8, &cmp_ri8, &cmp_rm8, &cmp_mr8, &cmp_mi8 },
	};

	switch (form_of(i)) {
	case FORM_RR: return by_form[size][0];
	case FORM_RI: return by_form[size][1];
	case FORM_RM: case FORM_RM_ANY: return by_form[size][2];
	case FORM_MR: case FORM_MR_ANY: return by_form[size][3];
	case FORM_MI: case FORM_MI_ANY: return by_form[size][4];
	default: return NULL;
	}
}

static by_cond *
pick_test(const struct insn *i, unsigned size)
{
	static by_cond *const by_form[4][3] = {
		{ &test_rr1, &test_ri1, &test_mi1 },
		{ NULL, NULL, NULL },
		{ &test_rr4, &test_ri4, &test_mi4 },
		{ &test_rr8, &test_ri8, &test_mi8 },
	};

	switch (form_of(i)) {
	case FORM_RR: return by_form[size][0];
	case FORM_RI: return by_form[size][1];
	case FORM_MI: case FORM_MI_ANY: return by_form[size][2];
	default: return NULL;
	}
}

/* What writes a register: rr, ri. */
static by_cond *
pick_arith(cpu_exec *slow, const struct insn *i, bool wide)
{
	static const struct {
		cpu_exec *slow;
		by_cond *by_form[2][2];
	} all[] = {
		{ x_sub, { { &sub_rr4, &sub_ri4 }, { &sub_rr8, &sub_ri8 } } },
		{ x_add, { { &add_rr4, &add_ri4 }, { &add_rr8, &add_ri8 } } },
		{ x_and, { { &and_rr4, &and_ri4 }, { &and_rr8, &and_ri8 } } },
		{ x_dec, { { &dec_r4, NULL }, { &dec_r8, NULL } } },
		{ x_inc, { { &inc_r4, NULL }, { &inc_r8, NULL } } },
	};

	if (i->opd[0].kind != OPD_GPR || i->opd[1].kind == OPD_MEM)
		return NULL;
	for (unsigned n = 0; n < sizeof(all) / sizeof(all[0]); n++)
		if (all[n].slow == slow)
			return all[n].by_form[wide][i->opd[1].kind == OPD_IMM];
	return NULL;
}

cpu_exec *
fast_fused(const struct insn *i, const struct bind *b)
{
	cpu_exec *slow = bind_generic(i);
	unsigned size = size_log(i->size);
	by_cond *table = NULL;

	if (!b->next || !b->flat || bind_generic(b->next) != x_jcc ||
	    b->next->size < 4)
		return NULL;
	if (slow == x_cmp)
		table = pick_cmp(i, size);
	else if (slow == x_test)
		table = pick_test(i, size);
	else if (size >= 2)
		table = pick_arith(slow, i, size == 3);
	return table ? (*table)[b->next->cond] : NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fast_pair.c - MOV to a register and an operation on it, in one
 *
 * What compilers make of a = b op c.  The value between the two goes through
 * no memory, which is what a chain of instructions waits for.  Neither can
 * fault, so nobody sees the state between them; the second stays where it is,
 * as with fused jumps (fast_fuse.c).
 */
#include "cpu/fast.h"

/* MOV's source and the other's second operand into the destination of both;
 * j is the other. */
#define PAIR(name, op, z, B, FLAGS)					\
	HANDLER(name)							\
	{								\
		const struct insn *j = i + 1;				\
		struct flags f __attribute__((unused)) = c->flags;	\
		DEST;							\
		gpr_put(c, off, op_##op(FLAGS, REG(1, z), B, z), z);	\
		CPU_NEXT(c, j);						\
	}

#define PAIR_SIZE(op, z)						\
	PAIR(op##_rr##z, op, z, gpr_get(c, j->opd[1].off, z), &c->flags) \
	PAIR(op##_ri##z, op, z, j->imm, &c->flags)			\
	PAIR(op##_rr##z##_dead, op, z, gpr_get(c, j->opd[1].off, z), &f) \
	PAIR(op##_ri##z##_dead, op, z, j->imm, &f)

/* Shifts by an immediate that is not 0. */
INLINE uint64_t
count_of(const struct insn *j, unsigned size)
{
	unsigned n = shift_count(j->imm, size);

	if (n == 0)
		__builtin_unreachable();
	return n;
}
#define PAIR_SHIFT_SIZE(op, z)						\
	PAIR(op##_ri##z, op, z, count_of(j, z), &c->flags)		\
	PAIR(op##_ri##z##_dead, op, z, count_of(j, z), &f)

#define PAIRS(op) PAIR_SIZE(op, 4) PAIR_SIZE(op, 8)
#define PAIRS_SHIFT(op) PAIR_SHIFT_SIZE(op, 4) PAIR_SHIFT_SIZE(op, 8)
PAIRS(add) PAIRS(sub) PAIRS(and) PAIRS(or) PAIRS(xor)
PAIRS_SHIFT(shl) PAIRS_SHIFT(shr) PAIRS_SHIFT(sar)
PAIRS_SHIFT(rol) PAIRS_SHIFT(ror)

#define FORMS_OF(op, z) {						\
	{ op##_rr##z, op##_rr##z##_dead },				\
	{ op##_ri##z, op##_ri##z##_dead } }
#define FORMS_OF_SHIFT(op, z) {						\
	{ NULL, NULL }, { op##_ri##z, op##_ri##z##_dead } }
#define ENTRY(op) { x_##op, { FORMS_OF(op, 4), FORMS_OF(op, 8) } }
#define ENTRY_SHIFT(op)							\
	{ x_##op, { FORMS_OF_SHIFT(op, 4), FORMS_OF_SHIFT(op, 8) } }

cpu_exec *
fast_pair(const struct insn *i, const struct bind *b)
{
	static const struct {
		cpu_exec *slow;
		cpu_exec *run[2][2][2];	/* 8 bytes; immediate; dead */
	} all[] = {
		ENTRY(add), ENTRY(sub), ENTRY(and), ENTRY(or), ENTRY(xor),
		ENTRY_SHIFT(shl), ENTRY_SHIFT(shr), ENTRY_SHIFT(sar),
		ENTRY_SHIFT(rol), ENTRY_SHIFT(ror),
	};
	const struct insn *j = b->next;
	enum shape form;
	cpu_exec *slow;

	if (!j || b->next_jumps || i->size < 4 || form_of(i) != FORM_RR ||
	    j->size != i->size || j->opd[0].kind != OPD_GPR ||
	    j->opd[0].off != i->opd[0].off)
		return NULL;
	form = form_of(j);
	/* Its own new value as second operand is not the old one. */
	if (form > FORM_RI ||
	    (form == FORM_RR && j->opd[1].off == i->opd[0].off))
		return NULL;
	slow = bind_generic(j);
	for (unsigned n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
		if (all[n].slow != slow)
			continue;
		/* A shift by 0 leaves the flags alone; those by CL are not
		 * here. */
		if (n >= 5 && !shift_count(j->imm, j->size))
			return NULL;
		return all[n].run[i->size == 8][form == FORM_RI][b->next_dead];
	}
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fast.h - handlers made for one form of an instruction
 *
 * The handler x_NAME does every form of its instruction.  Here are those that
 * do one: operand kinds, size and the shape of the address are known, the
 * memory operand's segment is flat, nothing is locked.  What they cannot do
 * in a straight line (the table of translations does not have the page, the
 * operand crosses one) they leave to x_NAME: a jump to it before anything has
 * changed.  So none of them calls a function, and none has a stack frame.
 *
 * bind.c chooses.
 */
#ifndef CPU_FAST_H
#define CPU_FAST_H

#include "cpu/bind.h"
#include "cpu/block.h"
#include "cpu/ops.h"
#include "cpu/table.h"

/* What is known of an instruction beside itself. */
struct bind {
	const struct insn *next;	/* in its block, NULL: the last */
	bool flat;	/* 64-bit mode, or 32-bit with flat segments */
	bool dead;	/* nobody sees the flags it sets */
	bool next_dead;	/* nor those that the next sets */
	bool next_jumps;	/* the next may be fused with a jump */
};

typedef cpu_exec *fast_pick(const struct insn *, const struct bind *);

struct fast {
	cpu_exec *slow;		/* x_NAME */
	fast_pick *pick;	/* NULL from it: take x_NAME */
	/* Without a memory operand it cannot fault: flags set before it and
	 * overwritten by it or later are seen by nobody. */
	bool pure;
};

/* Each ends with an entry of NULL. */
extern const struct fast fast_alu[], fast_move[], fast_shift[], fast_flow[];

/* A comparison and the conditional jump after it (fast_fuse.c). */
cpu_exec *fast_fused(const struct insn *, const struct bind *);

/* A MOV between registers and the operation after it (fast_pair.c). */
cpu_exec *fast_pair(const struct insn *, const struct bind *);

/* --- Shapes of addresses -------------------------------------------------------- */

/* base + disp in 64 bits */
INLINE uint64_t
ea_base(const struct cpu *c, const struct insn *i)
{
	return c->gpr[i->base] + (uint64_t)i->disp;
}
/* any */
#define ea_any cpu_ea

INLINE bool
is_base(const struct insn *i)
{
	return i->index == REG_ZERO && i->amask == ~0ull;
}

/* The memory operand is plain: no segment to be asked, no lock. */
INLINE bool
is_plain(const struct insn *i)
{
	return !(i->flags & INSN_CHECKED) && !(i->prefix & PREFIX_LOCK);
}

/* Sizes 1, 2, 4, 8 as 0, 1, 2, 3. */
INLINE unsigned
size_log(unsigned size)
{
	return (unsigned)__builtin_ctz(size);
}

/* Kinds of two operands, or of one. */
enum shape {
	FORM_RR, FORM_RI,
	FORM_RM, FORM_RM_ANY,	/* base + disp; any address */
	FORM_MR, FORM_MR_ANY,
	FORM_MI, FORM_MI_ANY,
	FORMS,
	FORM_NONE = FORMS
};

static inline enum shape
form_of(const struct insn *i)
{
	unsigned a = i->opd[0].kind, b = i->opd[1].kind;

	if (i->flags & INSN_MEM && !is_plain(i))
		return FORM_NONE;
	if (a == OPD_GPR && b == OPD_GPR)
		return FORM_RR;
	if (a == OPD_GPR && b == OPD_IMM)
		return FORM_RI;
	if (a == OPD_GPR && b == OPD_MEM)
		return is_base(i) ? FORM_RM : FORM_RM_ANY;
	if (a == OPD_MEM && b == OPD_GPR)
		return is_base(i) ? FORM_MR : FORM_MR_ANY;
	if (a == OPD_MEM && b == OPD_IMM)
		return is_base(i) ? FORM_MI : FORM_MI_ANY;
	return FORM_NONE;
}

/* --- Bodies ---------------------------------------------------------------------- */

#define HANDLER(name) \
	static void name(struct cpu *c, const struct insn *i)

/* Host memory at lin as p, or x_NAME does it all.  As tlb_find(), but that
 * there is no pointer to be looked at again. */
#define HOST(p, lin, size, kind, slow)					\
	uint64_t p##_lin = (lin);					\
	const struct tlb_entry *p##_entry = &c->tlb[kind][		\
	    p##_lin >> PAGE_BITS & (TLB_ENTRIES - 1)];			\
	if (unlikely(p##_lin - p##_entry->page > PAGE_SIZE - (size))) {	\
		slow(c, i);						\
		return;							\
	}								\
	void *p = (void *)(uintptr_t)(p##_lin + p##_entry->add);

#define OPERAND(p, ea, size, kind, slow) HOST(p, ea(c, i), size, kind, slow)

/* opd[n] as a register. */
#define REG(n, size) gpr_get(c, i->opd[n].off, size)

/* Where the result goes, taken before anything is written. */
#define DEST unsigned off __attribute__((unused)) = i->opd[0].off

/* A list for each of the sixteen conditions. */
#define CONDS(X, ...)							\
	X(0, __VA_ARGS__) X(1, __VA_ARGS__) X(2, __VA_ARGS__)		\
	X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__)		\
	X(6, __VA_ARGS__) X(7, __VA_ARGS__) X(8, __VA_ARGS__)		\
	X(9, __VA_ARGS__) X(10, __VA_ARGS__) X(11, __VA_ARGS__)		\
	X(12, __VA_ARGS__) X(13, __VA_ARGS__) X(14, __VA_ARGS__)	\
	X(15, __VA_ARGS__)

#endif
